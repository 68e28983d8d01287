"""An embedder of a service for threads that wait: its calls run in one event loop, in a thread of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager, contextmanager

from swapgate.daemon import loop_in_thread
from swapgate.retrieval.embedding import AsyncEmbedder
from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.index import Vectors


class BlockingEmbedder:
    """Waits for an embedder that is awaited elsewhere; callers in other threads go on meanwhile."""

    def __init__(self, embedder: AsyncEmbedder, loop: asyncio.AbstractEventLoop) -> None:
        self.fingerprint: Fingerprint = embedder.fingerprint
        self.inner = embedder
        self._loop = loop

    def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return one vector a text."""
        made = self.inner.embed(texts, is_query=is_query)
        return asyncio.run_coroutine_threadsafe(made, self._loop).result()


@contextmanager
def blocking(opening: AbstractAsyncContextManager[AsyncEmbedder]) -> Iterator[BlockingEmbedder]:
    """Open an embedder in a loop of its own, and close both at the end."""
    with loop_in_thread("swapgate-embedding") as loop:
        embedder = asyncio.run_coroutine_threadsafe(opening.__aenter__(), loop).result()
        try:
            yield BlockingEmbedder(embedder, loop)
        finally:
            asyncio.run_coroutine_threadsafe(opening.__aexit__(None, None, None), loop).result()
