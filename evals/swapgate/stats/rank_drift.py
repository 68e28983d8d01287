"""Drift over nights, whatever a number's spread is: a detector that looks at ranks or p-values alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.drift import likely_starts
from swapgate.values import Value

# How steeply is bet on high ranks: small powers see small shifts, large ones the night that tops them all.
POWERS = (2.0, 4.0, 8.0, 16.0, 32.0)
# The weight of the bet that one night alone is evidence enough.
AT_ONCE = 0.5
_LARGEST_LOG = 700.0


class RankDrift(Value):
    """The evidence for a rise after each night; `since` is the likeliest first night of it, counted from 0.

    `earliest` and `latest` are the ends of the nights in which it began with 90% probability, were all alike
    before. They are None where there is no night, or none with any evidence.
    """

    evidence: tuple[float, ...]
    since: int | None
    earliest: int | None = None
    latest: int | None = None


def rank_evidence(values: Sequence[float]) -> RankDrift:
    """Return the evidence that the nightly values have risen, night by night.

    Parameters
    ----------
    values : sequence of float
        One number a night, the oldest first. For a fall give the negated ones.

    Returns
    -------
    RankDrift
        An alarm is raised where the evidence reaches ``365 / false_alarms_per_year``.

    Notes
    -----
    While nothing changes every order of the nights is as likely as any other, so that the rank r of night t
    among the first t is uniform, and independent of the earlier ones. With ``F(u) = u ** power`` the bet
    ``e_t = t (F(r / t) - F((r - 1) / t))`` has the mean 1; equal values share the mean of their places. The
    evidence is Shiryaev and Roberts' sum over all nights k of the products of the bets since k,

        R_t = (1 + R_{t-1}) e_t

    averaged over the powers. R_t minus the number of nights is a martingale, so the mean time to a false
    alarm is at least the threshold, whatever the distribution of the values is. The price is speed: m nights
    that top all of T before them are evidence of at most ``(T + m)! / (T! m!)`` in the mean of their orders.
    After a change that stays the evidence fades, because the new nights become the usual ones.

    References
    ----------
    .. [1] V. Vovk, "Testing randomness online", Stat. Sci. 36 (2021) 595-611.
    .. [2] J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change
       detection", New Engl. J. Stat. Data Sci. 2 (2024) 229-260.

    Examples
    --------
    >>> quiet = [1.00, 1.03, 0.98, 1.01, 0.97, 1.02, 0.99, 1.04, 0.96, 1.05] * 2
    >>> found = rank_evidence([*quiet, 1.31, 1.28, 1.35, 1.30, 1.29, 1.33])
    >>> [round(value) for value in found.evidence[-6:]]
    [70, 319, 4200, 8481, 11942, 72733]
    >>> found.since
    19
    """
    bets = rank_bets(np.asarray(values, dtype=np.float64))
    return _found(bets, np.full(len(POWERS), 1 / len(POWERS)))


def p_evidence(p_values: Sequence[float], *, threshold: float) -> RankDrift:
    """Return the evidence of independent p-values, night by night, that something changed.

    Parameters
    ----------
    p_values : sequence of float
        One a night, the oldest first: of "tonight is like the nights before it".
    threshold : float
        The evidence at which an alarm is raised: one false alarm in so many nights on average, at most.

    Returns
    -------
    RankDrift

    Notes
    -----
    A p-value is a rank among infinitely many: the bets of `rank_evidence` become
    ``power (1 - p)^(power - 1)``. They need several nights for any alarm. So half of the evidence is another
    bet, ``1 / a`` for p up to a and nothing else, with a such that one such night reaches the threshold. The
    mean of detectors is one: evidence minus nights stays a supermartingale, and the mean time to a false
    alarm at least the threshold, whether p-values are exact or too large.

    References
    ----------
    .. [1] V. Vovk, R. Wang, "E-values: calibration, combination and applications", Ann. Stat. 49 (2021)
       1736-1754.

    Examples
    --------
    >>> [round(one) for one in p_evidence([0.4, 0.7, 0.2, 1e-5], threshold=2433).evidence]
    [0, 0, 1, 2443]
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not ((p >= 0) & (p <= 1)).all():
        raise ValueError("p_values must be a list of numbers between 0 and 1, one a night")
    powers, least = np.array(POWERS), AT_ONCE / threshold
    gradual = powers * (1 - p[:, None]) ** (powers - 1)
    at_once = (p[:, None] <= least) / least
    weights = np.array([*[(1 - AT_ONCE) / len(POWERS)] * len(POWERS), AT_ONCE])
    return _found(np.hstack([gradual, at_once]), weights)


def _found(bets: NDArray[np.float64], weights: NDArray[np.float64]) -> RankDrift:
    """Return Shiryaev and Roberts' sums of the products of bets, weighted."""
    sums = np.zeros(len(weights))
    evidence = []
    for night in bets:
        sums = (1 + sums) * night
        evidence.append(float(sums @ weights))
    if not evidence:
        return RankDrift(evidence=(), since=None)
    logs = _start_logs(bets, weights)
    if not np.isfinite(logs).any():
        return RankDrift(evidence=tuple(evidence), since=None)
    since, earliest, latest = likely_starts(logs)
    return RankDrift(evidence=tuple(evidence), since=since, earliest=earliest, latest=latest)


def rank_bets(values: ArrayLike) -> NDArray[np.float64]:
    """Return each night's bet that the values rise, under each power; see `rank_evidence`.

    Parameters
    ----------
    values : array_like of float, length nights
        One number a night, the oldest first.

    Returns
    -------
    ndarray of float, shape (nights, powers)

    Raises
    ------
    ValueError
        When a value is not a finite number.

    Examples
    --------
    >>> rank_bets([3.0, 1.0, 2.0])[:, 0].round(3).tolist()
    [1.0, 0.5, 1.0]
    """
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError("values must be a list of finite numbers, one a night")
    powers = np.array(POWERS)
    rows = []
    for t in range(1, len(x) + 1):
        below, ties = int((x[:t] < x[t - 1]).sum()), int((x[:t] == x[t - 1]).sum())
        rows.append(t * ((((below + ties) / t) ** powers) - ((below / t) ** powers)) / ties)
    return np.array(rows).reshape(len(x), len(powers))


def _start_logs(bets: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the bets' product since each night, as their weighted mean."""
    with np.errstate(divide="ignore"):
        logs = np.log(bets)[::-1].cumsum(axis=0)[::-1]
        return np.asarray(np.log(np.exp(np.minimum(logs, _LARGEST_LOG)) @ weights))
