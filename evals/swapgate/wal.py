"""SQLite files that many processes share: how each of them opens one."""

from __future__ import annotations

import sqlite3
import time

BUSY_S = 30


def use_wal(connection: sqlite3.Connection, *, limit_s: float = BUSY_S) -> None:
    """Let readers and one writer work side by side, and commits reach the disk at checkpoints.

    Processes that open a new file at the same instant cannot all switch it: SQLite refuses some at once,
    whatever the connection's timeout, since waiting for each other would never end. So they try again.

    Raises
    ------
    sqlite3.OperationalError
        When the file stays locked for `limit_s` seconds, or cannot be written.
    """
    until = time.monotonic() + limit_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            break
        except sqlite3.OperationalError as exc:
            if exc.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
        time.sleep(0.005)
    connection.execute("PRAGMA synchronous = NORMAL")
