"""What Ray's workers do of a reindexing: they embed, part texts and write summaries. All else stays here.

The source is read, held against the ledger and written by one process, so that a worker that ends changes
nothing of what is known. Embeddings of a service are asked from here as well: one process keeps as many calls
in flight as a service bears, and it alone knows the limits, the money and the key.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from swapgate.daemon import message_of
from swapgate.engine.executor import PLACED
from swapgate.engine.ray_executor import RayExecutor, on_ray
from swapgate.engine.ray_lanes import Lanes, NoWorkerLeft, WorkerLost
from swapgate.engine.ray_worker import Failure, Place, Worker
from swapgate.errors import ErrorKind, ProviderError, SwapgateError, UsageError
from swapgate.retrieval.chunking import Chunk, Chunker, Document, open_chunker
from swapgate.retrieval.embedded import EmbedderLost
from swapgate.retrieval.embedding.local import LocalEmbedder, open_local
from swapgate.retrieval.fingerprint import Fingerprint, FingerprintError
from swapgate.retrieval.index import Vectors
from swapgate.retrieval.opening import IndexWorkspace
from swapgate.retrieval.sources import batches
from swapgate.spec.index import ChunkEntry, EmbedEntry
from swapgate.spec.models import ModelSpec, read_catalogue
from swapgate.spec.settings import Settings
from swapgate.values import Value

_PARTED_AT_ONCE = 64
_AHEAD = 2  # blocks of documents that wait at each worker
# Machines may round differently; other weights, or another version of a library, are further apart.
_SAME_COSINE = 0.99
_PROBE = "The same text gives the same vector on every machine."


class Spread(Value):
    """What a reindexing leaves to workers; None is done here. `workers` is their number."""

    executor: RayExecutor
    embedder: RayEmbedder | None
    parts: bool

    @property
    def workers(self) -> int:
        """How many there are."""
        return self.executor.lanes.workers

    def chunking(self, chunker: Chunker) -> Chunker | RayChunking:
        """Return what parts texts, in the running loop."""
        if not self.parts:
            return chunker
        return RayChunking(self.executor.lanes, asyncio.get_running_loop(), most=_AHEAD * self.workers)


@contextmanager
def spread(workspace: IndexWorkspace) -> Iterator[Spread | None]:
    """Yield the workers of the settings' cluster; None where there is no cluster, or nothing for it to do.

    Raises UsageError when Ray cannot be had, or its machines make different vectors of one text.
    """
    work = None if workspace.settings.ray is None else _work(workspace)
    if work is None or not any(work):
        yield None
        return
    embed, chunk, models = work
    more, without = (embed, chunk), _files(workspace)
    with on_ray(workspace.settings, models, worker=IndexWorker, more=more, without=without) as executor:
        embedder = None
        if embed is not None:
            embedder = RayEmbedder(executor.lanes, workspace.fingerprint("new"))
            embedder.require_alike()
        yield Spread(executor=executor, embedder=embedder, parts=chunk is not None)


def _work(workspace: IndexWorkspace) -> tuple[EmbedEntry | None, ChunkEntry | None, dict[str, ModelSpec]]:
    """Return what of a reindexing works on the machine that runs it."""
    embed, chunk, summarise = workspace.entry("new").embed, workspace.file.chunk, workspace.file.summarise
    models = {}
    if summarise is not None:
        spec = read_catalogue(workspace.settings.models_file).resolve(summarise.model)
        models = {spec.name: spec} if spec.provider in PLACED else {}
    # To part a text by its words takes no longer than to send it.
    return embed if embed.is_local else None, chunk if chunk and chunk.call else None, models


def _files(workspace: IndexWorkspace) -> list[Path]:
    """Return the source and the indexes where they are files: no worker reads them, and they may be large."""
    source, sides = workspace.file.source, (workspace.file.old, workspace.file.new)
    stores = [store.path for side in sides for store in (side.sqlite, side.qdrant) if store is not None]
    written = [source.jsonl, source.parquet, *stores]
    return [workspace.settings.root / path for path in written if path is not None]


class RayEmbedder:
    """Embeds on the workers; what fails there fails as it would here."""

    def __init__(self, lanes: Lanes, fingerprint: Fingerprint) -> None:
        self.fingerprint = fingerprint
        self._lanes = lanes

    async def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return one vector a text. What ends two workers in a row is taken for the fault of a text."""
        try:
            said = await self._lanes.call("embed", list(texts), is_query)
        except NoWorkerLeft as exc:
            raise _stopped(exc) from exc
        except WorkerLost as exc:
            raise EmbedderLost(str(exc), kind=ErrorKind.USER_CODE) from exc
        return _vectors(said)

    def require_alike(self) -> None:
        """Raise UsageError when two workers make different vectors of one text."""
        found = self._lanes.ask_all("embed", [_PROBE], False)
        # One that cannot embed this text says so of the corpus's.
        made = [(place, _vectors(said)[0]) for place, said in found if not isinstance(said, Failure)]
        for place, vector in made[1:]:
            if _cosine(made[0][1], vector) < _SAME_COSINE:
                raise UsageError(
                    f"the embedding {self.fingerprint.model} gives different vectors of one text on "
                    f"{_shown(made[0][0])} and on {_shown(place)}: install the same versions and weights on "
                    "all machines"
                )


class RayChunking:
    """Parts documents on the workers, some blocks ahead of the reader, which is a thread beside the loop."""

    def __init__(self, lanes: Lanes, loop: asyncio.AbstractEventLoop, *, most: int) -> None:
        self._lanes = lanes
        self._loop = loop
        self._most = most

    def chunked(self, documents: Iterator[Document]) -> Iterator[Sequence[Chunk]]:
        """Yield the chunks of each document, in order."""
        ahead: deque[Future[list[Sequence[Chunk]]]] = deque()
        try:
            for block in batches(documents, _PARTED_AT_ONCE):
                ahead.append(asyncio.run_coroutine_threadsafe(self._part(block), self._loop))
                if len(ahead) > self._most:
                    yield from ahead.popleft().result()
            while ahead:
                yield from ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()

    async def _part(self, block: Sequence[Document]) -> list[Sequence[Chunk]]:
        try:
            said = await self._lanes.call("part", block)
        except NoWorkerLeft as exc:
            raise _stopped(exc) from exc
        except WorkerLost as exc:
            where = f"{block[0].id!r} to {block[-1].id!r}"
            raise UsageError(f"chunk: the documents {where} could not be parted: {exc}") from exc
        if isinstance(said, Failure):
            raise UsageError(said.message)
        parts: list[Sequence[Chunk]] = said
        return parts


class _Misfit(Value):
    """A FingerprintError on its way back."""

    message: str


class IndexWorker(Worker):
    """A worker that embeds and parts texts too."""

    def __init__(
        self,
        settings: Settings,
        models: Mapping[str, ModelSpec],
        root: Path | None,
        embed: EmbedEntry | None,
        chunk: ChunkEntry | None,
    ) -> None:
        super().__init__(settings, models, root)
        self._embed = embed
        self._chunk = chunk

    async def embed(self, texts: Sequence[str], is_query: bool) -> Vectors | Failure | _Misfit:
        """Return vectors."""
        try:
            return await asyncio.to_thread(lambda: self._embedder.embed(texts, is_query=is_query))
        except FingerprintError as exc:
            return _Misfit(message=str(exc))
        except ProviderError as exc:
            return Failure(message=str(exc), kind=exc.kind)
        except SwapgateError as exc:
            return _of_this_machine(exc)
        except Exception as exc:  # the user's own function: it may be about one text
            return Failure(message=f"{type(exc).__name__}: {message_of(exc)}", kind=ErrorKind.USER_CODE)

    async def part(self, documents: Sequence[Document]) -> list[Sequence[Chunk]] | Failure:
        """Return the chunks of each document."""
        try:
            return await asyncio.to_thread(lambda: list(self._chunker.chunked(iter(documents))))
        except SwapgateError as exc:
            return _of_this_machine(exc)

    @cached_property
    def _embedder(self) -> LocalEmbedder:
        assert self._embed is not None
        return open_local(self._embed, root=self._settings.root, chunker="")

    @cached_property
    def _chunker(self) -> Chunker:
        return open_chunker(self._chunk, root=self._settings.root)


def _of_this_machine(exc: SwapgateError) -> Failure:
    return Failure(message=f"on {socket.gethostname()}: {exc}", kind=ErrorKind.INTERNAL)


def _vectors(said: Any) -> Vectors:
    """Return vectors, or raise what a worker could not do."""
    if isinstance(said, _Misfit):
        raise FingerprintError(said.message)
    if isinstance(said, Failure):
        raise ProviderError(said.message, kind=said.kind)
    vectors: Vectors = said
    return vectors


def _stopped(exc: NoWorkerLeft) -> SwapgateError:
    return SwapgateError(
        f"{exc}. What is embedded is kept: run the same command again, it goes on where it was"
    )


def _cosine(one: Any, other: Any) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float(np.dot(one, other)) / size if size else 1.0


def _shown(place: Place) -> str:
    return f"{place.host} (process {place.pid})"
