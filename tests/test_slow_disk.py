"""A disk that does not follow: what waits for it is bounded, and nothing more is asked for meanwhile."""

from __future__ import annotations

import json
import sqlite3
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path

import pytest

from processes import PATIENCE_S, wait_for
from swapgate.engine.runner import Engine
from swapgate.engine.workspace import Workspace
from swapgate.memory.cache import ResponseCache
from swapgate.memory.wal import may_pass
from swapgate.memory.writer import BatchWriter
from swapgate.spec.settings import resolve_settings
from workspaces import case, lay, suite

MB = 1_000_000
CHARS = 9_000
MOST_WAITING = 32
CASES = 60
AT_ONCE = 4
CODE = f"def answer(message):\n    return message.ljust({CHARS})\n"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Return a workspace whose model answers at once, and may be 32 answers ahead."""
    lay(
        tmp_path,
        {
            "cases/s.yml": suite(
                [case(f"c{n}") for n in range(CASES)],
                head="suite: s\nprompt: {user: '{{ message }}'}\nchecks: [{length: {min_chars: 1}}]\n",
                gate="every-case",
            ),
            "config/models.yml": json.dumps(
                {"models": {"long": {"provider": "python", "model": "long:answer"}}}
            ),
            "long.py": CODE,
        },
    )
    # A row counts a thousand characters beside its text.
    monkeypatch.setattr("swapgate.memory.writer._MOST_WAITING", MOST_WAITING * (CHARS + 1_000))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "long", raising=False)
    return Workspace(resolve_settings(tmp_path, {"model": ["long"], "concurrency": AT_ONCE}, {}))


def engine_of(workspace: Workspace, cache: ResponseCache, **more: Callable[[], bool]) -> Engine:
    return Engine(workspace.settings, {"long": workspace.model("long")}, cache, **more)


def test_no_more_is_asked_for_while_the_cache_cannot_be_written(workspace: Workspace, tmp_path: Path) -> None:
    jobs = workspace.jobs(workspace.suite(tmp_path / "cases/s.yml"))
    with (
        closing(ResponseCache(tmp_path / "cache.db")) as cache,
        closing(sqlite3.connect(tmp_path / "cache.db", isolation_level=None)) as other,
        engine_of(workspace, cache) as engine,
    ):
        other.execute("BEGIN IMMEDIATE")
        engine.plan(jobs)
        wait_for(lambda: cache.is_behind)
        assert engine.result(jobs[-1], timeout_s=0.2) is None
        assert MOST_WAITING < engine.progress().calls <= MOST_WAITING + 1 + AT_ONCE
        other.execute("COMMIT")
        assert {engine.wait(job).facts.outcome for job in jobs} == {"passed"}
        assert engine.progress().calls == CASES


def test_no_more_is_asked_for_while_the_history_is_behind(workspace: Workspace, tmp_path: Path) -> None:
    jobs = workspace.jobs(workspace.suite(tmp_path / "cases/s.yml"))[:10]
    is_behind = threading.Event()
    is_behind.set()
    with (
        closing(ResponseCache(tmp_path / "cache.db")) as cache,
        engine_of(workspace, cache, is_behind=is_behind.is_set) as engine,
    ):
        engine.plan(jobs)
        assert engine.result(jobs[0], timeout_s=0.2) is None
        assert engine.progress().calls == 0
        is_behind.clear()
        assert [engine.wait(job).facts.outcome for job in jobs] == ["passed"] * 10


def test_batches_are_bounded_by_what_they_weigh() -> None:
    batches: list[int] = []
    may_write = threading.Event()

    def write(rows: Sequence[str]) -> None:
        may_write.wait()
        batches.append(len(rows))

    writer = BatchWriter[str](lambda: (write, lambda: None), name="slow", weigh=len)
    for _ in range(40):
        writer.put("x" * MB)
    assert writer.is_behind
    may_write.set()
    writer.close()
    assert not writer.is_behind
    assert (sum(batches), max(batches)) == (40, 4)


def test_store_that_has_failed_keeps_nobody_waiting() -> None:
    def write(_rows: Sequence[str]) -> None:
        raise OSError("no room")

    writer = BatchWriter[str](lambda: (write, lambda: None), name="full", weigh=len)
    for _ in range(40):
        writer.put("x" * MB)
    with pytest.raises(OSError, match="no room"):
        writer.close()
    assert (writer.lost, writer.is_behind) == (40, False)


class Limited:
    """A database of so many pages, until it is told of more."""

    def __init__(self, path: Path, pages: int) -> None:
        self.pages = pages
        self.refused = 0
        self._path = path

    def open(self) -> tuple[Callable[[Sequence[str]], None], Callable[[], None]]:
        connection = sqlite3.connect(self._path)
        connection.execute("CREATE TABLE rows (text)")

        def write(rows: Sequence[str]) -> None:
            connection.execute(f"PRAGMA max_page_count = {self.pages}")
            try:
                with connection:
                    connection.executemany("INSERT INTO rows VALUES (?)", [(row,) for row in rows])
            except sqlite3.OperationalError:
                self.refused += 1
                raise

        return write, connection.close

    def rows(self) -> list[str]:
        with closing(sqlite3.connect(self._path)) as connection:
            return [text for (text,) in connection.execute("SELECT text FROM rows ORDER BY rowid")]


def test_what_a_full_disk_refuses_is_written_in_order_once_it_has_room(tmp_path: Path) -> None:
    store = Limited(tmp_path / "rows.db", pages=50)
    writer = BatchWriter[str](store.open, name="full", weigh=len, may_pass=may_pass)
    rows = [f"{number:03d}".ljust(1_000) for number in range(600)]
    for row in rows[:300]:
        writer.put(row)
    wait_for(lambda: store.refused > 0)
    store.pages = 10_000
    for row in rows[300:]:
        writer.put(row)
    writer.close()
    assert (writer.lost, writer.failure) == (0, None)
    assert store.rows() == rows


def test_of_what_a_full_disk_refuses_no_more_is_kept_than_fits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("swapgate.memory.writer._MOST_KEPT", 200_000)
    store = Limited(tmp_path / "rows.db", pages=50)
    writer = BatchWriter[str](store.open, name="full", weigh=len, may_pass=may_pass)
    for number in range(300):
        writer.put(f"{number:03d}".ljust(1_000))
    wait_for(lambda: writer.failure is not None)
    assert not writer.is_behind
    with pytest.raises(sqlite3.OperationalError, match="full"):
        writer.close()
    assert writer.lost + len(store.rows()) == 300


@pytest.mark.parametrize("is_broken", [False, True])
def test_who_flushes_what_is_closed_is_not_kept_waiting(is_broken: bool) -> None:
    def open_store() -> tuple[Callable[[Sequence[str]], None], Callable[[], None]]:
        if is_broken:
            raise OSError("no room")
        return (lambda _rows: None), (lambda: None)

    writer = BatchWriter[str](open_store, name="closed")
    writer.put("x")
    with suppress(OSError):
        writer.close()
    told = []

    def flush() -> None:
        try:
            writer.flush()
        except OSError as exc:
            told.append(str(exc))

    flushing = threading.Thread(target=flush, daemon=True)
    flushing.start()
    flushing.join(PATIENCE_S)
    assert not flushing.is_alive()
    assert told == (["no room"] if is_broken else [])
