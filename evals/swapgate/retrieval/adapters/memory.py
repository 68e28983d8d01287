"""An index in this process's memory: exact, for tests, notebooks and small corpora."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from swapgate.errors import UsageError
from swapgate.retrieval.fingerprint import Distance, Fingerprint, distance_of
from swapgate.retrieval.index import Hit, Payload, Stored, Vector, VectorIndexError, Vectors, as_vectors
from swapgate.values import Value

_FIRST_ROOM = 1024
_COMPACT_ABOVE = 0.5


class _Rows(Value, kw_only=False):
    """Rows as a search sees them: the first `used` are written and never change but for being dropped."""

    vectors: Vectors
    lengths: npt.NDArray[np.float32]
    is_alive: npt.NDArray[np.bool_]
    ids: list[str]
    payloads: list[Payload]
    used: int = 0


class MemoryIndex:
    """Vectors in one matrix. A search reads a snapshot, so writers never keep it waiting."""

    def __init__(self, name: str, fingerprint: Fingerprint | None = None) -> None:
        self.name = name
        self._lock = threading.Lock()
        self._fingerprint: Fingerprint | None = None
        self._rows = _empty(0)
        self._row_of: dict[str, int] = {}
        if fingerprint is not None:
            self.create(fingerprint)

    def search(self, vector: Vector, k: int) -> list[Hit]:
        """Return the best `k` entries or fewer, the best first."""
        rows = self._rows
        found = _scores(rows, np.asarray(vector, dtype=np.float32), distance_of(self._fingerprint))
        # What was dropped scores below everything, and is left out where there is nothing else.
        found[~rows.is_alive[: rows.used]] = -np.inf
        best = _best(found, k)
        return [Hit(rows.ids[i], float(found[i]), rows.payloads[i]) for i in best if found[i] > -np.inf]

    def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Store entries; those with known ids are replaced."""
        fingerprint = self._require_stamp()
        try:
            given = as_vectors(vectors, dimensions=fingerprint.dimensions)
        except ValueError as exc:
            raise VectorIndexError(f"{self.name}: {exc}") from exc
        with self._lock:
            self._append(list(ids), given, list(payloads))

    def delete(self, ids: Sequence[str]) -> None:
        """Remove entries; ids that are not there are passed over."""
        with self._lock:
            gone = [self._row_of.pop(one) for one in ids if one in self._row_of]
            self._rows.is_alive[gone] = False

    def count(self) -> int:
        """Return the exact number of entries."""
        return len(self._row_of)

    def fetch(self, ids: Sequence[str]) -> list[Stored]:
        """Return the entries with these ids, those that are there."""
        with self._lock:
            rows = self._rows
            found = [self._row_of[one] for one in ids if one in self._row_of]
            return [Stored(rows.ids[i], rows.vectors[i].copy(), rows.payloads[i]) for i in found]

    def scan(self, after: str | None, limit: int) -> tuple[list[Stored], str | None]:
        """Return one page of all entries by their ids, and the last id unless nothing follows."""
        with self._lock:
            known = sorted(one for one in self._row_of if after is None or one > after)
        page = known[:limit]
        return self.fetch(page), page[-1] if len(known) > limit else None

    def stamp(self) -> Fingerprint | None:
        """Return the fingerprint that the index was stamped with."""
        return self._fingerprint

    def put_stamp(self, fingerprint: Fingerprint) -> None:
        """Stamp the index."""
        self.create(fingerprint)
        self._fingerprint = fingerprint

    def create(self, fingerprint: Fingerprint) -> None:
        """Make the index for this embedding where there is none yet."""
        if self._fingerprint is None:
            self._rows = _empty(fingerprint.dimensions)
            self._fingerprint = fingerprint

    def build(self) -> None:
        """Give back the room of entries that were replaced."""
        with self._lock:
            self._resize(max(_FIRST_ROOM, len(self._row_of)))

    def close(self) -> None:
        """Nothing is held."""

    def _append(self, ids: list[str], vectors: Vectors, payloads: list[Payload]) -> None:
        """Write new rows behind the others, then show them, then drop those that they replace."""
        needed = self._rows.used + len(ids)
        if needed > len(self._rows.is_alive):
            is_sparse = len(self._row_of) < _COMPACT_ABOVE * self._rows.used
            self._resize(max(_FIRST_ROOM, 2 * len(self._row_of) + len(ids) if is_sparse else 2 * needed))
        rows = self._rows
        start, end = rows.used, rows.used + len(ids)
        rows.vectors[start:end] = vectors
        rows.lengths[start:end] = np.linalg.norm(vectors, axis=1)
        rows.ids.extend(ids)
        rows.payloads.extend(payloads)
        rows.is_alive[start:end] = True
        replaced = [self._row_of[one] for one in ids if one in self._row_of]
        self._row_of.update(zip(ids, range(start, end), strict=True))
        self._rows = _Rows(rows.vectors, rows.lengths, rows.is_alive, rows.ids, rows.payloads, end)
        rows.is_alive[replaced] = False

    def _resize(self, room: int) -> None:
        """Move the living rows into new arrays; searches that run keep the old ones."""
        rows = self._rows
        kept = np.flatnonzero(rows.is_alive[: rows.used])
        fresh = _empty(rows.vectors.shape[1], room=max(room, len(kept)))
        fresh.vectors[: len(kept)] = rows.vectors[kept]
        fresh.lengths[: len(kept)] = rows.lengths[kept]
        fresh.is_alive[: len(kept)] = True
        fresh.ids.extend(rows.ids[i] for i in kept)
        fresh.payloads.extend(rows.payloads[i] for i in kept)
        self._row_of = {one: number for number, one in enumerate(fresh.ids)}
        self._rows = _Rows(fresh.vectors, fresh.lengths, fresh.is_alive, fresh.ids, fresh.payloads, len(kept))

    def _require_stamp(self) -> Fingerprint:
        if self._fingerprint is None:
            raise UsageError(f"{self.name}: the index was not created: call create(fingerprint) first")
        return self._fingerprint


def _empty(dimensions: int, *, room: int = 0) -> _Rows:
    return _Rows(
        vectors=np.zeros((room, dimensions), dtype=np.float32),
        lengths=np.zeros(room, dtype=np.float32),
        is_alive=np.zeros(room, dtype=np.bool_),
        ids=[],
        payloads=[],
    )


def _scores(rows: _Rows, vector: Vector, distance: Distance) -> npt.NDArray[np.float32]:
    """Return the score of each row, dropped ones included; a vector of no length is like nothing."""
    stored = rows.vectors[: rows.used]
    products: npt.NDArray[np.float32] = stored @ vector
    if distance == "dot":
        return products
    lengths = rows.lengths[: rows.used]
    own = np.linalg.norm(vector)
    if distance == "cosine":
        both = lengths * own
        return np.divide(products, both, out=np.zeros_like(products), where=both > 0)
    squared: npt.NDArray[np.float32] = lengths**2 + own**2 - 2 * products
    return -np.sqrt(np.maximum(squared, 0))


def _best(scores: npt.NDArray[np.float32], k: int) -> npt.NDArray[np.intp]:
    """Return the places of the `k` greatest scores, the greatest first; of equal ones the first stored."""
    if k < len(scores):
        some = np.argpartition(-scores, k - 1)[:k] if k > 0 else np.empty(0, dtype=np.intp)
        return some[np.lexsort((some, -scores[some]))]
    return np.argsort(-scores, kind="stable")
