"""The source read, parted, and held against the ledger: what is to be embedded and what is as it was."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass, field

from swapgate.retrieval.chunking import Chunk, Chunking
from swapgate.retrieval.ledger import DEAD, WRITTEN, DeadLetter, Ledger
from swapgate.retrieval.sources import Source

_DOCUMENTS = 512


@dataclass(slots=True, kw_only=True)
class Part:
    """Some of a source's chunks, sorted by what is to be done with them. `stale` lie in the index still."""

    documents: int = 0
    fresh: list[Chunk] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    empty: list[Chunk] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    twice: list[DeadLetter] = field(default_factory=list)
    dead: int = 0


class Reading:
    """One pass over a source. `parts` runs in one thread; `done` may be called in another."""

    def __init__(self, source: Source, chunking: Chunking, ledger: Ledger, number: int) -> None:
        self._source = source
        self._chunking = chunking
        self._ledger = ledger
        self._number = number
        # Ids that were read and are not in the ledger yet: bounded by what is in flight.
        self._open: set[str] = set()

    def parts(self) -> Generator[Part, None, None]:
        """Yield the source in parts of some hundred documents."""
        part = Part()
        chunks: list[Chunk] = []
        for found in self._chunking.chunked(self._source.read()):
            chunks.extend(found)
            part.documents += 1
            if len(chunks) >= _DOCUMENTS or part.documents >= _DOCUMENTS:
                yield self._sorted(part, chunks)
                part, chunks = Part(), []
        if part.documents:
            yield self._sorted(part, chunks)

    def done(self, ids: Iterable[str]) -> None:
        """What was read is in the ledger now."""
        self._open.difference_update(ids)

    def _sorted(self, part: Part, chunks: list[Chunk]) -> Part:
        known = self._ledger.known([chunk.id for chunk in chunks])
        for chunk in chunks:
            found = known.get(chunk.id)
            if chunk.id in self._open or (found is not None and found.seen == self._number):
                part.twice.append(_twice(chunk))
                continue
            self._open.add(chunk.id)
            if found is not None and found.digest == chunk.digest:
                part.unchanged.append(chunk.id)
                part.dead += found.state == DEAD
            elif chunk.text.strip():
                part.fresh.append(chunk)
            else:
                part.empty.append(chunk)
                if found is not None and found.state == WRITTEN:
                    part.stale.append(chunk.id)
        return part


def _twice(chunk: Chunk) -> DeadLetter:
    reason = "the source has this id more than once: the first text is in the index"
    return DeadLetter(id=chunk.id, kind="twice", reason=reason)
