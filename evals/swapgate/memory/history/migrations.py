"""A history brought to this version's form, once, under a lock; a newer one's is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swapgate.errors import StoreError
from swapgate.memory.history.places import Place, shown_place
from swapgate.memory.history.rows import head_of, name_rows, put
from swapgate.memory.history.tables import Tables, tables
from swapgate.records import Run, adapter
from swapgate.values import Value

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

SCHEMA_VERSION = 3
# What PostgreSQL's advisory lock is called: any number that no other program uses.
_LOCK = 0x5357_4147


class Step(Value):
    """What leads to a version from the one before it, beyond new tables, which are made by themselves."""

    version: int
    apply: Callable[[Connection, Tables], None]


def _nothing(_connection: Connection, _tables: Tables) -> None:
    """Facts of older runs are made when they are first read: the trials may be many."""


def _know_runs_by_names(connection: Connection, known: Tables) -> None:
    """Give runs their heads, and the names of their models and suites."""
    connection.exec_driver_sql("ALTER TABLE runs ADD COLUMN head TEXT")
    for text in (
        connection.execute(known.runs.select().with_only_columns(known.runs.c.record)).scalars().all()
    ):
        run = adapter(Run).validate_json(text)
        change = known.runs.update().where(known.runs.c.id == run.id)
        connection.execute(change.values(head=head_of(run)))
        put(connection, known.run_names, name_rows(run))


STEPS = (Step(version=2, apply=_nothing), Step(version=3, apply=_know_runs_by_names))


def prepare(engine: Engine, place: Place) -> None:
    """Create what is missing, bring what is old to this version; StoreError for a newer history."""
    with engine.connect() as connection:
        found = _stored_version(connection, place)
    if found == SCHEMA_VERSION:
        return
    known = tables()
    with locked(engine) as connection:
        # Of the processes that come at the same instant one does it, the others wait and find it done.
        found = _stored_version(connection, place)
        if found == SCHEMA_VERSION:
            return
        known.metadata.create_all(connection)
        for step in STEPS:
            if found is not None and found < step.version:
                step.apply(connection, known)
        put(connection, known.meta, [{"name": "schema_version", "value": str(SCHEMA_VERSION)}])


def require_prepared(engine: Engine, place: Place) -> None:
    """Raise StoreError for a history that has not this version's form, where it cannot be given it."""
    with engine.connect() as connection:
        found = _stored_version(connection, place)
    if found != SCHEMA_VERSION:
        what = "holds no history" if found is None else f"was written by an older swapgate (schema {found})"
        raise StoreError(
            f"{shown_place(place)}: {what}, and nothing can be written there to bring it to this version's "
            f"form ({SCHEMA_VERSION}). Copy it to a folder where you may write, and set `history` to the copy"
        )


@contextmanager
def locked(engine: Engine, lock: int = _LOCK) -> Iterator[Connection]:
    """Yield a connection whose transaction no other one under the same lock can run beside."""
    with engine.begin() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        else:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({lock})")
        yield connection


def _stored_version(connection: Connection, place: Place) -> int | None:
    """Return the version of what is there, None where nothing is."""
    from sqlalchemy import inspect

    known = tables()
    there = set(inspect(connection).get_table_names())
    if known.meta.name not in there:
        if strange := there & set(known.metadata.tables):
            raise StoreError(
                f"{shown_place(place)}: holds a table {min(strange)!r} that no history has made. "
                "Give the history a database of its own"
            )
        return None
    query = known.meta.select().where(known.meta.c.name == "schema_version")
    row = connection.execute(query).first()
    if row is not None and not row.value.isdecimal():
        raise StoreError(
            f"{shown_place(place)}: says {row.value!r} of its version, which is none. Was it changed by "
            "hand? Move the history away and run again"
        )
    version = None if row is None else int(row.value)
    if version is not None and version > SCHEMA_VERSION:
        raise StoreError(
            f"{shown_place(place)}: written by a newer swapgate (schema {version}, this one reads "
            f"{SCHEMA_VERSION}). Install a newer swapgate, or set `history` to another place"
        )
    return version
