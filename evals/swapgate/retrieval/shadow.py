"""Asks the index that does not serve as well, where nobody waits for it, and records both answers."""

from __future__ import annotations

import hashlib
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from swapgate.daemon import message_of
from swapgate.errors import StoreError
from swapgate.memory.writer import BatchWriter
from swapgate.reporting.text import safe_text
from swapgate.retrieval.arms import Found
from swapgate.retrieval.index import Hit
from swapgate.retrieval.metrics import Counted, Counters
from swapgate.retrieval.records import ShadowOutcome, ShadowRead
from swapgate.retrieval.state import StateStore, now_text
from swapgate.values import Value

_LONGEST_ERROR = 300
_COUNTED: Mapping[ShadowOutcome, Counted] = {
    "answered": "shadow_answered",
    "failed": "shadow_failed",
    "timeout": "shadow_timeout",
}


class Asked(Value):
    """A query that was served, and is to be asked again of the other index."""

    query: str
    k: int
    key: str
    found: Found
    served_s: float


class ShadowLog:
    """Stores what both indexes answered, in a thread of its own; what cannot be stored is counted.

    The text of a query is kept only with `keeps_queries`: it is the user's customers'.
    """

    def __init__(self, store: StateStore, name: str, counters: Counters, *, keeps_queries: bool) -> None:
        self._store = store
        self._name = name
        self._counters = counters
        self._keeps_queries = keeps_queries
        self._writer: BatchWriter[ShadowRead] = BatchWriter(
            lambda: (self._write, lambda: None), name="swapgate-shadow-log"
        )

    def add(
        self,
        asked: Asked,
        outcome: ShadowOutcome,
        *,
        hits: Sequence[Hit] = (),
        seconds: float | None = None,
        error: BaseException | None = None,
    ) -> None:
        """Record one query."""
        version = asked.found.version
        self._counters.shadowed(_COUNTED[outcome], version=version, has_answer=outcome == "answered")
        served = asked.found.hits
        told = None if error is None else f"{type(error).__name__}: {message_of(error)}"
        self._writer.put(
            ShadowRead(
                at=now_text(),
                version=asked.found.version,
                key_hash=hashlib.sha256(asked.key.encode("utf-8", "surrogatepass")).hexdigest()[:16],
                query=asked.query if self._keeps_queries else None,
                served_by=asked.found.served_by,
                served=tuple(hit.id for hit in served),
                served_scores=tuple(hit.score for hit in served),
                served_s=asked.served_s,
                outcome=outcome,
                shadow=tuple(hit.id for hit in hits),
                shadow_scores=tuple(hit.score for hit in hits),
                shadow_s=seconds,
                error=None if told is None else safe_text(told, _LONGEST_ERROR),
            )
        )

    def flush(self) -> None:
        """Wait until everything recorded so far is stored."""
        self._writer.flush()

    def close(self) -> None:
        """Store what is left."""
        self._writer.close()

    def _write(self, reads: Sequence[ShadowRead]) -> None:
        try:
            self._store.add_shadow_reads(self._name, reads)
        except StoreError:
            self._counters.add("shadow_lost", len(reads))


class ShadowThreads:
    """A few threads that ask again. What comes while too many queries wait is dropped, and counted."""

    def __init__(
        self,
        ask: Callable[[Asked], Sequence[Hit]],
        log: ShadowLog,
        counters: Counters,
        *,
        threads: int,
        most_waiting: int,
    ) -> None:
        self._ask = ask
        self._log = log
        self._counters = counters
        self._waiting: queue.Queue[Asked | None] = queue.Queue(maxsize=most_waiting)
        self._threads = [
            threading.Thread(target=self._run, name=f"swapgate-shadow-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def put(self, asked: Asked) -> None:
        """Have a query asked again; returns at once."""
        try:
            self._waiting.put_nowait(asked)
        except queue.Full:
            self._counters.add("shadow_dropped")

    def drain(self, limit_s: float) -> bool:
        """Wait until nothing is left to ask; False when that takes longer."""
        until = time.monotonic() + limit_s
        while self._waiting.unfinished_tasks:
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True

    def close(self, limit_s: float) -> None:
        """Ask what is left, but for so long only: an index that hangs keeps nobody from ending."""
        if self.drain(limit_s):
            for _ in self._threads:
                self._waiting.put(None)
            for thread in self._threads:
                thread.join(timeout=limit_s)

    def _run(self) -> None:
        while (asked := self._waiting.get()) is not None:
            started = time.perf_counter()
            try:
                hits = self._ask(asked)
            except Exception as exc:
                self._log.add(asked, "failed", seconds=time.perf_counter() - started, error=exc)
            else:
                self._log.add(asked, "answered", hits=hits, seconds=time.perf_counter() - started)
            finally:
                self._waiting.task_done()
