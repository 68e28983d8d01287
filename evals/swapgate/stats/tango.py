"""Tango's score test of paired rates and the interval it gives, from the counts alone. Imports no numpy.

Everywhere: difference = candidate minus baseline; n10 counts the pairs that only the baseline passes, n01
those that only the candidate passes.
"""

from __future__ import annotations

from math import copysign, inf, sqrt

from swapgate.stats.clusters import ONE_CLUSTER
from swapgate.stats.interval import Interval, critical_value, upper_tail

NO_PAIRS = "no pairs"
# A bound is found when a step moves it by less; Newton's steps then have all digits of a double but the last.
TOLERANCE = 1e-12
MAX_STEPS = 100


def tango_interval(
    n10: int,
    n01: int,
    n: int,
    *,
    confidence: float = 0.95,
    deff: float = 1.0,
    df: float | None = None,
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
    df : float, optional
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
    The bounds are where `tango_z` reaches the quantile. Dividing all three counts by deff divides z by its
    square root, so the quantile is multiplied by it here instead.

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
    squared = critical_value(confidence, df=df) ** 2 * deff / n
    low, high = _lower_bound(n10 / n, n01 / n, squared), -_lower_bound(n01 / n, n10 / n, squared)
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


def noninferiority_p(
    n10: int, n01: int, n: int, margin: float, *, deff: float = 1.0, df: float | None = None
) -> float | None:
    """Return the one-sided p-value of "the candidate is worse by the margin or more".

    Parameters
    ----------
    n10, n01, n : int
        As for `tango_interval`.
    margin : float
        Tolerated drop, 0 to 1 (excluded). With 0 this is McNemar's asymptotic test of superiority.
    deff, df : float, optional
        As for `tango_interval`.

    Returns
    -------
    float or None
        Below 0.05 exactly when the 90% interval lies above ``-margin``; None where that is refused.

    Raises
    ------
    ValueError
        When the margin is not between 0 and 1, or the counts are impossible.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908.

    Examples
    --------
    >>> round(noninferiority_p(0, 0, 59, 0.05), 4)
    0.039
    >>> noninferiority_p(0, 0, 59, 0.0)
    0.5
    """
    _require_margin(margin)
    _require_counts(n10, n01, n)
    if n == 0 or df == 0:
        return None
    return upper_tail(tango_z(n10, n01, n, difference=-margin, deff=deff), df=df)


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
    return _variance_and_slope(p10, p01, difference)[0]


def _variance_and_slope(p10: float, p01: float, difference: float) -> tuple[float, float]:
    """Return the score variance and its derivative by the difference, nan at a corner."""
    b = (2 - p01 + p10) * difference - p01 - p10
    c = -p10 * difference * (1 - difference)
    root = sqrt(max(b * b - 8 * c, 0.0))
    # The usual root of 2 q^2 + b q + c, in the form that does not cancel.
    q = (root - b) / 4 if b <= 0 else -2 * c / (root + b)
    variance = max(2 * q + difference * (1 - difference), 0.0)
    q_slope = (p10 * (1 - 2 * difference) - (2 - p01 + p10) * q) / root if root > 0 else 0.0
    return variance, 2 * q_slope + 1 - 2 * difference


def _lower_bound(p10: float, p01: float, squared: float) -> float:
    """Return the lowest difference with ``z ** 2 / n <= squared``, by Newton's steps kept in by halvings."""
    estimate = p01 - p10
    outside, inside = -1.0, estimate
    # Close already: the bound if the variance under it were that of shrunken shares.
    spread = (p10 + p01 + squared) / (1 + squared)
    at = max(estimate - sqrt(squared * spread), (outside + inside) / 2)
    for _ in range(MAX_STEPS):
        variance, slope = _variance_and_slope(p10, p01, at)
        excess = (estimate - at) ** 2 - squared * variance
        outside, inside = (at, inside) if excess > 0 else (outside, at)
        excess_slope = -2 * (estimate - at) - squared * slope
        step = excess / excess_slope if excess_slope else inf
        following = at - step
        if not outside <= following <= inside:
            following = (outside + inside) / 2
        if abs(following - at) < TOLERANCE:
            return following
        at = following
    return at


def _require_counts(n10: int, n01: int, n: int) -> None:
    if n10 < 0 or n01 < 0 or n10 + n01 > n:
        raise ValueError(f"counts must satisfy 0 <= n10 + n01 <= n, got n10={n10!r}, n01={n01!r}, n={n!r}")


def _require_margin(margin: float) -> None:
    """Raise ValueError when a margin is not at least 0 and below 1."""
    if not 0 <= margin < 1:
        raise ValueError(f"a margin must be at least 0 and below 1, got {margin!r}")
