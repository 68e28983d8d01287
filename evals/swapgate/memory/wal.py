"""SQLite files that many processes share: how each of them opens one, and what helps where it cannot."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
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


@contextmanager
def closed_on_failure(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Close a connection that cannot be made ready: nobody else will ever hold it."""
    try:
        yield connection
    except BaseException:
        connection.close()
        raise


def may_write(path: Path) -> bool:
    """Whether this process may write a database, and the files that SQLite puts beside it."""
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def connect_reading(path: Path, *, is_full: bool = False) -> sqlite3.Connection:
    """Open a database that is there, to read it where nothing may be made or changed.

    SQLite shares a file with those who write it through -wal and -shm beside it, which it would have to make.
    Where they are, they are used, by right to read alone; also those that a killed process has left. Where
    there is no -wal, nobody has the database open, and it is read as the plain file that it is: whoever opens
    it from then on to write may not be noticed, and so such a connection should not be kept. On a disk that
    `is_full` -shm may be what a reader has begun in vain.
    """
    beside = ("-wal",) if is_full else ("-wal", "-shm")
    is_shared = any(_size(path.with_name(path.name + end)) for end in beside)
    uri = f"{path.absolute().as_uri()}?mode=ro{'' if is_shared else '&immutable=1'}"
    return sqlite3.connect(uri, uri=True, timeout=BUSY_S, check_same_thread=False)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def watched(path: Path) -> Callable[[], None]:
    """Return what raises OSError once the file that is there now is not there any more.

    A process may go on writing a file that another has removed: it is lost when the last one closes it.
    """
    opened = _stat(path)

    def require_there() -> None:
        found = _stat(path)
        if opened is None or found is None or not os.path.samestat(opened, found):
            raise OSError(errno.ESTALE, "the file was removed, or replaced, while it was written")

    return require_there


def _stat(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def sqlite_name(exc: BaseException) -> str:
    """Return what SQLite calls an error, such as SQLITE_FULL; empty where it was not SQLite's own."""
    return getattr(exc, "sqlite_errorname", None) or ""


def is_damage(exc: BaseException) -> bool:
    """Whether an error says that the file itself is not as it was written, or gone."""
    if isinstance(exc, OSError):
        return exc.errno == errno.ESTALE
    return sqlite_name(exc).startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB"))


def may_pass(exc: BaseException) -> bool:
    """Whether what failed may succeed later: another process holds the file, or its disk is full."""
    if isinstance(exc, OSError):
        return exc.errno in {errno.ENOSPC, errno.EDQUOT}
    return sqlite_name(exc).startswith(("SQLITE_BUSY", "SQLITE_FULL", "SQLITE_IOERR_WRITE"))


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
