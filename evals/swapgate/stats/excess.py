"""How much more a candidate differs from the control than the control differs from itself."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import cluster_codes
from swapgate.stats.interval import Interval, Method
from swapgate.stats.means import mean_interval
from swapgate.stats.proportion import clustered_rate
from swapgate.values import Value, replace

NO_FLOOR = "no second answers of the control: how far it differs from itself is unknown"
# One pair of correlated clusters is no evidence of correlation; this many are believed by half.
_BELIEVED = 20
_MOST_CORRELATED = 0.95


class Excess(Value):
    """What the candidate's difference is above the control's own, each with its interval.

    `correlation` is that of the two estimates, which share requests. `excess` is refused where either of the
    two intervals is.
    """

    candidate: Interval
    floor: Interval
    excess: Interval
    correlation: float = 0.0


def excess_rate(
    candidate: ArrayLike,
    floor: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.90,
) -> Excess:
    """Return the excess of a rate of disagreement over its noise floor.

    Parameters
    ----------
    candidate : array_like of 0, 1 and nan, length n
        Whether the candidate's answer disagrees with the control's; nan where it was not compared.
    floor : array_like of 0, 1 and nan, length n
        Whether the control's second answer does; nan for the requests without one, which may be most.
    clusters : sequence of hashable, length n, optional
        The outermost group of each request (its user, its session); None when all are independent.
    confidence : float
        Two-sided coverage; each side alone errs at most half of the rest.

    Returns
    -------
    Excess

    Notes
    -----
    The interval of a difference is recovered from the intervals of its two rates (MOVER, of which Newcombe's
    method 10 is a case), with the correlation of the two estimates as the clusters' contributions show it.
    The candidate's is Wilson's, the floor's Clopper and Pearson's: few requests are asked twice, and with
    Wilson's bounds of 15 of them a false "not worse" comes in 10% of cases in place of 5%. A bootstrap takes
    a floor that shows no disagreement, which is the usual case, for certain, and so finds a false "worse".

    References
    ----------
    .. [1] G. Y. Zou, A. Donner, "Construction of confidence limits about effect measures: a general
       approach", Stat. Med. 27 (2008) 1693-1702.
    .. [2] R. G. Newcombe, "Interval estimation for the difference between independent proportions", Stat.
       Med. 17 (1998) 873-890.

    Examples
    --------
    >>> disagrees = [1] * 26 + [0] * 174
    >>> twice = [1, 0] * 6 + [0] * 38 + [float("nan")] * 150
    >>> found = excess_rate(disagrees, twice)
    >>> round(found.candidate.estimate, 2), round(found.floor.estimate, 2), round(found.excess.estimate, 2)
    (0.13, 0.12, 0.01)
    >>> round(found.excess.low, 3), round(found.excess.high, 3)
    (-0.092, 0.082)
    """
    x, y, codes = _columns(candidate, floor, clusters)
    grouped = clusters is not None
    own = _rate(x, codes, grouped=grouped, confidence=confidence, method="score")
    noise = _rate(y, codes, grouped=grouped, confidence=confidence, method="exact")
    return _excess(own, noise, correlation=_correlation(x, y, codes))


def excess_mean(
    candidate: ArrayLike,
    floor: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.90,
) -> Excess:
    """Return the excess of a mean distance over its noise floor.

    Parameters
    ----------
    candidate, floor : array_like of float, length n
        The distance of the candidate's and of the control's second answer from the control's first; nan
        where there is none.
    clusters, confidence
        As for `excess_rate`.

    Returns
    -------
    Excess
        The same construction on the intervals of the two means (`share_mean_interval`).

    References
    ----------
    .. [1] G. Y. Zou, A. Donner, Stat. Med. 27 (2008) 1693-1702.

    Examples
    --------
    >>> found = excess_mean([0.1, 0.2, 0.3, 0.2], [0.1, 0.1, 0.2, float("nan")])
    >>> round(found.excess.estimate, 4)
    0.0667
    """
    x, y, codes = _columns(candidate, floor, clusters)
    grouped = clusters is not None
    means = [_mean(values, codes, grouped=grouped, confidence=confidence) for values in (x, y)]
    return _excess(*means, correlation=_correlation(x, y, codes))


def difference_of_intervals(first: Interval, second: Interval, *, correlation: float = 0.0) -> Interval:
    """Return the interval of first minus second, recovered from the intervals of both.

    Parameters
    ----------
    first, second : Interval
        Of the same confidence.
    correlation : float
        Of the two estimates, -1 to 1.

    Returns
    -------
    Interval
        Refused, with the reason, where either interval is.

    References
    ----------
    .. [1] G. Y. Zou, A. Donner, Stat. Med. 27 (2008) 1693-1702, equations 4 and 5.

    Examples
    --------
    Newcombe's method 10 for 56 of 70 against 48 of 80:

    >>> from swapgate.stats import wilson_interval
    >>> found = difference_of_intervals(wilson_interval(56, 70), wilson_interval(48, 80))
    >>> round(found.low, 4), round(found.high, 4)
    (0.0524, 0.3339)
    """
    known = [one.estimate for one in (first, second)]
    refused = next((one.note for one in (first, second) if one.low is None or one.high is None), "")
    estimate = known[0] - known[1] if known[0] is not None and known[1] is not None else None
    whole = Interval(estimate=estimate, low=None, high=None, confidence=first.confidence, note=refused)
    if estimate is None or None in (first.low, first.high, second.low, second.high):
        return whole
    (down, up), (down2, up2) = _arms(first), _arms(second)
    low = estimate - _joined(down, up2, correlation)
    high = estimate + _joined(up, down2, correlation)
    notes = ", ".join(dict.fromkeys(one.note for one in (first, second) if one.note))
    return replace(whole, low=low, high=high, note=notes)


def _arms(interval: Interval) -> tuple[float, float]:
    """Return how far the bounds are from the estimate."""
    estimate, low, high = interval.estimate, interval.low, interval.high
    assert estimate is not None
    assert low is not None
    assert high is not None
    return estimate - low, high - estimate


def _joined(one: float, other: float, correlation: float) -> float:
    return sqrt(max(one**2 + other**2 - 2 * correlation * one * other, 0.0))


def _excess(candidate: Interval, floor: Interval, *, correlation: float) -> Excess:
    if floor.estimate is None:
        floor = replace(floor, note=NO_FLOOR)
    return Excess(
        candidate=candidate,
        floor=floor,
        excess=difference_of_intervals(candidate, floor, correlation=correlation),
        correlation=correlation,
    )


def _columns(
    candidate: ArrayLike, floor: ArrayLike, clusters: Sequence[Hashable] | NDArray[Any] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int64]]:
    x, y = np.asarray(candidate, dtype=np.float64), np.asarray(floor, dtype=np.float64)
    codes = np.arange(x.size) if clusters is None else cluster_codes(clusters)
    if not x.shape == y.shape == codes.shape:
        raise ValueError(
            f"each request needs one value of each kind and one cluster, got {x.size}, {y.size}, {codes.size}"
        )
    return x, y, codes


def _rate(
    values: NDArray[np.float64],
    codes: NDArray[np.int64],
    *,
    grouped: bool,
    confidence: float,
    method: Method,
) -> Interval:
    known = ~np.isnan(values)
    groups = codes[known] if grouped else None
    return clustered_rate(values[known], groups, confidence=confidence, method=method)


def _mean(
    values: NDArray[np.float64], codes: NDArray[np.int64], *, grouped: bool, confidence: float
) -> Interval:
    known = ~np.isnan(values)
    return share_mean_interval(values[known], codes[known] if grouped else None, confidence=confidence)


def share_mean_interval(
    values: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.90,
) -> Interval:
    """Return the mean of values between 0 and 1, with an interval also where all of them are equal.

    Parameters
    ----------
    values : array_like of float, length n
        Similarities, distances, scores.
    clusters : sequence of hashable, length n, optional
        The outermost group of each value; None when all are independent.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Student's t. Where nothing varies, the share of other values is at most what 0 in n bounds it at, and
        each of them at worst 0 or 1: that all texts are the same is evidence, for which t has no interval.

    References
    ----------
    .. [1] C. J. Clopper, E. S. Pearson, Biometrika 26 (1934) 404-413.

    Examples
    --------
    >>> found = share_mean_interval([1.0] * 100)
    >>> round(found.low, 3), found.high
    (0.97, 1.0)
    """
    found = mean_interval(values, clusters, confidence=confidence)
    whole = Interval(
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        confidence=found.confidence,
        note=found.note,
    )
    if found.low is not None or found.estimate is None or found.clusters < 2:
        return whole
    others = clustered_rate([False] * found.n, clusters, confidence=confidence, method="exact")
    if others.high is None:
        return whole
    low = found.estimate * (1 - others.high)
    return replace(whole, low=low, high=found.estimate + (1 - found.estimate) * others.high, note="")


def _correlation(x: NDArray[np.float64], y: NDArray[np.float64], codes: NDArray[np.int64]) -> float:
    """Return the correlation of the two means, from what each cluster adds to either."""
    both = ~np.isnan(x) & ~np.isnan(y)
    if both.sum() < 2:
        return 0.0
    first, second = (_contributions(values, codes) for values in (x, y))
    size = sqrt(float(first @ first) * float(second @ second))
    if not size:
        return 0.0
    shared = len(np.unique(codes[both]))
    found = float(first @ second) / size * shared / (shared + _BELIEVED)
    return max(min(found, _MOST_CORRELATED), -_MOST_CORRELATED)


def _contributions(values: NDArray[np.float64], codes: NDArray[np.int64]) -> NDArray[np.float64]:
    known = ~np.isnan(values)
    deviations = np.where(known, values - values[known].mean(), 0.0)
    shares: NDArray[np.float64] = np.bincount(codes, weights=deviations) / known.sum()
    return shares
