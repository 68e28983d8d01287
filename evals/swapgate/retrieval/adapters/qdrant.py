"""An index in Qdrant: in this process (`:memory:`), in a local folder, or on a server."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from swapgate.errors import UsageError
from swapgate.retrieval.fingerprint import Distance, Fingerprint, distance_of, read_fingerprint
from swapgate.retrieval.index import Hit, Payload, Stored, Vector, VectorIndexError, Vectors, as_vectors

if TYPE_CHECKING:
    from qdrant_client import QdrantClient

INSTALL = "pip install 'swapgate[qdrant]'"
MEMORY = ":memory:"
_ID = "_swapgate_id"
_STAMP = "swapgate"
_DISTANCE: dict[Distance, str] = {"cosine": "Cosine", "dot": "Dot", "euclid": "Euclid"}
# Qdrant's own ids are numbers or UUIDs; ours are made into the latter, the same ones always.
_SPACE = uuid.UUID("5b0b6e3c-4f43-4a0e-8d58-6c1a6f0f7a11")


def open_client(
    *, url: str | None = None, path: Path | None = None, api_key: str | None = None, timeout_s: int = 30
) -> QdrantClient:
    """Return a client of a server, a folder, or (with neither) of this process's memory."""
    try:
        from qdrant_client import QdrantClient
    except ModuleNotFoundError as exc:
        raise UsageError(f"an index in Qdrant needs its client. Run: {INSTALL}") from exc
    try:
        if url is not None:
            return QdrantClient(url=url, api_key=api_key, timeout=timeout_s, check_compatibility=False)
        return QdrantClient(path=str(path)) if path is not None else QdrantClient(MEMORY)
    except RuntimeError as exc:
        # Qdrant's own message: a local folder belongs to one process at a time.
        raise VectorIndexError(f"{path}: {str(exc).strip().splitlines()[0]}") from exc


class QdrantIndex:
    """One collection. Qdrant keeps vectors of cosine collections at length 1, whatever was given."""

    def __init__(self, name: str, client: QdrantClient, collection: str) -> None:
        self.name = name
        self.collection = collection
        self._client = client
        # Qdrant in this process is for one thread at a time, and slow at many entries: it is for trying out.
        self._lock = threading.RLock() if _is_local(client) else nullcontext()

    def search(self, vector: Vector, k: int) -> list[Hit]:
        """Return the best `k` entries or fewer, the best first."""
        with self._reaching():
            found = self._client.query_points(
                self.collection, query=np.asarray(vector, dtype=np.float32), limit=k, with_payload=True
            ).points
        sign = -1.0 if self._distance == "euclid" else 1.0
        return [Hit(_id(point), sign * point.score, _payload(point)) for point in found]

    def upsert(self, ids: Sequence[str], vectors: Vectors, payloads: Sequence[Payload]) -> None:
        """Store entries; those with known ids are replaced. Returns once they can be searched."""
        from qdrant_client.models import Batch

        try:
            given = as_vectors(vectors)
        except ValueError as exc:
            raise VectorIndexError(f"{self.name}: {exc}") from exc
        batch = Batch(
            ids=[_uuid(one) for one in ids],
            vectors=given.tolist(),
            payloads=[{**payload, _ID: one} for one, payload in zip(ids, payloads, strict=True)],
        )
        with self._reaching():
            self._client.upsert(self.collection, points=batch, wait=True)

    def delete(self, ids: Sequence[str]) -> None:
        """Remove entries; ids that are not there are passed over."""
        from qdrant_client.models import PointIdsList

        with self._reaching():
            points = PointIdsList(points=[_uuid(one) for one in ids])
            self._client.delete(self.collection, points_selector=points, wait=True)

    def count(self) -> int:
        """Return the exact number of entries."""
        with self._reaching():
            return self._client.count(self.collection, exact=True).count

    def fetch(self, ids: Sequence[str]) -> list[Stored]:
        """Return the entries with these ids, those that are there."""
        with self._reaching():
            found = self._client.retrieve(
                self.collection, [_uuid(one) for one in ids], with_payload=True, with_vectors=True
            )
        return [_stored(point) for point in found]

    def scan(self, after: str | None, limit: int) -> tuple[list[Stored], str | None]:
        """Return one page of all entries, in Qdrant's own order."""
        with self._reaching():
            found, following = self._client.scroll(
                self.collection, limit=limit, offset=after, with_payload=True, with_vectors=True
            )
        return [_stored(point) for point in found], None if following is None else str(following)

    def stamp(self) -> Fingerprint | None:
        """Return the fingerprint that the collection's metadata holds."""
        with self._reaching():
            if not self._client.collection_exists(self.collection):
                return None
            metadata = self._client.get_collection(self.collection).config.metadata or {}
        return read_fingerprint(str(metadata[_STAMP])) if _STAMP in metadata else None

    def put_stamp(self, fingerprint: Fingerprint) -> None:
        """Stamp the collection, in its metadata."""
        with self._reaching():
            self._client.update_collection(self.collection, metadata={_STAMP: fingerprint.to_text()})

    def create(self, fingerprint: Fingerprint) -> None:
        """Make the collection for this embedding where there is none yet."""
        from qdrant_client.models import Distance as Metric
        from qdrant_client.models import VectorParams

        with self._reaching():
            if self._client.collection_exists(self.collection):
                return
            params = VectorParams(
                size=fingerprint.dimensions, distance=Metric(_DISTANCE[fingerprint.distance])
            )
            self._client.create_collection(
                self.collection, vectors_config=params, metadata={_STAMP: fingerprint.to_text()}
            )

    def build(self) -> None:
        """Do nothing: Qdrant builds its index as it is written."""

    def close(self) -> None:
        """Close the client."""
        self._client.close()

    @cached_property
    def _distance(self) -> Distance:
        return distance_of(self.stamp())

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        """Whatever Qdrant or the way to it says becomes VectorIndexError."""
        from qdrant_client.http.exceptions import ApiException

        try:
            with self._lock:
                yield
        except (ApiException, ValueError, OSError, RuntimeError, AssertionError) as exc:
            lines = str(exc).strip().splitlines() or [type(exc).__name__]
            raise VectorIndexError(f"{self.name}: Qdrant collection {self.collection!r}: {lines[0]}") from exc


def _is_local(client: QdrantClient) -> bool:
    from qdrant_client.local.qdrant_local import QdrantLocal

    return isinstance(client._client, QdrantLocal)


def _uuid(one: str) -> str:
    return str(uuid.uuid5(_SPACE, one))


def _id(point: Any) -> str:
    """Return our id of a point; one that was not stored by swapgate has Qdrant's own."""
    return str((point.payload or {}).get(_ID, point.id))


def _payload(point: Any) -> Payload:
    return {key: value for key, value in (point.payload or {}).items() if key != _ID}


def _stored(point: Any) -> Stored:
    return Stored(_id(point), np.asarray(point.vector, dtype=np.float32), _payload(point))
