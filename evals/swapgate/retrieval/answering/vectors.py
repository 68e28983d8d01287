"""Queries' vectors that a service was paid for, remembered in the cache of responses."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from swapgate.errors import UsageError
from swapgate.records import Json, Response, Usage, content_hash
from swapgate.retrieval.embedding.api import ApiEmbedder
from swapgate.values import replace

if TYPE_CHECKING:
    from swapgate.memory.cache import ResponseCache
    from swapgate.retrieval.arms import Arm
    from swapgate.retrieval.embedding import Embedder
    from swapgate.retrieval.index import Vectors
    from swapgate.spec.settings import CacheMode


class VectorMissing(UsageError):
    """A query's vector is not at hand, and may not be asked for."""


class RememberedVectors:
    """An embedder of queries that asks for none twice; in the mode `replay` for none at all."""

    def __init__(self, embedder: Embedder, cache: ResponseCache, *, mode: CacheMode) -> None:
        self.fingerprint = embedder.fingerprint
        # What the calls cost is asked of the embedder behind.
        self.inner = getattr(embedder, "inner", embedder)
        self._embedder = embedder
        self._cache = cache
        self._mode = mode

    def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return one vector a text, from the cache where all are there."""
        keys = [self._key(text, is_query=is_query) for text in texts]
        stored = {} if self._mode == "live" else self._cache.get_many(keys)
        if len(stored) == len(set(keys)):
            rows = [np.frombuffer(base64.b64decode(stored[key].text), dtype=np.float32) for key in keys]
            return np.stack(rows)
        if self._mode == "replay":
            raise VectorMissing(
                f"no recorded vector of {self.fingerprint.model} for {texts[0]!r}. --replay never calls: run "
                "it once without"
            )
        made = self._embedder.embed(texts, is_query=is_query)
        for key, row in zip(keys, made, strict=True):
            response = Response(text=base64.b64encode(row.tobytes()).decode(), usage=Usage())
            self._cache.put(key, response, self._about())
        return made

    def _key(self, text: str, *, is_query: bool) -> str:
        return content_hash({"vector": self.fingerprint.digest, "text": text, "is_query": is_query})

    def _about(self) -> dict[str, Json]:
        named = f"{self.fingerprint.provider}:{self.fingerprint.model}"
        return {"provider": self.fingerprint.provider, "model": named, "role": "embedding"}


def remembering(arm: Arm, cache: ResponseCache, *, mode: CacheMode) -> Arm:
    """Return the arm with its queries' vectors remembered, where a service makes them."""
    inner = getattr(arm.embedder, "inner", arm.embedder)
    if not isinstance(inner, ApiEmbedder):
        return arm
    return replace(arm, embedder=RememberedVectors(arm.embedder, cache, mode=mode))
