"""The ramps of a workspace in SQLite: what share is served by whom, and every change with its reason."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from swapgate.errors import UsageError
from swapgate.memory.shared_file import FileKind, SharedFile
from swapgate.values import Value, replace

RAMP_FILE = "ramp.db"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS ramps (      -- the present state of each route
    route TEXT PRIMARY KEY,
    candidate TEXT NOT NULL,            -- the model that gets the share
    setup TEXT NOT NULL,                -- of the exchanges that it was promoted on
    share REAL NOT NULL,                -- 0 to 1 of the units
    salt TEXT NOT NULL,                 -- of this ramp: who is drawn first
    changed_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS changes (    -- all of them, never rewritten
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    route TEXT NOT NULL,
    candidate TEXT NOT NULL,
    action TEXT NOT NULL,               -- start, advance, rollback
    before REAL NOT NULL,
    after REAL NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS verdicts (   -- what promote said, each time that it was asked
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    route TEXT NOT NULL,
    candidate TEXT NOT NULL,
    setup TEXT NOT NULL,
    verdict TEXT NOT NULL,
    reason TEXT NOT NULL
);
"""
_KIND = FileKind(
    schema=_SCHEMA,
    format=1,
    trouble="the ramp's state cannot be read or written",
    remedy="Free the disk, or restore the file",
)
RampAction = Literal["start", "advance", "rollback"]


class RampState(Value):
    """What share of a route's units the candidate serves, since when; `salt` decides who they are."""

    route: str
    candidate: str
    setup: str
    share: float
    salt: str
    changed_at: str


class RampChange(Value):
    """One change: from which share to which, by whom and why."""

    at: str
    route: str
    candidate: str
    action: RampAction
    before: float
    after: float
    who: str
    why: str


class SaidVerdict(Value):
    """What `swapgate shadow promote` said of a route at a time."""

    at: str
    route: str
    candidate: str
    setup: str
    verdict: str
    reason: str


class RampStore:
    """Reads and changes ramps; any number of processes may. Raises StoreError."""

    def __init__(self, path: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._clock = clock
        self._file = SharedFile(path, _KIND)
        self._db = self._file.db

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def states(self) -> list[RampState]:
        """Return the state of every route that was ever ramped, by name."""
        with self._file.told():
            rows = self._db.execute(
                "SELECT route, candidate, setup, share, salt, changed_at FROM ramps ORDER BY route"
            ).fetchall()
        names = ("route", "candidate", "setup", "share", "salt", "changed_at")
        return [RampState(**dict(zip(names, row, strict=True))) for row in rows]

    def state(self, route: str) -> RampState | None:
        """Return the state of a route, None where it was never ramped."""
        return next((one for one in self.states() if one.route == route), None)

    def changes(self, route: str | None = None) -> list[RampChange]:
        """Return the changes, the oldest first."""
        with self._file.told():
            rows = self._db.execute(
                "SELECT at, route, candidate, action, before, after, who, why FROM changes "
                "WHERE :route IS NULL OR route = :route ORDER BY id",
                {"route": route},
            ).fetchall()
        names = ("at", "route", "candidate", "action", "before", "after", "who", "why")
        return [RampChange(**dict(zip(names, row, strict=True))) for row in rows]

    def start(self, route: str, *, candidate: str, setup: str, share: float, who: str, why: str) -> RampState:
        """Begin a ramp with a salt of its own, so that not the same people are the first each time."""
        with self._file.transaction():
            before = self._share(route)
            if before > 0:
                raise UsageError(f"route {route!r} is at {before:.0%} already: advance it, or roll it back")
            state = RampState(
                route=route,
                candidate=candidate,
                setup=setup,
                share=share,
                salt=secrets.token_hex(8),
                changed_at=self._now(),
            )
            self._become(state, "start", before=before, who=who, why=why)
        return state

    def advance(self, route: str, *, expected: float, share: float, who: str, why: str) -> RampState:
        """Set a larger share, where it still is as expected: of two changes at once one is refused."""
        with self._file.transaction():
            known = self._known(route)
            if known.share != expected:
                raise UsageError(
                    f"route {route!r} is at {known.share:.0%} by now, no longer at {expected:.0%}: "
                    "somebody changed it. Look with `swapgate shadow ramp status`, then decide again"
                )
            state = replace(known, share=share, changed_at=self._now())
            self._become(state, "advance", before=expected, who=who, why=why)
        return state

    def roll_back(self, route: str, *, who: str, why: str) -> RampState:
        """Set the share to 0, whatever it is."""
        with self._file.transaction():
            known = self._known(route)
            state = replace(known, share=0.0, changed_at=self._now())
            self._become(state, "rollback", before=known.share, who=who, why=why)
        return state

    def add_verdict(self, route: str, *, candidate: str, setup: str, verdict: str, reason: str) -> None:
        """Keep what was decided about a route."""
        with self._file.transaction():
            self._db.execute(
                "INSERT INTO verdicts (at, route, candidate, setup, verdict, reason) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (self._now(), route, candidate, setup, verdict, reason),
            )

    def last_verdict(self, route: str) -> SaidVerdict | None:
        """Return what was decided last about a route."""
        with self._file.told():
            row = self._db.execute(
                "SELECT at, route, candidate, setup, verdict, reason FROM verdicts WHERE route = ? "
                "ORDER BY id DESC LIMIT 1",
                (route,),
            ).fetchone()
        names = ("at", "route", "candidate", "setup", "verdict", "reason")
        return None if row is None else SaidVerdict(**dict(zip(names, row, strict=True)))

    def times_asked(self, route: str, setup: str) -> int:
        """Return how often a decision about a route's setup was asked for."""
        with self._file.told():
            [number] = self._db.execute(
                "SELECT count(*) FROM verdicts WHERE route = ? AND setup = ?", (route, setup)
            ).fetchone()
        return int(number)

    def _known(self, route: str) -> RampState:
        state = self.state(route)
        if state is None:
            raise UsageError(
                f"route {route!r} has no ramp yet: `swapgate shadow ramp advance {route}` starts one"
            )
        return state

    def _share(self, route: str) -> float:
        row = self._db.execute("SELECT share FROM ramps WHERE route = ?", (route,)).fetchone()
        return 0.0 if row is None else float(row[0])

    def _become(self, state: RampState, action: RampAction, *, before: float, who: str, why: str) -> None:
        """Write a state and the change that led to it."""
        self._db.execute("INSERT OR REPLACE INTO ramps VALUES (?, ?, ?, ?, ?, ?)", astuple(state))
        self._db.execute(
            "INSERT INTO changes (at, route, candidate, action, before, after, who, why) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (state.changed_at, state.route, state.candidate, action, before, state.share, who, why),
        )

    def _now(self) -> str:
        return self._clock().isoformat(timespec="milliseconds")
