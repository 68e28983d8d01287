"""Chunks scored in worker processes, of this machine or of Ray; only a few are under way at once."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from swapgate.engine.ray_cluster import Cluster, connected
from swapgate.engine.ray_worker import moved
from swapgate.engine.workspace import Workspace
from swapgate.errors import SwapgateError, UsageError
from swapgate.scoring.inputs import Chunk, Text
from swapgate.scoring.scorer import ScoredPart, Scorer
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
            yield LocalPool(executor, processes)
        return
    without = (settings.state_dir, settings.reports_dir)
    with connected(settings.ray, root=settings.root, without=without) as cluster:
        yield RayPool(cluster, settings, suites, model)


class HerePool:
    """This process itself, for what one can do: no other has to be started."""

    def __init__(self, scorer: Scorer) -> None:
        self._scorer = scorer

    def score(self, chunks: Iterable[Chunk], read: Read) -> Iterator[Scored]:
        """Yield each chunk with its part."""
        for chunk in chunks:
            yield chunk, self._scorer.score(read(chunk))


class LocalPool:
    """Worker processes of this machine."""

    def __init__(self, executor: ProcessPoolExecutor, processes: int) -> None:
        self._executor = executor
        self._most = _AHEAD * processes

    def score(self, chunks: Iterable[Chunk], read: Read) -> Iterator[Scored]:
        """Yield each chunk with its part."""
        waiting = iter(chunks)
        under_way: dict[Future[ScoredPart], Chunk] = {}
        while True:
            while len(under_way) < self._most and (chunk := next(waiting, None)) is not None:
                under_way[self._executor.submit(_score, read(chunk))] = chunk
            if not under_way:
                return
            done, _ = wait(under_way, return_when=FIRST_COMPLETED)
            for future in done:
                chunk = under_way.pop(future)
                yield chunk, _result(future, chunk)


class RayPool:
    """One worker for each free CPU of a cluster; a chunk whose worker ended is given to another one once."""

    def __init__(
        self, cluster: Cluster, settings: Settings, suites: Sequence[Path], model: str | None
    ) -> None:
        if cluster.cpus < 1:
            raise UsageError(f"--ray={cluster.address}: no CPU of the cluster is free now")
        self._cluster = cluster
        inside = [os.path.relpath(path, settings.root) for path in suites]
        self._arguments = (settings, inside, model, cluster.root)
        self._free = [self._new_worker() for _ in range(cluster.cpus)]
        self._lost: set[int] = set()

    def score(self, chunks: Iterable[Chunk], read: Read) -> Iterator[Scored]:
        """Yield each chunk with its part."""
        waiting, again = iter(chunks), list[Chunk]()
        under_way: dict[Any, tuple[Chunk, Any]] = {}
        while True:
            while self._free and (chunk := again.pop() if again else next(waiting, None)) is not None:
                worker = self._free.pop()
                under_way[worker.score.remote(read(chunk))] = (chunk, worker)
            if not under_way:
                return
            (reference,), _ = self._cluster.ray.wait(list(under_way), num_returns=1)
            chunk, worker = under_way.pop(reference)
            part = self._part(reference, chunk)
            self._free.append(worker if part is not None else self._new_worker())
            if part is not None:
                yield chunk, part
            else:
                again.append(chunk)

    def _part(self, reference: Any, chunk: Chunk) -> ScoredPart | None:
        """Return a chunk's part, None when its worker ended for the first time."""
        errors = self._cluster.ray.exceptions
        try:
            part: ScoredPart = self._cluster.ray.get(reference)
        except errors.RayTaskError:
            raise
        except errors.RayError as exc:
            if chunk.number in self._lost:
                raise _lost(chunk) from exc
            self._lost.add(chunk.number)
            return None
        return part

    def _new_worker(self) -> Any:
        remote = self._cluster.ray.remote(RayScorer).options(num_cpus=1, max_restarts=0)
        return remote.remote(*self._arguments)


class RayScorer:
    """A scorer in one of Ray's worker processes."""

    def __init__(
        self, settings: Settings, suites: Sequence[str], model: str | None, root: Path | None
    ) -> None:
        here = moved(settings, root or Path.cwd())
        self._scorer = Scorer(Workspace(here), [here.root / path for path in suites], model=model)

    def score(self, text: Text) -> ScoredPart:
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
    except BrokenProcessPool as exc:
        raise _lost(chunk) from exc


def _lost(chunk: Chunk) -> SwapgateError:
    return SwapgateError(
        f"a worker process ended at {chunk.shown}, about byte {chunk.start:,}: too little memory, or a check "
        "of your own that ends its process? What is done is kept: run it again"
    )
