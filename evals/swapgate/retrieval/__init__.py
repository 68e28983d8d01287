"""Two vector indexes side by side: one Protocol, a router between them, and the way from one to the other."""

from __future__ import annotations

from swapgate.retrieval.arms import Arm, AsyncArm, Found, Written
from swapgate.retrieval.async_router import AsyncDualIndexRouter
from swapgate.retrieval.embedding import AsyncEmbedder, Embedder
from swapgate.retrieval.fingerprint import Fingerprint, FingerprintError, Threshold
from swapgate.retrieval.from_file import open_async_router, open_router
from swapgate.retrieval.index import AsyncVectorIndex, Hit, Stored, VectorIndex, VectorIndexError
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.router import DualIndexRouter
from swapgate.retrieval.state import StateStore
from swapgate.retrieval.threads import AwaitedEmbedder, AwaitedIndex

__all__ = [
    "Arm",
    "AsyncArm",
    "AsyncDualIndexRouter",
    "AsyncEmbedder",
    "AsyncVectorIndex",
    "AwaitedEmbedder",
    "AwaitedIndex",
    "DualIndexRouter",
    "Embedder",
    "Fingerprint",
    "FingerprintError",
    "Found",
    "Hit",
    "Migration",
    "Phase",
    "StateStore",
    "Stored",
    "Threshold",
    "VectorIndex",
    "VectorIndexError",
    "Written",
    "open_async_router",
    "open_router",
]
