"""Files that several processes open at the same instant, new ones above all."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import threading
import time
from pathlib import Path

import pytest

from swapgate.errors import StoreError
from swapgate.memory.batches import BatchStore
from swapgate.memory.cache import ResponseCache
from swapgate.memory.history import History
from swapgate.memory.wal import use_wal
from swapgate.retrieval.state import StateStore

PROCESSES, FILES = 6, 15
OPEN_FILES = Path("/proc/self/fd")


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


@pytest.mark.skipif(not OPEN_FILES.is_dir(), reason="this system does not tell which files are open")
@pytest.mark.parametrize("store", [ResponseCache, History, BatchStore, StateStore])
def test_file_that_cannot_be_used_is_not_held_open(
    tmp_path: Path, store: type[ResponseCache | History | BatchStore | StateStore]
) -> None:
    path = tmp_path / "broken.db"
    path.write_text("not a database at all, only some text that goes on and on" * 30)
    with pytest.raises(StoreError) as caught:
        _hold(store(path))
    held = [one for one in OPEN_FILES.iterdir() if one.is_symlink() and os.path.realpath(one) == str(path)]
    assert held == [], caught.value  # as long as somebody holds the error, its frames hold what they made


def _hold(store: object) -> None:
    if isinstance(store, StateStore):
        store.readers("docs")


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
