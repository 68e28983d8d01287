"""Exact tests of paired tables: McNemar's, conditional on the discordant pairs, and the unconditional one.

Everywhere: difference = candidate minus baseline; n10 counts the pairs that only the baseline passes, n01
those that only the candidate passes; discordance = their share. numpy and scipy are imported inside the
functions: a paired comparison that asks for no exact numbers does not pay for them.
"""

from __future__ import annotations

from math import copysign
from typing import TYPE_CHECKING

from swapgate.stats.interval import Interval, critical_value
from swapgate.stats.tango import tango_interval
from swapgate.stats.tango_tables import binomial_weights, fewest_n01
from swapgate.values import Value, replace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

# The share of the error rate that pays for leaving implausible discordances out (1e-4 of a tail of 0.05).
NUISANCE_SHARE = 0.002
# Discordances are tried in steps of half a standard error, which is 0.5 / sqrt(n) on the angle's scale.
STEP = 0.25
# Numbers of discordant pairs less likely than this add nothing to a p-value.
NEGLIGIBLE = 1e-16
# Slack for rounding where tables tie: they count as at least as extreme, which is the safe side.
ROUNDING = 1e-9
TOLERANCE = 1e-8
MAX_STEPS = 60


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


def unconditional_interval(n10: int, n01: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Return the exact interval of the difference of two paired rates: each bound errs at most as promised.

    Parameters
    ----------
    n10, n01 : int
        Pairs that only the baseline, only the candidate passes.
    n : int
        All pairs, independent ones; with n = 0 the interval is refused.
    confidence : float
        Guaranteed two-sided coverage, half of the rest on either side.

    Returns
    -------
    Interval
        Of candidate minus baseline. A bound lies above (below) a difference exactly when
        `unconditional_p` rejects it at ``(1 - confidence) / 2``.

    Raises
    ------
    ValueError
        When the counts are negative or exceed n.

    Notes
    -----
    Two one-sided tests, inverted. Tables are ordered by their Tango bound at this confidence. With one order
    for all hypotheses the p-value can only rise with the difference, so that the bound is the single place
    where it reaches its level. An order by Tango's z under each hypothesis comes to the same set of tables
    at the bound, but its p-value may cross the level several times.

    References
    ----------
    .. [1] R. J. Buehler, "Confidence intervals for the product of two binomial parameters", J. Am. Stat.
       Assoc. 52 (1957) 482-493, for bounds from an order of the tables.
    .. [2] R. L. Berger and D. D. Boos, "P values maximized over a confidence set for the nuisance
       parameter", J. Am. Stat. Assoc. 89 (1994) 1012-1016.
    .. [3] M. W. Fagerland, S. Lydersen, P. Laake, "Recommended tests and confidence intervals for paired
       binomial proportions", Stat. Med. 33 (2014) 2850-2875.

    Examples
    --------
    >>> interval = unconditional_interval(0, 0, 59, confidence=0.90)
    >>> round(interval.low, 4), round(interval.high, 4)
    (-0.0495, 0.0495)
    """
    score = tango_interval(n10, n01, n, confidence=confidence)
    if score.low is None:
        return score
    low, high = (_lower_bound(*table, n, confidence=confidence) for table in ((n10, n01), (n01, n10)))
    return replace(score, low=low, high=-high)


def unconditional_p(
    n10: int, n01: int, n: int, *, difference: float = 0.0, confidence: float = 0.95
) -> float:
    """Return the exact one-sided p-value of "candidate minus baseline is at most `difference`".

    Parameters
    ----------
    n10, n01, n : int
        As for `unconditional_interval`; n above 0.
    difference : float
        The hypothesis, -1 to 1. For "at least", swap n10 with n01 and change the sign.
    confidence : float
        Of the interval that the p-value goes with: it sets the order of the tables.

    Returns
    -------
    float
        The largest probability, over every discordance that the data leave plausible, of a table whose
        Tango bound lies at least as high; plus the chance that the true discordance was left out.

    Examples
    --------
    >>> round(unconditional_p(0, 0, 59, difference=-0.05, confidence=0.90), 4)
    0.0486
    >>> round(2 * unconditional_p(6, 16, 161), 4)
    0.0361
    """
    tables = _tables_as_high(n10, n01, n, confidence=confidence)
    return tables.p_value(difference) if tables else 1.0


class _Tables(Value):
    """The tables of n pairs whose Tango bound lies at least as high as the observed one's, `bound`.

    They are the tables with at least `fewest[k]` pairs for the candidate among k discordant ones.
    Discordances from `lowest` to `highest` are plausible; others have a chance of at most `gamma`.
    """

    n: int
    bound: float
    fewest: NDArray[np.int64]
    lowest: float
    highest: float
    gamma: float

    def p_value(self, difference: float) -> float:
        """Return the largest probability of these tables when the difference is at most the given one.

        Moving pairs to the candidate only adds tables, so the largest difference that the plausible
        discordances allow is the worst one.
        """
        if -difference > self.highest:
            return self.gamma
        return min(1.0, self.gamma + self._worst(min(difference, self.highest)))

    def _worst(self, difference: float) -> float:
        """Return the largest probability over the plausible discordances: a grid, refined around its best."""
        import numpy as np

        size = abs(difference)
        room = 1 - size
        # Equal steps of this angle are about equal in standard errors, near both ends of the scale as well.
        start, stop = (
            np.arcsin(np.sqrt(max(psi - size, 0.0) / room)) if room > 0 else 0.0
            for psi in (self.lowest, self.highest)
        )
        angles = np.linspace(start, stop, 2 + int((stop - start) * np.sqrt(self.n) / STEP))
        best = int(np.argmax(self._probability(difference, size + room * np.sin(angles) ** 2)))
        angles = np.linspace(angles[max(best - 1, 0)], angles[min(best + 1, len(angles) - 1)], 9)
        return _peak(self._probability(difference, size + room * np.sin(angles) ** 2))

    def _probability(self, difference: float, discordances: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of these tables for each discordance.

        The number of discordant pairs is binomial, and so is the candidate's part of them: a sum over the
        first takes the place of one over all tables.
        """
        import numpy as np
        from scipy.special import betainc

        counts, weights = binomial_weights(self.n, discordances)
        fewest = self.fewest[counts]
        share = (discordances + difference) / (2 * np.maximum(discordances, np.finfo(float).tiny))
        tails = np.broadcast_to(np.where(fewest <= 0, 1.0, 0.0), weights.shape).copy()
        row, column = np.nonzero((weights > NEGLIGIBLE) & (fewest > 0) & (fewest <= counts))
        k = fewest[column]
        tails[row, column] = betainc(k, counts[column] - k + 1, np.clip(share, 0.0, 1.0)[row])
        return np.asarray((weights * tails).sum(axis=1))


def _tables_as_high(n10: int, n01: int, n: int, *, confidence: float) -> _Tables | None:
    """Return the tables at least as high as this one; None when those are all there are."""
    from scipy.special import betaincinv

    bound, discordant = tango_interval(n10, n01, n, confidence=confidence).low, n10 + n01
    if bound is None or n10 == n:
        return None
    fewest = fewest_n01(n, bound, critical_value(confidence))
    # The table itself is among them, whatever rounding says.
    fewest[discordant] = min(int(fewest[discordant]), n01)
    gamma = NUISANCE_SHARE * (1 - confidence) / 2
    lowest = betaincinv(discordant, n - discordant + 1, gamma / 2) if discordant else 0.0
    highest = betaincinv(discordant + 1, n - discordant, 1 - gamma / 2) if discordant < n else 1.0
    return _Tables(n=n, bound=bound, fewest=fewest, lowest=float(lowest), highest=float(highest), gamma=gamma)


def _peak(values: NDArray[np.float64]) -> float:
    """Return the top of a smooth curve seen at equal steps: of the parabola through the best three."""
    best = int(values.argmax())
    top = float(values[best])
    if not 0 < best < len(values) - 1:
        return top
    before, after = float(values[best - 1]), float(values[best + 1])
    bend = 2 * top - before - after
    return top + (after - before) ** 2 / (8 * bend) if bend > 0 else top


def _lower_bound(n10: int, n01: int, n: int, *, confidence: float) -> float:
    """Return the largest difference, to `TOLERANCE`, that is rejected with all below it."""
    from scipy.special import ndtri

    tables = _tables_as_high(n10, n01, n, confidence=confidence)
    if tables is None:
        return -1.0
    outside, inside = -1.0, (n01 - n10) / n
    level = ndtri((1 - confidence) / 2)
    at, steepness = tables.bound, critical_value(confidence) / (inside - tables.bound)
    last: tuple[float, float] | None = None
    for _ in range(MAX_STEPS):
        # The normal quantile of the p-value is nearly linear in the difference.
        excess = float(ndtri(min(tables.p_value(at), 1 - ROUNDING)) - level)
        outside, inside = (outside, at) if excess > 0 else (at, inside)
        if inside - outside <= TOLERANCE:
            break
        if last and (excess - last[1]) * (at - last[0]) > 0:
            steepness = (excess - last[1]) / (at - last[0])
        last = at, excess
        # At least half the tolerance, so that the last steps bring the other end near, too.
        at -= copysign(max(abs(excess / steepness), TOLERANCE / 2), excess)
        if not outside < at < inside:
            at = (outside + inside) / 2
    return outside


def _binomial_cdf(k: int, n: int) -> float:
    """Return P(X <= k) for n fair coins."""
    from scipy.special import bdtr

    return float(bdtr(k, n, 0.5)) if k >= 0 else 0.0
