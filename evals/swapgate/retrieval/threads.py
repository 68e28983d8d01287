"""What blocks made awaitable: an index or an embedder for the asynchronous router."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TypeVar, TypeVarTuple

from swapgate.retrieval.embedding import Embedder
from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.index import Hit, Payload, Vector, VectorIndex, Vectors

T = TypeVar("T")
Args = TypeVarTuple("Args")


class AwaitedIndex:
    """A blocking index; each call in a thread, or (`in_thread=False`, for what is quick) at once."""

    def __init__(self, index: VectorIndex, *, in_thread: bool = True) -> None:
        self.name = index.name
        self._index = index
        self._in_thread = in_thread

    async def search(self, vector: Vector, k: int) -> list[Hit]:
        """Return the best `k` entries or fewer."""
        return await _call(self._in_thread, self._index.search, vector, k)

    async def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Store entries."""
        await _call(self._in_thread, self._index.upsert, ids, vectors, payloads)

    async def delete(self, ids: Sequence[str]) -> None:
        """Remove entries."""
        await _call(self._in_thread, self._index.delete, ids)

    async def stamp(self) -> Fingerprint | None:
        """Return the fingerprint that the index was stamped with."""
        return await _call(self._in_thread, self._index.stamp)


class AwaitedEmbedder:
    """A blocking embedder; see AwaitedIndex."""

    def __init__(self, embedder: Embedder, *, in_thread: bool = True) -> None:
        self.fingerprint = embedder.fingerprint
        self._embedder = embedder
        self._in_thread = in_thread

    async def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return one vector a text."""

        def embed() -> Vectors:
            return self._embedder.embed(texts, is_query=is_query)

        return await _call(self._in_thread, embed)


async def _call(in_thread: bool, function: Callable[[*Args], T], *args: *Args) -> T:
    return await asyncio.to_thread(function, *args) if in_thread else function(*args)
