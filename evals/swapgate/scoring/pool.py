"""Chunks scored in worker processes, of this machine or of Ray; only a few are under way at once."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Protocol, TypeAlias

from swapgate.daemon import loop_in_thread
from swapgate.engine.ray_executor import on_ray
from swapgate.engine.ray_lanes import Lanes, NoWorkerLeft, WorkerLost
from swapgate.engine.ray_worker import Worker
from swapgate.engine.workspace import Workspace
from swapgate.errors import SwapgateError
from swapgate.scoring.inputs import Chunk, Text
from swapgate.scoring.scorer import ScoredPart, Scorer
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import Settings

_AHEAD = 2
Scored: TypeAlias = tuple[Chunk, ScoredPart]
Read: TypeAlias = Callable[[Chunk], Text]


class Pool(Protocol):
    """Scores chunks, in the order in which they happen to be done."""

    def score(self, chunks: Iterable[Chunk], read: Read) -> Iterator[Scored]:
        """Yield each chunk with what became of it; `read` is called when a worker is free for it."""
        ...


@contextlib.contextmanager
def open_pool(
    settings: Settings, suites: Sequence[Path], *, model: str | None, processes: int
) -> Iterator[Pool]:
    """Yield the workers until the block ends: those of Ray where the settings name a cluster."""
    if settings.ray is None and processes == 1:
        yield HerePool(Scorer(Workspace(settings), suites, model=model))
        return
    if settings.ray is None:
        with _processes(settings, suites, model, processes) as executor:
            yield ProcessPool(lambda text: executor.submit(_score, text), most=_AHEAD * processes)
        return
    inside = [os.path.relpath(path, settings.root) for path in suites]
    with (
        on_ray(settings, {}, worker=ScoreWorker, more=(inside, model), uses_gpus=False) as executor,
        loop_in_thread("swapgate-scoring") as loop,
    ):
        yield _ray_pool(executor.lanes, loop)


class HerePool:
    """This process itself, for what one can do: no other has to be started."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def score(self, chunks: Iterable[Chunk], read: Read) -> Iterator[Scored]:
        """Yield each chunk with its part."""
        for chunk in chunks:
            yield chunk, self._scorer.score(read(chunk))


class ProcessPool:
    """Worker processes: `submit` gives a text to one of them, `most` may wait or be worked at."""

    def __init__(self, submit: Callable[[Text], Future[ScoredPart]], *, most: int) -> None:
        self._submit = submit
        self._most = most

    def score(self, chunks: Iterable[Chunk], read: Read) -> Iterator[Scored]:
        """Yield each chunk with its part."""
        waiting = iter(chunks)
        under_way: dict[Future[ScoredPart], Chunk] = {}
        while True:
            while len(under_way) < self._most and (chunk := next(waiting, None)) is not None:
                under_way[self._submit(read(chunk))] = chunk
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                chunk = under_way.pop(future)
                yield chunk, _result(future, chunk)


def _ray_pool(lanes: Lanes, loop: asyncio.AbstractEventLoop) -> ProcessPool:
    """Return Ray's workers; a chunk whose worker ended is given to another one once."""

    def submit(text: Text) -> Future[ScoredPart]:
        return asyncio.run_coroutine_threadsafe(lanes.call("score", text), loop)

    return ProcessPool(submit, most=_AHEAD * lanes.workers)


class ScoreWorker(Worker):
    """A worker of Ray that scores chunks."""

    def __init__(
        self,
        settings: Settings,
        models: Mapping[str, ModelSpec],
        root: Path | None,
        suites: Sequence[str],
        model: str | None,
    ) -> None:
        super().__init__(settings, models, root)
        here = self._settings.root
        self._scorer = Scorer(self._workspace, [here / path for path in suites], model=model)

    async def score(self, text: Text) -> ScoredPart:
        """Return what becomes of a chunk."""
        return self._scorer.score(text)


_scorer: list[Scorer] = []


@contextlib.contextmanager
def _processes(
    settings: Settings, suites: Sequence[Path], model: str | None, processes: int
) -> Iterator[ProcessPoolExecutor]:
    executor = ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(settings, suites, model),
    )
    try:
        yield executor
    finally:
        executor.shutdown(cancel_futures=True)


def _begin(settings: Settings, suites: Sequence[Path], model: str | None) -> None:
    """Open the suites in a worker process, which ends with the one that started it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _scorer.append(Scorer(Workspace(settings), suites, model=model))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
    os._exit(1)


def _score(text: Text) -> ScoredPart:
    return _scorer[0].score(text)


def _result(future: Future[ScoredPart], chunk: Chunk) -> ScoredPart:
    try:
        return future.result()
    except NoWorkerLeft as exc:
        raise SwapgateError(f"{exc}. What is done is kept: run it again") from exc
    except (BrokenProcessPool, WorkerLost) as exc:
        raise _lost(chunk) from exc


def _lost(chunk: Chunk) -> SwapgateError:
    return SwapgateError(
        f"a worker process ended at {chunk.shown}, about byte {chunk.start:,}: too little memory, or a check "
        "of your own that ends its process? What is done is kept: run it again"
    )
