"""SQLite files that many processes share: how each of them opens one."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from typing import Any

BUSY_S = 30
_MOST_ROWS = 256


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


def inserts(table: str, rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield statements that store rows, each with its values; rows of equal keys are replaced.

    `table` may name its columns too, as in `runs (id, record)`.

    Few statements of many rows, since each stops for every other thread; and of few sizes, since SQLite
    keeps those that it has prepared.
    """
    start = 0
    while start < len(rows):
        size = min(_MOST_ROWS, 1 << ((len(rows) - start).bit_length() - 1))
        block = rows[start : start + size]
        row = f"({', '.join('?' * len(block[0]))})"
        sql = f"INSERT OR REPLACE INTO {table} VALUES {', '.join([row] * size)}"  # noqa: S608 - our own table
        yield sql, tuple(value for values in block for value in values)
        start += size
