"""Chunks turned into vectors: a batch that fails is halved until the one that cannot be embedded is alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from swapgate.daemon import message_of
from swapgate.errors import ErrorKind, ProviderError, SwapgateError
from swapgate.reporting.text import safe_text
from swapgate.retrieval.chunking import Chunk
from swapgate.retrieval.embedding import AsyncEmbedder
from swapgate.retrieval.fingerprint import Fingerprint, FingerprintError
from swapgate.retrieval.index import Vectors
from swapgate.retrieval.ledger import DeadLetter

_LONGEST_REASON = 500
# What is wrong with one text; every other failure is the endpoint's, or the configuration's.
_OF_THE_TEXT = {
    ErrorKind.BAD_REQUEST,
    ErrorKind.BAD_RESPONSE,
    ErrorKind.CONTENT_FILTER,
    ErrorKind.CONTEXT_LENGTH,
    ErrorKind.USER_CODE,
}


class EmbedderLost(ProviderError):
    """The process that embedded has ended, and again: to halve would end one more with each half."""


@dataclass(slots=True, kw_only=True)
class Embedded:
    """Vectors with their chunks, and the chunks that have none."""

    chunks: list[Chunk] = field(default_factory=list)
    vectors: list[Vectors] = field(default_factory=list)
    dead: list[tuple[DeadLetter, Chunk]] = field(default_factory=list)


async def embed_chunks(embedder: AsyncEmbedder, chunks: Sequence[Chunk], texts: Sequence[str]) -> Embedded:
    """Return the vectors of chunks; `texts` are what is embedded of them.

    Raises ProviderError where the endpoint is in trouble, FingerprintError where vectors are not of the
    embedding's width: neither is the fault of a text.
    """
    found = Embedded()
    await _embed(embedder, chunks, texts, found)
    return found


async def _embed(
    embedder: AsyncEmbedder, chunks: Sequence[Chunk], texts: Sequence[str], into: Embedded
) -> None:
    try:
        vectors = await embedder.embed(texts, is_query=False)
    except Exception as exc:
        if not is_of_a_text(exc):
            raise
        if len(chunks) == 1:
            into.dead.append((letter_of(chunks[0], exc), chunks[0]))
            return
        # Two halves, or where that costs too much each text alone.
        size = 1 if isinstance(exc, EmbedderLost) else (len(chunks) + 1) // 2
        for at in range(0, len(chunks), size):
            await _embed(embedder, chunks[at : at + size], texts[at : at + size], into)
        return
    require_shape(embedder.fingerprint, vectors, len(chunks))
    await _sort(embedder, chunks, texts, vectors, into)


async def _sort(
    embedder: AsyncEmbedder, chunks: Sequence[Chunk], texts: Sequence[str], vectors: Vectors, into: Embedded
) -> None:
    """Keep the vectors that can be compared; what else came with them is asked for once more, by itself."""
    is_good = good_rows(vectors)
    if is_good.all():
        into.chunks.extend(chunks)
        into.vectors.append(vectors)
        return
    for number in np.flatnonzero(~is_good).tolist():
        chunk = chunks[number]
        if len(chunks) == 1:
            reason = "the embedding gave a vector with NaN or infinity in it, or of no length"
            into.dead.append((DeadLetter(id=chunk.id, kind="vector", reason=reason), chunk))
        else:
            await _embed(embedder, [chunk], [texts[number]], into)
    into.chunks.extend(chunk for chunk, good in zip(chunks, is_good, strict=True) if good)
    into.vectors.append(vectors[is_good])


def good_rows(vectors: Vectors) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Return which rows are finite and have a length."""
    with np.errstate(over="ignore", invalid="ignore"):
        lengths = np.einsum("ij,ij->i", vectors, vectors)
    found: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.isfinite(lengths) & (lengths > 0)
    return found


def require_shape(fingerprint: Fingerprint, vectors: Vectors, count: int) -> None:
    """Raise FingerprintError unless there is one vector a text, of the embedding's width."""
    wanted = (count, fingerprint.dimensions)
    if vectors.shape != wanted:
        raise FingerprintError(
            f"{fingerprint.provider}:{fingerprint.model} gave vectors of shape {vectors.shape} for {count} "
            f"texts, and `dimensions: {fingerprint.dimensions}` is written. Mend `dimensions` and give the "
            "new index another place"
        )


def is_of_a_text(exc: BaseException) -> bool:
    """Whether a failure is about one text, so that all others can be embedded."""
    if isinstance(exc, ProviderError):
        return exc.kind in _OF_THE_TEXT
    # What a user's own function raises may be about one text; our own errors are not.
    return isinstance(exc, Exception) and not isinstance(exc, SwapgateError)


def letter_of(chunk: Chunk, exc: BaseException) -> DeadLetter:
    """Return the dead letter of a chunk that failed so."""
    kind = exc.kind.value if isinstance(exc, ProviderError) else ErrorKind.USER_CODE.value
    told = message_of(exc) if isinstance(exc, ProviderError) else f"{type(exc).__name__}: {message_of(exc)}"
    return DeadLetter(id=chunk.id, kind=kind, reason=safe_text(told, _LONGEST_REASON))
