"""Goal 8: a drift of the pass rate over nights, 50 cases a night, from .95 by 8 points.

The baseline is estimated anew in every run, from a reference window of 10 to 40 nights; the drift starts in
the first night after it. A false alarm is a night with an alarm after one without. Beside: the band of two
standard errors around the reference's rate, crossed downwards in two consecutive nights, or in one; and
Shiryaev-Roberts with the estimated rate taken for the true one.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Row
from swapgate.stats.drift import NIGHTS_PER_YEAR, drift_evidence

SEED = 20240602
RATE, DROP, CASES = 0.95, 0.08, 50
FALSE_ALARMS = 0.15
REFERENCE_NIGHTS = (10, 20, 30, 40)
# A drift that is not seen by then counts as seen then.
PATIENCE = 90
Counts = NDArray[np.int64]
Alarms = NDArray[np.bool_]


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of the goal."""
    runs = 200 if quick else 2000
    quiet = {nights: _runs(nights, 0.0, NIGHTS_PER_YEAR, runs) for nights in REFERENCE_NIGHTS}
    dropped = {nights: _runs(nights, DROP, PATIENCE, 4 * runs) for nights in REFERENCE_NIGHTS}
    yield Row(
        goal="8 drift: false alarms a year, worst of reference windows of 10 to 40 nights",
        value=max(_per_year(_detected(*quiet[nights], drop)) for nights in quiet for drop in (0.05, DROP)),
        limit="<= 0.15",
        beside={
            "below the band twice": max(_per_year(_below(*quiet[nights], 2)) for nights in quiet),
            "below the band once": max(_per_year(_below(*quiet[nights], 1)) for nights in quiet),
            "estimated rate taken as known": max(_per_year(_plug_in(*quiet[nights])) for nights in quiet),
        },
    )
    yield Row(
        goal="8 drift: nights to see a drop of 8 points, reference window of 30 nights",
        value=_delay(_detected(*dropped[30], DROP)),
        limit="<= 5",
        beside={
            "below the band twice": _delay(_below(*dropped[30], 2)),
            "reference of 10 nights": _delay(_detected(*dropped[10], DROP)),
            "reference of 20 nights": _delay(_detected(*dropped[20], DROP)),
            "made for 5 points": _delay(_detected(*dropped[30], 0.05)),
        },
    )
    late = _runs(10, DROP, PATIENCE, 4 * runs, quiet_nights=60)
    yield Row(
        goal="8 drift: the same after 60 quiet nights, reference window of 10 nights",
        value=_delay(_detected(*late, DROP)[:, 60:]),
        limit="<= 5",
        beside={"made for 5 points": _delay(_detected(*late, 0.05)[:, 60:])},
    )


def _runs(
    reference_nights: int, drop: float, nights: int, runs: int, *, quiet_nights: int = 0
) -> tuple[Counts, Counts, int]:
    """Return the passes of each night, those of each run's reference window, and its cases."""
    rng = np.random.default_rng([SEED, reference_nights, nights, quiet_nights])
    n = CASES * reference_nights
    reference = rng.binomial(n, RATE, runs)
    quiet = rng.binomial(CASES, RATE, (runs, quiet_nights))
    return np.hstack([quiet, rng.binomial(CASES, RATE - drop, (runs, nights))]), reference, n


def _detected(passed: Counts, reference: Counts, n: int, drop: float) -> Alarms:
    evidence = drift_evidence(passed, CASES, reference_passed=reference, reference_n=n, drop=drop)
    return evidence >= log(NIGHTS_PER_YEAR / FALSE_ALARMS)


def _below(passed: Counts, reference: Counts, n: int, times: int) -> Alarms:
    rate = (reference / n)[:, None]
    below = passed / CASES < rate - 2 * np.sqrt(rate * (1 - rate) / CASES)
    return below if times == 1 else below & np.hstack([np.zeros((len(below), 1), bool), below[:, :-1]])


def _plug_in(passed: Counts, reference: Counts, n: int) -> Alarms:
    rate = np.minimum(reference / n, 1 - 1e-9)
    up, down = np.log((rate - DROP) / rate), np.log((1 - rate + DROP) / (1 - rate))
    logs, alarms = np.full(len(passed), -np.inf), np.zeros(passed.shape, bool)
    for night in range(passed.shape[1]):
        ratio = passed[:, night] * up + (CASES - passed[:, night]) * down
        logs = np.logaddexp(0.0, logs) + ratio
        alarms[:, night] = logs >= log(NIGHTS_PER_YEAR / FALSE_ALARMS)
    return alarms


def _per_year(alarms: Alarms) -> float:
    starts = alarms.copy()
    starts[:, 1:] &= ~alarms[:, :-1]
    return float(starts.sum(axis=1).mean())


def _delay(alarms: Alarms) -> float:
    return float(np.where(alarms.any(axis=1), alarms.argmax(axis=1) + 1, alarms.shape[1]).mean())
