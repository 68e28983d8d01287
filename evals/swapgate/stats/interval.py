"""An interval with room for its refusal, and the quantile and tail that intervals and tests are built on."""

from __future__ import annotations

from math import ceil, erfc, inf, sqrt
from statistics import NormalDist
from typing import Literal

from swapgate.values import Value

# "score" holds its level on average, "exact" in every case.
Method = Literal["score", "exact"]


class Interval(Value):
    """An estimate with its bounds.

    `low` and `high` are None when an interval was refused, `estimate` too when there is no data; `note` then
    says why. A note beside bounds is a warning. `effective_n` is the number of independent trials that the
    data are worth.
    """

    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    effective_n: float | None = None
    note: str = ""


def critical_value(confidence: float, *, df: float | None = None) -> float:
    """Return the two-sided quantile of the normal distribution, or of Student's t.

    Parameters
    ----------
    confidence : float
        Coverage of the interval, between 0 and 1 (both excluded).
    df : float, optional
        Degrees of freedom; None for the normal distribution.

    Returns
    -------
    float
        The number of standard errors on either side.

    Examples
    --------
    >>> round(critical_value(0.95), 4)
    1.96
    >>> round(critical_value(0.95, df=9), 4)
    2.2622
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence!r}")
    upper = (1 + confidence) / 2
    if df is None:
        return NormalDist().inv_cdf(upper)
    # scipy.special costs 0.3 s to import, which sample sizes asked before a run need not pay.
    from scipy.special import stdtrit

    return float(stdtrit(df, upper))


def upper_tail(z: float, *, df: float | None = None) -> float:
    """Return the probability of a statistic of at least z, normal or Student's t.

    Parameters
    ----------
    z : float
        May be infinite.
    df : float, optional
        Degrees of freedom; None for the normal distribution.

    Returns
    -------
    float
        The one-sided p-value.

    Examples
    --------
    >>> round(upper_tail(1.6449), 4), round(upper_tail(1.8331, df=9), 4)
    (0.05, 0.05)
    """
    if df is None:
        return erfc(z / sqrt(2)) / 2
    from scipy.special import stdtr

    return float(stdtr(df, -z))


def more_needed(found: Interval, limit: float, n: int) -> int | None:
    """Return how many more it takes until the bound on the limit's side reaches it, if the estimate stayed.

    Parameters
    ----------
    found : Interval
    limit : float
        What is to be shown to be above or below.
    n : int
        How many the interval is from.

    Returns
    -------
    int or None
        At least 1, as widths shrink with the square root; None without bounds, or where the estimate is the
        limit.

    Examples
    --------
    >>> more_needed(Interval(estimate=0.0, low=-0.1, high=0.1, confidence=0.9), -0.05, 100)
    300
    """
    if found.estimate is None or found.low is None or found.high is None:
        return None
    gap = limit - found.estimate
    arm = found.high - found.estimate if gap > 0 else found.estimate - found.low
    if not gap or abs(gap) == inf or arm in {0.0, inf}:
        return None
    return max(ceil(n * (arm / abs(gap)) ** 2) - n, 1)


def as_method(method: str) -> Method:
    """Return the method, or refuse a name that is none.

    Parameters
    ----------
    method : str

    Returns
    -------
    {"score", "exact"}

    Raises
    ------
    ValueError
        For any other name.

    Examples
    --------
    >>> as_method("exact")
    'exact'
    """
    known: dict[str, Method] = {"score": "score", "exact": "exact"}
    if method in known:
        return known[method]
    raise ValueError(f"unknown method {method!r}: use 'score' or 'exact'")
