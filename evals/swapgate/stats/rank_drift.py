"""Drift of any number over nights, whatever its spread: a detector that looks at ranks alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.stats.drift import likely_starts

# How steeply is bet on high ranks: small powers see small shifts, large ones the night that tops them all.
POWERS = (2.0, 4.0, 8.0, 16.0, 32.0)
_LARGEST_LOG = 700.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RankDrift:
    """The evidence for a rise after each night; `since` is the likeliest first night of it, counted from 0.

    `earliest` and `latest` are the ends of the nights in which it began with 90% probability, were all alike
    before. They are None where there is no night.
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
    sums = np.zeros(len(POWERS))
    evidence = []
    for night in bets:
        sums = (1 + sums) * night
        evidence.append(float(sums.mean()))
    if not evidence:
        return RankDrift(evidence=(), since=None)
    since, earliest, latest = likely_starts(_start_logs(bets))
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


def _start_logs(bets: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the bets' product since each night, averaged over the powers."""
    with np.errstate(divide="ignore"):
        logs = np.log(bets)[::-1].cumsum(axis=0)[::-1]
        return np.asarray(np.log(np.exp(np.minimum(logs, _LARGEST_LOG)).mean(axis=1)))
