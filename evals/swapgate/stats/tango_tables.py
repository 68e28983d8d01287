"""Paired tables by the thousand: Tango's statistic, and what enumerations of the gate are made from."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

ROUNDING = 1e-9


def tango_z_of_tables(
    n10: ArrayLike, n01: ArrayLike, n: ArrayLike, *, difference: float
) -> NDArray[np.float64]:
    """Return `swapgate.stats.tango.tango_z` of many paired tables at once.

    Parameters
    ----------
    n10, n01, n : array_like of int
        Pairs that only the baseline, only the candidate passes, and all pairs; broadcast together, n above 0.
    difference : float
        The hypothesis, -1 to 1, of candidate minus baseline.

    Returns
    -------
    ndarray of float
        Positive where the candidate does better than the hypothesis says; never nan.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908.

    Examples
    --------
    >>> tango_z_of_tables([0, 16], [0, 6], [59, 161], difference=-0.05).round(3).tolist()
    [1.762, -0.426]
    """
    size = np.asarray(n, dtype=float)
    p10, p01 = np.asarray(n10) / size, np.asarray(n01) / size
    b = (2 - p01 + p10) * difference - p01 - p10
    c = -p10 * difference * (1 - difference)
    root = np.sqrt(np.maximum(b * b - 8 * c, 0.0))
    # The root of 2 q^2 + b q + c in the form that does not cancel; a sum of 0 means that q is 0.
    q = np.where(b <= 0, (root - b) / 4, -2 * c / np.where(root + b > 0, root + b, 1.0))
    variance = np.maximum(2 * q + difference * (1 - difference), 0.0)
    distance = p01 - p10 - difference
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(distance == 0, 0.0, distance * np.sqrt(size / variance)))


def fewest_n01(n: int, bound: float, reach: float) -> NDArray[np.int64]:
    """Return, for each number of discordant pairs, the fewest n01 whose z at `bound` is `reach` or more.

    Parameters
    ----------
    n : int
        Pairs.
    bound : float
        The difference under the hypothesis, between -1 and 1.
    reach : float
        The quantile, above 0.

    Returns
    -------
    ndarray of int, shape (n + 1,)
        One more than the discordant pairs where no n01 will do.

    Notes
    -----
    For a given n01 - n10 Tango's z falls as the discordance rises. Where it equals `reach` its variance is
    known, from that Tango's q, and then his quadratic equation is linear in the discordance.

    References
    ----------
    .. [1] T. Tango, Stat. Med. 17 (1998) 891-908.

    Examples
    --------
    >>> fewest_n01(100, -0.05, 1.645)[[0, 5, 10]].tolist()
    [0, 3, 6]
    """
    k = np.arange(-n, n + 1)
    estimate, spread = k / n, bound * (1 - bound)
    variance = n * ((estimate - bound) / reach) ** 2
    q = (variance - spread) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        most = n * (4 * q * q + 2 * (2 - estimate) * bound * q + estimate * spread) / variance
    out_of_reach = (estimate <= bound) | (q < max(0.0, -bound) - ROUNDING)
    most = np.maximum.accumulate(np.where(out_of_reach, -1.0, most + n * ROUNDING))
    discordant = np.arange(n + 1)
    return (discordant + np.searchsorted(most, discordant) - n + 1) // 2


def binomial_weights(n: int, shares: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the numbers out of n that any of the shares makes likely, and their probability for each.

    Parameters
    ----------
    n : int
        Trials.
    shares : ndarray of float, shape (s,)
        Probabilities of success.

    Returns
    -------
    counts : ndarray of int, shape (c,)
    weights : ndarray of float, shape (s, c)

    Examples
    --------
    >>> counts, weights = binomial_weights(2, np.array([0.5]))
    >>> counts.tolist(), weights.round(3).tolist()
    ([0, 1, 2], [[0.25, 0.5, 0.25]])
    """
    from scipy.special import gammaln, xlog1py, xlogy

    reach = 9 * np.sqrt(n * shares * (1 - shares)) + 40
    counts = np.arange(
        max(0, int((n * shares - reach).min())), min(n, int((n * shares + reach).max()) + 1) + 1
    )
    ways = gammaln(n + 1) - gammaln(counts + 1) - gammaln(n - counts + 1)
    column = shares[:, np.newaxis]
    return counts, np.exp(ways + xlogy(counts, column) + xlog1py(n - counts, -column))
