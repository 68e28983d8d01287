"""Files that several processes open at the same instant, new ones above all."""

from __future__ import annotations

import multiprocessing
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from swapgate.memory.cache import ResponseCache
from swapgate.memory.history import History
from swapgate.memory.wal import use_wal

PROCESSES, FILES = 6, 15


def test_locked_file_is_tried_again_until_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    other = sqlite3.connect(path, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    free = threading.Timer(0.2, other.rollback)
    free.start()
    # Without a timeout SQLite refuses at once, as it does two processes that switch a file together.
    connection = sqlite3.connect(path, timeout=0)
    use_wal(connection)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    free.join()
    connection.close()
    other.close()


def test_file_that_stays_locked_is_given_up(tmp_path: Path) -> None:
    path = tmp_path / "new.db"
    other = sqlite3.connect(path)
    other.execute("BEGIN EXCLUSIVE")
    connection = sqlite3.connect(path, timeout=0)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        use_wal(connection, limit_s=0.05)
    connection.close()
    other.close()


@pytest.mark.parametrize("store", [ResponseCache, History])
def test_processes_that_open_a_new_file_at_once_all_can(
    tmp_path: Path, store: type[ResponseCache | History]
) -> None:
    context = multiprocessing.get_context("spawn")
    with context.Pool(PROCESSES) as pool:
        pool.map(time.sleep, [0.2] * PROCESSES, chunksize=1)  # all have started
        for number in range(FILES):
            at = time.time() + 0.01
            calls = [(store, tmp_path / f"{number}.db", at)] * PROCESSES
            assert pool.starmap(_open, calls, chunksize=1) == [""] * PROCESSES


def _open(store: type[ResponseCache | History], path: Path, at: float) -> str:
    """Open a file at a given time; return what went wrong."""
    while time.time() < at:
        pass
    try:
        store(path).close()
    except Exception as exc:
        return str(exc)
    return ""
