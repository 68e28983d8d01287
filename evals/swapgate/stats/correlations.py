"""Does a judge's score rise with people's: Pearson, Spearman and Kendall, by item and by group."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import atanh, erfc, sqrt, tanh
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.interval import critical_value
from swapgate.values import Value

Method: TypeAlias = Literal["pearson", "spearman", "kendall"]
Scores: TypeAlias = Sequence[float] | NDArray[Any]
Floats: TypeAlias = NDArray[np.float64]

NO_VARIATION = "the scores of one side are all the same: no correlation is defined"
IN_LINE = "all points lie in one order: the interval of a correlation of 1 is not known"
# Fisher's z of each coefficient has about the variance c / (n - k) below.
FEWEST = {"pearson": 4, "spearman": 4, "kendall": 5}


class Correlation(Value):
    """A correlation over n points, with interval and two-sided p-value of "none"; None where not given."""

    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    p_value: float | None
    n: int
    note: str = ""


def correlation(
    first: Scores, second: Scores, *, method: Method = "spearman", confidence: float = 0.95
) -> Correlation:
    """Return the correlation of two scores over items.

    Parameters
    ----------
    first, second : sequence of numbers, length n
        Same items in the same order.
    method : {"pearson", "spearman", "kendall"}
        The product moment, that of the ranks, or tau-b, which allows for ties.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Correlation
        Without estimate below two points and where one side does not vary; without bounds for few points
        (below 4, for Kendall 5) and where the points lie in one order.

    Raises
    ------
    ValueError
        When the lengths differ, or a score is missing or infinite.

    Notes
    -----
    Intervals on Fisher's z with variance 1 / (n - 3) for Pearson, (1 + r^2 / 2) / (n - 3) for Spearman,
    .437 / (n - 4) for Kendall [1]_. p-values by t(n - 2) for the first two, for tau-b by the normal
    approximation that allows for ties [2]_.

    References
    ----------
    .. [1] D. G. Bonett, T. A. Wright, "Sample size requirements for estimating Pearson, Kendall and Spearman
       correlations", Psychometrika 65 (2000) 23-28.
    .. [2] M. G. Kendall, "Rank Correlation Methods", 4th edition, Griffin, 1970.

    Examples
    --------
    >>> found = correlation([1, 2, 3, 4, 5, 6], [2, 1, 4, 3, 6, 5])
    >>> round(found.estimate, 3), round(found.low, 2), round(found.high, 2)
    (0.829, -0.13, 0.99)
    """
    x, y = _scores(first), _scores(second)
    if len(x) != len(y):
        raise ValueError(f"both sides need the same items, got {len(x)} and {len(y)}")
    if len(x) < 2 or np.ptp(x) == 0 or np.ptp(y) == 0:
        note = NO_VARIATION if len(x) > 1 else "fewer than two points"
        return Correlation(
            estimate=None, low=None, high=None, confidence=confidence, p_value=None, n=len(x), note=note
        )
    if method == "spearman":
        x, y = _ranks(x), _ranks(y)
    r, p_value = _kendall(x, y) if method == "kendall" else _pearson(x, y)
    low, high, note = _bounds(r, len(x), method, confidence)
    return Correlation(
        estimate=r, low=low, high=high, confidence=confidence, p_value=p_value, n=len(x), note=note
    )


def group_correlation(
    first: Scores,
    second: Scores,
    groups: Sequence[Hashable],
    *,
    method: Method = "spearman",
    confidence: float = 0.95,
) -> Correlation:
    """Return the correlation of two scores over groups: does the judge rank the systems as people do?

    Parameters
    ----------
    first, second : sequence of numbers, length n
        Same items in the same order.
    groups : sequence of hashable, length n
        The system, prompt or document of each item.
    method : {"pearson", "spearman", "kendall"}
        As for `correlation`.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Correlation
        Of the groups' mean scores; n counts groups.

    Raises
    ------
    ValueError
        When the lengths differ, or a score is missing or infinite.

    Examples
    --------
    >>> found = group_correlation([1, 2, 2, 3, 5, 4], [1, 1, 3, 2, 4, 5], ["a", "a", "b", "b", "c", "c"])
    >>> found.n, round(found.estimate, 3)
    (3, 1.0)
    """
    codes: dict[Hashable, int] = {}
    of = [codes.setdefault(group, len(codes)) for group in groups]
    if not len(of) == len(first) == len(second):
        raise ValueError(f"each item needs a group, got {len(first)}, {len(second)} and {len(of)}")
    sizes = np.bincount(of)
    means = [np.bincount(of, weights=_scores(side)) / sizes for side in (first, second)]
    return correlation(*means, method=method, confidence=confidence)


def within_group_correlation(
    first: Scores,
    second: Scores,
    groups: Sequence[Hashable],
    *,
    method: Method = "spearman",
    confidence: float = 0.95,
) -> Correlation:
    """Return the mean correlation inside groups: does the judge rank the answers to one case as people do?

    Parameters
    ----------
    first, second : sequence of numbers, length n
        Same items in the same order.
    groups : sequence of hashable, length n
        The case (document, prompt) of each item, whose items are ranked against each other.
    method : {"pearson", "spearman", "kendall"}
        As for `correlation`.
    confidence : float
        Two-sided coverage.

    Returns
    -------
    Correlation
        n counts the groups in which both sides vary; the others have no correlation and are left out, and the
        note counts them. Without a p-value; without bounds below two groups and where all are the same.

    Raises
    ------
    ValueError
        When the lengths differ, or a score is missing or infinite.

    Notes
    -----
    What papers on summaries call the summary level [1]_. The interval is Student's, of the mean over groups.

    References
    ----------
    .. [1] A. R. Fabbri et al., "SummEval: re-evaluating summarization evaluation", TACL 9 (2021) 391-409.

    Examples
    --------
    >>> judge, people = [1, 2, 3, 3, 2, 1], [1, 2, 3, 1, 3, 2]
    >>> found = within_group_correlation(judge, people, ["a", "a", "a", "b", "b", "b"])
    >>> found.n, found.estimate
    (2, 0.25)
    """
    if not len(groups) == len(first) == len(second):
        raise ValueError(f"each item needs a group, got {len(first)}, {len(second)} and {len(groups)}")
    x, y = _scores(first), _scores(second)
    places: dict[Hashable, list[int]] = {}
    for place, group in enumerate(groups):
        places.setdefault(group, []).append(place)
    found = [correlation(x[own], y[own], method=method).estimate for own in places.values()]
    known = np.array([r for r in found if r is not None])
    n, left_out = len(known), len(found) - len(known)
    note = f"left out, one side does not vary there: {left_out} of {len(found)} groups" if left_out else ""
    spread = float(known.std(ddof=1)) if n > 1 else 0.0
    if spread == 0:
        estimate = float(known.mean()) if n else None
        why = NO_VARIATION if n == 0 else f"{n} groups of the same correlation: no interval"
        return Correlation(
            estimate=estimate, low=None, high=None, confidence=confidence, p_value=None, n=n, note=why
        )
    mean, reach = float(known.mean()), critical_value(confidence, df=n - 1) * spread / sqrt(n)
    return Correlation(
        estimate=mean,
        low=max(mean - reach, -1.0),
        high=min(mean + reach, 1.0),
        confidence=confidence,
        p_value=None,
        n=n,
        note=note,
    )


def _scores(values: Scores) -> Floats:
    scores = np.asarray(values, dtype=np.float64)
    if not np.isfinite(scores).all():
        raise ValueError("scores must be finite numbers: leave items without a score out on both sides")
    return scores


def _ranks(values: Floats) -> Floats:
    """Return the ranks, ties sharing their mean."""
    _unique, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[inverse], dtype=np.float64)


def _pearson(x: Floats, y: Floats) -> tuple[float, float | None]:
    dx, dy = x - x.mean(), y - y.mean()
    r = float(dx @ dy / sqrt(float(dx @ dx) * float(dy @ dy)))
    r = min(max(r, -1.0), 1.0)
    df = len(x) - 2
    if df == 0:
        return r, None
    from scipy.special import betainc

    # The tail of t(df) at r sqrt(df / (1 - r^2)), which needs no division by 0.
    return r, float(betainc(df / 2, 0.5, 1 - r * r))


def _kendall(x: Floats, y: Floats) -> tuple[float, float]:
    n = len(x)
    ties = [np.unique(side, return_counts=True)[1].astype(np.float64) for side in (x, y)]
    both = np.unique(np.column_stack([x, y]), axis=0, return_counts=True)[1]
    tied_x, tied_y, tied_both = (float((t * (t - 1)).sum()) / 2 for t in (*ties, both))
    pairs = n * (n - 1) / 2
    score = pairs - tied_x - tied_y + tied_both - 2 * _discordant(x, y)
    tau = score / sqrt((pairs - tied_x) * (pairs - tied_y))
    spread = n * (n - 1) * (2 * n + 5) - sum(float((t * (t - 1) * (2 * t + 5)).sum()) for t in ties)
    threes = [float((t * (t - 1) * (t - 2)).sum()) for t in ties]
    variance = spread / 18 + 2 * tied_x * tied_y / (n * (n - 1))
    variance += threes[0] * threes[1] / (9 * n * (n - 1) * max(n - 2, 1))
    return min(max(tau, -1.0), 1.0), erfc(abs(score) / sqrt(2 * variance))


def _discordant(x: Floats, y: Floats) -> int:
    """Return how many pairs the two sides order the other way round, bit by bit of the ranks of y.

    Two ranks of y differ first in one bit. Among those that agree in the higher bits, every rank with that
    bit set that comes before one without it is a pair in the wrong order.
    """
    rank = np.unique(y, return_inverse=True)[1][np.lexsort((y, x))]
    found = 0
    for bit in range(int(rank.max()).bit_length()):
        order = np.argsort(rank >> (bit + 1), kind="stable")
        group, is_set = (rank >> (bit + 1))[order], (rank >> bit)[order] & 1
        before = np.cumsum(is_set)
        starts = np.searchsorted(group, group)
        inside = before - np.concatenate([[0], before])[starts]
        found += int(inside[is_set == 0].sum())
    return found


def _bounds(r: float, n: int, method: Method, confidence: float) -> tuple[float | None, float | None, str]:
    if n < FEWEST[method]:
        return None, None, f"{n} points: too few for an interval"
    if abs(r) > 1 - 1e-12:
        return None, None, IN_LINE
    variance = {
        "pearson": 1 / (n - 3),
        "spearman": (1 + r * r / 2) / (n - 3),
        "kendall": 0.437 / max(n - 4, 1),
    }
    reach = critical_value(confidence) * sqrt(variance[method])
    return tanh(atanh(r) - reach), tanh(atanh(r) + reach), ""
