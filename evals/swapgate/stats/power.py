"""How many cases or repeats settle a decision. Imports neither numpy nor scipy: asked before a run."""

from __future__ import annotations

from math import ceil, log

from swapgate.stats.interval import critical_value
from swapgate.stats.tango import score_variance

# Two rates nearer than this differ by the rounding of a division only.
ROUNDING = 1e-12


def floor_cases(margin: float) -> int:
    """Return the number of cases below which a margin says little.

    Parameters
    ----------
    margin : float
        Tolerated drop, between 0 and 1 (both excluded).

    Returns
    -------
    int
        ``ceil(ln 0.05 / ln(1 - margin))``: with fewer, a candidate that breaks a share `margin` of the cases
        still shows no broken case more than 5% of the time. Counts clusters, never repeats.

    Raises
    ------
    ValueError
        When the margin is not between 0 and 1.

    References
    ----------
    .. [1] J. A. Hanley and A. Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249
       (1983) 1743-1745.

    Examples
    --------
    >>> floor_cases(0.05)
    59
    """
    _require_margin(margin)
    return ceil(log(0.05) / log(1 - margin))


def min_passing_cases(margin: float, *, confidence: float = 0.90) -> int:
    """Return the fewest cases on which Tango's interval can clear a margin: all pairs agree.

    Parameters
    ----------
    margin : float
        Tolerated drop, between 0 and 1 (both excluded).
    confidence : float
        Two-sided coverage of the interval.

    Returns
    -------
    int
        ``ceil(z ** 2 (1 - margin) / margin)``.

    Raises
    ------
    ValueError
        When the margin is not between 0 and 1.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908.

    Examples
    --------
    >>> min_passing_cases(0.05)
    52
    """
    _require_margin(margin)
    return ceil(critical_value(confidence) ** 2 * (1 - margin) / margin)


def cases_for_rate(rate: float, limit: float, *, confidence: float = 0.90, deff: float = 1.0) -> int | None:
    """Return the fewest trials that would settle a limit if the observed rate stays.

    Parameters
    ----------
    rate, limit : float
        Observed rate and the threshold that it is held against, 0 to 1.
    confidence : float
        Two-sided coverage of Wilson's interval.
    deff : float
        Trials worth one independent trial.

    Returns
    -------
    int or None
        The n from which on Wilson's interval lies on one side of the limit; None when the rate equals it.

    Notes
    -----
    Wilson's interval holds the limits t that ``n (rate - t) ** 2 <= z ** 2 t (1 - t)`` does not exclude,
    which is solved for n.

    References
    ----------
    .. [1] E. B. Wilson, J. Am. Stat. Assoc. 22 (1927) 209-212.

    Examples
    --------
    >>> cases_for_rate(0.9, 0.85)
    138
    >>> cases_for_rate(1.0, 0.95)
    52
    """
    return _cases(rate - limit, limit * (1 - limit), confidence=confidence, deff=deff)


def cases_for_margin(
    estimate: float,
    discordance: float,
    margin: float,
    *,
    confidence: float = 0.90,
    deff: float = 1.0,
) -> int | None:
    """Return the fewest pairs that would settle a margin if the observed proportions stay.

    Parameters
    ----------
    estimate : float
        Observed difference, candidate minus baseline.
    discordance : float
        Share of the pairs on which the two models differ, at least ``abs(estimate)``.
    margin : float
        Tolerated drop, 0 to 1 (excluded).
    confidence : float
        Two-sided coverage of Tango's interval.
    deff : float
        Pairs worth one independent pair.

    Returns
    -------
    int or None
        The n from which on Tango's interval lies on one side of ``-margin``; None when the estimate is
        just that.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908.

    Examples
    --------
    >>> cases_for_margin(0.0, 0.0, 0.05)
    52
    >>> cases_for_margin(0.0, 0.10, 0.05)
    126
    """
    variance = _margin_variance(estimate, discordance, margin)
    return _cases(estimate + margin, variance, confidence=confidence, deff=deff)


def repeats_for_margin(
    estimate: float,
    discordance: float,
    margin: float,
    *,
    cases: int,
    icc: float,
    confidence: float = 0.90,
) -> int | None:
    """Return the fewest repeats of each case that would settle a margin if the observed proportions stay.

    Parameters
    ----------
    estimate, discordance, margin : float
        As for `cases_for_margin`.
    cases : int
        Cases at hand (clusters, where they form some).
    icc : float
        Share of the variance that lies between cases, 0 to 1: see `implied_icc`.
    confidence : float
        Two-sided coverage of Tango's interval.

    Returns
    -------
    int or None
        Repeats in all, not additional ones. None when no number of repeats can: the variance between the
        cases alone is too large, or there are fewer cases than any pass takes.

    Notes
    -----
    R repeats of G cases have the design effect ``1 + (R - 1) icc``. With n the independent pairs that the
    margin takes by Student's t(G - 1), they suffice when ``G R >= n (1 + (R - 1) icc)``, so

        R = n (1 - icc) / (G - n icc)

    which no R solves once ``n icc >= G``.

    References
    ----------
    .. [1] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024, section 3.

    Examples
    --------
    >>> repeats_for_margin(0.0, 0.10, 0.05, cases=80, icc=0.3)
    3
    >>> repeats_for_margin(0.0, 0.10, 0.05, cases=80, icc=0.8) is None
    True
    """
    if margin and estimate > -margin and cases < floor_cases(margin):
        return None
    variance = _margin_variance(estimate, discordance, margin)
    return _repeats(estimate + margin, variance, cases=cases, icc=icc, confidence=confidence)


def repeats_for_rate(
    rate: float, limit: float, *, cases: int, icc: float, confidence: float = 0.90
) -> int | None:
    """Return the fewest repeats of each case that would settle a limit if the observed rate stays.

    Parameters
    ----------
    rate, limit : float
        As for `cases_for_rate`.
    cases, icc, confidence
        As for `repeats_for_margin`, icc that of the passes.

    Returns
    -------
    int or None
        Repeats in all; None when no number of repeats can.

    References
    ----------
    .. [1] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024, section 3.

    Examples
    --------
    >>> repeats_for_rate(0.92, 0.85, cases=60, icc=0.5)
    2
    """
    return _repeats(rate - limit, limit * (1 - limit), cases=cases, icc=icc, confidence=confidence)


def implied_icc(deff: float, repeats: float) -> float | None:
    """Return the share of the variance that lies between cases, from the design effect of their repeats.

    Parameters
    ----------
    deff : float
        Trials worth one independent trial, at least 1.
    repeats : float
        Trials a case, on average.

    Returns
    -------
    float or None
        ``(deff - 1) / (repeats - 1)``, 0 to 1; None without repeats: only they tell the variances apart.

    References
    ----------
    .. [1] L. Kish, "Survey Sampling", Wiley, 1965, section 5.4.

    Examples
    --------
    >>> implied_icc(2.0, 5)
    0.25
    """
    return min(max((deff - 1) / (repeats - 1), 0.0), 1.0) if repeats > 1 else None


def _margin_variance(estimate: float, discordance: float, margin: float) -> float:
    """Return the score variance at the margin for these proportions."""
    p10, p01 = (discordance - estimate) / 2, (discordance + estimate) / 2
    return score_variance(max(p10, 0.0), max(p01, 0.0), -margin)


def _cases(distance: float, variance: float, *, confidence: float, deff: float) -> int | None:
    """Return the n at which a score test with this variance tells the distance from 0."""
    if abs(distance) < ROUNDING:
        return None
    needed = deff * variance * critical_value(confidence) ** 2 / distance**2
    return max(1, ceil(needed))


def _repeats(distance: float, variance: float, *, cases: int, icc: float, confidence: float) -> int | None:
    if not 0 <= icc <= 1:
        raise ValueError(f"icc must lie between 0 and 1, got {icc!r}")
    if abs(distance) < ROUNDING or cases < 2:
        return None
    needed = variance * critical_value(confidence, df=cases - 1) ** 2 / distance**2
    room = cases - needed * icc
    return max(1, ceil(needed * (1 - icc) / room - ROUNDING)) if room > 0 else None


def _require_margin(margin: float) -> None:
    if not 0 < margin < 1:
        raise ValueError(f"a margin must lie between 0 and 1, got {margin!r}")


def require_power(power: float) -> None:
    """Raise ValueError for a power that no test can have."""
    if not 0 < power < 1:
        raise ValueError(f"power must lie between 0 and 1, got {power!r}")
