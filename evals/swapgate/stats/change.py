"""The change of a conditional rate between two models, such as P(meaning wrong | structure right).

Each model's rate is over its own trials, so the two may count different ones of the same cases.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import ONE_CLUSTER, as_results, cluster_codes, few_clusters_note
from swapgate.stats.interval import Interval, critical_value
from swapgate.stats.proportion import clustered_rate, wilson_bounds
from swapgate.values import Value

# A p-value is found to this precision, and not looked for below it.
SMALLEST_P = 1e-12


class ConditionalChange(Value):
    """A conditional rate of two models and its change, candidate minus baseline.

    The rates and `estimate` are None where a model has no counted trial, the bounds and `p_value` also where
    one has a single cluster; `note` then says why. `counted_by_both` is the number of pairs in both rates,
    `correlation` that of the two rates, by which pairing narrows the interval.
    """

    baseline_hits: int
    baseline_counted: int
    candidate_hits: int
    candidate_counted: int
    counted_by_both: int
    clusters: int
    baseline_rate: float | None
    candidate_rate: float | None
    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    correlation: float
    p_value: float | None
    note: str = ""


class _Rate(Value, kw_only=False):
    """One model's rate with what its Wilson bounds need and each cluster's share in its error."""

    hits: int
    counted: int
    clusters: int
    interval: Interval
    influence: NDArray[np.float64]

    @property
    def rate(self) -> float:
        return self.hits / self.counted

    @property
    def n(self) -> float:
        return self.interval.effective_n or 0.0

    @property
    def df(self) -> int | None:
        return self.clusters - 1 if self.clusters < self.counted else None

    def distances(self, confidence: float) -> tuple[float, float]:
        """Return how far the lower and the upper bound lie from the rate."""
        low, high = wilson_bounds(self.rate, self.n, confidence=confidence, df=self.df)
        return self.rate - low, high - self.rate


def conditional_change(
    baseline_counted: ArrayLike,
    baseline_hit: ArrayLike,
    candidate_counted: ArrayLike,
    candidate_hit: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.90,
) -> ConditionalChange:
    """Compare P(hit | counted) of two models on the same trials.

    Parameters
    ----------
    baseline_counted, candidate_counted : array_like of bool, length n
        Whether the trial enters the model's rate; same order. For the blind-pass rate: structure right, and
        meaning scored.
    baseline_hit, candidate_hit : array_like of bool, length n
        Whether it is a hit there; of no account where it is not counted. For the blind-pass rate: meaning
        wrong.
    clusters : sequence of hashable, length n, optional
        The outermost group of each pair; None when all pairs are independent.
    confidence : float
        Two-sided coverage; 0.90 leaves a gate's 5% on either side.

    Returns
    -------
    ConditionalChange
        Refused (bounds None) where a model has no counted trial, or a single cluster of several. With a
        warning below ten clusters. The p-value is one minus the confidence at which the interval reaches 0.

    Raises
    ------
    ValueError
        When a value is neither true nor false, or the lengths differ.

    Notes
    -----
    Square-and-add of two Wilson intervals (MOVER) with their correlation: with d = candidate - baseline, l
    and u the distances of the bounds from the rates, ``low = d - sqrt(l_c^2 - 2 r l_c u_b + u_b^2)``,
    ``high = d + sqrt(u_c^2 - 2 r u_c l_b + l_b^2)``. The correlation r is that of the clusters' influences on
    the two rates, ``(hits_g - rate * counted_g) / counted``; trials that one model alone counts lower it by
    themselves. A positive r is reduced by ``1 / (2 sqrt(n_b p_b q_b n_c p_c q_c))``: where both models count
    every trial, this is Newcombe's method 10. For clusters n is the effective number of trials and the
    bounds use t(G - 1), as in `proportion.clustered_rate`.

    Two models that agree on nearly every trial have r near 1, and the formula would close; no bound comes
    nearer to d than ``z^2 / (n + z^2)``, n the smaller number of trials. That is the width of Tango's
    interval of n pairs without a discordant one.

    References
    ----------
    .. [1] R. G. Newcombe, "Improved confidence intervals for the difference between binomial proportions
       based on paired data", Stat. Med. 17 (1998) 2635-2650, method 10.
    .. [2] G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures: a general
       approach", Stat. Med. 27 (2008) 1693-1702.

    Examples
    --------
    Of ten answers each, the baseline has nine that can be read, two of them wrong; the candidate has eight,
    four of them wrong:

    >>> change = conditional_change(
    ...     [1, 1, 1, 1, 1, 1, 1, 1, 1, 0], [1, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    ...     [1, 1, 1, 1, 1, 1, 1, 0, 0, 1], [1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
    >>> round(change.estimate, 4), round(change.low, 2), round(change.high, 2)
    (0.2778, -0.05, 0.54)
    """
    names = ("baseline_counted", "baseline_hit", "candidate_counted", "candidate_hit")
    given = (baseline_counted, baseline_hit, candidate_counted, candidate_hit)
    masks = [as_results(values, name=name) for name, values in zip(names, given, strict=True)]
    codes = np.arange(len(masks[0])) if clusters is None else cluster_codes(clusters)
    if len({len(array) for array in (*masks, codes)}) > 1:
        raise ValueError("the masks and the clusters must have one entry for each pair")
    theirs, ours = _rate(masks[0], masks[1], codes), _rate(masks[2], masks[3], codes)
    note = _refusal(theirs, ours)
    is_known = theirs.counted > 0 and ours.counted > 0
    r = 0.0 if note else _correlation(theirs, ours)
    low, high = (None, None) if note else _bounds(theirs, ours, r, confidence=confidence)
    return ConditionalChange(
        baseline_hits=theirs.hits,
        baseline_counted=theirs.counted,
        candidate_hits=ours.hits,
        candidate_counted=ours.counted,
        counted_by_both=int(masks[0] @ masks[2]),
        clusters=len(np.unique(codes)),
        baseline_rate=theirs.interval.estimate,
        candidate_rate=ours.interval.estimate,
        estimate=ours.rate - theirs.rate if is_known else None,
        low=low,
        high=high,
        confidence=confidence,
        correlation=r,
        p_value=None if note else _p_value(theirs, ours, r),
        note=note or _warning(theirs, ours),
    )


def _rate(counted: NDArray[np.int64], hit: NDArray[np.int64], codes: NDArray[np.int64]) -> _Rate:
    chosen = counted == 1
    n, hits = int(counted.sum()), int((counted * hit).sum())
    sizes = np.bincount(codes, weights=counted)
    sums = np.bincount(codes, weights=counted * hit)
    return _Rate(
        hits=hits,
        counted=n,
        clusters=int(np.count_nonzero(sizes)),
        interval=clustered_rate(hit[chosen], codes[chosen]),
        influence=(sums - hits / max(n, 1) * sizes) / max(n, 1),
    )


def _refusal(baseline: _Rate, candidate: _Rate) -> str:
    for name, rate in (("baseline", baseline), ("candidate", candidate)):
        if rate.counted == 0:
            return f"no counted trial of the {name}"
    return ONE_CLUSTER if baseline.df == 0 or candidate.df == 0 else ""


def _warning(baseline: _Rate, candidate: _Rate) -> str:
    clustered = [rate.clusters for rate in (baseline, candidate) if rate.df is not None]
    return few_clusters_note(min(clustered)) if clustered else ""


def _correlation(baseline: _Rate, candidate: _Rate) -> float:
    """Return the correlation of the two rates, reduced where it would make them too nearly one."""
    b, c = baseline.influence, candidate.influence
    spread = sqrt(float(b @ b) * float(c @ c))
    if min(baseline.hits, candidate.hits) == 0 or spread == 0:
        return 0.0
    variances = [rate.n * rate.rate * (1 - rate.rate) for rate in (baseline, candidate)]
    r = min(max(float(b @ c) / spread, -1.0), 1.0)
    if r <= 0 or min(variances) == 0:
        return r
    return max(r - 0.5 / sqrt(variances[0] * variances[1]), 0.0)


def _bounds(baseline: _Rate, candidate: _Rate, r: float, *, confidence: float) -> tuple[float, float]:
    (l_b, u_b), (l_c, u_c) = baseline.distances(confidence), candidate.distances(confidence)
    least = max(_least_distance(rate, confidence) for rate in (baseline, candidate))
    d = candidate.rate - baseline.rate
    low = d - max(_square_and_add(l_c, u_b, r), least)
    high = d + max(_square_and_add(u_c, l_b, r), least)
    return max(low, -1.0), min(high, 1.0)


def _square_and_add(one: float, other: float, r: float) -> float:
    return sqrt(max(one * one - 2 * r * one * other + other * other, 0.0))


def _least_distance(rate: _Rate, confidence: float) -> float:
    squared = critical_value(confidence, df=rate.df) ** 2
    return squared / (rate.n + squared)


def _p_value(baseline: _Rate, candidate: _Rate, r: float) -> float:
    """Return one minus the confidence at which the interval reaches 0, by bisection."""
    if candidate.rate == baseline.rate:
        return 1.0
    excluded, included = 1.0, SMALLEST_P
    while excluded - included > SMALLEST_P:
        middle = (excluded + included) / 2
        low, high = _bounds(baseline, candidate, r, confidence=1 - middle)
        excluded, included = (excluded, middle) if low <= 0 <= high else (middle, included)
    return excluded
