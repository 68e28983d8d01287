"""Whether failures depend on a covariate such as the input's length, and whether from a threshold on."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import (
    ONE_CLUSTER,
    as_results,
    cluster_codes,
    compact_codes,
    count_codes,
    variance_of_mean,
)
from swapgate.stats.covariate import FEWEST, CovariateEffect, Mask, Outcomes, Plan, assess, refused
from swapgate.stats.interval import Interval
from swapgate.stats.paired import paired_difference
from swapgate.stats.permutation import ROUNDING, FloatArray, IntArray, Progress
from swapgate.stats.proportion import clustered_rate, wilson_bounds
from swapgate.stats.trend import linear_slope, logistic_slope, superiority

__all__ = ["CovariateEffect", "covariate_effect", "paired_covariate_effect"]


def covariate_effect(
    failed: ArrayLike,
    covariate: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    seed: int,
    permutations: int = 2000,
    alpha: float = 0.05,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> CovariateEffect:
    """Say whether failures depend on a covariate, by a threshold or a trend, and where.

    Parameters
    ----------
    failed : array_like of float, length n
        1 for a failure, 0 for a pass, or the share of a case's repeats that failed.
    covariate : array_like of float, length n
        Such as the input's tokens.
    clusters : sequence of hashable, or ndarray, length n, optional
        The outermost group of each case; its cases only ever change places together.
    seed : int
        Of the permutations.
    permutations : int
        Largest number of them; fewer are drawn once the p-value is known to be large.
    alpha : float
        Level of "threshold" and "trend, no threshold" together.
    confidence : float
        Coverage of the intervals and of the cut's range.
    progress : callable, optional
        Called with the share of the permutations done.

    Returns
    -------
    CovariateEffect
        Refused ("too few failures") below five failing or five passing cases (clusters that hold one),
        with a constant covariate, and with a single cluster.

    Raises
    ------
    ValueError
        When lengths differ, `failed` leaves 0..1, or a number is not finite.

    Notes
    -----
    The statistic is the largest among the standardised differences over all cuts that leave a tenth of the
    cases on either side, the rank trend and the linear trend; its p-value comes from permutations, so
    that looking at all cuts costs nothing in error. The answer is "threshold" when in addition the best step
    fits better than the best trend. A gentle trend is hardly told from a step below some thousand cases: of
    log-odds that rise by 0.55 a standard deviation, 98% of those found at 300 cases, 90% at 1,000 and 44% at
    3,000 were called a threshold. `advantage` and `note` say how clear it is.

    Clusters: where the covariate is the same throughout each cluster, whole clusters change places, which
    takes the covariate to be independent of both outcomes and sizes. Otherwise a cluster's outcomes move
    together to another cluster of the same size; clusters of a size of their own stay, and the note counts
    them. Rows of a cluster are matched by the order of covariate and input: of repeats pass the case's
    share, with the case's cluster.

    The rates below and above are those at a cut that was chosen because they differ there: they lie
    somewhat too far apart. The test is not affected. Where the rates themselves matter, measure them at this
    cut on a fresh run.

    References
    ----------
    .. [1] B. Lausen and M. Schumacher, "Maximally selected rank statistics", Biometrics 48 (1992) 73-85.
    .. [2] T. Hothorn and B. Lausen, "On the exact distribution of maximally selected rank statistics",
       Comput. Stat. Data Anal. 43 (2003) 121-137.

    Examples
    --------
    >>> tokens = list(range(300))
    >>> failed = [t > 200 and t % 3 == 0 or t % 25 == 0 for t in tokens]
    >>> effect = covariate_effect(failed, tokens, seed=1)
    >>> effect.answer, effect.cut, effect.p_value < 0.001
    ('threshold', 199.0, True)
    >>> covariate_effect([0, 0, 1], [1, 2, 3], seed=1).note
    '1 failing case: fewer than 5'
    """
    outcome, x, codes = _arrays(failed, covariate, clusters)
    if len(outcome) and not 0 <= outcome.min() <= outcome.max() <= 1:
        raise ValueError("failed must lie between 0 and 1")
    kinds = {"failing": outcome > 0, "passing": outcome < 1}
    if refusal := _refusal(kinds, outcome, x, codes):
        return refused(outcome, codes, refusal)
    is_binary = bool(np.all((outcome == 0) | (outcome == 1)))
    return assess(
        Outcomes(outcome=outcome, kinds=np.stack([outcome, 1 - outcome], axis=1), x=x, codes=codes),
        Plan(seed=seed, permutations=permutations, alpha=alpha, confidence=confidence, progress=progress),
        side=lambda is_in: _rate_interval(outcome, codes, is_in, confidence=confidence),
        slope=logistic_slope(outcome, x, codes, confidence=confidence),
        auc=superiority(outcome, x, codes, confidence=confidence) if is_binary else None,
    )


def paired_covariate_effect(
    baseline_failed: ArrayLike,
    candidate_failed: ArrayLike,
    covariate: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    seed: int,
    permutations: int = 2000,
    alpha: float = 0.05,
    confidence: float = 0.95,
    progress: Progress | None = None,
) -> CovariateEffect:
    """Say whether the difference of two models' failures depends on a covariate, and where it changes.

    Parameters
    ----------
    baseline_failed, candidate_failed : array_like of bool or of 0 and 1, length n
        Whether each model failed; same cases in the same order.
    covariate, clusters, seed, permutations, alpha, confidence, progress
        As for `covariate_effect`.

    Returns
    -------
    CovariateEffect
        Rates and slope are differences, candidate minus baseline: above 0 the candidate fails more often.
        `below` and `above` hold Tango's intervals. Refused when the models differ on fewer than five cases
        (clusters that hold one).

    Raises
    ------
    ValueError
        When lengths differ, a result is neither 0 nor 1, or a covariate is not finite.

    Notes
    -----
    The case's difference (-1, 0 or 1) changes places among the covariate's values, so the hypothesis is that
    the difference does not depend on the covariate; a candidate that is worse everywhere by the same amount
    keeps to it. The range of the cut uses the shares of all three differences.

    References
    ----------
    .. [1] B. Lausen and M. Schumacher, "Maximally selected rank statistics", Biometrics 48 (1992) 73-85.

    Examples
    --------
    >>> tokens = list(range(300))
    >>> candidate = [t > 200 and t % 3 == 0 for t in tokens]
    >>> effect = paired_covariate_effect([False] * 300, candidate, tokens, seed=1)
    >>> effect.answer, round(effect.above.estimate, 2)
    ('threshold', 0.33)
    """
    before = as_results(baseline_failed, name="baseline_failed")
    after = as_results(candidate_failed, name="candidate_failed")
    if before.shape != after.shape:
        raise ValueError("the models' failures must be of equal length")
    difference, x, codes = _arrays(after - before, covariate, clusters)
    if refusal := _refusal({"differing": difference != 0}, difference, x, codes):
        return refused(difference, codes, refusal)

    def side(is_in: Mask) -> Interval:
        groups = None if codes is None else codes[is_in]
        found = paired_difference(before[is_in], after[is_in], groups, confidence=confidence)
        return Interval(
            estimate=found.estimate, low=found.low, high=found.high, confidence=confidence, note=found.note
        )

    shares = np.stack([difference == d for d in (-1, 0, 1)], axis=1).astype(np.float64)
    return assess(
        Outcomes(outcome=difference, kinds=shares, x=x, codes=codes),
        Plan(seed=seed, permutations=permutations, alpha=alpha, confidence=confidence, progress=progress),
        side=side,
        slope=linear_slope(difference, x, codes, confidence=confidence),
        auc=None,
    )


def _arrays(
    outcome: ArrayLike, covariate: ArrayLike, clusters: Sequence[Hashable] | NDArray[Any] | None
) -> tuple[FloatArray, FloatArray, IntArray | None]:
    """Return outcome, covariate and cluster numbers; None for clusters of one case each."""
    y, x = np.asarray(outcome, dtype=np.float64), np.asarray(covariate, dtype=np.float64)
    codes = None if clusters is None else compact_codes(cluster_codes(clusters))
    if y.ndim != 1 or y.shape != x.shape or (codes is not None and codes.shape != y.shape):
        raise ValueError("outcomes, covariate and clusters must have one value a case each")
    if not (np.isfinite(y).all() and np.isfinite(x).all()):
        raise ValueError("outcomes and covariate must be finite numbers")
    return y, x, None if codes is None or count_codes(codes) == len(y) else codes


def _refusal(kinds: dict[str, Mask], outcome: FloatArray, x: FloatArray, codes: IntArray | None) -> str:
    """Return why nothing can be said, or an empty string."""
    unit = "case" if codes is None else "cluster"
    for kind, is_of_kind in kinds.items():
        count = int(is_of_kind.sum()) if codes is None else count_codes(codes[is_of_kind])
        if count < FEWEST:
            return f"{count} {kind} {unit}{'' if count == 1 else 's'}: fewer than {FEWEST}"
    if outcome.min() == outcome.max():
        return f"the outcome is {outcome[0]:g} in every case"
    if x.min() == x.max():
        return f"the covariate is {x[0]:g} in every case"
    return ""


def _rate_interval(
    outcome: FloatArray, codes: IntArray | None, is_in: Mask, *, confidence: float
) -> Interval:
    """Return Wilson's interval of one side's rate; shares and clusters count what they are worth."""
    y, groups = outcome[is_in], None if codes is None else codes[is_in]
    if np.all((y == 0) | (y == 1)):
        return clustered_rate(y, groups, confidence=confidence)
    rate, n = float(y.mean()), len(y)
    groups = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    deviations = np.bincount(groups, y - rate)
    g = len(deviations)
    if g < 2:
        return Interval(estimate=rate, low=None, high=None, confidence=confidence, note=ONE_CLUSTER)
    variance = variance_of_mean(deviations, n)
    worth = min(rate * (1 - rate) / variance, float(n)) if variance > ROUNDING**2 else float(g)
    low, high = wilson_bounds(rate, worth, confidence=confidence, df=g - 1)
    return Interval(estimate=rate, low=low, high=high, confidence=confidence, effective_n=worth)
