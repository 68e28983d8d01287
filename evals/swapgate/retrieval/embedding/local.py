"""Embeddings made in this process: wordllama, whose weights come with its package, and functions of yours."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.judging.wordllama import wordllama
from swapgate.retrieval.chunking import load_callable
from swapgate.retrieval.embedding.vectors import fingerprint_of, finished, prepared
from swapgate.retrieval.fingerprint import FingerprintError
from swapgate.retrieval.index import Vectors, as_vectors
from swapgate.spec.embedders import WORDLLAMA
from swapgate.spec.index import EmbedEntry

INSTALL = "pip install 'swapgate[retrieval]'"
# The only weights that the package brings; shorter vectors are their beginnings.
_WEIGHTS = "l2_supercat_256"
_MOST_DIMENSIONS = 256


class LocalEmbedder:
    """Calls a function from texts to vectors."""

    def __init__(
        self,
        entry: EmbedEntry,
        function: Callable[..., Any],
        *,
        provider: str,
        model: str,
        chunker: str = "",
    ) -> None:
        self.fingerprint = fingerprint_of(entry, provider=provider, model=model, chunker=chunker)
        self._entry = entry
        self._function = function
        self._tells_queries = _takes_is_query(function)

    def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return one vector a text; what the function raises goes through."""
        given = prepared(self._entry, texts, is_query=is_query)
        made = self._function(given, is_query=is_query) if self._tells_queries else self._function(given)
        try:
            vectors = as_vectors(made)
        except (TypeError, ValueError) as exc:
            message = f"{self.fingerprint.model}: no matrix of numbers came back: {exc}"
            raise ProviderError(message, kind=ErrorKind.BAD_RESPONSE) from exc
        wanted = (len(given), self.fingerprint.dimensions)
        if vectors.shape != wanted:
            raise FingerprintError(
                f"{self.fingerprint.model} gave vectors of shape {vectors.shape} for {len(given)} texts, and "
                f"`dimensions: {self.fingerprint.dimensions}` is written"
            )
        return finished(self._entry, vectors)


def open_local(entry: EmbedEntry, *, root: Path, chunker: str) -> LocalEmbedder:
    """Return the embedder of wordllama or of a function of the user's, not loaded yet."""
    if entry.call is not None:
        function = load_callable(entry.call, root=root, key="embed")
        if inspect.iscoroutinefunction(function):
            raise UsageError(f"embed: call: {entry.call!r} is async; write a plain function")
        return LocalEmbedder(entry, function, provider="python", model=entry.call, chunker=chunker)
    if importlib.util.find_spec(WORDLLAMA) is None:
        raise UsageError(f"embed: {WORDLLAMA} is not installed. Run: {INSTALL}")
    if entry.dimensions > _MOST_DIMENSIONS:
        raise UsageError(
            f"embed: {WORDLLAMA} has vectors of at most {_MOST_DIMENSIONS} dimensions, got {entry.dimensions}"
        )
    width = entry.dimensions
    return LocalEmbedder(
        entry,
        lambda texts: wordllama(texts)[:, :width],
        provider=WORDLLAMA,
        model=_WEIGHTS,
        chunker=chunker,
    )


def _takes_is_query(function: Callable[..., Any]) -> bool:
    try:
        return "is_query" in inspect.signature(function).parameters
    except ValueError:
        return False
