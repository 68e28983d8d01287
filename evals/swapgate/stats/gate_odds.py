"""How likely the gate's three answers are at a given size, and the smallest drops that such a suite shows."""

from __future__ import annotations

from collections.abc import Callable
from math import floor

import numpy as np
from numpy.typing import NDArray

from swapgate.stats.interval import critical_value
from swapgate.stats.power import floor_cases, require_power
from swapgate.stats.tango_tables import binomial_weights, fewest_n01
from swapgate.values import Value

HALVINGS = 40


class GatePower(Value):
    """The probabilities of the gate's three answers."""

    passes: float
    fails: float
    inconclusive: float


class DetectableDrop(Value):
    """The smallest true drops that a suite shows with the power asked for; None where none is shown.

    `worse`: the interval lies below 0. `fails`: it lies below the margin, None also without a margin.
    """

    worse: float | None
    fails: float | None


def gate_power(
    n: int,
    *,
    difference: float,
    discordance: float,
    margin: float,
    confidence: float = 0.90,
    deff: float = 1.0,
    clusters: int | None = None,
) -> GatePower:
    """Return how likely the gate is to pass, to fail and to stay inconclusive, by exact enumeration.

    Parameters
    ----------
    n : int
        Pairs.
    difference : float
        True difference, candidate minus baseline.
    discordance : float
        True share of the pairs on which the two models differ, at least ``abs(difference)``.
    margin : float
        Tolerated drop, 0 to 1 (excluded).
    confidence : float
        Two-sided coverage of Tango's interval.
    deff : float
        Pairs worth one independent pair: n counts as ``floor(n / deff)``.
    clusters : int, optional
        Number of clusters, for Student's t and for the gate's floor; None when all pairs are independent.

    Returns
    -------
    GatePower

    Raises
    ------
    ValueError
        For proportions that cannot be.

    Notes
    -----
    For a given number N of discordant pairs Tango's z rises with n01, so each answer is a threshold for n01.
    N is binomial, and so is n01 given N. A pass also takes `floor_cases` clusters.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908.

    Examples
    --------
    >>> power = gate_power(269, difference=0.0, discordance=0.10, margin=0.05)
    >>> round(power.passes, 3), round(power.fails, 6)
    (0.811, 1.2e-05)
    """
    _require_proportions(difference, discordance, margin)
    cases = floor(n / deff)
    if cases < 1 or clusters == 1:
        return GatePower(passes=0.0, fails=0.0, inconclusive=1.0)
    reach = critical_value(confidence, df=None if clusters is None else clusters - 1)
    passes, fails = _tails(cases, difference, discordance, margin, reach)
    if margin and (cases if clusters is None else clusters) < floor_cases(margin):
        passes = 0.0
    return GatePower(passes=passes, fails=fails, inconclusive=max(0.0, 1 - passes - fails))


def detectable_drop(
    n: int,
    *,
    discordance: float,
    margin: float | None = None,
    power: float = 0.80,
    confidence: float = 0.90,
    deff: float = 1.0,
    clusters: int | None = None,
) -> DetectableDrop:
    """Return the smallest true drop that a suite of this size shows with the power asked for.

    Parameters
    ----------
    n, confidence, deff, clusters
        As for `gate_power`.
    discordance : float
        Share of the pairs on which the models differ; a drop beyond it raises it.
    margin : float, optional
        Tolerated drop, for `DetectableDrop.fails`.
    power : float
        Probability of showing the drop.

    Returns
    -------
    DetectableDrop

    References
    ----------
    .. [1] E. Miller, "Adding Error Bars to Evals", arXiv:2411.00640, 2024, section 5.

    Examples
    --------
    >>> drop = detectable_drop(200, discordance=0.10, margin=0.05)
    >>> round(drop.worse, 3), round(drop.fails, 3)
    (0.054, 0.096)
    """
    require_power(power)

    def shown(drop: float, below: float) -> bool:
        odds = gate_power(
            n,
            difference=-drop,
            discordance=max(discordance, drop),
            margin=below,
            confidence=confidence,
            deff=deff,
            clusters=clusters,
        )
        return odds.fails >= power

    worse = _smallest(lambda drop: shown(drop, 0.0))
    return DetectableDrop(
        worse=worse, fails=None if margin is None else _smallest(lambda drop: shown(drop, margin))
    )


def _tails(n: int, difference: float, discordance: float, margin: float, reach: float) -> tuple[float, float]:
    """Return the probabilities that z at the margin lies above and below its quantile."""
    counts, (weights,) = binomial_weights(n, np.array([discordance]))
    share = min(max((discordance + difference) / (2 * discordance), 0.0), 1.0) if discordance else 0.5
    above = _binomial_tail(fewest_n01(n, -margin, reach)[counts], counts, share)
    # Seen from the other side, z of the baseline minus the candidate is as far above its mirrored hypothesis.
    below = _binomial_tail(fewest_n01(n, margin, reach)[counts], counts, 1 - share)
    return float(weights @ above), float(weights @ below)


def _binomial_tail(fewest: NDArray[np.int64], n: NDArray[np.int64], share: float) -> NDArray[np.float64]:
    """Return P(X >= fewest) for X binomial; fewest may lie outside 0 to n."""
    from scipy.special import bdtrc

    inside = np.clip(fewest - 1, 0, n)
    tail = np.where(fewest > n, 0.0, bdtrc(inside, n, share))
    return np.asarray(np.where(fewest <= 0, 1.0, tail), dtype=float)


def _smallest(shown: Callable[[float], bool]) -> float | None:
    """Return the smallest drop that is shown, None when not even a drop of everything is."""
    low, high = 0.0, 1.0
    if not shown(high):
        return None
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if shown(middle) else (middle, high)
    return high


def _require_proportions(difference: float, discordance: float, margin: float) -> None:
    if not 0 <= margin < 1:
        raise ValueError(f"a margin must be at least 0 and below 1, got {margin!r}")
    if not abs(difference) <= discordance <= 1:
        raise ValueError(
            f"discordance must lie between abs(difference) and 1, got {discordance!r} and {difference!r}"
        )
