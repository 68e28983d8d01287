"""The difference of one measure, new minus old, on the same queries: interval and permutation test."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

from swapgate.stats.excess import share_mean_interval
from swapgate.stats.interval import Interval
from swapgate.stats.sign_flips import sign_flip_test
from swapgate.values import replace

Floats = npt.NDArray[np.float64]
Clusters = Sequence[Hashable] | None


def difference_interval(differences: Floats, clusters: Clusters, *, confidence: float) -> Interval:
    """Return the mean of differences between -1 and 1; with bounds also where no query differs."""
    found = share_mean_interval((differences + 1) / 2, clusters, confidence=confidence)
    estimate, low, high = (
        None if value is None else 2 * value - 1 for value in (found.estimate, found.low, found.high)
    )
    return replace(
        found,
        estimate=estimate,
        low=None if low is None else max(low, -1.0),
        high=None if high is None else min(high, 1.0),
    )


def tested(columns: Sequence[Floats], clusters: Clusters, *, seed: int) -> list[float | None]:
    """Return the p-value of "the new index is no worse" of each column; nan is no part of it."""
    return sign_flip_test(np.column_stack(columns), clusters, seed=seed) if columns else []
