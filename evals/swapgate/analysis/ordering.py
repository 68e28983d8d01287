"""What permutation tests begin from, so that reports of the same trials say the same: an order and a seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from swapgate.analysis.table import Codes
from swapgate.facts import Facts

SEED = 0


def in_order(facts: Sequence[Facts], places: Iterable[int]) -> Codes:
    """Return the places by suite, case and repeat, whichever came first."""
    keys = [(facts[i].suite, facts[i].case, facts[i].repeat, i) for i in places]
    return np.array([i for *_, i in sorted(keys)], dtype=np.int64)


def renumbered(clusters: Codes) -> Codes:
    """Return cluster numbers by order of appearance here: those of the table are by who came first."""
    _, first, inverse = np.unique(clusters, return_index=True, return_inverse=True)
    ranks: Codes = np.argsort(np.argsort(first))[inverse]
    return ranks
