"""What every embedder does with its texts and vectors: prefixes, truncation, length 1."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.index import Vectors
from swapgate.spec.index import EmbedEntry


def fingerprint_of(entry: EmbedEntry, *, provider: str, model: str, chunker: str) -> Fingerprint:
    """Return the fingerprint of an embedding as it is written."""
    return Fingerprint(
        provider=provider,
        model=model,
        dimensions=entry.dimensions,
        normalised=entry.normalise,
        query_prefix=entry.query_prefix,
        passage_prefix=entry.passage_prefix,
        chunker=chunker,
        truncation=f"{entry.truncate} characters" if entry.truncate else "",
        distance=entry.distance,
    )


def prepared(entry: EmbedEntry, texts: Sequence[str], *, is_query: bool) -> list[str]:
    """Return texts as they are embedded: cut, and with their prefix."""
    prefix = entry.query_prefix if is_query else entry.passage_prefix
    return [prefix + text[: entry.truncate] for text in texts]


def finished(entry: EmbedEntry, vectors: Vectors) -> Vectors:
    """Return vectors as they are stored: of length 1 where that is written; one of no length stays."""
    if not entry.normalise:
        return vectors
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    found: Vectors = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)
    return found
