"""What a day has cost over all processes: each has a lease on a part of it, and may spend what is in there.

A lease is granted before anything is spent from it, so the grants of a day are never less than its costs.
"""

from __future__ import annotations

import os
import platform
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from swapgate.memory.history.migrations import locked
from swapgate.memory.history.opening import telling
from swapgate.memory.history.places import Place, open_engine
from swapgate.spec.day import Day
from swapgate.values import Value

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

SPENDING_FILE = "spending.db"
# Who spends: runs and the commands that ask judges or embed, or the mirror of a shadow deployment.
Account = Literal["runs", "shadow"]
# A process that has said nothing for so long is taken to be dead.
LEASE_S = 60.0
_KEPT_S = 90 * 86_400
# Like that of the history's migrations: any number that no other program uses.
_LOCK = 0x5357_4442


class Spent(Value):
    """A day of one account, in units (see engine.budget).

    `spent` is known to be gone. `held` may still be spent by processes that live. `unknown` was held by
    processes that died: what they had in flight may be billed, so it counts, until somebody releases it.
    """

    spent: int = 0
    held: int = 0
    unknown: int = 0
    processes: int = 0

    @property
    def counted(self) -> int:
        """What the day has cost at most."""
        return self.spent + self.held + self.unknown


class Ask(Value):
    """What a process wants of its lease: it has `spent`, its calls in flight `held`, another may cost `most`.

    `spare` is wanted on top, so that not every call asks; `limit` is that of the day.
    """

    spent: int
    held: int
    most: int
    spare: int
    limit: int


class SpendingLedger:
    """The leases of an SQLite file or a team's PostgreSQL database. Every method is one transaction.

    Raises StoreError. `clock` gives Unix time.
    """

    def __init__(self, place: Place, account: Account = "runs") -> None:
        self._place = place
        self._account = account
        self._engine: Engine | None = None
        self._is_made = False
        self._who = f"{platform.node()}:{os.getpid()}"

    def open_lease(self, now: float | None = None) -> str:
        """Begin a lease that holds nothing yet; return its id."""
        now, name = _now(now), secrets.token_hex(8)
        with self._alone() as (db, table):
            db.execute(table.delete().where(table.c.opened_at < now - _KEPT_S))
            row = {"id": name, "account": self._account, "who": self._who, "opened_at": now}
            db.execute(table.insert().values(**row, granted=0, spent=0, alive_until=now + LEASE_S))
        return name

    def grow(self, lease: str, day: Day, ask: Ask, now: float | None = None) -> tuple[int, Spent]:
        """Let a lease hold one call more, where that fits; return what it may hold by now.

        Beside it stands what all others have of the day: where only what they hold is in the way, it may fit
        later.
        """
        now = _now(now)
        in_use = ask.spent + ask.held
        with self._alone() as (db, table):
            others = _sum((one for one in self._rows(db, table, day) if one.id != lease), now)
            room = ask.limit - others.counted
            fits = in_use + ask.most <= room
            granted = min(in_use + ask.most + ask.spare, room) if fits else in_use
            change = {"spent": ask.spent, "granted": granted, "alive_until": now + LEASE_S}
            db.execute(table.update().where(table.c.id == lease).values(**change))
        return granted, others

    def keep(self, lease: str, *, spent: int, granted: int, now: float | None = None) -> None:
        """Say that a lease's process lives, and what it has spent and may yet."""
        self._write(lease, spent=spent, granted=granted, alive_until=_now(now) + LEASE_S)

    def close_lease(self, lease: str, *, spent: int) -> None:
        """End a lease: what it held and did not spend is free again."""
        self._write(lease, spent=spent, granted=spent, alive_until=0.0)

    def today(self, day: Day, now: float | None = None) -> Spent:
        """Return what a day has cost so far, over all processes. Looking makes no file and no table."""
        if isinstance(self._place, Path) and not self._place.is_file():
            return Spent()
        with telling(self._place):
            self._engine = self._engine or open_engine(self._place)
            if not self._has_table(self._engine):
                return Spent()
            with self._engine.connect() as db:
                return _sum(self._rows(db, _table(), day), _now(now))

    def release(self, day: Day, now: float | None = None) -> int:
        """Take what dead processes held as not spent; return how much that was."""
        now = _now(now)
        if not self.today(day, now).unknown:
            return 0
        with self._alone() as (db, table):
            freed = _sum(self._rows(db, table, day), now).unknown
            ours = (table.c.account == self._account) & (table.c.alive_until < now)
            of_day = (table.c.opened_at >= day.start) & (table.c.opened_at < day.end)
            db.execute(table.update().where(ours & of_day).values(granted=table.c.spent))
        return freed

    def close(self) -> None:
        """Close the database."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine, self._is_made = None, False

    def _write(self, lease: str, **values: float) -> None:
        with self._alone() as (db, table):
            db.execute(table.update().where(table.c.id == lease).values(**values))

    def _rows(self, db: Connection, table: Table, day: Day) -> list[_Lease]:
        of_day = (table.c.opened_at >= day.start) & (table.c.opened_at < day.end)
        query = table.select().where(of_day & (table.c.account == self._account))
        return [_Lease(row.id, row.granted, row.spent, row.alive_until) for row in db.execute(query)]

    @contextmanager
    def _alone(self) -> Iterator[tuple[Connection, Table]]:
        """Yield the table in a transaction that no other process has at the same time."""
        with telling(self._place):
            self._engine = self._engine or open_engine(self._place)
            if not self._is_made:
                self._make(self._engine)
            with locked(self._engine, _LOCK) as db:
                yield db, _table()

    def _make(self, engine: Engine) -> None:
        with locked(engine, _LOCK) as db:
            _table().metadata.create_all(db)
        if isinstance(self._place, Path):
            self._place.chmod(0o600)
        self._is_made = True

    @staticmethod
    def _has_table(engine: Engine) -> bool:
        from sqlalchemy import inspect

        return inspect(engine).has_table(_table().name)


class _Lease(NamedTuple):
    id: str
    granted: int
    spent: int
    alive_until: float

    @property
    def open(self) -> int:
        """What it may spend yet."""
        return self.granted - self.spent


def _sum(leases: Iterable[_Lease], now: float) -> Spent:
    known = list(leases)
    living = [one for one in known if one.alive_until >= now]
    return Spent(
        spent=sum(one.spent for one in known),
        held=sum(one.open for one in living),
        unknown=sum(one.open for one in known if one.alive_until < now),
        processes=len(living),
    )


def _now(now: float | None) -> float:
    return time.time() if now is None else now


@cache
def _table() -> Table:
    """Return the table; SQLAlchemy is imported by then."""
    from sqlalchemy import BigInteger, Column, Float, MetaData, Table, Text

    return Table(
        "spending",
        MetaData(),
        Column("id", Text, primary_key=True),
        Column("account", Text, nullable=False, comment="`runs` or `shadow`"),
        Column("who", Text, nullable=False, comment="machine and process"),
        Column("opened_at", Float(53), nullable=False, index=True, comment="Unix time: whose day it is of"),
        Column("granted", BigInteger, nullable=False, comment="what it may spend, in units of 1e-12 USD"),
        Column("spent", BigInteger, nullable=False, comment="what of that is gone for sure"),
        Column("alive_until", Float(53), nullable=False, comment="Unix time; 0 where it ended in order"),
        comment="what each process may spend of a day",
    )
