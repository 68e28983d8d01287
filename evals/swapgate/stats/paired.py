"""Two models on the same cases: Tango's interval of the difference, McNemar's tests, both for clusters.

Everywhere: difference = candidate minus baseline; n10 counts the pairs that only the baseline passes, n01
those that only the candidate passes.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from math import copysign, inf, sqrt

from swapgate.stats.clusters import ONE_CLUSTER, cluster_sums, few_clusters_note, robust_variance
from swapgate.stats.interval import Interval, critical_value

NO_PAIRS = "no pairs"
# Each halving gains one bit of the bound; a double has no more than these.
HALVINGS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """A paired table with its difference (candidate minus baseline), interval and p-value.

    `estimate` is None without pairs, the bounds and `p_value` also with a single cluster of several pairs;
    `note` then says why. `deff` is how many pairs are worth one independent pair.
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
    note: str = ""

    @property
    def pairs(self) -> int:
        """Number of pairs."""
        return self.both + self.only_candidate + self.only_baseline + self.neither


def paired_difference(
    baseline: Sequence[bool],
    candidate: Sequence[bool],
    clusters: Sequence[Hashable] | None = None,
    *,
    confidence: float = 0.90,
) -> PairedDifference:
    """Compare two models on the same trials.

    Parameters
    ----------
    baseline, candidate : sequence of bool, length n
        Whether each model passed; same order.
    clusters : sequence of hashable, length n, optional
        The outermost group of each pair; None when all pairs are independent.
    confidence : float
        Two-sided coverage; 0.90 leaves the gate's 5% on either side.

    Returns
    -------
    PairedDifference
        Tango's interval and McNemar's mid-p; with clusters of several pairs both allow for the design
        effect and use t(G - 1). Below ten such clusters a note warns.

    Raises
    ------
    ValueError
        When the lengths differ.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908.
    .. [2] M. W. Fagerland, S. Lydersen, P. Laake, BMC Med. Res. Methodol. 13 (2013) 91.

    Examples
    --------
    >>> result = paired_difference([True] * 50, [True] * 50)
    >>> result.estimate, round(result.low, 3), round(result.high, 3)
    (0.0, -0.051, 0.051)
    """
    differences = [int(c) - int(b) for b, c in zip(baseline, candidate, strict=True)]
    both = sum(1 for b, c in zip(baseline, candidate, strict=True) if b and c)
    n10, n01, n = differences.count(-1), differences.count(1), len(differences)
    sums, sizes = cluster_sums(differences, range(n) if clusters is None else clusters)
    is_clustered = len(sizes) < n
    deff = _design_effect(sums, sizes, n10=n10, n01=n01) if is_clustered and len(sizes) > 1 else 1.0
    df = len(sizes) - 1 if is_clustered else None
    interval = tango_interval(n10, n01, n, confidence=confidence, deff=deff, df=df)
    return PairedDifference(
        both=both,
        only_candidate=n01,
        only_baseline=n10,
        neither=n - n10 - n01 - both,
        clusters=len(sizes),
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        confidence=confidence,
        deff=deff,
        p_value=None if interval.low is None else _p_value(n10, n01, deff=deff, df=df),
        note=interval.note or (few_clusters_note(len(sizes)) if is_clustered else ""),
    )


def tango_interval(
    n10: int,
    n01: int,
    n: int,
    *,
    confidence: float = 0.95,
    deff: float = 1.0,
    df: int | None = None,
) -> Interval:
    """Return Tango's score interval of the difference of two paired rates.

    Parameters
    ----------
    n10, n01 : int
        Pairs that only the baseline, only the candidate passes.
    n : int
        All pairs; with n = 0 the interval is refused.
    confidence : float
        Two-sided coverage.
    deff : float
        Design effect: n pairs are worth n / deff independent ones.
    df : int, optional
        Degrees of freedom (clusters minus one) for Student's t; with 0 the interval is refused.

    Returns
    -------
    Interval
        Of candidate minus baseline.

    Raises
    ------
    ValueError
        When the counts are negative or exceed n.

    Notes
    -----
    The bounds are where `tango_z` reaches the quantile, found by bisection. Dividing all three counts by
    deff divides z by its square root, so the quantile is multiplied by it here instead.

    References
    ----------
    .. [1] T. Tango, "Equivalence test and confidence interval for the difference in proportions for the
       paired-sample design", Stat. Med. 17 (1998) 891-908.

    Examples
    --------
    >>> interval = tango_interval(16, 6, 161)
    >>> round(interval.low, 4), round(interval.high, 4)
    (-0.124, -0.0054)
    """
    _require_counts(n10, n01, n)
    if n == 0 or df == 0:
        estimate = (n01 - n10) / n if n else None
        note = ONE_CLUSTER if n else NO_PAIRS
        return Interval(estimate=estimate, low=None, high=None, confidence=confidence, note=note)
    reach = critical_value(confidence, df=df) * sqrt(deff)
    low, high = (_tango_bound(n10, n01, n, end=end, reach=reach) for end in (-1.0, 1.0))
    estimate = (n01 - n10) / n
    return Interval(estimate=estimate, low=low, high=high, confidence=confidence, effective_n=n / deff)


def tango_z(n10: int, n01: int, n: int, *, difference: float, deff: float = 1.0) -> float:
    """Return Tango's score statistic for "candidate minus baseline equals `difference`".

    Parameters
    ----------
    n10, n01, n : int
        As for `tango_interval`; n above 0.
    difference : float
        The hypothesis, -1 to 1.
    deff : float
        Design effect.

    Returns
    -------
    float
        Standard normal under the hypothesis, positive when the candidate does better than it says.
        "Not worse by more than m" holds at one-sided 5% when ``tango_z(..., difference=-m) >= 1.645``.
        It may be infinite at the ends, never nan.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908, which writes the difference the other way round.

    Examples
    --------
    >>> round(tango_z(0, 0, 59, difference=-0.05), 3)
    1.762
    """
    _require_counts(n10, n01, n)
    distance = (n01 - n10) / n - difference
    variance = score_variance(n10 / n, n01 / n, difference)
    if distance == 0:
        return 0.0
    return distance * sqrt(n / (variance * deff)) if variance > 0 else copysign(inf, distance)


def score_variance(p10: float, p01: float, difference: float) -> float:
    """Return n times the variance of the difference of paired rates under a hypothesis.

    Parameters
    ----------
    p10, p01 : float
        Observed shares of the pairs that only the baseline, only the candidate passes.
    difference : float
        The hypothesis, -1 to 1.

    Returns
    -------
    float
        ``2 q + difference (1 - difference)``, q being the likeliest p10 under the hypothesis; at least 0.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908, equations 13 to 15.

    Examples
    --------
    >>> round(score_variance(0.0, 0.0, 0.05), 6)
    0.0475
    """
    b = (2 - p01 + p10) * difference - p01 - p10
    c = -p10 * difference * (1 - difference)
    root = sqrt(max(b * b - 8 * c, 0.0))
    # The usual root of 2 q^2 + b q + c, in the form that does not cancel.
    q = (root - b) / 4 if b <= 0 else -2 * c / (root + b)
    return max(2 * q + difference * (1 - difference), 0.0)


def design_effect(differences: Sequence[int], clusters: Sequence[Hashable]) -> float:
    """Return how many pairs are worth one independent pair.

    Parameters
    ----------
    differences : sequence of int, length n
        1 where only the candidate passes, -1 where only the baseline does, else 0.
    clusters : sequence of hashable, length n
        At least two distinct ones.

    Returns
    -------
    float
        ``se2 / v0`` between 1 and the size of the largest cluster: se2 the cluster-robust variance of the
        mean difference, v0 the variance of independent pairs. The largest cluster where v0 = 0: pairs that
        all agree do not show that repeats bring anything new.

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
    sums, sizes = cluster_sums(differences, clusters)
    if len(sizes) < 2:
        raise ValueError(f"a design effect needs at least two clusters, got {len(sizes)}")
    return _design_effect(sums, sizes, n10=list(differences).count(-1), n01=list(differences).count(1))


def mcnemar_exact(n10: int, n01: int) -> float:
    """Return the two-sided p-value of McNemar's exact conditional test.

    Parameters
    ----------
    n10, n01 : int
        Pairs that only the baseline, only the candidate passes.

    Returns
    -------
    float
        1.0 without any such pair.

    References
    ----------
    .. [1] Q. McNemar, Psychometrika 12 (1947) 153-157.

    Examples
    --------
    >>> round(mcnemar_exact(16, 6), 6)
    0.052479
    """
    return min(1.0, 2 * _binomial_cdf(min(n10, n01), n10 + n01))


def mcnemar_midp(n10: int, n01: int) -> float:
    """Return the two-sided mid-p-value of McNemar's test: nearly exact, but not as weak as the exact one.

    Parameters
    ----------
    n10, n01 : int
        Pairs that only the baseline, only the candidate passes.

    Returns
    -------
    float
        1.0 without any such pair.

    References
    ----------
    .. [1] M. W. Fagerland, S. Lydersen, P. Laake, "The McNemar test for binary matched-pairs data: mid-p and
       asymptotic are better than exact conditional", BMC Med. Res. Methodol. 13 (2013) 91.

    Examples
    --------
    >>> round(mcnemar_midp(16, 6), 6)
    0.03469
    """
    fewer, n = min(n10, n01), n10 + n01
    if n == 0:
        return 1.0
    if n10 == n01:
        return 1.5 - _binomial_cdf(fewer, n)
    return _binomial_cdf(fewer, n) + _binomial_cdf(fewer - 1, n)


def _design_effect(sums: Sequence[int], sizes: Sequence[int], *, n10: int, n01: int) -> float:
    n, largest = sum(sizes), float(max(sizes))
    spread = n * (n10 + n01) - (n01 - n10) ** 2
    if spread == 0:
        return largest
    return min(max(robust_variance(sums, sizes) * n**3 / spread, 1.0), largest)


def _tango_bound(n10: int, n01: int, n: int, *, end: float, reach: float) -> float:
    """Return the furthest difference towards `end` that the statistic does not reject."""
    inside, outside = (n01 - n10) / n, end
    for _ in range(HALVINGS):
        middle = (inside + outside) / 2
        if abs(tango_z(n10, n01, n, difference=middle)) <= reach:
            inside = middle
        else:
            outside = middle
    return inside


def _p_value(n10: int, n01: int, *, deff: float, df: int | None) -> float:
    """Return mid-p for independent pairs; for clusters McNemar's z with the design effect, against t."""
    if df is None:
        return mcnemar_midp(n10, n01)
    from scipy.special import stdtr

    z = (n01 - n10) / sqrt((n10 + n01) * deff) if n10 + n01 else 0.0
    return float(2 * stdtr(df, -abs(z)))


def _binomial_cdf(k: int, n: int) -> float:
    """Return P(X <= k) for n fair coins."""
    from scipy.special import bdtr

    return float(bdtr(k, n, 0.5)) if k >= 0 else 0.0


def _require_counts(n10: int, n01: int, n: int) -> None:
    if n10 < 0 or n01 < 0 or n10 + n01 > n:
        raise ValueError(f"counts must satisfy 0 <= n10 + n01 <= n, got n10={n10!r}, n01={n01!r}, n={n!r}")
