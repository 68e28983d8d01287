"""Boundaries of group-sequential tests: alpha spending and the critical values that follow from it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from math import ceil, exp, inf, log, pi, sqrt
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from swapgate.values import Value

Spending = Literal["obrien-fleming", "pocock"]
# Normal tails beyond this many standard deviations (1e-15) are no part of any boundary.
REACH = 8.0
# Gauss-Legendre with 16 nodes on panels four kernel widths wide keeps eight digits of every probability.
PANEL_NODES, PANEL_WIDTHS, MOST_PANELS = 16, 4.0, 80
HALVINGS = 60


def alpha_spent(fraction: float, *, alpha: float = 0.05, spending: Spending = "obrien-fleming") -> float:
    """Return the share of a one-sided alpha that may be spent up to a fraction of the information.

    Parameters
    ----------
    fraction : float
        Information seen over information planned, 0 to 1.
    alpha : float
        One-sided error rate of the whole test.
    spending : {"obrien-fleming", "pocock"}
        ``2 (1 - Phi(z_{alpha/2} / sqrt(t)))``, which saves nearly all for the end, or
        ``alpha ln(1 + (e - 1) t)``, which spends evenly.

    Returns
    -------
    float
        0 at fraction 0, `alpha` at fraction 1.

    References
    ----------
    .. [1] K. K. G. Lan and D. L. DeMets, "Discrete sequential boundaries for clinical trials", Biometrika 70
       (1983) 659-663.

    Examples
    --------
    >>> round(alpha_spent(0.5), 5), round(alpha_spent(0.5, spending="pocock"), 5)
    (0.00557, 0.03101)
    """
    if not 0 <= fraction <= 1:
        raise ValueError(f"a fraction of the information lies between 0 and 1, got {fraction!r}")
    if fraction == 0:
        return 0.0
    if spending == "pocock":
        return alpha * log(1 + (exp(1) - 1) * fraction)
    return 2 * NormalDist().cdf(NormalDist().inv_cdf(alpha / 2) / sqrt(fraction))


def critical_values(
    fractions: Sequence[float], *, alpha: float = 0.05, spending: Spending = "obrien-fleming"
) -> tuple[float, ...]:
    """Return the value that the z statistic has to reach at each look.

    Parameters
    ----------
    fractions : sequence of float
        Information at each look over information planned: increasing, above 0, at most 1. They need be
        neither even nor known in advance: a value depends on its own look and the earlier ones only.
    alpha, spending
        As for `alpha_spent`.

    Returns
    -------
    tuple of float
        One for each look; infinite where a look's share of alpha is too small to be reached.

    Notes
    -----
    Under the hypothesis ``z_k sqrt(t_k)`` is a Brownian motion seen at the times t_k. The density of the
    paths that have not crossed yet is carried from look to look by numerical integration [1]_, and each value
    is where the newly crossing paths make up the newly spent alpha. No lower boundary is counted on, so
    stopping for futility may be ignored without harm.

    References
    ----------
    .. [1] P. Armitage, C. K. McPherson, B. C. Rowe, "Repeated significance tests on accumulating data",
       J. R. Stat. Soc. A 132 (1969) 235-244.
    .. [2] C. Jennison and B. W. Turnbull, "Group Sequential Methods with Applications to Clinical Trials",
       Chapman and Hall/CRC, 2000, chapter 19.

    Examples
    --------
    >>> looks = [0.2, 0.4, 0.6, 0.8, 1.0]
    >>> [round(c, 3) for c in critical_values(looks, alpha=0.025)]
    [4.877, 3.357, 2.68, 2.29, 2.031]
    >>> [round(c, 3) for c in critical_values(looks, alpha=0.025, spending="pocock")]
    [2.438, 2.427, 2.41, 2.397, 2.386]
    """
    return _critical_values(tuple(map(float, fractions)), float(alpha), spending)


class Crossings(Value):
    """Probabilities of crossing above and below first, by look, and the share of the plan used on average."""

    above: tuple[float, ...]
    below: tuple[float, ...]
    expected_fraction: float


def crossings(
    fractions: Sequence[float], upper: Sequence[float], lower: Sequence[float], *, drift: float
) -> Crossings:
    """Return how often a group-sequential test stops at each look, by the same integration.

    Parameters
    ----------
    fractions : sequence of float
        As for `critical_values`.
    upper, lower : sequence of float
        Bounds of the z statistic at each look; -inf for no lower bound.
    drift : float
        Expected z at full information: 0 under the hypothesis, ``z_alpha + z_beta`` where a fixed test would
        have power ``1 - beta``.

    Returns
    -------
    Crossings

    References
    ----------
    .. [1] P. Armitage, C. K. McPherson, B. C. Rowe, J. R. Stat. Soc. A 132 (1969) 235-244.

    Examples
    --------
    Two looks at an unadjusted 5% test:

    >>> result = crossings([0.5, 1.0], [1.645, 1.645], [float("-inf")] * 2, drift=0.0)
    >>> round(sum(result.above), 3)
    0.08
    """
    paths, above, below, used = _Paths(drift=drift), [], [], 0.0
    for t, high, low in zip(fractions, upper, lower, strict=True):
        above.append(paths.above(high * sqrt(t), t))
        below.append(paths.below(low * sqrt(t), t))
        used += t * (above[-1] + below[-1])
        paths.advance(low * sqrt(t), high * sqrt(t), t)
    used += fractions[-1] * (1 - sum(above) - sum(below))
    return Crossings(above=tuple(above), below=tuple(below), expected_fraction=used)


def predictive_bound(fraction: float, *, final: float, chance: float) -> float:
    """Return the z below which a test would now hardly be passed at its end.

    Parameters
    ----------
    fraction : float
        Information seen over information planned, above 0, at most 1.
    final : float
        The critical value of the last look.
    chance : float
        The predictive probability of passing at the end below which the test is called futile.

    Returns
    -------
    float
        Minus infinity at full information, where nothing is left to predict.

    Notes
    -----
    After z at fraction t, under a flat prior for the drift, the last z is normal with mean ``z / sqrt(t)``
    and variance ``(1 - t) / t``: the chance that it reaches `final` is
    ``Phi((z - final sqrt(t)) / sqrt(1 - t))``. Unlike conditional power and beta spending this needs neither
    a planned effect nor a variance.

    References
    ----------
    .. [1] D. J. Spiegelhalter, L. S. Freedman, P. R. Blackburn, "Monitoring clinical trials: conditional or
       predictive power?", Control. Clin. Trials 7 (1986) 8-17.

    Examples
    --------
    >>> round(predictive_bound(0.5, final=1.8, chance=0.005), 3)
    -0.549
    """
    if fraction >= 1:
        return -inf
    return final * sqrt(fraction) + NormalDist().inv_cdf(chance) * sqrt(1 - fraction)


class _Paths:
    """The density of the paths that have not stopped, on the nodes of a quadrature."""

    def __init__(self, *, drift: float = 0.0) -> None:
        self._drift, self._time = drift, 0.0
        self._places, self._masses = np.zeros(1), np.ones(1)

    def above(self, bound: float, time: float) -> float:
        """Return the probability of having gone on until now and lying above the bound at this time."""
        return float(self._masses @ _normal_cdf((self._means(time) - bound) / sqrt(time - self._time)))

    def below(self, bound: float, time: float) -> float:
        """Return the probability of having gone on until now and lying below the bound at this time."""
        return float(self._masses @ _normal_cdf((bound - self._means(time)) / sqrt(time - self._time)))

    def advance(self, low: float, high: float, time: float) -> None:
        """Keep the paths that lie between the two bounds at this time."""
        width = sqrt(time - self._time)
        reach, centre = REACH * sqrt(time), self._drift * time
        nodes, weights = _nodes(max(low, centre - reach), min(high, centre + reach), width)
        steps = (nodes[:, None] - self._means(time)) / width
        kernel = np.exp(-0.5 * steps * steps) / (width * sqrt(2 * pi))
        self._places, self._masses, self._time = nodes, weights * (kernel @ self._masses), time

    def _means(self, time: float) -> NDArray[np.float64]:
        return self._places + self._drift * (time - self._time)


@lru_cache(maxsize=256)
def _critical_values(fractions: tuple[float, ...], alpha: float, spending: Spending) -> tuple[float, ...]:
    _require_increasing(fractions)
    paths, spent, values = _Paths(), 0.0, []
    for t in fractions:
        total = alpha_spent(t, alpha=alpha, spending=spending)
        bound = _bound(paths, t, total - spent)
        paths.advance(-inf, bound, t)
        spent = total
        values.append(bound / sqrt(t))
    return tuple(values)


def _bound(paths: _Paths, time: float, share: float) -> float:
    """Return the bound that this share of the paths lies above; infinity when that is out of reach."""
    low, high = -REACH * sqrt(time), REACH * sqrt(time)
    if paths.above(high, time) >= share:
        return inf
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if paths.above(middle, time) > share else (low, middle)
    return high


def _nodes(low: float, high: float, width: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the nodes and weights of a quadrature whose panels are narrow against the kernel's width."""
    if high <= low:
        return np.zeros(1), np.zeros(1)
    panels = min(max(1, ceil((high - low) / (PANEL_WIDTHS * width))), MOST_PANELS)
    base, weights = np.polynomial.legendre.leggauss(PANEL_NODES)
    half = (high - low) / (2 * panels)
    centres = low + half * (2 * np.arange(panels) + 1)
    return (centres[:, None] + half * base).ravel(), np.tile(half * weights, panels)


def _normal_cdf(x: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import ndtr

    return np.asarray(ndtr(x), dtype=float)


def _require_increasing(fractions: tuple[float, ...]) -> None:
    edges = (0.0, *fractions)
    if any(later <= earlier for earlier, later in pairwise(edges)) or edges[-1] > 1:
        raise ValueError(f"fractions must increase, above 0 and at most 1, got {fractions!r}")
