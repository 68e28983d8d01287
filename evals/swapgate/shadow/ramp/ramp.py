"""Who of the real traffic is answered by the candidate: asked for every request, in microseconds."""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from swapgate.errors import StoreError
from swapgate.shadow.ramp.state import RampState, RampStore
from swapgate.shadow.records import Served
from swapgate.shadow.sampling import is_drawn

REREAD_S = 1.0
# A rollback that cannot be read must not be waited for: the control is what everybody had before.
LONGEST_BLIND_S = 30.0
_LOG = logging.getLogger("swapgate.shadow")


class Ramp:
    """The shares of all routes as a process that serves sees them.

    Sticky and monotone: whoever has the candidate at 5% has it at 25%. The state is read anew every
    `reread_s`. While it cannot be read the last one stands; after `LONGEST_BLIND_S` everybody is back at the
    control. Not shared by threads.
    """

    def __init__(
        self, path: Path, *, reread_s: float = REREAD_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = path
        self._reread_s = reread_s
        self._clock = clock
        self._store: RampStore | None = None
        self._states: dict[str, RampState] = {}
        self._due = self._read_at = clock()

    def leg_for(self, route: str, unit: str) -> Served:
        """Return who answers a unit (a user, a session; else the request itself) on a route."""
        if self._clock() >= self._due:
            self._reread()
        state = self._states.get(route)
        if state is None or not is_drawn(unit, state.share, salt=state.salt):
            return "control"
        return "candidate"

    def share(self, route: str) -> float:
        """Return the share of a route."""
        if self._clock() >= self._due:
            self._reread()
        state = self._states.get(route)
        return 0.0 if state is None else state.share

    def close(self) -> None:
        """Close the file."""
        if self._store is not None:
            self._store.close()

    def _reread(self) -> None:
        now = self._clock()
        self._due = now + self._reread_s
        if self._store is None and not self._path.is_file():
            return  # nobody has ramped anything yet
        try:
            if self._store is None:
                self._store = RampStore(self._path)
            self._states = {state.route: state for state in self._store.states() if state.share > 0}
            self._read_at = now
        except (StoreError, sqlite3.Error) as exc:
            self._blind(now, exc)

    def _blind(self, now: float, exc: Exception) -> None:
        self._store = None
        if self._states and now - self._read_at > LONGEST_BLIND_S:
            _LOG.error("the ramp cannot be read, so the control answers everybody: %s", exc)
            self._states = {}
