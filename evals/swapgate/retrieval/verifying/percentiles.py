"""Where the scores of results lie among those of random pairs of the same embedding.

A cosine says little by itself: one embedding gives 0.9 to anything, another 0.3 to the best. Those of
two embeddings cannot be compared at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from swapgate.retrieval.embedded import good_rows
from swapgate.retrieval.fingerprint import Distance
from swapgate.retrieval.index import VectorIndex, Vectors

_ENTRIES = 1000
_QUERIES = 200
Floats = npt.NDArray[np.float64]


def random_scores(index: VectorIndex, queries: Sequence[npt.NDArray[np.float32]], *, seed: int) -> Floats:
    """Return the scores of queries with entries of the index's first page, sorted; nothing without either.

    At most 200 queries are drawn; the page is in the order of the store, so that of ids as a rule.
    """
    page, _after = index.scan(None, _ENTRIES)
    stamped = index.stamp()
    rows = [one.vector for one in page if stamped is None or len(one.vector) == stamped.dimensions]
    if not rows or not queries:
        return np.empty(0)
    entries = np.stack(rows)
    entries = entries[good_rows(entries)]
    picked = np.random.default_rng(seed).permutation(len(queries))[:_QUERIES]
    asked = np.stack([queries[number] for number in picked])
    distance = "cosine" if stamped is None else stamped.distance
    return np.sort(_scores(asked, entries, distance), axis=None)


def percentile(score: float, scores: Floats) -> float:
    """Return the share of random pairs that score less, ties by half."""
    below, up_to = np.searchsorted(scores, score, side="left"), np.searchsorted(scores, score, side="right")
    return float(below + up_to) / (2 * len(scores))


def _scores(queries: Vectors, entries: Vectors, distance: Distance) -> Floats:
    """Return scores as indexes give them: the higher, the nearer."""
    products = queries.astype(np.float64) @ entries.T.astype(np.float64)
    if distance == "dot":
        return products
    mine, theirs = (np.linalg.norm(rows.astype(np.float64), axis=1) for rows in (queries, entries))
    if distance == "cosine":
        cosines: Floats = products / np.outer(mine, theirs)
        return cosines
    squared: Floats = mine[:, np.newaxis] ** 2 + theirs**2 - 2 * products
    distances: Floats = -np.sqrt(np.maximum(squared, 0.0))
    return distances
