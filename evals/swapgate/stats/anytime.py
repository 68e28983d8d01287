"""A look after every case: e-processes for the gate's answers, valid whenever and however often one looks.

An e-process is the wealth of a gambler who bets against a hypothesis: while that is true, the wealth ever
reaches 1 / alpha with probability alpha at most. No variance is estimated and no number of cases planned.
"""

from __future__ import annotations

from math import exp, log
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.interval import Interval
from swapgate.values import Value

AnytimeAnswer = Literal["pass", "fail", "futile", "go on"]
Floats = NDArray[np.float64]
# What is believed before the first case, and as how many cases it counts.
PRIOR_DISCORDANCE, DISCORDANCE_WEIGHT, RATE_WEIGHT = 0.10, 10.0, 20.0
# The most that a bet may lose of its wealth in one case.
MOST_LOST = 0.9
HALVINGS = 50


class Evidence(Value):
    """Logarithms of e-processes after each case, shape (..., n).

    `passes` is evidence against a candidate that must not pass, `fails` against one that must not fail,
    `futile` for giving up; that one is None where there is no such test.
    """

    passes: Floats
    fails: Floats
    futile: Floats | None


class AnytimeResult(Value):
    """The answer, the number of cases that gave it (all so far without one), and the e-values after them.

    `futile`: the candidate is worse than the baseline, which is no evidence that it breaks the margin.
    `interval` is the confidence sequence there: it holds the truth at all times together.
    """

    answer: AnytimeAnswer
    cases: int
    e_pass: float
    e_fail: float
    e_futile: float | None
    interval: Interval


def anytime_margin(
    differences: ArrayLike, *, margin: float, alpha: float = 0.05, futility: float | None = 0.10
) -> AnytimeResult:
    """Return what the cases so far say about a margin; ask again after every case.

    Parameters
    ----------
    differences, margin
        As for `margin_evidence`, one-dimensional.
    alpha : float
        Error rate of a pass, and of a fail, over all looks.
    futility : float or None
        Error rate of giving up on a candidate that equals the baseline; None never gives up.

    Returns
    -------
    AnytimeResult
        The first answer that was reached: more cases do not take it back.

    Notes
    -----
    The interval's lower bound is the largest difference that the same bets as for a pass refute, the upper
    one the smallest that those for a fail do: an answer and its interval never contradict each other.

    References
    ----------
    .. [1] I. Waudby-Smith, A. Ramdas, "Estimating means of bounded random variables by betting",
       J. R. Stat. Soc. B 86 (2024) 1-27.
    .. [2] J. Ville, "Etude critique de la notion de collectif", Gauthier-Villars, 1939.

    Examples
    --------
    >>> result = anytime_margin([0.0] * 120, margin=0.05)
    >>> result.answer, result.cases, result.interval.low > -0.05
    ('pass', 68, True)
    """
    d = _values(differences, lowest=-1.0)
    stakes = _margin_stakes(d, margin)
    evidence = margin_evidence(d, margin=margin)
    return _result(d, evidence, stakes[:2], lowest=-1.0, alpha=alpha, futility=futility)


def anytime_rate(passes: ArrayLike, *, minimum: float, alpha: float = 0.05) -> AnytimeResult:
    """Return what the cases so far say about a least rate; ask again after every case.

    Parameters
    ----------
    passes, minimum
        As for `rate_evidence`, one-dimensional.
    alpha : float
        Error rate of a pass, and of a fail, over all looks.

    Returns
    -------
    AnytimeResult
        Never futile. Bets are made on the side where the rate seems to lie: the interval's other bound is
        wide.

    References
    ----------
    .. [1] I. Waudby-Smith, A. Ramdas, J. R. Stat. Soc. B 86 (2024) 1-27.

    Examples
    --------
    >>> result = anytime_rate([1.0] * 40, minimum=0.85)
    >>> result.answer, result.cases
    ('pass', 21)
    """
    x = _values(passes, lowest=0.0)
    stakes = _rate_stakes(x, minimum)
    return _result(x, rate_evidence(x, minimum=minimum), stakes, lowest=0.0, alpha=alpha, futility=None)


def margin_evidence(differences: ArrayLike, *, margin: float) -> Evidence:
    """Return the evidence about a margin after each case, for one run or many.

    Parameters
    ----------
    differences : array_like of float, shape (..., n)
        Candidate minus baseline of each case, -1 to 1, in random order: -1, 0 or 1, or the mean over the
        case's repeats or over a cluster's cases. Each counts once: clusters weigh equally whatever their
        size.
    margin : float
        Tolerated drop, 0 to 1 (excluded). With 0 there is no room to bet in: every e-value stays 1.

    Returns
    -------
    Evidence

    Notes
    -----
    With m the margin and psi the running mean of ``D ** 2``, which for single pairs is the discordance:

        pass    prod(1 + l (D + m)),  l = min(m / (psi + m^2), .9 / (1 - m)), against d <= -m
        fail    prod(1 - l (D + m)),  l = min(m / (psi + m^2), .9 / (1 + m)), against d >= -m
        futile  prod(1 - l D),        l = min(m / psi, .9),                   against d >= 0

    psi knows the earlier cases only. The stakes grow fastest for a candidate that equals the baseline (pass),
    that is worse by twice the margin (fail) or by the margin (futile).

    References
    ----------
    .. [1] I. Waudby-Smith, A. Ramdas, J. R. Stat. Soc. B 86 (2024) 1-27.

    Examples
    --------
    >>> evidence = margin_evidence([0.0, 0.0, -1.0], margin=0.05)
    >>> np.exp(evidence.passes).round(3).tolist()
    [1.024, 1.052, 0.47]
    """
    d = _values(differences, lowest=-1.0)
    passes, fails, futile = _margin_stakes(d, margin)
    return Evidence(
        passes=np.log1p(passes * (d + margin)).cumsum(axis=-1),
        fails=np.log1p(-fails * (d + margin)).cumsum(axis=-1),
        futile=np.log1p(-futile * d).cumsum(axis=-1),
    )


def rate_evidence(passes: ArrayLike, *, minimum: float) -> Evidence:
    """Return the evidence about a least rate after each case, for one run or many.

    Parameters
    ----------
    passes : array_like of float, shape (..., n)
        Result of each case, 0 or 1, or the mean over its repeats or over a cluster, in random order.
    minimum : float
        Least rate. For a highest rate give failures and 1 minus the rate. With 0 and 1, which no chance
        reaches or no number of cases shows, every e-value stays 1.

    Returns
    -------
    Evidence
        With no test of futility.

    Notes
    -----
    ``prod(1 + l (X - t))`` for a pass, ``prod(1 - l (X - t))`` for a fail, with ``l = g / v``: g the running
    mean of ``X - t`` (its negative), v that of ``(X - t) ** 2``, both of the earlier cases and a start half
    way from t to 1 (as far below). No bet is made while g is negative, nor one that may lose more than .9.

    References
    ----------
    .. [1] I. Waudby-Smith, A. Ramdas, J. R. Stat. Soc. B 86 (2024) 1-27 (their aGRAPA).

    Examples
    --------
    >>> evidence = rate_evidence([1.0, 1.0, 0.0], minimum=0.85)
    >>> np.exp(evidence.passes).round(3).tolist()
    [1.15, 1.333, 0.133]
    """
    x = _values(passes, lowest=0.0)
    up, down = _rate_stakes(x, minimum)
    return Evidence(
        passes=np.log1p(up * (x - minimum)).cumsum(axis=-1),
        fails=np.log1p(-down * (x - minimum)).cumsum(axis=-1),
        futile=None,
    )


def _margin_stakes(d: Floats, margin: float) -> tuple[Floats, Floats, Floats]:
    if not 0 <= margin < 1:
        raise ValueError(f"a margin must be at least 0 and below 1, got {margin!r}")
    psi = _mean_before(d * d, PRIOR_DISCORDANCE, DISCORDANCE_WEIGHT)
    stake = margin / (psi + margin * margin)
    return (
        np.minimum(stake, MOST_LOST / (1 - margin)),
        np.minimum(stake, MOST_LOST / (1 + margin)),
        np.minimum(margin / psi, MOST_LOST),
    )


def _rate_stakes(x: Floats, minimum: float) -> tuple[Floats, Floats]:
    if not 0 <= minimum <= 1:
        raise ValueError(f"minimum must lie between 0 and 1, got {minimum!r}")
    if minimum in {0, 1}:
        return np.zeros(x.shape), np.zeros(x.shape)
    y, gap = x - minimum, (1 - minimum) / 2
    # A rate of minimum + gap has this mean square about the minimum.
    square = _mean_before(y * y, (minimum + gap) * (1 - minimum - gap) + gap * gap, RATE_WEIGHT)
    up = _mean_before(y, gap, RATE_WEIGHT) / square
    down = -_mean_before(y, -gap, RATE_WEIGHT) / square
    return np.clip(up, 0.0, MOST_LOST / minimum), np.clip(down, 0.0, MOST_LOST / (1 - minimum))


def _mean_before(values: Floats, prior: float, weight: float) -> Floats:
    """Return the mean of the values before each one, together with a prior."""
    sums = values.cumsum(axis=-1) - values
    return np.asarray((weight * prior + sums) / (weight + np.arange(values.shape[-1])))


def _result(
    values: Floats,
    evidence: Evidence,
    stakes: tuple[Floats, Floats],
    *,
    lowest: float,
    alpha: float,
    futility: float | None,
) -> AnytimeResult:
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha!r}")
    bars: list[tuple[AnytimeAnswer, Floats, float]] = [
        ("pass", evidence.passes, alpha),
        ("fail", evidence.fails, alpha),
    ]
    if futility is not None and evidence.futile is not None:
        bars.append(("futile", evidence.futile, futility))
    found = [(int(np.argmax(e >= -log(a))), answer) for answer, e, a in bars if np.any(e >= -log(a))]
    # Of answers on one case the first listed is given.
    index, answer = min(found, key=lambda stop: stop[0], default=(len(values) - 1, "go on"))
    cases = index + 1
    return AnytimeResult(
        answer=answer,
        cases=cases,
        e_pass=_e_value(evidence.passes, index),
        e_fail=_e_value(evidence.fails, index),
        e_futile=None if evidence.futile is None else _e_value(evidence.futile, index),
        interval=_interval(values[:cases], stakes[0][:cases], stakes[1][:cases], lowest=lowest, alpha=alpha),
    )


def _e_value(logs: Floats, index: int) -> float:
    # Wealth beyond e^700 is no double any more, and no question either.
    return exp(min(float(logs[index]), 700.0)) if len(logs) else 1.0


def _interval(values: Floats, up: Floats, down: Floats, *, lowest: float, alpha: float) -> Interval:
    """Return the limits that neither the bets upwards nor those downwards refute."""
    if not len(values):
        return Interval(estimate=None, low=None, high=None, confidence=1 - 2 * alpha, note="no cases yet")
    low = _refuted(values - lowest, up, span=1 - lowest, alpha=alpha) + lowest
    # The same from the other end of the scale.
    high = 1 - _refuted(1 - values, down, span=1 - lowest, alpha=alpha)
    estimate = float(values.mean())
    # Earlier bets than the last may refute the estimate itself, where the values drift.
    low, high = min(low, estimate), max(high, estimate)
    return Interval(estimate=estimate, low=low, high=high, confidence=1 - 2 * alpha)


def _refuted(values: Floats, stakes: Floats, *, span: float, alpha: float) -> float:
    """Return the largest limit that bets on values (0 to span) above it refute, 0 when there is none."""
    low, high = 0.0, span
    for _ in range(HALVINGS):
        limit = (low + high) / 2
        # A bet must not lose more than everything on a value of 0.
        bets = np.minimum(stakes, 1 / limit)
        with np.errstate(divide="ignore"):
            wealth = np.log1p(np.maximum(bets * (values - limit), -1.0)).sum()
        low, high = (limit, high) if wealth >= -log(alpha) else (low, limit)
    return low


def _values(values: ArrayLike, *, lowest: float) -> Floats:
    array = np.asarray(values, dtype=float)
    if not np.all((array >= lowest) & (array <= 1)):
        raise ValueError(f"every case must have a value from {lowest:g} to 1: leave those without one out")
    return array
