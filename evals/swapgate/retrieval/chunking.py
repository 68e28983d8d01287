"""Documents parted into the texts that are embedded, each with an id of its own."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from swapgate.checks.imports import load_object
from swapgate.checks.options import OptionError
from swapgate.daemon import message_of
from swapgate.errors import UsageError
from swapgate.retrieval.index import Payload
from swapgate.spec.index import ChunkEntry
from swapgate.values import Value

_WORD = re.compile(r"\S+")
_HASHED = 16


class Document(Value, kw_only=False):
    """One text of the source."""

    id: str
    text: str
    payload: Payload


class Chunk(Value, kw_only=False):
    """One text to embed. `digest` changes when the text or the payload does."""

    id: str
    text: str
    payload: Payload
    digest: bytes


class Chunking(Protocol):
    """Parts the documents of a source, here or elsewhere."""

    def chunked(self, documents: Iterator[Document]) -> Iterator[Sequence[Chunk]]:
        """Yield the chunks of each document, in order."""
        ...


class Chunker(Value):
    """Parts texts; `name` is part of the fingerprint, empty where texts are embedded whole."""

    name: str
    part: Callable[[str], Sequence[str]]

    def chunks(self, document: Document) -> Iterator[Chunk]:
        """Yield the chunks of a document: one keeps its id, several are numbered behind it."""
        parts = self.part(document.text)
        for number, text in enumerate(parts):
            one = document.id if len(parts) == 1 else f"{document.id}#{number}"
            yield Chunk(one, text, document.payload, digest_of(text, document.payload))

    def chunked(self, documents: Iterator[Document]) -> Iterator[Sequence[Chunk]]:
        """Yield the chunks of each document."""
        for document in documents:
            yield tuple(self.chunks(document))


def digest_of(text: str, payload: Payload) -> bytes:
    """Return the hash of what an entry holds."""
    content = text if not payload else f"{text}\x00{sorted(payload.items())!r}"
    return hashlib.blake2b(content.encode("utf-8", "surrogatepass"), digest_size=_HASHED).digest()


def open_chunker(entry: ChunkEntry | None, *, root: Path) -> Chunker:
    """Return the chunker that is written; raise UsageError when its function cannot be found."""
    if entry is None:
        return Chunker(name="", part=lambda text: (text,))
    if entry.words is not None:
        words, overlap = entry.words, entry.overlap
        name = f"words {words}" + (f" overlap {overlap}" if overlap else "")
        return Chunker(name=name, part=lambda text: by_words(text, words=words, overlap=overlap))
    assert entry.call is not None
    return Chunker(
        name=entry.call, part=_users(entry.call, load_callable(entry.call, root=root, key="chunk"))
    )


def by_words(text: str, *, words: int, overlap: int) -> list[str]:
    """Return the text in pieces of so many words, spaces and lines within them as they were."""
    spans = [match.span() for match in _WORD.finditer(text)]
    if len(spans) <= words:
        return [text]
    starts = range(0, max(1, len(spans) - overlap), words - overlap)
    return [text[spans[at][0] : spans[min(at + words, len(spans)) - 1][1]] for at in starts]


def load_callable(reference: str, *, root: Path, key: str) -> Callable[..., Any]:
    """Return the user's function; UsageError when there is none."""
    try:
        found = load_object(reference, root=root, key=key)
    except OptionError as exc:
        raise UsageError(f"{key}: call: {exc}") from exc
    if not callable(found):
        raise UsageError(f"{key}: call: {reference!r} is not a function but {type(found).__name__}")
    function: Callable[..., Any] = found
    return function


def _users(reference: str, function: Callable[..., Any]) -> Callable[[str], Sequence[str]]:
    def part(text: str) -> Sequence[str]:
        try:
            parts = function(text)
        except Exception as exc:
            told = f"{type(exc).__name__}: {message_of(exc)}"
            raise UsageError(f"chunk: {reference!r} failed at the text {text[:60]!r}: {told}") from exc
        if not isinstance(parts, list | tuple) or not all(isinstance(one, str) for one in parts):
            raise UsageError(f"chunk: {reference!r} must return a list of texts, got {parts!r:.80}")
        return parts

    return part
