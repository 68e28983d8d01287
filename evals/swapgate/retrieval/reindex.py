"""Fills the new index: passes over the source until one finds nothing new, each resumable at any moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeAlias

from swapgate.errors import UsageError
from swapgate.retrieval.chunking import Chunk, Chunking
from swapgate.retrieval.embedded import Embedded, embed_chunks, is_of_a_text, letter_of
from swapgate.retrieval.embedding import AsyncEmbedder
from swapgate.retrieval.fingerprint import require_same
from swapgate.retrieval.index import VectorIndex
from swapgate.retrieval.ledger import DeadLetter, Ledger
from swapgate.retrieval.reading import Part, Reading
from swapgate.retrieval.sources import Source
from swapgate.retrieval.writing import Batch, Writing
from swapgate.spec.index import ReindexEntry
from swapgate.values import Value

_WRITTEN_AT_ONCE = 4096
_REMOVED_AT_ONCE = 500
# So many may always be dead, or removed, whatever their share: of ten chunks one is a tenth.
_FEW = 10
Summarise: TypeAlias = Callable[[str], Awaitable[str]]


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far a pass is. `documents` of `total` (None: unknown) are read; counts are of chunks."""

    number: int = 0
    total: int | None = None
    documents: int = 0
    written: int = 0
    unchanged: int = 0
    dead: int = 0
    removed: int = 0
    seconds: float = 0.0

    @property
    def per_s(self) -> float:
        """Chunks dealt with in a second."""
        return (self.written + self.unchanged) / self.seconds if self.seconds else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until the end of the pass at this rate; None where that cannot be said."""
        if not self.total or not self.documents or self.total < self.documents:
            return None
        return self.seconds * (self.total - self.documents) / self.documents


class Reindexed(Value):
    """What a run did. Unless `is_quiet` its last pass still found something new."""

    passes: tuple[Progress, ...] = field(default=())
    is_quiet: bool = False

    @property
    def written(self) -> int:
        """Vectors written."""
        return sum(one.written for one in self.passes)

    @property
    def removed(self) -> int:
        """Entries removed."""
        return sum(one.removed for one in self.passes)


class Filling(Value):
    """All that a reindexing needs. `summarise` turns a chunk's text into what is embedded."""

    source: Source
    chunking: Chunking
    embedder: AsyncEmbedder
    index: VectorIndex
    ledger: Ledger
    settings: ReindexEntry
    summarise: Summarise | None = None
    draw: Callable[[Progress], None] = lambda _progress: None


async def reindex(filling: Filling, *, passes: int | None = None) -> Reindexed:
    """Fill the index, and read the source again until nothing changes, at most `passes` times.

    The last pass writes nothing, unless `passes` are used up: what was read before another process removed
    it can then not have been written after.
    """
    filling.index.create(filling.embedder.fingerprint)
    require_same(filling.index.name, stamped=filling.index.stamp(), wanted=filling.embedder.fingerprint)
    made: list[Progress] = []
    for _ in range(passes or filling.settings.passes):
        made.append(await _Pass(filling).run())
        if not made[-1].written and not made[-1].removed:
            break
    if any(one.written for one in made):
        await asyncio.to_thread(filling.index.build)
    return Reindexed(passes=tuple(made), is_quiet=not made[-1].written and not made[-1].removed)


class _Pass:
    """One pass: a thread reads, calls embed, a thread writes; what is in flight is bounded everywhere."""

    def __init__(self, filling: Filling) -> None:
        self._filling = filling
        number = filling.ledger.begin_pass()
        self._progress = Progress(number=number, total=filling.source.count())
        self._reading = Reading(filling.source, filling.chunking, filling.ledger, number)
        self._parts = self._reading.parts()
        self._writing = Writing(filling.index, filling.ledger, number)
        self._queue: asyncio.Queue[Part | Embedded | None] = asyncio.Queue(maxsize=4)
        self._slots = asyncio.Semaphore(filling.settings.concurrency)
        self._calls: set[asyncio.Task[None]] = set()
        self._summaries: dict[str, str] = {}
        self._failure: BaseException | None = None
        self._cannot_write = False
        self._started = time.monotonic()

    async def run(self) -> Progress:
        """Make the pass. What is embedded already when something fails is written before that is raised."""
        with (
            ThreadPoolExecutor(1, "swapgate-read") as reader,
            ThreadPoolExecutor(1, "swapgate-write") as writer,
        ):
            writing = asyncio.create_task(self._write_all(writer))
            try:
                await self._read_all(reader)
            except BaseException as exc:
                self._failure = self._failure or exc
            await self._finish(writing)
            await asyncio.get_running_loop().run_in_executor(reader, self._parts.close)
            if self._failure is not None:
                raise self._failure
            await asyncio.get_running_loop().run_in_executor(writer, self._remove_gone)
        self._tell()
        return self._progress

    async def _read_all(self, reader: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        waiting: list[Chunk] = []
        size = self._filling.settings.batch
        while self._failure is None:
            part = await loop.run_in_executor(reader, next, self._parts, None)
            if part is None:
                break
            self._progress.documents += part.documents
            waiting += part.fresh
            await self._queue.put(part)
            while len(waiting) >= size and self._failure is None:
                await self._begin_call(waiting[:size])
                del waiting[:size]
        if waiting and self._failure is None:
            await self._begin_call(waiting)

    async def _begin_call(self, chunks: Sequence[Chunk]) -> None:
        await self._slots.acquire()
        task = asyncio.create_task(self._embed(chunks))
        self._calls.add(task)
        task.add_done_callback(self._calls.discard)

    async def _embed(self, chunks: Sequence[Chunk]) -> None:
        try:
            texts, dead = await self._texts(chunks)
            left = [chunk for chunk in chunks if chunk.id in texts]
            if left:
                found = await embed_chunks(self._filling.embedder, left, [texts[one.id] for one in left])
            else:
                found = Embedded()
            found.dead += dead
            await self._queue.put(found)
        except BaseException as exc:
            self._failure = self._failure or exc
            self._slots.release()

    async def _texts(self, chunks: Sequence[Chunk]) -> tuple[dict[str, str], list[tuple[DeadLetter, Chunk]]]:
        """Return what is embedded of chunks by id: their own texts, or what a model makes of them."""
        if self._filling.summarise is None:
            return {chunk.id: chunk.text for chunk in chunks}, []
        made = await asyncio.gather(
            *(self._filling.summarise(chunk.text) for chunk in chunks), return_exceptions=True
        )
        texts: dict[str, str] = {}
        dead = []
        for chunk, summary in zip(chunks, made, strict=True):
            if isinstance(summary, str):
                texts[chunk.id] = summary
            elif is_of_a_text(summary):
                dead.append((letter_of(chunk, summary), chunk))
            else:
                raise summary
        self._summaries.update(texts)
        return texts, dead

    async def _finish(self, writing: asyncio.Task[None]) -> None:
        """Let the calls in flight end, since they are paid for, and write what came."""
        while self._calls:
            await asyncio.wait(self._calls)
        if not writing.done():
            await asyncio.wait({writing, asyncio.create_task(self._queue.put(None))})
        if not writing.cancelled() and (failure := writing.exception()) is not None:
            self._failure = self._failure or failure

    async def _write_all(self, writer: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        is_open = True
        while is_open:
            batch, is_open = await self._gather()
            try:
                # After a failure the rest is taken all the same, so that nobody waits for room.
                if not self._cannot_write:
                    finished = await loop.run_in_executor(writer, self._writing.write, batch)
                    self._count(batch, finished)
            except BaseException as exc:
                self._failure = self._failure or exc
                self._cannot_write = True
            # Only now: what a kill may have embedded twice are so many batches, and no more.
            for _ in batch.embedded:
                self._slots.release()

    async def _gather(self) -> tuple[Batch, bool]:
        """Return what is there to write, at least one thing, and whether more may come."""
        batch = Batch(summaries=self._summaries)
        one = await self._queue.get()
        while one is not None:
            if isinstance(one, Part):
                batch.parts.append(one)
            else:
                batch.embedded.append(one)
            if batch.size >= _WRITTEN_AT_ONCE or self._queue.empty():
                return batch, True
            one = self._queue.get_nowait()
        return batch, False

    def _count(self, batch: Batch, finished: list[str]) -> None:
        self._reading.done(finished)
        for one in finished:
            self._summaries.pop(one, None)
        self._progress.written += batch.size
        self._progress.unchanged += sum(len(part.unchanged) - part.dead for part in batch.parts)
        failed = sum(len(one.dead) for one in batch.embedded)
        self._progress.dead += failed + sum(part.dead + len(part.empty) for part in batch.parts)
        self._tell()
        self._refuse_too_many_dead(failed)

    def _refuse_too_many_dead(self, failed: int) -> None:
        done = self._progress
        dealt = done.written + done.unchanged + done.dead
        share = self._filling.settings.max_dead
        if failed and done.dead > max(_FEW, share * dealt):
            self._failure = self._failure or UsageError(
                f"{done.dead:,} of {dealt:,} chunks could not be embedded, more than `max_dead: {share:g}` "
                "allows. `swapgate index dead` shows why. Mend that, then run again with --retry-dead; or "
                "raise max_dead"
            )

    def _tell(self) -> None:
        self._progress.seconds = time.monotonic() - self._started
        self._filling.draw(self._progress)

    def _remove_gone(self) -> None:
        """Remove from the index what a whole pass over the source did not find any more."""
        ledger, number = self._filling.ledger, self._progress.number
        gone = ledger.count_unseen(number)
        left = sum(ledger.counts()) - gone
        share = self._filling.settings.max_removed
        if gone > max(_FEW, share * (left + gone)):
            raise UsageError(
                f"the source lacks {gone:,} of {left + gone:,} chunks that it had before, more than "
                f"`max_removed: {share:g}` allows: was it read whole? Nothing was removed. If they are gone "
                "indeed, raise max_removed for one run"
            )
        while ids := ledger.unseen(number, limit=_REMOVED_AT_ONCE):
            self._writing.remove(ids)
            self._progress.removed += len(ids)
