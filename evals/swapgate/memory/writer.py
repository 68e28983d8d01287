"""One background thread that writes what arrives in small batches."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")
_BATCH = 256
# Characters: the rows of one batch are copied together, and what waits is lost if the store fails.
_HEAVIEST_BATCH = 4_000_000
_MOST_WAITING = 32_000_000
# Of what a store does not take for now so much is kept for another try, well before nothing more is made.
_MOST_KEPT = 16_000_000
_AGAIN_AFTER_S = 1.0
_ROW = 1_000
_GATHERING = 4.0
_BRIEFEST_GATHERING_S, _LONGEST_GATHERING_S = 0.02, 0.05


class BatchWriter(Generic[T]):
    """Hands queued rows to `write`, in order, in batches; what is queued is written before `close` returns.

    `open` runs in the thread and returns the `write` and `close` functions, so that a database connection
    belongs to the thread that uses it; with `waits` the thread begins at `begin`. The first failure stops the
    writing and is raised by `flush` and `close`; rows queued after it are counted in `lost`. Where it
    `may_pass`, rows are kept and written later, in the order in which they came: it is a failure once many
    wait, or when somebody flushes or closes. Rows come together for `gather_s`, by default as briefly as the
    store can follow. `on_unwritten` is given rows that are not written for now, or never. `weigh` gives a
    row's characters, where they may be many.
    """

    def __init__(
        self,
        open_store: Callable[[], tuple[Callable[[Sequence[T]], None], Callable[[], None]]],
        *,
        name: str,
        on_written: Callable[[Sequence[T]], None] = lambda _rows: None,
        on_unwritten: Callable[[Sequence[T]], None] = lambda _rows: None,
        waits: bool = False,
        gather_s: float | None = None,
        weigh: Callable[[T], int] = lambda _row: 0,
        may_pass: Callable[[Exception], bool] = lambda _failure: False,
    ) -> None:
        self._open_store = open_store
        self._on_written = on_written
        self._on_unwritten = on_unwritten
        self._queue: queue.SimpleQueue[T | threading.Event | None] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._is_wanted = threading.Event()
        self._took_s = 0.0
        self._gather_s = gather_s
        self._weigh = weigh
        self._may_pass = may_pass
        self._kept: list[T] = []
        self._again_at = 0.0
        self._waiting = 0
        self._weighing = threading.Lock()
        self.lost = 0
        self._has_ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        if not waits:
            self.begin()

    def begin(self) -> None:
        """Open the store and write what is queued from now on; nothing where that has begun."""
        if self._thread.ident is None:
            self._thread.start()

    def put(self, row: T) -> None:
        """Queue one row; returns at once."""
        self._add_waiting(self._weight(row))
        self._queue.put(row)

    @property
    def is_behind(self) -> bool:
        """Whether so much waits to be written that no more should be made for now."""
        return self._waiting > _MOST_WAITING

    def _weight(self, row: T) -> int:
        return _ROW + self._weigh(row)

    def _add_waiting(self, weight: int) -> None:
        with self._weighing:
            self._waiting += weight

    def flush(self) -> None:
        """Wait until everything queued so far is written; of what is closed nothing more ever is."""
        self.begin()
        reached = threading.Event()
        self._queue.put(reached)
        self._is_wanted.set()
        if not self._has_ended.is_set():  # else nobody may come by this event any more
            reached.wait()
        self._is_wanted.clear()
        self._raise_failure()

    def close(self) -> None:
        """Write what is queued and end the thread."""
        self.begin()
        self._queue.put(None)
        self._is_wanted.set()
        self._thread.join()
        self._raise_failure()

    @property
    def failure(self) -> BaseException | None:
        """What has stopped the writing, None while nothing has."""
        return self._failure

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._serve()
        finally:
            self._has_ended.set()
            self._let_go()

    def _serve(self) -> None:
        try:
            write, close = self._open_store()
        except Exception as failure:
            self._failure = failure
            while self._lose(self._queue.get()):
                pass
            return
        try:
            while self._write_batch(write):
                self._gather()
        finally:
            close()

    def _gather(self) -> None:
        """Let rows come together, by default for a few times as long as the last batch took.

        A commit a row is slow, and a thread that wakes for each takes Python from those that make them.
        Whoever flushes or closes is not kept waiting.
        """
        brief_s = min(max(_GATHERING * self._took_s, _BRIEFEST_GATHERING_S), _LONGEST_GATHERING_S)
        self._is_wanted.wait(brief_s if self._gather_s is None else self._gather_s)

    def _write_batch(self, write: Callable[[Sequence[T]], None]) -> bool:
        """Take what is there, write it in one go; False once the end was seen."""
        rows, reached, is_open = self._take()
        started = time.perf_counter()
        self._kept += rows
        if self._kept:
            self._write(write, is_awaited=bool(reached) or not is_open)
        self._took_s = time.perf_counter() - started
        for event in reached:
            event.set()
        return is_open

    def _take(self) -> tuple[list[T], list[threading.Event], bool]:
        rows: list[T] = []
        reached: list[threading.Event] = []
        weight = 0
        entry = self._queue.get()
        while True:
            if entry is None:
                return rows, reached, False
            if isinstance(entry, threading.Event):
                reached.append(entry)
            else:
                rows.append(entry)
                weight += self._weight(entry)
            if len(rows) >= _BATCH or weight >= _HEAVIEST_BATCH:
                return rows, reached, True
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return rows, reached, True

    def _write(self, write: Callable[[Sequence[T]], None], *, is_awaited: bool) -> None:
        """Write what is there, or keep it where the store may take it later."""
        try:
            if self._failure is None and (is_awaited or time.monotonic() >= self._again_at):
                while self._kept:
                    self._write_some(self._first_kept(), write)
        except Exception as failure:
            self._again_at = time.monotonic() + _AGAIN_AFTER_S
            self._on_unwritten(self._kept)
            if is_awaited or self._waiting > _MOST_KEPT or not self._may_pass(failure):
                self._failure = failure
        if self._failure is not None:
            for row in self._kept:
                self._lose(row)
            self._kept.clear()

    def _write_some(self, rows: Sequence[T], write: Callable[[Sequence[T]], None]) -> None:
        write(rows)
        self._on_written(rows)
        del self._kept[: len(rows)]
        self._add_waiting(-sum(map(self._weight, rows)))

    def _first_kept(self) -> list[T]:
        weight = 0
        for number, row in enumerate(self._kept[:_BATCH], start=1):
            weight += self._weight(row)
            if weight >= _HEAVIEST_BATCH:
                return self._kept[:number]
        return self._kept[:_BATCH]

    def _let_go(self) -> None:
        """Lose what was queued after the end."""
        with suppress(queue.Empty):
            while True:
                self._lose(self._queue.get_nowait())

    def _lose(self, entry: T | threading.Event | None) -> bool:
        """Count a row that is not written, or tell who waits; False for the end."""
        if entry is None:
            return False
        if isinstance(entry, threading.Event):
            entry.set()
        else:
            self._add_waiting(-self._weight(entry))
            self.lost += 1
            self._on_unwritten([entry])
        return True
