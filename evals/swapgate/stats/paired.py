"""Two models on the same trials: the table of both results, its difference, interval and p-values.

Everywhere: difference = candidate minus baseline; n10 counts the pairs that only the baseline passes, n01
those that only the candidate passes. numpy and the exact tests are imported where they are needed: the plan
before a run's first call reaches this module.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from math import sqrt
from typing import TYPE_CHECKING, Any

from swapgate.stats.clusters import (
    as_results,
    cluster_sums,
    few_clusters_note,
    robust_variance,
    tempered_design_effect,
)
from swapgate.stats.exact import mcnemar_midp, unconditional_interval, unconditional_p
from swapgate.stats.interval import Interval, Method, as_method, upper_tail
from swapgate.stats.tango import noninferiority_p, tango_interval
from swapgate.values import Value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

NOT_EXACT = "pairs in clusters have no exact interval: this is the score interval"


class PairedDifference(Value):
    """A paired table with its difference (candidate minus baseline), interval and p-value.

    `estimate` is None without pairs, the bounds and `p_value` also with a single cluster of several pairs;
    `note` then says why. `deff` is how many pairs are worth one independent pair, `method` what the interval
    was made with: the score method also where an exact interval was asked for and there is none.
    """

    both: int
    only_candidate: int
    only_baseline: int
    neither: int
    clusters: int
    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    deff: float
    p_value: float | None
    method: Method = "score"
    note: str = ""

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return self.both + self.only_candidate + self.only_baseline + self.neither

    def p_noninferior(self, margin: float) -> float | None:
        """Return the one-sided p-value of "the candidate is worse by the margin or more", None if refused.

        It is below ``(1 - confidence) / 2`` exactly when the interval lies above ``-margin``.
        """
        table = self.only_baseline, self.only_candidate, self.pairs
        df = self.clusters - 1 if self.clusters < self.pairs else None
        score = noninferiority_p(*table, margin, deff=self.deff, df=df)
        if score is None or self.method == "score":
            return score
        return unconditional_p(*table, difference=-margin, confidence=self.confidence)


def paired_difference(
    baseline: ArrayLike,
    candidate: ArrayLike,
    clusters: Sequence[Hashable] | NDArray[Any] | None = None,
    *,
    confidence: float = 0.90,
    method: Method = "score",
) -> PairedDifference:
    """Compare two models on the same trials.

    Parameters
    ----------
    baseline, candidate : array_like of bool or of 0 and 1, length n
        Whether each model passed; same order.
    clusters : sequence of hashable, or ndarray, length n, optional
        The outermost group of each pair: texts, numbers or tuples; an array of integers is quickest. None
        when all pairs are independent.
    confidence : float
        Two-sided coverage; 0.90 leaves the gate's 5% on either side.
    method : {"score", "exact"}
        Tango's interval with McNemar's mid-p, or the unconditional exact interval with its own p-value.

    Returns
    -------
    PairedDifference
        With clusters of several pairs Tango's interval and McNemar's z allow for the design effect and use
        t(G - 1), whatever the method; a note says when that is not the one that was asked for, and warns
        below ten clusters.

    Raises
    ------
    ValueError
        When the lengths differ or a result is neither True nor False.

    Notes
    -----
    ``p_value`` is for "no difference", two-sided. The exact one is at most ``1 - confidence`` precisely when
    the exact interval leaves 0 out: twice the smaller of its two one-sided p-values. McNemar's mid-p nearly
    so, as it is the better test but not the one that Tango's interval inverts.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908.
    .. [2] M. W. Fagerland, S. Lydersen, P. Laake, BMC Med. Res. Methodol. 13 (2013) 91.

    Examples
    --------
    >>> result = paired_difference([True] * 50, [True] * 50)
    >>> result.estimate, round(result.low, 3), round(result.high, 3)
    (0.0, -0.051, 0.051)
    >>> result.p_noninferior(0.06) < 0.05
    True
    """
    method = as_method(method)
    b, c = as_results(baseline, name="baseline"), as_results(candidate, name="candidate")
    if len(b) != len(c):
        raise ValueError(f"both models need a result for each trial, got {len(b)} and {len(c)}")
    n, both = len(b), int(b @ c)
    n10, n01 = int(b.sum()) - both, int(c.sum()) - both
    groups, deff = (n, 1.0) if clusters is None else _clustering(c - b, clusters)
    df = groups - 1 if groups < n else None
    used: Method = method if df is None else "score"
    if used == "exact":
        interval = unconditional_interval(n10, n01, n, confidence=confidence)
    else:
        interval = tango_interval(n10, n01, n, confidence=confidence, deff=deff, df=df)
    return PairedDifference(
        both=both,
        only_candidate=n01,
        only_baseline=n10,
        neither=n - n10 - n01 - both,
        clusters=groups,
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        confidence=confidence,
        deff=deff,
        p_value=None if interval.low is None else _p_value(n10, n01, n, interval, method=used, df=df),
        method=used,
        note=interval.note or _note(groups, df=df, is_fallback=used != method),
    )


def design_effect(differences: ArrayLike, clusters: Sequence[Hashable] | NDArray[Any]) -> float:
    """Return how many pairs are worth one independent pair.

    Parameters
    ----------
    differences : array_like of int, length n
        1 where only the candidate passes, -1 where only the baseline does, else 0.
    clusters : sequence of hashable, or ndarray, length n
        At least two distinct ones.

    Returns
    -------
    float
        ``se2 / v0`` between 1 and the size of the largest cluster, se2 the cluster-robust variance of the
        mean difference and v0 that of independent pairs, tempered by what few clusters can show: see
        `tempered_design_effect`. The largest cluster where no pair differs: pairs that all agree do not show
        that repeats bring anything new.

    Raises
    ------
    ValueError
        With fewer than two clusters, or a difference that is none of the three.

    References
    ----------
    .. [1] L. Kish, "Survey Sampling", Wiley, 1965.
    .. [2] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024.

    Examples
    --------
    >>> design_effect([0] * 20, [i // 5 for i in range(20)])
    5.0
    >>> design_effect([1, 1, -1, -1, 0, 0], [1, 1, 2, 2, 3, 3])
    2.0
    """
    import numpy as np

    array = np.asarray(differences)
    if not np.isin(array, (-1, 0, 1)).all():
        raise ValueError("differences must be -1, 0 or 1, candidate minus baseline")
    sums, sizes = cluster_sums(array, clusters)
    if len(sizes) < 2:
        raise ValueError(f"a design effect needs at least two clusters, got {len(sizes)}")
    return _tempered(array, clusters, sums, sizes)


def _clustering(
    differences: NDArray[np.int64], clusters: Sequence[Hashable] | NDArray[Any]
) -> tuple[int, float]:
    """Return the number of clusters and the design effect; 1.0 where there is nothing to estimate it from."""
    sums, sizes = cluster_sums(differences, clusters)
    if len(sizes) in (1, len(differences)):
        return len(sizes), 1.0
    return len(sizes), _tempered(differences, clusters, sums, sizes)


def _tempered(
    differences: NDArray[np.int64],
    clusters: Sequence[Hashable] | NDArray[Any],
    sums: NDArray[np.int64],
    sizes: NDArray[np.int64],
) -> float:
    discordant, _ = cluster_sums(abs(differences), clusters)
    n, largest = int(sizes.sum()), float(sizes.max())
    spread = n * int(discordant.sum()) - int(sums.sum()) ** 2
    seen = min(max(robust_variance(sums, sizes) * n**3 / spread, 1.0), largest) if spread else largest
    return tempered_design_effect(seen, varying=int((discordant > 0).sum()), most=largest)


def _p_value(n10: int, n01: int, n: int, interval: Interval, *, method: Method, df: int | None) -> float:
    """Return mid-p or the exact p for independent pairs; for clusters McNemar's z against t."""
    if method == "exact":
        tails = (
            unconditional_p(*table, n, confidence=interval.confidence) for table in ((n10, n01), (n01, n10))
        )
        return min(1.0, 2 * min(tails))
    if df is None:
        return mcnemar_midp(n10, n01)
    worth = (interval.effective_n or n) / n
    z = (n01 - n10) * sqrt(worth / (n10 + n01)) if n10 + n01 else 0.0
    return 2 * upper_tail(abs(z), df=df)


def _note(groups: int, *, df: int | None, is_fallback: bool) -> str:
    """Return what to know about an interval of clustered pairs."""
    if df is None:
        return ""
    return "; ".join(filter(None, (NOT_EXACT if is_fallback else "", few_clusters_note(groups))))
