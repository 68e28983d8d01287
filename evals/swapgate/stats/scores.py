"""Judge scores (1 to 5) of two models on the same cases: distributions, Wilcoxon's test, mean difference."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.clusters import ONE_CLUSTER, cluster_codes
from swapgate.stats.means import PairedMeans, as_values, paired_mean_difference
from swapgate.values import Value, replace

NO_PAIRS = "no pairs"
NO_DIFFERENCE = "no pair differs"
# Up to so many differences other than 0 all sign patterns are counted, without ties and zeros up to 50.
EXACT_DIFFERENCES = 13
EXACT_UNTIED = 50
# Differences of averaged scores that are equal on paper differ in the last bits only.
DECIMALS = 9


class SignedRank(Value):
    """Wilcoxon's signed-rank test with Pratt's treatment of zeros.

    `statistic` is the smaller of the two rank sums, `z` its normal approximation: positive when the
    differences are. `p_value` is two-sided, from all sign patterns when `is_exact`; None when it was refused.
    """

    statistic: float
    z: float
    p_value: float | None
    is_exact: bool
    differing: int
    zeros: int
    note: str = ""


class PairedScores(Value):
    """Scores of two models side by side, and their difference, candidate minus baseline.

    `baseline_counts` and `candidate_counts` are the number of scores nearest to each of `levels`.
    """

    levels: tuple[float, ...]
    baseline_counts: tuple[int, ...]
    candidate_counts: tuple[int, ...]
    pairs: int
    means: PairedMeans
    test: SignedRank


def paired_scores(
    baseline: ArrayLike,
    candidate: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.90,
    levels: Sequence[float] | None = None,
) -> PairedScores:
    """Compare the scores of two models on the same trials.

    Parameters
    ----------
    baseline, candidate : array_like of float, length n
        One score a trial for each model; same order. Averages of several samples are welcome.
    clusters : sequence of hashable, length n, optional
        The outermost group of each pair; None when all pairs are independent.
    confidence : float
        Two-sided coverage of the mean difference's interval.
    levels : sequence of float, optional
        The scale's levels; None for the whole numbers that occur. Only the counts are rounded to them,
        halves upwards; the means and the test use the scores as they are.

    Returns
    -------
    PairedScores
        The mean difference has its t interval by `means.paired_mean_difference`, cluster-robust with
        clusters. The signed-rank test then takes the mean difference of each cluster for one pair.

    Raises
    ------
    ValueError
        When a score is not a finite number, the lengths differ or `levels` do not rise.

    Examples
    --------
    >>> result = paired_scores([5, 4, 4, 3, 5, 4], [4, 4, 3, 3, 3, 2])
    >>> result.levels, result.baseline_counts, result.candidate_counts
    ((2.0, 3.0, 4.0, 5.0), (0, 1, 3, 2), (1, 3, 2, 0))
    >>> result.means.difference.estimate, result.test.p_value
    (-1.0, 0.125)
    """
    means = paired_mean_difference(baseline, candidate, clusters, confidence=confidence)
    theirs, ours = as_values(baseline, name="baseline"), as_values(candidate, name="candidate")
    scale = _levels(np.concatenate([theirs, ours]), levels)
    return PairedScores(
        levels=tuple(scale.tolist()),
        baseline_counts=_counts(theirs, scale),
        candidate_counts=_counts(ours, scale),
        pairs=theirs.size,
        means=means,
        test=_test(ours - theirs, clusters),
    )


def signed_rank_test(differences: ArrayLike) -> SignedRank:
    """Return Wilcoxon's signed-rank test of "the differences are symmetric about 0".

    Parameters
    ----------
    differences : array_like of float, length n
        Independent differences; equal to nine decimals means tied.

    Returns
    -------
    SignedRank
        p = 1 when no difference is other than 0; refused (p None) without any.

    Raises
    ------
    ValueError
        When a difference is not a finite number.

    Notes
    -----
    Zeros take part in the ranking and then lose their ranks (Pratt). Up to 13 differences other than 0 the
    p-value counts all patterns of signs on the ranks at hand, and up to 50 when there are neither ties nor
    zeros; otherwise it is the normal approximation with the correction for ties, without one for continuity.
    These are the rules of `scipy.stats.wilcoxon`, but for one: it counts the zeros, too, against the 13, and
    so calls four differences of one sign among twenty pairs significant (p = .046), although one in eight
    patterns of four signs is as extreme.

    References
    ----------
    .. [1] F. Wilcoxon, Biometrics Bulletin 1 (1945) 80-83.
    .. [2] J. W. Pratt, "Remarks on zeros and ties in the Wilcoxon signed rank procedures", J. Am. Stat.
       Assoc. 54 (1959) 655-667.
    .. [3] E. E. Cureton, "The normal approximation to the signed-rank sampling distribution when zero
       differences are present", J. Am. Stat. Assoc. 62 (1967) 1068-1069.

    Examples
    --------
    >>> signed_rank_test([0] * 16 + [1, 1, 1, 1]).p_value
    0.125
    >>> signed_rank_test([0, 0, 0]).p_value
    1.0
    """
    d = np.round(as_values(differences, name="differences"), DECIMALS)
    zeros = int(np.count_nonzero(d == 0))
    if zeros == d.size:
        p, note = (1.0, NO_DIFFERENCE) if d.size else (None, NO_PAIRS)
        return SignedRank(statistic=0.0, z=0.0, p_value=p, is_exact=True, differing=0, zeros=zeros, note=note)
    ranks = _ranks(np.abs(d), zeros)
    positive, total = float(ranks[d > 0].sum()), float(ranks.sum())
    # Given the ranks, each sign is a fair coin: the ties' correction is in the sum of their squares.
    z = (positive - total / 2) / sqrt(float(ranks @ ranks) / 4)
    is_exact = _is_exact(ranks[d != 0], zeros)
    return SignedRank(
        statistic=min(positive, total - positive),
        z=z,
        p_value=_exact_p(ranks[d != 0], positive) if is_exact else _normal_p(z),
        is_exact=is_exact,
        differing=d.size - zeros,
        zeros=zeros,
    )


def _test(differences: NDArray[np.float64], clusters: Sequence[Hashable] | NDArray[Any] | None) -> SignedRank:
    if clusters is None:
        return signed_rank_test(differences)
    codes = cluster_codes(clusters)
    sizes = np.bincount(codes)
    means = np.bincount(codes, weights=differences)[sizes > 0] / sizes[sizes > 0]
    result = signed_rank_test(means)
    if means.size == 1 and differences.size > 1:
        return replace(result, p_value=None, note=ONE_CLUSTER)
    return result


def _ranks(sizes: NDArray[np.float64], zeros: int) -> NDArray[np.float64]:
    """Return ranks of absolute differences, ties averaged, zeros ranked first and then set to 0."""
    _, level, counts = np.unique(sizes, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: NDArray[np.float64] = ((2 * last - counts + 1) / 2)[level]
    return np.where(sizes == 0, 0.0, ranks) if zeros else ranks


def _is_exact(ranks: NDArray[np.float64], zeros: int) -> bool:
    is_untied = zeros == 0 and np.unique(ranks).size == ranks.size
    return ranks.size <= (EXACT_UNTIED if is_untied else EXACT_DIFFERENCES)


def _exact_p(ranks: NDArray[np.float64], positive: float) -> float:
    """Return the share of sign patterns whose rank sum is at least as far from its mean, as twice a tail."""
    # Averaged ranks are halves: doubled, the sums are whole numbers and index the distribution.
    doubled = np.rint(2 * ranks).astype(np.int64)
    chances = np.zeros(int(doubled.sum()) + 1)
    chances[0] = 1.0
    for rank in doubled:
        chances[rank:] += chances[:-rank].copy()
        chances /= 2
    seen = round(2 * positive)
    return float(min(1.0, 2 * min(chances[: seen + 1].sum(), chances[seen:].sum())))


def _normal_p(z: float) -> float:
    from scipy.special import ndtr

    return float(2 * ndtr(-abs(z)))


def _levels(scores: NDArray[np.float64], levels: Sequence[float] | None) -> NDArray[np.float64]:
    if levels is None:
        return np.unique(np.floor(scores + 0.5))
    scale = as_values(levels, name="levels")
    if np.any(np.diff(scale) <= 0):
        raise ValueError(f"levels must rise, got {list(levels)!r}")
    return scale


def _counts(scores: NDArray[np.float64], levels: NDArray[np.float64]) -> tuple[int, ...]:
    """Return how many scores lie nearest to each level."""
    nearest = np.searchsorted((levels[1:] + levels[:-1]) / 2, scores, side="right")
    return tuple(np.bincount(nearest, minlength=levels.size).tolist())
