"""A small SQLite file that many processes share: its format, changes in one step, errors with a remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swapgate.errors import StoreError
from swapgate.memory.remedies import remedy_for
from swapgate.memory.wal import BUSY_S, closed_on_failure, use_wal
from swapgate.values import Value


class FileKind(Value):
    """What a file holds. `schema` may be executed again and again; the rest is for messages.

    `elsewhere` says how to do without this file in this place, `remedy` what helps on a full disk.
    """

    schema: str
    format: int
    trouble: str
    remedy: str
    elsewhere: str = "set `state` to another folder"
    when_newer: str = "update swapgate"


class SharedFile:
    """One open connection to a file, made with its folder where it lacks. Raises StoreError.

    Only its owner may read it: what is remembered of calls may hold what people wrote.
    """

    def __init__(self, path: Path, kind: FileKind) -> None:
        self.path = path
        self._kind = kind
        self.db = self.connect()

    def connect(self) -> sqlite3.Connection:
        """Return another connection to the same file, for a thread of its own."""
        with self.told():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self.path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
            )
            with closed_on_failure(connection):
                self.path.chmod(0o600)
                use_wal(connection)
                self._require_format(connection)
                connection.executescript(self._kind.schema)
        return connection

    def close(self) -> None:
        """Close the connection that was opened first."""
        self.db.close()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Hold the write lock from the start, so that what is read is still so when it is written upon."""
        with self.told():
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
                self.db.execute("COMMIT")
            finally:
                # SQLite has ended it itself where the disk is full, and has not where only the commit failed.
                if self.db.in_transaction:
                    self.db.execute("ROLLBACK")

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn what SQLite and the disk raise into a StoreError that names the file and the remedy."""
        try:
            yield
        except (sqlite3.Error, OSError) as exc:
            kind = self._kind
            remedy = remedy_for(exc, self.path, elsewhere=kind.elsewhere, otherwise=kind.remedy)
            raise StoreError(f"{self.path}: {kind.trouble}: {exc}. {remedy}") from exc

    def _require_format(self, connection: sqlite3.Connection) -> None:
        known = self._kind.format
        [version] = connection.execute("PRAGMA user_version").fetchone()
        if version > known:
            raise StoreError(
                f"{self.path}: written by a newer swapgate (format {version}, this one reads {known}): "
                f"{self._kind.when_newer}"
            )
        if version < known:
            connection.execute(f"PRAGMA user_version = {known}")
