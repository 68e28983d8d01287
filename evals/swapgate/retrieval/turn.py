"""One reindexing at a time: a lock that the system, or the database, lets go of when its holder dies."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from swapgate.errors import StoreError, UsageError
from swapgate.retrieval.state import StateStore

_POLL_S = 0.2


@contextmanager
def only_one(store: StateStore, name: str, path: Path, *, waits: bool) -> Iterator[None]:
    """Hold the right to reindex a migration until the block ends or the process dies.

    On one machine by SQLite's own lock of the file `path`; where the state lies in PostgreSQL, by one of its
    locks as well, for all machines. Without `waits` UsageError tells who holds it.
    """
    with _on_this_machine(path, waits=waits), _in_the_database(store, name, waits=waits):
        yield


@contextmanager
def _on_this_machine(path: Path, *, waits: bool) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    holder = path.with_suffix(".holder")
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        while True:
            try:
                connection.execute("BEGIN EXCLUSIVE")
                break
            except sqlite3.OperationalError as exc:
                if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                    raise StoreError(f"{path}: cannot be locked: {exc}") from exc
                if not waits:
                    raise UsageError(_held(_who(holder))) from exc
            time.sleep(_POLL_S)
        holder.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
        try:
            yield
        finally:
            holder.unlink(missing_ok=True)
            connection.execute("ROLLBACK")


@contextmanager
def _in_the_database(store: StateStore, name: str, *, waits: bool) -> Iterator[None]:
    if not store.database.is_postgres:
        yield
        return
    from sqlalchemy import text
    from sqlalchemy.exc import DBAPIError

    take = text("SELECT pg_try_advisory_lock(hashtextextended(:name, 7392047))")
    give = text("SELECT pg_advisory_unlock(hashtextextended(:name, 7392047))")
    # The lock belongs to the connection: it is kept out of the pool, and ends with it.
    with store.database.engine.connect() as connection:
        connection.detach()
        while not connection.execute(take, {"name": name}).scalar_one():
            connection.rollback()
            if not waits:
                raise UsageError(_held("a process of another machine"))
            time.sleep(_POLL_S)
        connection.commit()
        try:
            yield
        finally:
            # A server notices a closed connection a moment later only: who asks next would still be refused.
            with suppress(DBAPIError):  # a broken connection has let go of it
                connection.execute(give, {"name": name})


def _who(holder: Path) -> str:
    return holder.read_text(encoding="utf-8").strip() if holder.is_file() else "another process"


def _held(who: str) -> str:
    return f"{who} is reindexing already. Wait for it with --wait, or end it: both would write the same"
