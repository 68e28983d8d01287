"""Intervals of one pass rate: Wilson, Clopper-Pearson, and both for trials that come in clusters."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Literal

from swapgate.stats.clusters import ONE_CLUSTER, cluster_sums, few_clusters_note, robust_variance
from swapgate.stats.interval import Interval, critical_value

Method = Literal["wilson", "exact"]
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
    return _interval(passed, n, confidence=confidence, method="wilson")


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
    passes: Sequence[bool],
    clusters: Sequence[Hashable],
    *,
    confidence: float = 0.95,
    method: Method = "wilson",
) -> Interval:
    """Return the interval of a pass rate whose trials come in clusters (repeats, cases of one document).

    Parameters
    ----------
    passes : sequence of bool, length n
        One result a trial.
    clusters : sequence of hashable, length n
        The outermost group of each trial.
    confidence : float
        Two-sided coverage.
    method : {"wilson", "exact"}
        The interval that the effective number of trials goes into.

    Returns
    -------
    Interval
        Refused (bounds None) without trials and with a single cluster; with a warning below ten clusters.

    Notes
    -----
    The effective number is ``n_eff = p (1 - p) / v`` with v the cluster-robust variance of the rate, and at
    most n: clusters are never taken to be worth more than independent trials. Where v is 0 (at p = 0 and
    p = 1 always) every cluster counts as one trial, n_eff = G. Wilson uses t(G - 1) for its quantile; the
    exact interval takes the same allowance as ``n_eff (z / t) ** 2``.

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
    sums, sizes = cluster_sums(passes, clusters)
    if len(sizes) < 2:
        rate = sum(sums) / sum(sizes) if sizes else None
        note = ONE_CLUSTER if sizes else NO_TRIALS
        return Interval(estimate=rate, low=None, high=None, confidence=confidence, note=note)
    rate, n_eff = sum(sums) / sum(sizes), _effective_n(sums, sizes)
    low, high = _clustered_bounds(rate, n_eff, df=len(sizes) - 1, confidence=confidence, method=method)
    note = few_clusters_note(len(sizes))
    return Interval(estimate=rate, low=low, high=high, confidence=confidence, effective_n=n_eff, note=note)


def _interval(passed: int, n: int, *, confidence: float, method: Method) -> Interval:
    if not 0 <= passed <= n:
        raise ValueError(f"passed must lie between 0 and n, got passed={passed!r}, n={n!r}")
    if n == 0:
        return Interval(estimate=None, low=None, high=None, confidence=confidence, note=NO_TRIALS)
    bounds = wilson_bounds if method == "wilson" else _exact_bounds
    low, high = bounds(passed / n, n, confidence=confidence)
    return Interval(estimate=passed / n, low=low, high=high, confidence=confidence, effective_n=n)


def _effective_n(sums: Sequence[int], sizes: Sequence[int]) -> float:
    """Return the number of independent trials that the clustered ones are worth."""
    n = sum(sizes)
    variance = robust_variance(sums, sizes)
    if variance == 0:
        return float(len(sizes))
    rate = sum(sums) / n
    return min(rate * (1 - rate) / variance, float(n))


def _clustered_bounds(
    rate: float, n_eff: float, *, df: int, confidence: float, method: Method
) -> tuple[float, float]:
    if method == "wilson":
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
