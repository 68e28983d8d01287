"""Ratio of two sums over the same requests, such as what two models cost."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import exp, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import ONE_CLUSTER, cluster_codes, compact_codes, few_clusters_note
from swapgate.stats.interval import Interval, critical_value
from swapgate.stats.means import NO_VALUES, as_values


def ratio_interval(
    numerator: ArrayLike,
    denominator: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.90,
) -> Interval:
    """Return the ratio of two sums of paired, positive amounts.

    Parameters
    ----------
    numerator, denominator : array_like of float, length n
        What each request took of either: dollars, tokens.
    clusters : sequence of hashable, length n, optional
        The outermost group of each request; None when all are independent.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Interval
        Refused without values, with one cluster, and where one of the sums is 0.

    Notes
    -----
    Student's t on the logarithm, with the cluster-robust variance of the linearised ratio.

    References
    ----------
    .. [1] W. G. Cochran, "Sampling Techniques", 3rd ed., Wiley 1977, section 6.

    Examples
    --------
    >>> found = ratio_interval([1.0, 2.0, 3.0, 2.0], [2.0, 4.0, 6.5, 4.0])
    >>> round(found.estimate, 3), round(found.low, 3), round(found.high, 3)
    (0.485, 0.457, 0.515)
    """
    x, y = as_values(numerator, name="numerator"), as_values(denominator, name="denominator")
    codes = np.arange(x.size) if clusters is None else compact_codes(cluster_codes(clusters))
    groups = int(codes.max()) + 1 if codes.size else 0
    refused = Interval(estimate=None, low=None, high=None, confidence=confidence, note=NO_VALUES)
    top, bottom = float(x.sum()), float(y.sum())
    if top <= 0 or bottom <= 0:
        return refused
    ratio = top / bottom
    if groups < 2:
        return Interval(estimate=ratio, low=None, high=None, confidence=confidence, note=ONE_CLUSTER)
    sums = np.bincount(codes, weights=x - ratio * y)
    error = sqrt(groups / (groups - 1) * float(sums @ sums)) / top
    half = critical_value(confidence, df=groups - 1) * error
    return Interval(
        estimate=ratio,
        low=ratio * exp(-half),
        high=ratio * exp(half),
        confidence=confidence,
        note=few_clusters_note(groups) if groups < x.size else "",
    )
