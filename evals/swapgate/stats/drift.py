"""Drift of a pass rate over nights: a Shiryaev-Roberts detector that learns the rate it compares with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp

import numpy as np
from numpy.typing import ArrayLike, NDArray

from swapgate.values import Value

NIGHTS_PER_YEAR = 365
# Rates that the baseline may have, at equal shares of what the reference makes likely.
POINTS = 101
# No drop takes more than this share of a rate.
LARGEST_SHARE = 0.9
# The nights in which a change began, with this probability.
START_MASS = 0.9


class DriftReading(Value):
    """The evidence for a drop after one night, and whether it reaches the alarm's threshold.

    `evidence` falls again when the rate recovers. `since` is the likeliest first night of a drop, counted
    from 0, `earliest` and `latest` are the ends of the nights in which it began with 90% probability, were
    all alike before; None without an alarm.
    """

    night: int
    evidence: float
    threshold: float
    is_alarm: bool
    since: int | None
    earliest: int | None = None
    latest: int | None = None


class DriftDetector:
    """Watch a pass rate night after night for a drop below its baseline.

    Parameters
    ----------
    reference_passed, reference_n : int
        Passes and cases of the window that the baseline rate is taken from.
    drop : float, or mapping of float to float
        The drop worth an alarm, 0 to 1; other drops are seen as well, later than by a detector made for them:
        of few cases it may take many nights to see that all of them fail. A mapping gives several drops with
        their weights.
    false_alarms_per_year : float
        How many to expect at most while nothing changes.
    deff : float
        Cases worth one independent case.
    nights : sequence of (passed, n)
        Nights seen before, to resume from: all the state there is.

    Notes
    -----
    With f(x | p) the binomial probability of a night's passes, the evidence is the sum over all nights k of
    the likelihood ratio of "the rate fell by `drop` in night k" to "it did not", both averaged over what the
    reference and all nights say about the rate p. Were p known this is Shiryaev-Roberts:

        R_t(p) = (1 + R_{t-1}(p)) f(x_t | p - drop) / f(x_t | p)

    and its average over p is weighted by ``prior(p) prod f(x_i | p)``. While nothing changes, R_t minus the
    number of nights is a martingale, so the mean time to a false alarm is at least the threshold, here
    ``365 / false_alarms_per_year`` nights. A rate taken as known from 1,000 cases would give ten times as
    many. The same cases every night vary less than the binomial says, which only lowers the number. So does
    a weighted mean of the R_t of several drops keep the martingale.

    References
    ----------
    .. [1] M. Pollak, "Average run lengths of an optimal method of detecting a change in distribution", Ann.
       Stat. 15 (1987) 749-779.
    .. [2] J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change
       detection", New Engl. J. Stat. Data Sci. 2 (2024) 229-260.

    Examples
    --------
    >>> detector = DriftDetector(1425, 1500)
    >>> readings = [detector.add(passed, 50) for passed in (48, 47, 44, 42, 43, 42)]
    >>> [reading.is_alarm for reading in readings]
    [False, False, False, False, False, True]
    >>> readings[-1].since
    2
    """

    def __init__(
        self,
        reference_passed: int,
        reference_n: int,
        *,
        drop: float | Mapping[float, float] = 0.05,
        false_alarms_per_year: float = 0.15,
        deff: float = 1.0,
        nights: Sequence[tuple[int, int]] = (),
    ) -> None:
        _require_counts(reference_passed, reference_n)
        drops = drop if isinstance(drop, Mapping) else {drop: 1.0}
        if not all(0 < one < 1 for one in drops) or false_alarms_per_year <= 0 or deff < 1:
            raise ValueError(
                "drop lies between 0 and 1, false_alarms_per_year above 0 and deff is at least 1, "
                f"got {drop!r}, {false_alarms_per_year!r}, {deff!r}"
            )
        self.threshold = NIGHTS_PER_YEAR / false_alarms_per_year
        self._chart = _Chart(np.array(reference_passed), np.array(reference_n), drop=drop, deff=deff)
        self.nights: list[tuple[int, int]] = []
        for passed, n in nights:
            self.add(passed, n)

    def add(self, passed: int, n: int) -> DriftReading:
        """Take in one night's passes and cases and say what they show; without cases it changes nothing."""
        _require_counts(passed, n)
        self.nights.append((passed, n))
        evidence = exp(min(float(self._chart.add(np.array(passed), np.array(n))), 700.0))
        is_alarm = evidence >= self.threshold
        starts = likely_starts(self._chart.start_logs(self.nights)) if is_alarm else (None, None, None)
        return DriftReading(
            night=len(self.nights) - 1,
            evidence=evidence,
            threshold=self.threshold,
            is_alarm=is_alarm,
            since=starts[0],
            earliest=starts[1],
            latest=starts[2],
        )


def drift_evidence(
    passed: ArrayLike,
    n: ArrayLike,
    *,
    reference_passed: ArrayLike,
    reference_n: ArrayLike,
    drop: float | Mapping[float, float] = 0.05,
    deff: float = 1.0,
) -> NDArray[np.float64]:
    """Return the logarithm of `DriftDetector`'s evidence after each night, for one series or many.

    Parameters
    ----------
    passed, n : array_like of int, shape (..., nights)
        Passes and cases of each night; broadcast together.
    reference_passed, reference_n : array_like of int, shape (...)
        The reference window of each series.
    drop, deff : float
        As for `DriftDetector`.

    Returns
    -------
    ndarray of float, shape (..., nights)
        An alarm is raised where it reaches ``log(365 / false_alarms_per_year)``.

    References
    ----------
    .. [1] M. Pollak, Ann. Stat. 15 (1987) 749-779.

    Examples
    --------
    >>> evidence = drift_evidence([47, 43, 41, 42], 50, reference_passed=1425, reference_n=1500)
    >>> np.exp(evidence).round(1).tolist()
    [0.6, 17.8, 598.7, 7542.3]
    """
    x, size = np.broadcast_arrays(np.asarray(passed), np.asarray(n))
    chart = _Chart(np.asarray(reference_passed), np.asarray(reference_n), drop=drop, deff=deff)
    logs = [chart.add(x[..., night], size[..., night]) for night in range(x.shape[-1])]
    return np.stack(logs, axis=-1) if logs else np.zeros(x.shape)


class _Chart:
    """Shiryaev-Roberts' recursion for each rate that the baseline may have; leading axes are series."""

    def __init__(
        self,
        passed: NDArray[np.int64],
        n: NDArray[np.int64],
        *,
        drop: float | Mapping[float, float],
        deff: float,
    ) -> None:
        from scipy.special import betaincinv

        shares = (np.arange(POINTS) + 0.5) / POINTS
        # Jeffreys' prior keeps 0 and 1 out.
        a, b = passed[..., None] / deff + 0.5, (n - passed)[..., None] / deff + 0.5
        rates = np.clip(betaincinv(a, b, shares), 1e-9, 1 - 1e-9)
        self._pass, self._fail = np.log(rates) / deff, np.log1p(-rates) / deff
        drops = np.array(list(drop) if isinstance(drop, Mapping) else [drop])
        shares = np.array(list(drop.values()) if isinstance(drop, Mapping) else [1.0])
        self._shares = np.log(shares / shares.sum())
        # The last axis is that of the drops.
        kept = rates[..., None]
        fallen = np.maximum(kept - drops, kept * (1 - LARGEST_SHARE))
        self._pass_ratio = np.log(fallen) / deff - self._pass[..., None]
        self._fail_ratio = np.log1p(-fallen) / deff - self._fail[..., None]
        self._weights = np.zeros(rates.shape)
        self._sums = np.full(fallen.shape, -np.inf)

    def add(self, passed: NDArray[np.int64], n: NDArray[np.int64]) -> NDArray[np.float64]:
        """Take in a night and return the logarithm of the evidence."""
        x, y = passed[..., None], (n - passed)[..., None]
        ratio = x[..., None] * self._pass_ratio + y[..., None] * self._fail_ratio
        # A night without cases is no night.
        is_night = (x + y > 0)[..., None]
        self._sums = np.where(is_night, np.logaddexp(0.0, self._sums) + ratio, self._sums)
        self._weights = self._weights + x * self._pass + y * self._fail
        sums = _log_sum(self._sums + self._shares) if len(self._shares) > 1 else self._sums[..., 0]
        return _log_sum(self._weights + sums) - _log_sum(self._weights)

    def start_logs(self, nights: Sequence[tuple[int, int]]) -> NDArray[np.float64]:
        """Return the logarithm of the likelihood of a drop's beginning in each night of a single series."""
        counts = np.array(nights)
        x, y = counts[:, :1, None], (counts[:, 1:] - counts[:, :1])[..., None]
        ratios = x * self._pass_ratio + y * self._fail_ratio
        since = ratios[::-1].cumsum(axis=0)[::-1]
        return _log_sum(self._weights + _log_sum(since + self._shares))


def likely_starts(logs: NDArray[np.float64]) -> tuple[int, int, int]:
    """Return the likeliest night, and the ends of the likeliest ones that hold START_MASS together.

    Parameters
    ----------
    logs : ndarray of float, shape (nights,)
        The logarithm of each night's likelihood of being the first of a change.

    Returns
    -------
    likeliest, earliest, latest : int

    Examples
    --------
    >>> likely_starts(np.log([0.02, 0.1, 0.6, 0.25, 0.03]))
    (2, 1, 3)
    """
    weights = np.exp(logs - logs.max())
    order = np.argsort(-weights, kind="stable")
    needed = int(np.searchsorted(np.cumsum(weights[order]), START_MASS * weights.sum())) + 1
    chosen = order[:needed]
    return int(order[0]), int(chosen.min()), int(chosen.max())


def _log_sum(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return log(sum(exp(logs))) over the last axis; scipy's logsumexp takes five times as long."""
    top = logs.max(axis=-1, keepdims=True)
    safe = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        return np.asarray(np.log(np.exp(logs - safe).sum(axis=-1)) + safe[..., 0])


def _require_counts(passed: int, n: int) -> None:
    if not 0 <= passed <= n:
        raise ValueError(f"passed must lie between 0 and n, got passed={passed!r}, n={n!r}")
