"""Intervals of one pass rate: Wilson, Clopper-Pearson, and both for trials that come in clusters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

from swapgate.stats.clusters import (
    ONE_CLUSTER,
    as_results,
    cluster_sums,
    few_clusters_note,
    robust_variance,
    tempered_design_effect,
)
from swapgate.stats.interval import Interval, Method, as_method, critical_value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

NO_TRIALS = "no trials"


def wilson_bounds(
    rate: float, n: float, *, confidence: float = 0.95, df: float | None = None
) -> tuple[float, float]:
    """Return Wilson's bounds for a rate seen on n trials.

    Parameters
    ----------
    rate : float
        The observed rate, 0 to 1.
    n : float
        Number of independent trials, above 0; an effective number need not be whole.
    confidence : float
        Two-sided coverage.
    df : float, optional
        Degrees of freedom of Student's t in place of the normal quantile.

    Returns
    -------
    low, high : float
        With ``0 <= low <= rate <= high <= 1`` and ``low < high``.

    References
    ----------
    .. [1] E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
       J. Am. Stat. Assoc. 22 (1927) 209-212.

    Examples
    --------
    >>> low, high = wilson_bounds(0.0, 20)
    >>> round(low, 4), round(high, 4)
    (0.0, 0.1611)
    """
    squared = critical_value(confidence, df=df) ** 2
    centre = (rate + squared / (2 * n)) / (1 + squared / n)
    half = sqrt(squared * (rate * (1 - rate) / n + squared / (4 * n * n))) / (1 + squared / n)
    low = 0.0 if rate == 0 else min(max(centre - half, 0.0), rate)
    high = 1.0 if rate == 1 else max(min(centre + half, 1.0), rate)
    return low, high


def wilson_interval(passed: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return Wilson's score interval of a pass rate over independent trials.

    Parameters
    ----------
    passed, n : int
        Passing trials and all trials; with n = 0 the interval is refused.
    confidence : float
        Two-sided coverage, held on average over rates.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        When `passed` is not between 0 and `n`.

    References
    ----------
    .. [1] E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.
    .. [2] R. G. Newcombe, "Two-sided confidence intervals for the single proportion", Stat. Med. 17 (1998)
       857-872.

    Examples
    --------
    >>> interval = wilson_interval(81, 263)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.2553, 0.3662)
    """
    return _interval(passed, n, confidence=confidence, method="score")


def exact_interval(passed: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return Clopper and Pearson's interval: coverage is at least `confidence` whatever the true rate.

    Parameters
    ----------
    passed, n : int
        Passing trials and all trials; with n = 0 the interval is refused.
    confidence : float
        Guaranteed two-sided coverage.

    Returns
    -------
    Interval

    Raises
    ------
    ValueError
        When `passed` is not between 0 and `n`.

    References
    ----------
    .. [1] C. J. Clopper and E. S. Pearson, Biometrika 26 (1934) 404-413.

    Examples
    --------
    >>> interval = exact_interval(1, 29)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.0009, 0.1776)
    """
    return _interval(passed, n, confidence=confidence, method="exact")


def clustered_rate(
    passes: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.95,
    method: Method = "score",
) -> Interval:
    """Return the interval of a pass rate whose trials may come in clusters (repeats, cases of one document).

    Parameters
    ----------
    passes : array_like of bool or of 0 and 1, length n
        One result a trial.
    clusters : sequence of hashable, or ndarray, length n, optional
        The outermost group of each trial: texts, numbers or tuples; an array of integers is quickest. None
        when all trials are independent.
    confidence : float
        Two-sided coverage.
    method : {"score", "exact"}
        Wilson's interval or Clopper and Pearson's. With clusters of several trials the second is no longer
        exact, only wider.

    Returns
    -------
    Interval
        Plain when no cluster has several trials. Refused (bounds None) without trials and with a single
        cluster of several; with a warning below ten clusters.

    Raises
    ------
    ValueError
        When the lengths differ or a result is neither True nor False.

    Notes
    -----
    The effective number is ``n_eff = p (1 - p) / v`` with v the cluster-robust variance of the rate, and at
    most n: clusters are never taken to be worth more than independent trials. Few clusters that vary are
    not believed outright, see `tempered_design_effect`; at p = 0 and p = 1 every cluster counts as one trial,
    n_eff = G. Wilson uses t(G - 1) for its quantile; the exact interval takes the same allowance as
    ``n_eff (z / t) ** 2``.

    References
    ----------
    .. [1] E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small expected number
       of positive counts estimated from survey data", Survey Methodology 24 (1998) 193-201.
    .. [2] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024.

    Examples
    --------
    Ten cases of five identical repeats are worth ten trials, not fifty:

    >>> interval = clustered_rate([True] * 50, [i // 5 for i in range(50)])
    >>> interval.effective_n, round(interval.low, 3)
    (10.0, 0.661)
    """
    method, results = as_method(method), as_results(passes, name="passes")
    passed, n = int(results.sum()), len(results)
    if clusters is None:
        return _interval(passed, n, confidence=confidence, method=method)
    return rate_of_sums(*cluster_sums(results, clusters), confidence=confidence, method=method)


def rate_of_sums(
    passed: ArrayLike, sizes: ArrayLike, *, confidence: float = 0.95, method: Method = "score"
) -> Interval:
    """Return the interval of a pass rate whose trials were counted by cluster.

    Parameters
    ----------
    passed : array_like of int, length g
        How many trials of each cluster passed.
    sizes : array_like of int, length g
        How many trials each cluster has, at least one.
    confidence : float
        Two-sided coverage.
    method : {"score", "exact"}
        See `clustered_rate`, of which this is the same for results that are too many to be listed.

    Returns
    -------
    Interval

    Examples
    --------
    >>> rate_of_sums([5] * 10, [5] * 10) == clustered_rate([True] * 50, [i // 5 for i in range(50)])
    True
    """
    import numpy as np

    method = as_method(method)
    sums, counts = np.asarray(passed, dtype=np.int64), np.asarray(sizes, dtype=np.int64)
    total, n, groups = int(sums.sum()), int(counts.sum()), len(counts)
    if groups == n:
        return _interval(total, n, confidence=confidence, method=method)
    if groups == 1:
        return Interval(estimate=total / n, low=None, high=None, confidence=confidence, note=ONE_CLUSTER)
    n_eff = _effective_n(sums, counts, rate=total / n)
    low, high = _clustered_bounds(total / n, n_eff, df=groups - 1, confidence=confidence, method=method)
    return Interval(
        estimate=total / n,
        low=low,
        high=high,
        confidence=confidence,
        effective_n=n_eff,
        note=few_clusters_note(groups),
    )


def _interval(passed: int, n: int, *, confidence: float, method: Method) -> Interval:
    if not 0 <= passed <= n:
        raise ValueError(f"passed must lie between 0 and n, got passed={passed!r}, n={n!r}")
    if n == 0:
        return Interval(estimate=None, low=None, high=None, confidence=confidence, note=NO_TRIALS)
    bounds = wilson_bounds if method == "score" else _exact_bounds
    low, high = bounds(passed / n, n, confidence=confidence)
    return Interval(estimate=passed / n, low=low, high=high, confidence=confidence, effective_n=n)


def _effective_n(sums: NDArray[np.int64], sizes: NDArray[np.int64], *, rate: float) -> float:
    """Return the number of independent trials that the clustered ones are worth."""
    n = float(sizes.sum())
    varying = min(int((sums > 0).sum()), int((sums < sizes).sum()))
    most = n / len(sizes)
    seen = max(n * robust_variance(sums, sizes) / (rate * (1 - rate)), 1.0) if varying else most
    return n / tempered_design_effect(seen, varying=varying, most=most)


def _clustered_bounds(
    rate: float, n_eff: float, *, df: int, confidence: float, method: Method
) -> tuple[float, float]:
    if method == "score":
        return wilson_bounds(rate, n_eff, confidence=confidence, df=df)
    allowance = (critical_value(confidence) / critical_value(confidence, df=df)) ** 2
    return _exact_bounds(rate, n_eff * allowance, confidence=confidence)


def _exact_bounds(rate: float, n: float, *, confidence: float) -> tuple[float, float]:
    """Return Clopper-Pearson's bounds through the beta distribution, which takes any n above 0."""
    from scipy.special import betaincinv

    passed, tail = rate * n, (1 - confidence) / 2
    low = 0.0 if rate == 0 else float(betaincinv(passed, n - passed + 1, tail))
    high = 1.0 if rate == 1 else float(betaincinv(passed + 1, n - passed, 1 - tail))
    return low, high
