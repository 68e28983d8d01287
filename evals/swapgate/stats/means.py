"""Means of tokens, cost, latency and scores: standard error and t interval, for one model and for pairs.

Trials in clusters get the cluster-robust standard error. A rate has better intervals in `proportion`.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import (
    ONE_CLUSTER,
    cluster_codes,
    compact_codes,
    count_codes,
    few_clusters_note,
    variance_of_mean,
)
from swapgate.stats.interval import critical_value
from swapgate.values import Value

NO_VALUES = "no values"
ONE_VALUE = "one value only: how much values differ is unknown, so no interval"
NO_VARIATION = "no variation: all values are equal, so how far the mean may be off is unknown"
NO_CLUSTER_VARIATION = "no variation between clusters: how far the mean may be off is unknown"
# Squares of larger numbers overflow.
LARGEST = 1e150
# A standard error below this share of the largest value is the rounding of a sum, not variation.
ROUNDING = 1e-13


class MeanInterval(Value):
    """A mean with its standard error and t interval.

    `estimate` is None without values, `standard_error` with a single value or cluster; the bounds also
    where the values show no variation. `note` then says why; beside bounds it is a warning.
    """

    estimate: float | None
    standard_error: float | None
    low: float | None
    high: float | None
    confidence: float
    n: int
    clusters: int
    note: str = ""


class PairedMeans(Value):
    """The means of two models on the same trials and their difference, candidate minus baseline.

    `ratio` is candidate over baseline, None when the baseline's mean is 0. `difference` holds the interval
    or its refusal; `p_value` is None when it was refused.
    """

    baseline: float | None
    candidate: float | None
    ratio: float | None
    difference: MeanInterval
    p_value: float | None


def mean_interval(
    values: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.95,
) -> MeanInterval:
    """Return a mean with its standard error and Student's t interval.

    Parameters
    ----------
    values : array_like of float, length n
        One value a trial: tokens, cost, seconds, scores, or wins (0, 0.5, 1) of a leaderboard.
    clusters : sequence of hashable, length n, optional
        The outermost group of each trial; None when all are independent.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    MeanInterval
        Refused (bounds None) without values, with one value or cluster, and without any variation: no
        width of zero is ever reported. With a warning below ten clusters of several trials.

    Raises
    ------
    ValueError
        When a value is not a finite number or the lengths differ.

    Notes
    -----
    The standard error is ``sqrt(G / (G - 1) * sum(r_g ** 2)) / n`` with r_g the sum of a cluster's
    deviations from the mean, and the quantile that of t(G - 1), for G clusters. Without clusters this is
    ``sd(ddof=1) / sqrt(n)`` with t(n - 1), the standard error that leaderboards print beside a win rate.

    References
    ----------
    .. [1] K.-Y. Liang and S. L. Zeger, "Longitudinal data analysis using generalized linear models",
       Biometrika 73 (1986) 13-22.
    .. [2] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024, sections 2.1 and 2.2.

    Examples
    --------
    >>> result = mean_interval([1.0, 2.0, 3.0, 4.0])
    >>> round(result.standard_error, 4), round(result.low, 4), round(result.high, 4)
    (0.6455, 0.4457, 4.5543)
    >>> round(mean_interval([1.0, 1.0, 4.0, 4.0], ["a", "a", "b", "b"]).standard_error, 4)
    1.5
    """
    array = as_values(values, name="values")
    codes = np.arange(array.size) if clusters is None else cluster_codes(clusters)
    if codes.size != array.size:
        raise ValueError(f"each trial needs one cluster, got {array.size} trials and {codes.size} clusters")
    groups = count_codes(codes)
    estimate = float(array.mean()) if array.size else None
    error = None if estimate is None or groups < 2 else _standard_error(array - estimate, codes)
    refusal = _refusal(array, error, groups)
    if refusal or estimate is None or error is None:
        half, note = None, refusal
    else:
        half = critical_value(confidence, df=groups - 1) * error
        note = few_clusters_note(groups) if groups < array.size else ""
    return MeanInterval(
        estimate=estimate,
        standard_error=error,
        low=None if estimate is None or half is None else estimate - half,
        high=None if estimate is None or half is None else estimate + half,
        confidence=confidence,
        n=array.size,
        clusters=groups,
        note=note,
    )


def paired_mean_difference(
    baseline: ArrayLike,
    candidate: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.90,
) -> PairedMeans:
    """Compare the means of two models on the same trials.

    Parameters
    ----------
    baseline, candidate : array_like of float, length n
        One value a trial for each model; same order.
    clusters : sequence of hashable, length n, optional
        The outermost group of each pair; None when all pairs are independent.
    confidence : float
        Two-sided coverage of the difference's interval.

    Returns
    -------
    PairedMeans
        The t interval of the mean difference by `mean_interval`, and the p-value of its t test.

    Raises
    ------
    ValueError
        When a value is not a finite number or the lengths differ.

    References
    ----------
    .. [1] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024, section 4.2.

    Examples
    --------
    >>> result = paired_mean_difference([100, 200, 300, 400], [90, 150, 280, 340])
    >>> result.difference.estimate, result.ratio
    (-35.0, 0.86)
    >>> round(result.p_value, 4)
    0.0605
    """
    ours, theirs = as_values(candidate, name="candidate"), as_values(baseline, name="baseline")
    if ours.size != theirs.size:
        raise ValueError(f"pairs need two values each, got {theirs.size} and {ours.size}")
    difference = mean_interval(ours - theirs, clusters, confidence=confidence)
    means = (float(theirs.mean()), float(ours.mean())) if ours.size else (None, None)
    return PairedMeans(
        baseline=means[0],
        candidate=means[1],
        ratio=means[1] / means[0] if means[0] and means[1] is not None else None,
        difference=difference,
        p_value=_t_test(difference),
    )


def as_values(values: ArrayLike, *, name: str) -> NDArray[np.float64]:
    """Return measured values as an array of finite floats.

    Parameters
    ----------
    values : array_like of float, length n
        A list, an array, a column of a table.
    name : str
        What the caller calls them, for the error.

    Returns
    -------
    ndarray of float, shape (n,)

    Raises
    ------
    ValueError
        When a value is missing, infinite or beyond 1e150, or the values are not one-dimensional.

    Examples
    --------
    >>> as_values([1, 2.5], name="scores").tolist()
    [1.0, 2.5]
    """
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1:
        raise ValueError(f"{name} must be one-dimensional, got {array.ndim} dimensions")
    usable = np.abs(array) <= LARGEST
    if not usable.all():
        first = int(np.argmin(usable))
        raise ValueError(
            f"{name}[{first}] is {array[first]}: values must be finite. "
            "Leave trials without a value out, in every argument alike"
        )
    return array


def _standard_error(deviations: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    sums = np.bincount(compact_codes(codes), weights=deviations)
    return sqrt(variance_of_mean(sums, deviations.size))


def _refusal(values: NDArray[np.float64], error: float | None, groups: int) -> str:
    """Return why there can be no interval, or an empty string."""
    if error is None:
        return NO_VALUES if not values.size else ONE_VALUE if values.size == 1 else ONE_CLUSTER
    if error > ROUNDING * float(np.abs(values).max()):
        return ""
    return NO_VARIATION if np.ptp(values) <= ROUNDING * np.abs(values).max() else NO_CLUSTER_VARIATION


def _t_test(difference: MeanInterval) -> float | None:
    """Return the two-sided p-value of "the mean difference is 0"."""
    if difference.low is None or difference.estimate is None or difference.standard_error is None:
        return None
    from scipy.special import stdtr

    t = difference.estimate / difference.standard_error
    return float(2 * stdtr(difference.clusters - 1, -abs(t)))
