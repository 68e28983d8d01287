"""What a user is told to do about a file of the state, by what it is that stands against it."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from ruin import mounted
from swapgate.errors import StoreError
from swapgate.memory.batches import BatchStore
from swapgate.memory.cache import ResponseCache
from swapgate.memory.history import HistoryWriter
from swapgate.memory.remedies import remedy_for
from swapgate.records import Run

EVALS = Path(__file__).parents[1] / "evals"
# Each file once while there is room, so that all modules are read, and once again without.
EXHAUSTED = """\
import os, resource, sys
from pathlib import Path
from swapgate.errors import StoreError
from swapgate.memory.batches import BatchStore
from swapgate.memory.cache import ResponseCache
from swapgate.memory.history import History

opens = (ResponseCache, History, BatchStore)
for folder in ("before", "after"):
    if folder == "after":
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, 60))
        held = []
        try:
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
    for number, kind in enumerate(opens):
        path = Path(sys.argv[1], f"{folder}-{number}.db")
        try:
            kind(path).close()
        except StoreError as exc:
            print(exc)
"""


def test_too_many_open_files_are_told_as_such(tmp_path: Path) -> None:
    pytest.importorskip("resource", reason="this system has no such limit")
    said = subprocess.run(
        [sys.executable, "-c", EXHAUSTED, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(EVALS)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert len(said) == 3
    for number, line in enumerate(said):
        assert line.startswith(f"{tmp_path}/after-{number}.db: ")
        assert line.endswith("raise that limit (ulimit -n)")
        assert "Move the file away" not in line


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "Free the disk and run again"),
        (errno.EROFS, "Give yourself the right to write the file and its folder, or set `state`"),
        (errno.EACCES, "Give yourself the right to write the file and its folder, or set `state`"),
        (errno.EMFILE, "ask for less at a time, or raise that limit"),
        (errno.ENFILE, "This machine has too many files open"),
        (errno.ENAMETOOLONG, "Mend that, or set `state`"),
    ],
)
def test_what_the_system_refuses_has_its_own_remedy(number: int, remedy: str) -> None:
    error = OSError(number, os.strerror(number))
    assert remedy in remedy_for(error, Path(__file__), elsewhere="set `state`")


def _write_history(path: Path) -> None:
    run = Run(id="r", started_at="2026-01-01T00:00:00.000+00:00", models=(), suites=(), planned=0)
    HistoryWriter(path, run).finish(run)


@pytest.mark.parametrize(
    "use",
    [
        lambda path: ResponseCache(path).close(),
        lambda path: BatchStore(path).close(),
        _write_history,
    ],
)
def test_a_disk_that_takes_no_more_files_is_told_as_such(tmp_path: Path, use: Callable[[Path], None]) -> None:
    """SQLite says that it cannot open the file, and `df` that there is room."""
    with mounted(tmp_path / "disk", "size=8m", "nr_inodes=16") as disk:
        use(disk / "store.db")
        _use_up_inodes(disk)
        for path in (disk / "store.db", disk / "new" / "store.db"):
            with pytest.raises(StoreError, match=r"takes no more files, whatever room is left \(`df -i`\)"):
                use(path)


def _use_up_inodes(disk: Path) -> None:
    for number in count():
        try:
            (disk / str(number)).touch()
        except OSError:
            return


@pytest.mark.parametrize(
    ("there", "remedy"),
    [
        (None, "It is a folder, not a file: move it away, or name another file"),
        (b"no database " * 100, "Something else has been written there: move it away, or name another file"),
        (
            b"SQLite format 3\0" + b"\x10\0\1\1\0\x40\x20\x20" + b"\xff" * 8168,
            "`sqlite3 FILE .recover` saves what",
        ),
    ],
)
def test_what_is_no_database_is_not_for_want_of_room(
    tmp_path: Path, there: bytes | None, remedy: str
) -> None:
    file = tmp_path / "file.db"
    file.mkdir() if there is None else file.write_bytes(there)
    with pytest.raises(sqlite3.Error) as caught:
        sqlite3.connect(file).execute("SELECT * FROM sqlite_schema").fetchall()
    assert remedy in remedy_for(caught.value, file, elsewhere="name another file", otherwise="Free the disk")


def test_an_owner_says_what_helps_on_a_full_disk_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "missing" / "file.db"
    owner = {"elsewhere": "name another file", "otherwise": "Free the disk, or do without"}
    assert remedy_for(OSError(errno.ENOSPC, "full"), file, **owner) == "Free the disk, or do without"
    assert remedy_for(OSError(errno.EACCES, "no"), file, **owner).endswith("or name another file")
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(file)
    assert remedy_for(caught.value, file, **owner).endswith("write in its folder, or name another file")
