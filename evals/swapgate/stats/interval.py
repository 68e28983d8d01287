"""An interval with room for its refusal, and the quantile that every interval is built on."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
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
