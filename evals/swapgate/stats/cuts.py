"""Where outcomes change along a covariate: the likeliest cut and the range that the data do not exclude."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.exchange import SMALLEST_SIDE, ends_of_ties
from swapgate.stats.permutation import FloatArray, IntArray
from swapgate.values import Value


class CutRange(Value):
    """The likeliest cut (failures change above it) and the range of cuts that the data do not exclude.

    `deff` is how many cases are worth one independent case for the difference between the two sides.
    """

    cut: float
    low: float
    high: float
    deff: float


def cut_range(
    kinds: FloatArray,
    outcome: FloatArray,
    covariate: FloatArray,
    clusters: IntArray | None = None,
    *,
    confidence: float = 0.95,
) -> CutRange | None:
    """Return the likeliest cut and its likelihood-ratio range.

    Parameters
    ----------
    kinds : array of shape (n, k)
        For each case the share of each kind of outcome (failed, passed); each row sums to 1.
    outcome : array of shape (n,)
        The outcome as a number, whose clusters' variance gives the design effect.
    covariate : array of shape (n,)
    clusters : array of int, shape (n,), optional
    confidence : float
        Nominal coverage of the range.

    Returns
    -------
    CutRange or None
        None when no cut leaves a tenth of the cases on either side.

    Notes
    -----
    The range holds the cuts whose log-likelihood ratio to the likeliest, twice and divided by the design
    effect, stays below ``-2 log(1 - sqrt(confidence))``: 7.35 at 95%. With 4% failures below the cut and
    15% above, 300 cases, and a threshold found, a 95% range held the true cut in 96% of runs.

    References
    ----------
    .. [1] B. E. Hansen, "Sample splitting and threshold estimation", Econometrica 68 (2000) 575-603.

    Examples
    --------
    >>> failed = np.array([0.0] * 30 + [1.0] * 30)
    >>> found = cut_range(np.stack([failed, 1 - failed], axis=1), failed, np.arange(60.0))
    >>> found.cut, found.low <= 29 < found.high
    (29.0, True)
    """
    order = np.argsort(covariate, kind="stable")
    ends = ends_of_ties(covariate[order])
    n, below = len(order), ends + 1
    ends = ends[(below >= SMALLEST_SIDE * n) & (n - below >= SMALLEST_SIDE * n)]
    if len(ends) == 0:
        return None
    x = covariate[order]
    gain = _likelihood_gain(kinds[order], ends)
    best = int(gain.argmax())
    deff = _step_design_effect(outcome, covariate > x[ends[best]], clusters)
    kept = np.flatnonzero((gain[best] - gain) / deff <= -2 * log(1 - sqrt(confidence)))
    low, high = float(x[ends[kept[0]]]), float(x[ends[kept[-1]] + 1])
    return CutRange(cut=float(x[ends[best]]), low=low, high=high, deff=deff)


def _likelihood_gain(kinds: FloatArray, ends: IntArray) -> FloatArray:
    """Return twice the log-likelihood that two sides gain over one, for each cut."""
    from scipy.special import xlogy

    n, total = len(kinds), kinds.sum(axis=0)
    below = np.cumsum(kinds, axis=0)[ends]
    above = np.maximum(total - below, 0.0)
    m = (ends + 1.0)[:, None]
    sides = xlogy(below, below / m) + xlogy(above, above / (n - m)) - xlogy(total, total / n)
    return np.asarray(2 * sides.sum(axis=1), dtype=np.float64)


def _step_design_effect(outcome: FloatArray, is_above: NDArray[np.bool_], clusters: IntArray | None) -> float:
    """Return by how much clusters widen the variance of the difference between the sides."""
    if clusters is None:
        return 1.0
    means = np.where(is_above, outcome[is_above].mean(), outcome[~is_above].mean())
    influence = (outcome - means) * (is_above - is_above.mean())
    naive, between = float(influence @ influence), np.bincount(clusters, influence)
    largest = float(np.bincount(clusters).max())
    return min(max(float(between @ between) / naive, 1.0), largest) if naive > 0 else largest
