"""Intervals of a quantile, such as the 95th percentile of latencies, without assuming a shape."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import ceil, floor, log
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.interval import Interval
from swapgate.stats.proportion import NO_TRIALS, clustered_rate


def quantile_interval(
    values: ArrayLike,
    quantile: float,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.90,
) -> Interval:
    """Return a quantile with bounds that are themselves among the values.

    Parameters
    ----------
    values : array_like of float, length n
        Infinity stands for what never ended: a timeout is slower than everything.
    quantile : float
        Between 0 and 1, both excluded.
    clusters : sequence of hashable, length n, optional
        The outermost group of each value; None when all are independent.
    confidence : float
        Two-sided; each bound alone errs at most half of the rest.

    Returns
    -------
    Interval
        A bound is None where there are too few values for one: `fewest_for_quantile` says how many it takes.

    Notes
    -----
    Without clusters the bounds are the order statistics whose binomial probabilities keep the level. With
    clusters they are the values at the exact bounds of a clustered rate of `quantile` (Woodruff). Where
    values tie, and where more than that share never ended, both may be the same: that is no refusal.

    References
    ----------
    .. [1] H. A. David, H. N. Nagaraja, "Order Statistics", 3rd ed., Wiley 2003, section 7.1.
    .. [2] R. S. Woodruff, "Confidence intervals for medians and other position measures", J. Am. Stat. Assoc.
       47 (1952) 635-646.

    Examples
    --------
    >>> found = quantile_interval(range(1, 101), 0.95)
    >>> found.estimate, found.low, found.high
    (95.0, 91.0, 99.0)
    >>> quantile_interval(range(58), 0.95).high is None
    True
    """
    ordered = np.asarray(values, dtype=np.float64)
    if np.isnan(ordered).any():
        raise ValueError("a value is nan: leave what is not known out")
    n = ordered.size
    if n == 0:
        return Interval(estimate=None, low=None, high=None, confidence=confidence, note=NO_TRIALS)
    estimate = float(np.partition(ordered, _rank(quantile, n))[_rank(quantile, n)])
    below = (
        _ranks(quantile, n, confidence=confidence)
        if clusters is None
        else _clustered_ranks(ordered <= estimate, quantile, clusters, confidence=confidence)
    )
    ordered = np.sort(ordered)
    low, high = (float(ordered[rank]) if 0 <= rank < n else None for rank in below)
    note = "" if low is not None and high is not None else _too_few(quantile, n, confidence)
    return Interval(estimate=estimate, low=low, high=high, confidence=confidence, note=note)


def fewest_for_quantile(quantile: float, *, confidence: float = 0.90) -> int:
    """Return how many values an upper bound of a quantile takes at least.

    Parameters
    ----------
    quantile : float
    confidence : float
        Two-sided, as for `quantile_interval`.

    Returns
    -------
    int

    Examples
    --------
    >>> fewest_for_quantile(0.95), fewest_for_quantile(0.99)
    (59, 299)
    """
    return ceil(log((1 - confidence) / 2) / log(quantile) - 1e-9)


def _rank(quantile: float, n: int) -> int:
    """Return the place, from 0, of the smallest value that so large a share is not above."""
    return max(ceil(quantile * n - 1e-9) - 1, 0)


def _ranks(quantile: float, n: int, *, confidence: float) -> tuple[int, int]:
    """Return the places of the bounds, -1 or n where there is none."""
    from scipy.special import bdtr

    tail = (1 - confidence) / 2
    below = bdtr(np.arange(n), n, quantile)  # P(at most k of the values lie below the quantile)
    low = int(np.searchsorted(below, tail, side="right")) - 1
    high = int(np.searchsorted(below, 1 - tail, side="left"))
    return low, high if high < n else n


def _clustered_ranks(
    is_below: NDArray[np.bool_],
    quantile: float,
    clusters: Sequence[Hashable] | NDArray[Any],
    *,
    confidence: float,
) -> tuple[int, int]:
    n = is_below.size
    found = clustered_rate(is_below, clusters, confidence=confidence, method="exact")
    if found.low is None or found.high is None or found.estimate is None:
        return -1, n
    low, high = (bound - found.estimate + quantile for bound in (found.low, found.high))
    return floor(low * n) - 1, ceil(high * n - 1e-9) - 1 if found.high < 1 and high < 1 else n


def _too_few(quantile: float, n: int, confidence: float) -> str:
    wanted = fewest_for_quantile(quantile, confidence=confidence)
    return f"{n} values: a bound of this percentile takes at least {wanted}"
