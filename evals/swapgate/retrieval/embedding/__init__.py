"""Embedders: texts to vectors of one fingerprint, one file a kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.index import Vectors


class Embedder(Protocol):
    """Makes vectors of one fingerprint; queries and passages may be made differently. Called by many threads.

    Raises ProviderError where a model cannot be asked. Prefixes and normalisation are the embedder's work.
    """

    fingerprint: Fingerprint

    def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return one vector a text, as float32 rows."""
        ...


class AsyncEmbedder(Protocol):
    """The same, awaited."""

    fingerprint: Fingerprint

    async def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return one vector a text, as float32 rows."""
        ...
