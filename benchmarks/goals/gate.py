"""Goal 3: how often the gate passes a candidate that is worse by just the margin, where every pass is false.

No simulation: for each number of cases the chance is summed over all tables that pass, and the worst is taken
over the shares of cases on which the models may differ. For a number of discordant pairs the gate passes from
some number of pairs for the candidate on, which is looked up with swapgate's own functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import ceil, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtrc, stdtrit
from scipy.stats import binom

from benchmarks.table import Row
from swapgate.stats.exact import unconditional_p
from swapgate.stats.power import floor_cases
from swapgate.stats.tango import tango_interval, tango_z

MARGINS = (0.03, 0.05, 0.10)
MOST_CASES = 400
# Beyond the margin itself: the worst share is nearly always the margin, where the candidate is never better.
SHARES = (0.0, 0.001, 0.002, 0.004, 0.007, 0.01, 0.015, 0.02, 0.03, 0.05, 0.08, 0.12, 0.20)
Gate = Callable[[int, int, int, float], bool]


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the gate's worst rate of false passes at each margin beside the usual rules of thumb."""
    for margin in MARGINS:
        floor = floor_cases(margin)
        cases = range(floor, MOST_CASES + 1, 37 if quick else 1)
        beside = {name: _worst(gate, cases, margin) for name, gate in NAIVE.items()}
        goal = f"gate: false passes, margin {margin:g}, worst of {len(cases)} n from {floor} to {cases[-1]}"
        yield Row(goal=goal, value=_worst(_score_gate, cases, margin), limit="<= 0.07", beside=beside)
        cases = range(floor, MOST_CASES + 1, 148 if quick else 1)
        goal = f"gate, exact: false passes, margin {margin:g}, worst of {len(cases)} n"
        yield Row(goal=goal, value=_worst(_exact_gate, cases, margin), limit="<= 0.05")


def _worst(gate: Gate, cases: range, margin: float) -> float:
    return max(_false_passes(gate, n, margin) for n in cases)


def _false_passes(gate: Gate, n: int, margin: float) -> float:
    """Return the largest chance of a pass when the candidate is worse by the margin."""
    shares = np.array([margin + more for more in SHARES])[:, np.newaxis]
    top = float(shares.max())
    discordant = np.arange(min(n, ceil(n * top + 7 * sqrt(n * top))) + 1)
    fewest = _fewest_passing(gate, discordant, n, margin)
    # P(at least k of m pairs for the candidate), which is 0 where none is enough.
    better = (shares - margin) / (2 * shares)
    tails = np.where(
        fewest > discordant, 0.0, bdtrc(np.minimum(fewest, discordant) - 1.0, discordant, better)
    )
    return float((binom.pmf(discordant, n, shares) * tails).sum(axis=1).max())


def _fewest_passing(gate: Gate, discordant: NDArray[np.int64], n: int, margin: float) -> NDArray[np.int64]:
    """Return the fewest pairs for the candidate that pass, for each number of discordant pairs.

    A pair more for the baseline never helps, so that the search goes on where it stood.
    """
    found, at = [], 0
    for m in discordant.tolist():
        while at <= m and not gate(m - at, at, n, margin):
            at += 1
        found.append(at)
    return np.array(found)


def _score_gate(n10: int, n01: int, n: int, margin: float) -> bool:
    return tango_interval(n10, n01, n, confidence=0.90).low > -margin


def _exact_gate(n10: int, n01: int, n: int, margin: float) -> bool:
    # The same as `unconditional_interval(...).low > -margin`, which the tests hold it to.
    return unconditional_p(n10, n01, n, difference=-margin, confidence=0.90) <= 0.05


def _point_gate(n10: int, n01: int, n: int, margin: float) -> bool:
    return (n01 - n10) / n > -margin


def _not_significant_gate(n10: int, n01: int, n: int, margin: float) -> bool:
    return tango_z(n10, n01, n, difference=0.0) > -1.96


def _t_gate(n10: int, n01: int, n: int, margin: float) -> bool:
    mean = (n01 - n10) / n
    error = sqrt(((n10 + n01) / n - mean**2) / (n - 1))
    return mean - float(stdtrit(n - 1, 0.95)) * error > -margin


NAIVE = {"point above -m": _point_gate, "not significant": _not_significant_gate, "paired t": _t_gate}
