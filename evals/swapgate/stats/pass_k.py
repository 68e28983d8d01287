"""The chance that one of k trials of a case passes (pass@k), and that all do (pass^k)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import ONE_CLUSTER, cluster_codes, few_clusters_note, tempered_design_effect
from swapgate.stats.interval import Interval
from swapgate.stats.means import mean_interval
from swapgate.stats.proportion import NO_TRIALS, wilson_bounds
from swapgate.stats.repeats import Labels, count_by_case
from swapgate.values import replace


def any_of_k(passed: ArrayLike, repeats: ArrayLike, *, k: int) -> NDArray[np.float64]:
    """Return for each case the unbiased estimate that at least one of k fresh trials passes.

    Parameters
    ----------
    passed, repeats : array_like of int, length G
        Passing and all trials of each case, at least k of the latter.
    k : int
        Number of fresh trials, at least 1.

    Returns
    -------
    ndarray of float, shape (G,)
        ``1 - C(n - c, k) / C(n, k)``.

    Raises
    ------
    ValueError
        When k is below 1 or above a case's repeats, or the counts are impossible.

    References
    ----------
    .. [1] M. Chen et al., "Evaluating Large Language Models Trained on Code", arXiv:2107.03374, 2021.

    Examples
    --------
    >>> any_of_k([1, 3], [5, 5], k=2).round(4).tolist()
    [0.4, 0.9]
    """
    failed = np.asarray(repeats) - np.asarray(passed)
    return np.asarray(1 - all_of_k(failed, repeats, k=k))


def all_of_k(passed: ArrayLike, repeats: ArrayLike, *, k: int) -> NDArray[np.float64]:
    """Return for each case the unbiased estimate that all of k fresh trials pass.

    Parameters
    ----------
    passed, repeats : array_like of int, length G
        Passing and all trials of each case, at least k of the latter.
    k : int
        Number of fresh trials, at least 1.

    Returns
    -------
    ndarray of float, shape (G,)
        ``C(c, k) / C(n, k)``.

    Raises
    ------
    ValueError
        When k is below 1 or above a case's repeats, or the counts are impossible.

    References
    ----------
    .. [1] S. Yao et al., "tau-bench: A Benchmark for Tool-Agent-User Interaction in Real-World Domains",
       arXiv:2406.12045, 2024.

    Examples
    --------
    >>> all_of_k([4, 5], [5, 5], k=2).round(4).tolist()
    [0.6, 1.0]
    """
    c, n = np.asarray(passed, dtype=np.float64), np.asarray(repeats, dtype=np.float64)
    if k < 1 or np.any(n < k):
        raise ValueError(f"k must lie between 1 and the repeats of every case, got {k!r}")
    if np.any(c < 0) or np.any(c > n):
        raise ValueError("passed must lie between 0 and repeats in every case")
    chance = np.ones(np.broadcast(c, n).shape)
    for i in range(k):
        chance *= np.maximum(c - i, 0) / (n - i)
    return chance


def pass_at_k(
    passes: ArrayLike, cases: Labels, clusters: Labels | None = None, *, k: int, confidence: float = 0.95
) -> Interval:
    """Return pass@k: the chance that at least one of k trials of a case passes, averaged over cases.

    Parameters
    ----------
    passes : array_like of bool, length n
        One result a trial.
    cases : sequence of hashable, length n
        The case of each trial.
    clusters : sequence of hashable, length n, optional
        The group of each trial's case; None when all cases are independent.
    k : int
        Number of trials, at least 1. Cases with fewer repeats are left out, and the note counts them.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Refused (bounds None) without a case of k repeats, and with a single case or cluster. With a
        warning below ten clusters.

    Raises
    ------
    ValueError
        When the lengths differ, k is below 1 or a case lies in several clusters.

    Notes
    -----
    As for `pass_hat_k`.

    References
    ----------
    .. [1] M. Chen et al., "Evaluating Large Language Models Trained on Code", arXiv:2107.03374, 2021.

    Examples
    --------
    >>> result = pass_at_k([1, 0, 0, 1, 1, 1], ["a", "a", "a", "b", "b", "b"], k=2)
    >>> round(result.estimate, 4)
    0.8333
    """
    return _of_k(any_of_k, passes, cases, clusters, k=k, confidence=confidence)


def pass_hat_k(
    passes: ArrayLike, cases: Labels, clusters: Labels | None = None, *, k: int, confidence: float = 0.95
) -> Interval:
    """Return pass^k: the chance that all of k trials of a case pass, averaged over cases.

    Parameters
    ----------
    passes : array_like of bool, length n
        One result a trial.
    cases : sequence of hashable, length n
        The case of each trial.
    clusters : sequence of hashable, length n, optional
        The group of each trial's case; None when all cases are independent.
    k : int
        Number of trials, at least 1. Cases with fewer repeats are left out, and the note counts them.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Refused (bounds None) without a case of k repeats, and with a single case or cluster. With a
        warning below ten clusters.

    Raises
    ------
    ValueError
        When the lengths differ, k is below 1 or a case lies in several clusters.

    Notes
    -----
    Wilson's interval with t(G - 1) for G clusters of cases. The trials are worth ``N / deff``, with N the
    trials over k and deff the ratio of the cases' cluster-robust variance to that of N independent trials,
    at least 1. Few cases with both outcomes say little about it, so it is pulled towards N / G, its value
    for repeats that never vary: weighed ``(m deff + N / G) / (m + 1)``, m the number of clusters that show
    the rarer of "not always" and "not never". Without it one flaky repeat among 600 would make the interval
    half as wide as none.

    References
    ----------
    .. [1] S. Yao et al., "tau-bench: A Benchmark for Tool-Agent-User Interaction in Real-World Domains",
       arXiv:2406.12045, 2024.

    Examples
    --------
    >>> result = pass_hat_k([1, 0, 0, 1, 1, 1], ["a", "a", "a", "b", "b", "b"], k=2)
    >>> result.estimate
    0.5
    """
    return _of_k(all_of_k, passes, cases, clusters, k=k, confidence=confidence)


def _of_k(
    estimate: Callable[..., NDArray[np.float64]],
    passes: ArrayLike,
    cases: Labels,
    clusters: Labels | None,
    *,
    k: int,
    confidence: float,
) -> Interval:
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k!r}")
    passed, repeats, first = count_by_case(passes, cases)
    groups = first if clusters is None else _groups(cases, clusters)[first]
    enough = repeats >= k
    interval = _interval(
        estimate(passed[enough], repeats[enough], k=k),
        groups[enough],
        trials=float(repeats[enough].sum()) / k,
        confidence=confidence,
    )
    left_out = int(np.count_nonzero(~enough))
    if not left_out:
        return interval
    note = f"{left_out} of {repeats.size} cases have fewer than {k} repeats and are left out"
    return replace(interval, note="; ".join(filter(None, (interval.note, note))))


def _groups(cases: Labels, clusters: Labels) -> NDArray[np.int64]:
    """Return each trial's cluster, having made sure that no case lies in two."""
    inner, outer = cluster_codes(cases), cluster_codes(clusters)
    if inner.size != outer.size:
        raise ValueError(f"each trial needs one cluster, got {inner.size} trials and {outer.size} clusters")
    if len(np.unique(np.stack([inner, outer]), axis=1).T) > len(np.unique(inner)):
        raise ValueError("all trials of a case must lie in the same cluster")
    return outer


def _interval(
    values: NDArray[np.float64], groups: NDArray[np.int64], *, trials: float, confidence: float
) -> Interval:
    """Return Wilson's interval of the mean of one chance a case, worth so many independent trials at most."""
    mean = mean_interval(values, groups, confidence=confidence)
    if mean.estimate is None or mean.standard_error is None:
        note = NO_TRIALS if mean.estimate is None else ONE_CLUSTER
        return Interval(estimate=mean.estimate, low=None, high=None, confidence=confidence, note=note)
    # A mean of products may pass 1 by its rounding.
    rate = min(mean.estimate, 1.0)
    most = trials / mean.clusters
    varying = min(np.unique(groups[values < 1]).size, np.unique(groups[values > 0]).size)
    seen = max(mean.standard_error**2 * trials / (rate * (1 - rate)), 1.0) if varying else most
    n = trials / tempered_design_effect(seen, varying=varying, most=most)
    low, high = wilson_bounds(rate, n, confidence=confidence, df=mean.clusters - 1)
    note = few_clusters_note(mean.clusters)
    return Interval(estimate=rate, low=low, high=high, confidence=confidence, effective_n=n, note=note)
