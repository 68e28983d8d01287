"""Exchanges in SQLite: written by one thread a process, read and claimed by any number of processes."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from swapgate.errors import StoreError
from swapgate.memory.shared_file import FileKind, SharedFile
from swapgate.memory.wal import inserts
from swapgate.memory.writer import BatchWriter
from swapgate.records import Json, adapter
from swapgate.shadow.records import Count, Exchange, State, Stored, without_content
from swapgate.storable import storable_text
from swapgate.values import replace

SHADOW_FILE = "shadow.db"
_READ_AT_ONCE = 200
_SCHEMA = """
CREATE TABLE IF NOT EXISTS exchanges (  -- one mirrored request, without content unless it is kept
    key TEXT PRIMARY KEY,               -- records.Exchange.key
    route TEXT NOT NULL,
    day TEXT NOT NULL,                  -- date in UTC of the request
    state TEXT NOT NULL,                -- waiting, whole, unasked, lost
    has_content INTEGER NOT NULL,       -- 1 where the request is in the record: it can be asked again
    leased_until REAL NOT NULL,         -- Unix time until which whoever asks or judges it counts as alive
    record TEXT NOT NULL,               -- JSON: shadow.records.Exchange
    comparison TEXT                     -- JSON: what comparing said while the content was at hand
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_day ON exchanges (day, route, key);
CREATE INDEX IF NOT EXISTS to_ask ON exchanges (leased_until, key) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS counts (     -- all that reached a route, also what was not mirrored
    day TEXT NOT NULL,
    route TEXT NOT NULL,
    what TEXT NOT NULL,                 -- a key of records.COUNTED
    amount REAL NOT NULL,
    PRIMARY KEY (day, route, what)
) WITHOUT ROWID;
"""
_KIND = FileKind(
    schema=_SCHEMA,
    format=1,
    trouble="the exchanges cannot be kept",
    remedy="Free the disk, or name another `store`",
    elsewhere="name another `store`",
    when_newer="update swapgate, or name another file in `store`",
)
_COLUMNS = "exchanges (key, route, day, state, has_content, leased_until, record, comparison)"
_INSERT_NEW = f"INSERT OR IGNORE INTO {_COLUMNS} VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - ours
_Row = tuple[str, str, str, str, int, float, str, str | None]
_Entry = _Row | Count


class ShadowStore:
    """The exchanges of one workspace. Raises StoreError.

    `put` and `count` return at once; what they took is on disk a moment later, and when `flush` returns.
    Everything else is one transaction, done when the method returns. `clock` gives Unix time.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self._clock = clock
        self._file = SharedFile(path, _KIND)
        self._db = self._file.db
        self._writer: BatchWriter[_Entry] = BatchWriter(self._open_writer, name="swapgate-shadow", waits=True)

    def put(
        self, exchange: Exchange, comparison: Mapping[str, Json] | None = None, *, lease_s: float = 0.0
    ) -> None:
        """Store an exchange, in place of what has its key; for `lease_s` its candidate is being asked."""
        self._writer.begin()
        self._writer.put(_row(exchange, comparison, self._clock() + lease_s if lease_s else 0.0))

    def count(self, count: Count) -> None:
        """Add to what was counted."""
        self._writer.begin()
        self._writer.put(count)

    def flush(self) -> None:
        """Wait until all that was put is on disk."""
        with self._file.told():
            self._writer.begin()
            self._writer.flush()

    def require_intact(self) -> None:
        """Raise StoreError when something could not be written: nothing is from then on."""
        with self._file.told():
            if self._writer.failure is not None:
                raise self._writer.failure

    def close(self) -> None:
        """Write what is pending and close the file."""
        try:
            with self._file.told():
                self._writer.close()
        finally:
            self._file.close()

    def add_new(self, exchanges: Iterable[Exchange]) -> int:
        """Store the exchanges whose keys are not there yet, in one transaction; return how many they are."""
        rows = [_row(exchange, None, 0.0) for exchange in exchanges]
        with self._file.transaction() as db:
            before = db.total_changes
            db.executemany(_INSERT_NEW, rows)
            return db.total_changes - before

    def claim(self, limit: int, *, lease_s: float, route: str | None = None) -> list[Exchange]:
        """Take waiting exchanges that nobody asks, and whose content is there, for `lease_s` seconds.

        What is not finished by then may be claimed again: call `renew` while it is in flight.
        """
        now = self._clock()
        where, values = ("AND route = ?", (route,)) if route is not None else ("", ())
        with self._file.transaction() as db:
            found = db.execute(
                "SELECT key, record FROM exchanges WHERE state = 'waiting' AND leased_until < ? "  # noqa: S608 - ours
                f"AND has_content {where} ORDER BY leased_until, key LIMIT ?",
                (now, *values, limit),
            ).fetchall()
            self._lease(db, [key for key, _record in found], now + lease_s)
        return [_exchange(record) for _key, record in found]

    def take(self, key: str, *, lease_s: float) -> Stored | None:
        """Take one exchange for some seconds, to work on what is whole; None where another process has it."""
        now = self._clock()
        with self._file.transaction() as db:
            row = db.execute(
                "UPDATE exchanges SET leased_until = ? WHERE key = ? AND leased_until < ? "
                "RETURNING record, comparison",
                (now + lease_s, key, now),
            ).fetchone()
        return None if row is None else _stored(*row)

    def renew(self, keys: Sequence[str], *, lease_s: float) -> None:
        """Say that the process that works on these is alive; 0 gives them back."""
        with self._file.transaction() as db:
            self._lease(db, keys, self._clock() + lease_s if lease_s else 0.0)

    def free_in_s(self, *, route: str | None = None) -> float | None:
        """Return in how many seconds the first of those that wait may be claimed; None where none waits."""
        where, values = _filter(route=route)
        query = f"SELECT min(leased_until) FROM exchanges WHERE state = 'waiting' AND has_content {where}"  # noqa: S608 - ours
        with self._file.told():
            [until] = self._db.execute(query, values).fetchone()
        return None if until is None else max(0.0, until - self._clock())

    def mark_lost(self) -> int:
        """Mark what was being asked by processes that died and cannot be asked again; return how many."""
        with self._file.transaction() as db:
            found = db.execute(
                "SELECT record FROM exchanges "
                "WHERE state = 'waiting' AND NOT has_content AND leased_until < ?",
                (self._clock(),),
            ).fetchall()
            lost = [replace(_exchange(record), state="lost") for (record,) in found]
            for statement, values in inserts(_COLUMNS, [_row(exchange, None, 0.0) for exchange in lost]):
                db.execute(statement, values)
        return len(lost)

    def get(self, key: str) -> Stored | None:
        """Return one exchange, None when there is none."""
        with self._file.told():
            row = self._db.execute(
                "SELECT record, comparison FROM exchanges WHERE key = ?", (key,)
            ).fetchone()
        return None if row is None else _stored(*row)

    def exchanges(
        self,
        *,
        route: str | None = None,
        since: str | None = None,
        until: str | None = None,
        state: State | None = None,
    ) -> Iterator[Stored]:
        """Yield exchanges by day, route and key; `since` and `until` are dates, both included.

        A few are read at a time, so that any number can be gone through and writers are not kept out.
        """
        after = ("", "", "")
        where, values = _filter(route=route, since=since, until=until, state=state)
        query = (
            "SELECT day, route, key, record, comparison FROM exchanges "  # noqa: S608 - ours
            f"WHERE (day, route, key) > (?, ?, ?) {where} ORDER BY day, route, key LIMIT {_READ_AT_ONCE}"
        )
        while True:
            with self._file.told():
                rows = self._db.execute(query, (*after, *values)).fetchall()
            for row in rows:
                yield _stored(row[3], row[4])
            if len(rows) < _READ_AT_ONCE:
                return
            after = tuple(rows[-1][:3])

    def set_comparison(self, key: str, comparison: Mapping[str, Json]) -> None:
        """Store what a later comparison of an exchange said, and give it back."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE exchanges SET comparison = ?, leased_until = 0 WHERE key = ?",
                (_text(comparison), key),
            )

    def states(self) -> list[tuple[str, str, str, int]]:
        """Return how many exchanges there are: day, route, state, number."""
        with self._file.told():
            return self._db.execute(
                "SELECT day, route, state, count(*) FROM exchanges GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall()

    def counts(
        self, *, route: str | None = None, since: str | None = None, until: str | None = None
    ) -> list[Count]:
        """Return what was counted, by day, route and name."""
        where, values = _filter(route=route, since=since, until=until)
        with self._file.told():
            rows = self._db.execute(
                f"SELECT day, route, what, amount FROM counts WHERE 1 {where} ORDER BY 1, 2, 3",  # noqa: S608 - ours
                values,
            ).fetchall()
        return [Count(day=day, route=name, what=what, amount=n) for day, name, what, n in rows]

    def purge(self, before: str, *, route: str | None = None, only_content: bool = False) -> int:
        """Delete exchanges of days before a date, or only what was said in them; return how many.

        What was deleted is overwritten in the file. Counts stay: they say nothing of anybody.
        """
        where, values = _filter(route=route)
        with self._file.told():
            self._db.execute("PRAGMA secure_delete = ON")
        with self._file.transaction() as db:
            if only_content:
                changed = self._drop_content(db, where, (before, *values))
            else:
                delete = f"DELETE FROM exchanges WHERE day < ? {where}"  # noqa: S608 - ours
                changed = db.execute(delete, (before, *values)).rowcount
        with self._file.told():
            self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return changed

    @staticmethod
    def _drop_content(db: sqlite3.Connection, where: str, values: tuple[str, ...]) -> int:
        found = db.execute(
            f"SELECT key, record, comparison FROM exchanges WHERE day < ? AND has_content {where}",  # noqa: S608 - ours
            values,
        ).fetchall()
        for key, record, comparison in found:
            row = _row(_emptied(_exchange(record)), None, 0.0)
            db.execute(
                "UPDATE exchanges SET state = ?, has_content = 0, record = ?, comparison = ? WHERE key = ?",
                (row[3], row[6], comparison, key),
            )
        return len(found)

    @staticmethod
    def _lease(db: sqlite3.Connection, keys: Sequence[str], until: float) -> None:
        db.executemany("UPDATE exchanges SET leased_until = ? WHERE key = ?", [(until, key) for key in keys])

    def _open_writer(self) -> tuple[Callable[[Sequence[_Entry]], None], Callable[[], None]]:
        connection = self._file.connect()

        def write(entries: Sequence[_Entry]) -> None:
            # The last state of a key alone: the rows of one statement must not be of one key.
            rows = {entry[0]: entry for entry in entries if not isinstance(entry, Count)}
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement, values in inserts(_COLUMNS, list(rows.values())):
                    connection.execute(statement, values)
                _add_counts(connection, [entry for entry in entries if isinstance(entry, Count)])
            except BaseException:
                # SQLite has ended it itself where the disk is full.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")

        return write, connection.close


def _add_counts(connection: sqlite3.Connection, counts: Sequence[Count]) -> None:
    connection.executemany(
        "INSERT INTO counts VALUES (?, ?, ?, ?) "
        "ON CONFLICT (day, route, what) DO UPDATE SET amount = amount + excluded.amount",
        [(count.day, count.route, count.what, count.amount) for count in counts],
    )


def _filter(**wanted: str | None) -> tuple[str, tuple[str, ...]]:
    operators = {"route": "route = ?", "since": "day >= ?", "until": "day <= ?", "state": "state = ?"}
    given = {name: value for name, value in wanted.items() if value is not None}
    return "".join(f" AND {operators[name]}" for name in given), tuple(given.values())


def _row(exchange: Exchange, comparison: Mapping[str, Json] | None, leased_until: float) -> _Row:
    return (
        exchange.key,
        exchange.route,
        exchange.day,
        exchange.state,
        int(exchange.has_content),
        leased_until,
        storable_text(exchange)[1],
        None if comparison is None else _text(comparison),
    )


def _emptied(exchange: Exchange) -> Exchange:
    """Return an exchange whose content is deleted: what still waited for its candidate is lost."""
    bare = without_content(exchange)
    return replace(bare, state="lost") if bare.state == "waiting" else bare


def _exchange(record: str) -> Exchange:
    try:
        exchange: Exchange = adapter(Exchange).validate_json(record)
    except ValidationError as exc:
        raise StoreError(f"a stored exchange cannot be read: {exc.errors()[0]['msg']}") from exc
    return exchange


def _stored(record: str, comparison: str | None) -> Stored:
    return Stored(
        exchange=_exchange(record), comparison=None if comparison is None else json.loads(comparison)
    )


def _text(value: Mapping[str, Json]) -> str:
    return json.dumps(dict(value), separators=(",", ":"))
