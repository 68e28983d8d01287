"""The state of a migration, shared by all its processes: read, changed in one step, and who has seen it."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapgate.errors import StoreError, UsageError, nearest
from swapgate.records import Json, adapter, to_text
from swapgate.retrieval.fingerprint import Fingerprint, read_fingerprint
from swapgate.retrieval.index import Side
from swapgate.retrieval.phases import Migration, Phase, require_allowed, share_in
from swapgate.retrieval.records import Change, Evidence, Reader, Repair, ShadowRead
from swapgate.retrieval.state_tables import Database, tables

if TYPE_CHECKING:
    from sqlalchemy import Connection, Delete

STATE_FILE = "indexes.db"
_AT_ONCE = 500
_POLL_S = 0.2


class MigrationChanged(StoreError):
    """Another process changed the migration at the same moment; nothing was changed here."""


class StateStore:
    """The migrations in one SQLite file or PostgreSQL database. Raises StoreError when it cannot be used."""

    def __init__(self, where: Path | str) -> None:
        self._database = Database(where)
        self._tables = tables()

    @property
    def shown(self) -> str:
        """What to call the database in messages; never its address."""
        return self._database.shown

    @property
    def database(self) -> Database:
        """What lies below, for locks."""
        return self._database

    def close(self) -> None:
        """Release the database."""
        self._database.close()

    def create(self, name: str, *, old: Fingerprint, new: Fingerprint, who: str, why: str) -> Migration:
        """Begin a migration in the phase `plan`, or return the one of that name that there is."""
        found = self.find(name)
        if found is not None:
            return found
        row = {
            "name": name,
            "phase": Phase.PLAN.value,
            "share": 0.0,
            "version": 1,
            "salt": secrets.token_hex(8),
            "old": old.to_text(),
            "new": new.to_text(),
            "changed_at": now_text(),
        }
        try:
            with self._database.begin() as connection:
                connection.execute(self._tables.migrations.insert(), row)
                self._add_change(connection, row, was="", who=who, why=why)
        except StoreError:
            if self.find(name) is None:  # else another process was quicker
                raise
        return self.get(name)

    def names(self) -> list[str]:
        """Return the names of all migrations."""
        table = self._tables.migrations
        with self._database.begin() as connection:
            return list(connection.execute(table.select().order_by(table.c.name)).scalars())

    def find(self, name: str) -> Migration | None:
        """Return the migration as it stands now, None when there is none of that name."""
        table = self._tables.migrations
        with self._database.begin() as connection:
            row = connection.execute(table.select().where(table.c.name == name)).mappings().first()
        return None if row is None else _migration(dict(row))

    def get(self, name: str) -> Migration:
        """Return the migration as it stands now; UsageError when there is none of that name."""
        found = self.find(name)
        if found is None:
            known = self.names()
            more = f" Known: {', '.join(known)}" if known else " There is none yet: `swapgate index begin`"
            raise UsageError(f"no migration {name!r} in {self.shown}.{nearest(name, known)}{more}")
        return found

    def change(
        self, now: Migration, to: Phase, *, share: float | None = None, who: str, why: str
    ) -> Migration:
        """Move a migration on from what was read as `now`, and return what it is then.

        Raises UsageError when `to` may not follow, MigrationChanged when it is not what it was.
        """
        require_allowed(now.phase, to)
        if not why.strip():
            raise UsageError("a change needs a reason, which is stored with it: --why TEXT")
        row = {
            "name": now.name,
            "phase": to.value,
            "share": share_in(to, share),
            "version": now.version + 1,
            "changed_at": now_text(),
        }
        table = self._tables.migrations
        with self._database.begin() as connection:
            same = (table.c.name == now.name) & (table.c.version == now.version)
            if connection.execute(table.update().where(same), row).rowcount != 1:
                raise MigrationChanged(
                    f"the migration {now.name!r} was changed by somebody else meanwhile. Look at it with "
                    "`swapgate index status`, and decide again"
                )
            self._add_change(connection, row, was=now.phase.value, who=who, why=why)
        return self.get(now.name)

    def changes(self, name: str) -> list[Change]:
        """Return every change of a migration, the oldest first."""
        table = self._tables.changes
        with self._database.begin() as connection:
            query = table.select().where(table.c.name == name).order_by(table.c.version)
            return [_change(dict(row)) for row in connection.execute(query).mappings()]

    def beat(self, name: str, reader: Reader) -> None:
        """Store that a process lives, and which version it acts on."""
        table = self._tables.readers
        row = {"version": reader.version, "beat": reader.beat, "metrics": json.dumps(dict(reader.metrics))}
        mine = (table.c.name == name) & (table.c.reader == reader.reader)
        with self._database.begin() as connection:
            if connection.execute(table.update().where(mine), row).rowcount == 0:
                connection.execute(table.insert(), {"name": name, "reader": reader.reader, **row})

    def leave(self, name: str, reader: str) -> None:
        """Strike a process off that has ended; what it counted lately is kept."""
        table, departed = self._tables.readers, self._tables.departed
        mine = (table.c.name == name) & (table.c.reader == reader)
        again = (departed.c.name == name) & (departed.c.reader == reader)
        columns = (table.c.name, table.c.reader, table.c.version, table.c.metrics)
        kept = table.select().with_only_columns(*columns).where(mine)
        with self._database.begin() as connection:
            connection.execute(departed.delete().where(again))
            connection.execute(departed.insert().from_select([one.name for one in columns], kept))
            connection.execute(table.delete().where(mine))
            connection.execute(self._forgotten(name))

    def counted(self, name: str) -> list[Mapping[str, Json]]:
        """Return what the processes have counted, those that have ended lately among them."""
        table, departed = self._tables.readers, self._tables.departed
        living = table.select().with_only_columns(table.c.reader, table.c.metrics).where(table.c.name == name)
        gone = departed.select().with_only_columns(departed.c.reader, departed.c.metrics)
        with self._database.begin() as connection:
            found = {
                row.reader: row.metrics for row in connection.execute(gone.where(departed.c.name == name))
            }
            # One that was taken for dead and lives counts once.
            found.update({row.reader: row.metrics for row in connection.execute(living)})
        return [json.loads(metrics) for metrics in found.values()]

    def readers(self, name: str) -> list[Reader]:
        """Return the processes that route by a migration; some may have died without a word."""
        table = self._tables.readers
        query = table.select().where(table.c.name == name).order_by(table.c.reader)
        with self._database.begin() as connection:
            rows = connection.execute(query).mappings().all()
        return [
            Reader(
                reader=row["reader"],
                version=row["version"],
                beat=row["beat"],
                metrics=json.loads(row["metrics"]),
            )
            for row in rows
        ]

    def wait_until_seen(self, name: str, version: int, *, silence_s: float = 10.0) -> list[Reader]:
        """Wait until every living process acts on a version; return those that fell silent before.

        A process counts as living while its beat grows, by this process's own steady clock: that of the wall
        may jump. One that is silent for `silence_s` has died, or hangs and may act on what it knew last.
        """
        heard: dict[str, tuple[int, float]] = {}
        while True:
            now = time.monotonic()
            behind = [r for r in self.readers(name) if r.version < version]
            for reader in behind:
                if heard.get(reader.reader, (-1, 0.0))[0] != reader.beat:
                    heard[reader.reader] = reader.beat, now
            if all(now - heard[reader.reader][1] > silence_s for reader in behind):
                return behind
            time.sleep(_POLL_S)

    def add_evidence(
        self, name: str, kind: str, *, version: int, passed: bool, record: Mapping[str, Json]
    ) -> None:
        """Store what was found out about a migration at one version."""
        row = {
            "name": name,
            "kind": kind,
            "version": version,
            "passed": passed,
            "record": json.dumps(dict(record)),
            "at": now_text(),
        }
        with self._database.begin() as connection:
            connection.execute(self._tables.evidence.insert(), row)

    def evidence(self, name: str, kind: str | None = None) -> list[Evidence]:
        """Return what was found out, of one kind or of all, the oldest first."""
        table = self._tables.evidence
        query = table.select().where(table.c.name == name).order_by(table.c.number)
        if kind is not None:
            query = query.where(table.c.kind == kind)
        with self._database.begin() as connection:
            return [_evidence(dict(row)) for row in connection.execute(query).mappings()]

    def note_repairs(self, name: str, side: Side, ids: Sequence[str], reason: str) -> None:
        """Note entries that could not be written to one index; noted again, they are to be repaired again."""
        from sqlalchemy import text

        at = now_text()
        rows = [
            {"name": name, "side": side, "id": i, "token": secrets.token_hex(8), "reason": reason, "at": at}
            for i in ids
        ]
        statement = (
            "INSERT INTO swapgate_repairs (name, side, id, token, reason, at) "
            "VALUES (:name, :side, :id, :token, :reason, :at) ON CONFLICT (name, side, id) "
            "DO UPDATE SET token = excluded.token, reason = excluded.reason, at = excluded.at"
        )
        if rows:
            with self._database.begin() as connection:
                connection.execute(text(statement), rows)

    def repairs(self, name: str, side: Side, *, limit: int = _AT_ONCE) -> list[Repair]:
        """Return entries that are to be repaired in one index, at most `limit`."""
        table = self._tables.repairs
        wanted = (table.c.name == name) & (table.c.side == side)
        query = table.select().where(wanted).order_by(table.c.id).limit(limit)
        with self._database.begin() as connection:
            return [
                Repair(side=side, id=row.id, token=row.token, reason=row.reason, at=row.at)
                for row in connection.execute(query)
            ]

    def count_repairs(self, name: str) -> dict[Side, int]:
        """Return how many entries are to be repaired in each index."""
        from sqlalchemy import func, select

        table = self._tables.repairs
        query = select(table.c.side, func.count()).where(table.c.name == name).group_by(table.c.side)
        with self._database.begin() as connection:
            found = {row[0]: int(row[1]) for row in connection.execute(query)}
        return {"old": found.get("old", 0), "new": found.get("new", 0)}

    def settle_repairs(self, name: str, repairs: Sequence[Repair]) -> None:
        """Forget repairs that were made, but not those that were noted again meanwhile."""
        table = self._tables.repairs
        with self._database.begin() as connection:
            for one in repairs:
                same = (table.c.name == name) & (table.c.side == one.side) & (table.c.id == one.id)
                connection.execute(table.delete().where(same & (table.c.token == one.token)))

    def add_shadow_reads(self, name: str, reads: Sequence[ShadowRead]) -> None:
        """Store queries that both indexes were asked."""
        if reads:
            rows = [{"name": name, "record": to_text(read)} for read in reads]
            with self._database.begin() as connection:
                connection.execute(self._tables.shadow_reads.insert(), rows)

    def shadow_reads(self, name: str) -> Iterator[ShadowRead]:
        """Yield the queries that both indexes were asked, the oldest first."""
        table = self._tables.shadow_reads
        query = table.select().where(table.c.name == name).order_by(table.c.number)
        with self._database.begin() as connection:
            rows = connection.execution_options(yield_per=_AT_ONCE).execute(query)
            yield from (adapter(ShadowRead).validate_json(row.record) for row in rows)

    def count_shadow_reads(self, name: str) -> int:
        """Return how many queries both indexes were asked."""
        from sqlalchemy import func, select

        table = self._tables.shadow_reads
        with self._database.begin() as connection:
            query = select(func.count()).where(table.c.name == name)
            return int(connection.execute(query).scalar_one())

    def _forgotten(self, name: str) -> Delete:
        """Return what forgets processes that ended before the last two versions."""
        from sqlalchemy import select

        departed, migrations = self._tables.departed, self._tables.migrations
        newest = select(migrations.c.version).where(migrations.c.name == name).scalar_subquery()
        return departed.delete().where((departed.c.name == name) & (departed.c.version < newest - 1))

    def _add_change(
        self, connection: Connection, row: Mapping[str, Any], *, was: str, who: str, why: str
    ) -> None:
        kept = {key: row[key] for key in ("name", "version", "phase", "share")}
        connection.execute(
            self._tables.changes.insert(),
            {**kept, "was": was, "who": who, "why": why.strip(), "at": row["changed_at"]},
        )


def now_text() -> str:
    """Return the time of the wall, UTC, for people: nothing is decided by it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _migration(values: dict[str, Any]) -> Migration:
    for side in ("old", "new"):
        values[side] = read_fingerprint(values[side])
    return Migration(**values | {"phase": Phase(values["phase"])})


def _change(row: Mapping[str, Any]) -> Change:
    values = {key: row[key] for key in ("version", "share", "who", "why", "at")}
    return Change(**values, phase=Phase(row["phase"]), was=Phase(row["was"]) if row["was"] else None)


def _evidence(row: Mapping[str, Any]) -> Evidence:
    values = {key: row[key] for key in ("kind", "version", "passed", "at")}
    return Evidence(**values, record=json.loads(row["record"]))
