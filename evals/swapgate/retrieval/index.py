"""The seam to a vector store: one small Protocol, and what goes in and comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from swapgate.errors import StoreError
from swapgate.records import Json
from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.values import Value

# One vector, and a matrix with one vector a row; always float32.
Vector: TypeAlias = npt.NDArray[np.float32]
Vectors: TypeAlias = npt.NDArray[np.float32]
Payload: TypeAlias = Mapping[str, Json]
Side = Literal["old", "new"]
SIDES: tuple[Side, Side] = ("old", "new")
# Where a payload keeps the text that was embedded, so that an index can be the source of another.
TEXT = "text"


class VectorIndexError(StoreError):
    """An index cannot be reached, or refuses what it is asked."""


class Hit(Value, kw_only=False):
    """One result: the higher `score` the better, whatever the distance (a euclidean one is negated)."""

    id: str
    score: float
    payload: Payload = field(default_factory=dict)


class Stored(Value, kw_only=False):
    """One entry as it lies in an index."""

    id: str
    vector: Vector
    payload: Payload = field(default_factory=dict)


class VectorIndex(Protocol):
    """One index of one embedding's vectors. Raises VectorIndexError and FingerprintError, nothing else.

    Methods may be called by several threads at once.
    """

    name: str

    def search(self, vector: Vector, k: int) -> list[Hit]:
        """Return the best `k` entries or fewer, the best first."""
        ...

    def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Store entries, one a row of `vectors`; those with known ids are replaced. Ids do not repeat."""
        ...

    def delete(self, ids: Sequence[str]) -> None:
        """Remove entries; ids that are not there are passed over."""
        ...

    def count(self) -> int:
        """Return the exact number of entries."""
        ...

    def fetch(self, ids: Sequence[str]) -> list[Stored]:
        """Return the entries with these ids, those that are there, in any order."""
        ...

    def scan(self, after: str | None, limit: int) -> tuple[list[Stored], str | None]:
        """Return one page of all entries, and what `after` is for the next one; None after the last."""
        ...

    def stamp(self) -> Fingerprint | None:
        """Return the fingerprint that the index was stamped with, None without one."""
        ...

    def put_stamp(self, fingerprint: Fingerprint) -> None:
        """Stamp the index, also over another stamp."""
        ...

    def create(self, fingerprint: Fingerprint) -> None:
        """Make the index for this embedding where there is none yet, stamped; else change nothing."""
        ...

    def build(self) -> None:
        """Make searching fast once much was stored; does nothing where it always is."""
        ...

    def close(self) -> None:
        """Release what is held."""
        ...


class AsyncVectorIndex(Protocol):
    """What the asynchronous router needs of an index."""

    name: str

    async def search(self, vector: Vector, k: int) -> list[Hit]:
        """Return the best `k` entries or fewer, the best first."""
        ...

    async def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Store entries; those with known ids are replaced."""
        ...

    async def delete(self, ids: Sequence[str]) -> None:
        """Remove entries; ids that are not there are passed over."""
        ...

    async def stamp(self) -> Fingerprint | None:
        """Return the fingerprint that the index was stamped with, None without one."""
        ...


def as_vectors(values: object, *, dimensions: int | None = None) -> Vectors:
    """Return values as a float32 matrix with one vector a row; ValueError when they are none."""
    found = np.ascontiguousarray(values, dtype=np.float32)
    if found.ndim != 2:
        raise ValueError(f"wanted one vector a row, got an array of shape {found.shape}")
    if dimensions is not None and found.shape[1] != dimensions:
        raise ValueError(f"wanted vectors of {dimensions} dimensions, got {found.shape[1]}")
    return found
