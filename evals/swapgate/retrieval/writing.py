"""Vectors written to the index, and then to the ledger: in this order, in one thread, in large batches."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from swapgate.errors import StoreError
from swapgate.retrieval.chunking import Chunk
from swapgate.retrieval.embedded import Embedded
from swapgate.retrieval.index import TEXT, Payload, VectorIndex, VectorIndexError
from swapgate.retrieval.ledger import DeadLetter, Ledger
from swapgate.retrieval.reading import Part

_PAUSES_S = (0.2, 0.5, 1.0, 2.0, 4.0, 8.0)
SUMMARY = "summary"
_Write: TypeAlias = Callable[[], None]


@dataclass(slots=True, kw_only=True)
class Batch:
    """What is to be written at once. `summaries` are what was embedded instead of a chunk's own text."""

    parts: list[Part] = field(default_factory=list)
    embedded: list[Embedded] = field(default_factory=list)
    summaries: dict[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """The number of vectors."""
        return sum(len(one.chunks) for one in self.embedded)


class Writing:
    """Writes one pass. An index that fails is tried again for some seconds before the pass is ended."""

    def __init__(self, index: VectorIndex, ledger: Ledger, number: int) -> None:
        self._index = index
        self._ledger = ledger
        self._number = number

    def write(self, batch: Batch) -> list[str]:
        """Write a batch; return the ids of all that is in the ledger now."""
        chunks = [chunk for one in batch.embedded for chunk in one.chunks]
        if chunks:
            vectors = np.concatenate([rows for one in batch.embedded for rows in one.vectors])
            payloads = [_payload(chunk, batch.summaries) for chunk in chunks]
            self._patiently(lambda: self._index.upsert([chunk.id for chunk in chunks], vectors, payloads))
            self._ledger.written(chunks, self._number)
        dead = [pair for one in batch.embedded for pair in one.dead]
        if dead:
            self._ledger.bury([(letter, chunk.digest) for letter, chunk in dead], self._number)
        finished = [chunk.id for chunk in chunks] + [chunk.id for _letter, chunk in dead]
        for part in batch.parts:
            finished += self._note(part)
        return finished

    def remove(self, ids: Sequence[str]) -> None:
        """Remove what the source no longer has."""
        self._patiently(lambda: self._index.delete(ids))
        self._ledger.forget(ids)

    def _note(self, part: Part) -> list[str]:
        """Write what needed no vector."""
        if part.unchanged:
            self._ledger.seen(part.unchanged, self._number)
        if part.stale:
            self._patiently(lambda: self._index.delete(part.stale))
        if part.empty:
            letters = [(_empty(chunk), chunk.digest) for chunk in part.empty]
            self._ledger.bury(letters, self._number)
        for letter in part.twice:
            self._ledger.note(letter)
        return [*part.unchanged, *(chunk.id for chunk in part.empty)]

    def _patiently(self, write: _Write) -> None:
        for pause_s in _PAUSES_S:
            try:
                write()
            except VectorIndexError:
                time.sleep(pause_s)
            else:
                return
        try:
            write()
        except VectorIndexError as exc:
            raise StoreError(
                f"{exc}. It was tried {len(_PAUSES_S) + 1} times. Mend that and run the same command again: "
                "it goes on where it stopped"
            ) from exc


def _payload(chunk: Chunk, summaries: dict[str, str]) -> Payload:
    stored = {**chunk.payload, TEXT: chunk.text}
    return {**stored, SUMMARY: summaries[chunk.id]} if chunk.id in summaries else stored


def _empty(chunk: Chunk) -> DeadLetter:
    return DeadLetter(id=chunk.id, kind="empty", reason="the text is empty: nothing can be found by it")
