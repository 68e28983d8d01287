"""Stores ruined on purpose: damaged in their middle, on a disk that is full or that takes no change."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from swapgate.errors import StoreError
from swapgate.memory.cache import ResponseCache
from swapgate.memory.history import HistoryWriter
from swapgate.records import Answer, ModelIdentity, Response, Run, Trial, hash_of

_PAGE = 4096


def filled_cache(root: Path, *, responses: int = 1500) -> Path:
    """Lay a workspace's cache with answers that nobody asks for, all over its index; return its path."""
    path = root / ".swapgate" / "cache.db"
    with closing(ResponseCache(path)) as cache:
        for number in range(responses):
            cache.put(hash_of(str(number)), Response(text="x"), {"model": "elsewhere"})
    return path


def damage(path: Path, *, first_page: int = 2) -> None:
    """Overwrite a database from a page on: its header and its schema stay, so that it still opens."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    overwrite(path, first_page=first_page)


def overwrite(path: Path, *, first_page: int = 2) -> None:
    """Overwrite a file as `damage` does, whoever has it open."""
    with path.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(first_page * _PAGE)
        file.write(b"\xa5" * (size - first_page * _PAGE))


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Mount a small file system, or with `bind` the folder onto itself; skip where that takes rights."""
    folder.mkdir(parents=True, exist_ok=True)
    is_bound = "bind" in options
    command = (
        ["mount", "--bind", str(folder)]
        if is_bound
        else ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs"]
    )
    if subprocess.run([*command, str(folder)], capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system takes root")
    try:
        if is_bound:
            subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def filled_history(root: Path, *, trials: int = 600) -> Path:
    """Lay a workspace's history with a run of another suite; return its path."""
    path = root / ".swapgate" / "history.db"
    run = Run(
        id="20260101-000000-aaaaaa",
        started_at="2026-01-01T00:00:00.000+00:00",
        models=(ModelIdentity(name="m", provider="p", model="m"),),
        suites=("other",),
        planned=trials,
    )
    writer = HistoryWriter(path, run)
    answer = Answer(response=Response(text="x" * 500), model="m")
    for number in range(trials):
        writer.add(Trial(suite="other", case=f"c{number:04d}", model="m", answer=answer))
    writer.finish(run)
    return path


def failing(act: Callable[[], object]) -> str:
    """Return what a StoreError says in a process of its own, whose limits and rights `act` may change."""
    context = multiprocessing.get_context("fork")
    told = context.Queue()
    process = context.Process(target=_tell, args=(act, told))
    process.start()
    said: str = told.get(timeout=60)
    process.join(timeout=60)
    return said


def _tell(act: Callable[[], object], told: Any) -> None:
    try:
        act()
    except StoreError as exc:
        told.put(str(exc))
    except BaseException as exc:
        told.put(repr(exc))
    else:
        told.put("")


def reachable(folder: Path) -> None:
    """Let every user get to a folder of the tests."""
    for one in (folder, *folder.parents):
        if os.getuid() == 0 and one.is_relative_to(Path("/tmp")):
            one.chmod(one.stat().st_mode | 0o011)


def become_nobody() -> None:
    """Give up the rights of root, whom no mode of a file keeps from writing it; for `failing`."""
    if os.getuid() == 0:
        os.setuid(65534)
