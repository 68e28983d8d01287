"""Where the state of migrations lies: the tables, in an SQLite file or in PostgreSQL."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from swapgate.errors import StoreError, UsageError
from swapgate.memory.wal import BUSY_S, use_wal
from swapgate.values import Value

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, MetaData, Table

_SCHEMA_VERSION = 1
_POSTGRES = ("postgresql://", "postgres://")
_INSTALL = "pip install 'swapgate[postgres]'"


class Tables(Value):
    """The tables by their names; all begin with `swapgate_`, since a database is often shared."""

    metadata: MetaData
    meta: Table
    migrations: Table
    changes: Table
    readers: Table
    departed: Table
    evidence: Table
    repairs: Table
    shadow_reads: Table
    impressions: Table
    clicks: Table


@cache
def tables() -> Tables:
    """Return the tables; made once, since SQLAlchemy takes its time."""
    from sqlalchemy import BigInteger, Boolean, Column, Float, Integer, MetaData, String, Table, Text

    metadata = MetaData()
    serial = BigInteger().with_variant(Integer, "sqlite")
    meta = Table(
        "swapgate_meta",
        metadata,
        Column("name", String(64), primary_key=True),
        Column("value", Text, nullable=False),
        comment="one row `schema_version`",
    )
    migrations = Table(
        "swapgate_migrations",
        metadata,
        Column("name", String(255), primary_key=True),
        Column("phase", String(16), nullable=False),
        Column("share", Float, nullable=False, comment="of the keys, that the new index serves"),
        Column("version", Integer, nullable=False, comment="one more with every change"),
        Column("salt", String(64), nullable=False),
        Column("old", Text, nullable=False, comment="JSON: Fingerprint"),
        Column("new", Text, nullable=False, comment="JSON: Fingerprint"),
        Column("changed_at", String(40), nullable=False, comment="ISO 8601, UTC"),
        comment="one migration, as it stands now",
    )
    changes = Table(
        "swapgate_changes",
        metadata,
        Column("name", String(255), primary_key=True),
        Column("version", Integer, primary_key=True, comment="that the change made"),
        Column("phase", String(16), nullable=False),
        Column("share", Float, nullable=False),
        Column("was", String(16), nullable=False, comment="the phase before; empty for the first"),
        Column("who", String(255), nullable=False),
        Column("why", Text, nullable=False),
        Column("at", String(40), nullable=False, comment="ISO 8601, UTC"),
        comment="every change of a migration",
    )
    readers = Table(
        "swapgate_readers",
        metadata,
        Column("name", String(255), primary_key=True),
        Column("reader", String(128), primary_key=True, comment="host, process and a drawn number"),
        Column("version", Integer, nullable=False, comment="the newest that it acts on"),
        Column("beat", Integer, nullable=False, comment="grows while the process lives; no clock is needed"),
        Column("metrics", Text, nullable=False, comment="JSON: counters since the process began"),
        comment="one process that routes by a migration",
    )
    departed = Table(
        "swapgate_departed",
        metadata,
        Column("name", String(255), primary_key=True),
        Column("reader", String(128), primary_key=True),
        Column("version", Integer, nullable=False, comment="the newest that it acted on"),
        Column("metrics", Text, nullable=False, comment="JSON: what it had counted"),
        comment="a process that has ended; those of versions before the last two are forgotten",
    )
    evidence = Table(
        "swapgate_evidence",
        metadata,
        Column("number", serial, primary_key=True, autoincrement=True),
        Column("name", String(255), nullable=False, index=True),
        Column("kind", String(32), nullable=False, comment="what was examined, as `contents`"),
        Column("version", Integer, nullable=False, comment="of the migration at that time"),
        Column("passed", Boolean, nullable=False),
        Column("record", Text, nullable=False, comment="JSON"),
        Column("at", String(40), nullable=False, comment="ISO 8601, UTC"),
        comment="what was found out about a migration, as a reason to go on or not",
    )
    repairs = Table(
        "swapgate_repairs",
        metadata,
        Column("name", String(255), primary_key=True),
        Column("side", String(8), primary_key=True, comment="the index that lacks a write"),
        Column("id", String(512), primary_key=True),
        Column("token", String(32), nullable=False, comment="drawn anew when the same entry fails again"),
        Column("reason", Text, nullable=False),
        Column("at", String(40), nullable=False, comment="ISO 8601, UTC"),
        comment="one entry that could be written to one index only",
    )
    shadow_reads = Table(
        "swapgate_shadow_reads",
        metadata,
        Column("number", serial, primary_key=True, autoincrement=True),
        Column("name", String(255), nullable=False, index=True),
        Column("record", Text, nullable=False, comment="JSON: ShadowRead"),
        comment="one query that both indexes were asked",
    )
    impressions = Table(
        "swapgate_impressions",
        metadata,
        Column("number", serial, primary_key=True, autoincrement=True),
        Column("name", String(255), nullable=False, index=True),
        Column("impression", String(64), nullable=False),
        Column("record", Text, nullable=False, comment="JSON: Impression"),
        comment="one list of results of both indexes that was shown",
    )
    clicks = Table(
        "swapgate_clicks",
        metadata,
        Column("number", serial, primary_key=True, autoincrement=True),
        Column("name", String(255), nullable=False, index=True),
        Column("impression", String(64), nullable=False),
        Column("item", Text, nullable=False),
        Column("at", String(40), nullable=False, comment="ISO 8601, UTC"),
        comment="one result that was chosen from such a list",
    )
    return Tables(
        metadata=metadata,
        meta=meta,
        migrations=migrations,
        changes=changes,
        readers=readers,
        departed=departed,
        evidence=evidence,
        repairs=repairs,
        shadow_reads=shadow_reads,
        impressions=impressions,
        clicks=clicks,
    )


class Database:
    """One database, which may be used on in a process that was forked: connections are not shared.

    SQLite must have nothing open while a process forks: what it knows of a file's locks would be inherited,
    and wrong. So its connections are closed before, and transactions wait for the fork or it for them.
    """

    def __init__(self, where: Path | str) -> None:
        self._where = where
        self._pid = 0
        self.gate: AbstractContextManager[object] = nullcontext()
        self._opened: Engine | None = None
        self.is_postgres = isinstance(where, str) and where.startswith(_POSTGRES)
        self.shown = "PostgreSQL" if self.is_postgres else str(where)
        if not self.is_postgres:
            self.gate = threading.RLock()
            _FILES.add(self)
        self._prepare()

    @property
    def engine(self) -> Engine:
        """This process's engine."""
        if self._opened is None or self._pid != os.getpid():
            if self._opened is not None:
                self._opened.dispose(close=False)
            self._opened, self._pid = self._create(), os.getpid()
        return self._opened

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Yield a connection in a transaction; whatever the database says becomes StoreError."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            with self.gate, self.engine.begin() as connection:
                yield connection
        except SQLAlchemyError as exc:
            raise self._error(exc) from exc

    def close(self) -> None:
        """Release the connections of this process."""
        if self._opened is not None and self._pid == os.getpid():
            self._opened.dispose()
        self._opened = None

    def _create(self) -> Engine:
        from sqlalchemy import create_engine, event

        if self.is_postgres:
            return _postgres(str(self._where))
        path = Path(self._where)
        path.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_S})

        @event.listens_for(engine, "connect")
        def _on_connect(connection: Any, _record: object) -> None:
            use_wal(connection)

        return engine

    def _prepare(self) -> None:
        """Create what is missing and refuse a newer schema; one process does, the others wait."""
        from sqlalchemy import text

        made = tables()
        with self.begin() as connection:
            lock = "SELECT pg_advisory_xact_lock(7392047)" if self.is_postgres else "BEGIN IMMEDIATE"
            connection.exec_driver_sql(lock)
            made.metadata.create_all(connection)
            stored = connection.execute(made.meta.select()).first()
            if stored is None:
                row = {"name": "schema_version", "value": str(_SCHEMA_VERSION)}
                connection.execute(
                    text("INSERT INTO swapgate_meta (name, value) VALUES (:name, :value)"), row
                )
            elif int(stored.value) > _SCHEMA_VERSION:
                raise StoreError(
                    f"{self.shown}: written by a newer swapgate (schema {stored.value}, this one reads "
                    f"{_SCHEMA_VERSION}). Update swapgate"
                )

    def _error(self, exc: Exception) -> StoreError:
        cause = str(getattr(exc, "orig", None) or exc).strip().splitlines()
        return StoreError(
            f"{self.shown}: the state of the migration cannot be used: {cause[0] if cause else exc}. "
            "Mend that and run again: what was stored before is not touched"
        )


def _postgres(url: str) -> Engine:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import ArgumentError, NoSuchModuleError

    _scheme, _, rest = url.partition("://")
    try:
        return create_engine(
            f"postgresql+psycopg://{rest}", pool_pre_ping=True, connect_args={"connect_timeout": BUSY_S}
        )
    except ModuleNotFoundError as exc:
        raise UsageError(f"a state in PostgreSQL needs psycopg. Run: {_INSTALL}") from exc
    except (ArgumentError, NoSuchModuleError, ValueError) as exc:
        # The address may hold a password: it is not shown.
        raise UsageError(
            "the address of the state is no PostgreSQL address: write postgresql://HOST/DATABASE"
        ) from exc


_FILES: WeakSet[Database] = WeakSet()
_HELD: list[ExitStack] = []


def _before_fork() -> None:
    held = ExitStack()
    for database in list(_FILES):
        held.enter_context(database.gate)
        database.close()
    _HELD.append(held)


def _after_fork() -> None:
    _HELD.pop().close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
