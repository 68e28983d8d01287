"""Goal 2: the difference of two models on the same cases, coverage of the 95% interval over every table.

No simulation. A cell is a number of cases, a share of cases on which the models differ, and a drop: never 0,
so that an interval of zero width cannot be right by luck. By symmetry only drops are counted. The long form
also looks between the round numbers of cases.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from math import sqrt
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, xlogy

from benchmarks.table import Row
from swapgate.stats.exact import unconditional_interval
from swapgate.stats.tango import tango_interval

DISCORDANCES = (0.04, 0.06, 0.10, 0.15, 0.20, 0.30, 0.40)
DROPS = (0.02, 0.03, 0.05, 0.10, 0.15)
CASES = (20, 30, 40, 50, 75, 100, 150, 200, 300, 400)
QUICK_CASES = (20, 30, 50, 100, 200, 400)
EVERY_TENTH = tuple(range(20, 401, 10))
EXACT_CASES = (20, 30, 50, 75)
QUICK_EXACT_CASES = (20, 30)
Bounds = Callable[[int, int, int], tuple[float, float]]
Table = NDArray[np.int64]


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the coverage of Tango's and of the exact interval beside the paired Wald interval's."""
    cases = QUICK_CASES if quick else CASES
    score, naive = (_coverages(bounds, cases) for bounds in (_score, _textbook))
    cells = f"{len(score)} cells (n {cases[0]} to {cases[-1]}, discordance .04 to .40, drop .02 to .15)"
    yield Row(
        goal=f"paired: lowest coverage of {cells}",
        value=min(score),
        limit=">= 0.93",
        beside={"paired CLT": min(naive)},
    )
    yield Row(
        goal="paired: share of cells covered .945 or more",
        value=_share(score, 0.945),
        limit=">= 0.85",
        beside={"paired CLT": _share(naive, 0.945)},
    )
    if not quick:
        score, naive = (_coverages(bounds, EVERY_TENTH) for bounds in (_score, _textbook))
        yield Row(
            goal=f"paired: share of {len(score)} cells (every tenth n) covered .93 or more",
            value=_share(score, 0.93),
            limit=">= 0.99",
            beside={"lowest": min(score), "paired CLT": _share(naive, 0.93)},
        )
    cases = QUICK_EXACT_CASES if quick else EXACT_CASES
    exact, naive = (_coverages(bounds, cases) for bounds in (_exact, _textbook))
    yield Row(
        goal=f"paired, exact: lowest coverage of {len(exact)} cells (n {cases[0]} to {cases[-1]})",
        value=min(exact),
        limit=">= 0.95",
        beside={"paired CLT": min(naive)},
    )


def _share(coverages: list[float], at_least: float) -> float:
    return sum(value >= at_least for value in coverages) / len(coverages)


def _coverages(bounds: Bounds, cases: tuple[int, ...]) -> list[float]:
    found = []
    for n in cases:
        n10, n01 = _tables(n)
        low, high = np.array([bounds(int(a), int(b), n) for a, b in zip(n10, n01, strict=True)]).T
        for discordance in DISCORDANCES:
            for drop in DROPS:
                if drop <= discordance:
                    held = (low <= -drop) & (-drop <= high)
                    found.append(float(_probabilities(n10, n01, n, discordance, drop)[held].sum()))
    return found


def _tables(n: int) -> tuple[Table, Table]:
    """Return n10 and n01 of every table with no more discordant pairs than can be seen at all."""
    share = max(DISCORDANCES)
    most = min(n, int(n * share + 7 * sqrt(n * share * (1 - share))) + 1)
    n10, n01 = np.meshgrid(np.arange(most + 1), np.arange(most + 1), indexing="ij")
    seen = n10 + n01 <= most
    return n10[seen], n01[seen]


def _probabilities(n10: Table, n01: Table, n: int, discordance: float, drop: float) -> NDArray[np.float64]:
    p10, p01, rest = (discordance + drop) / 2, (discordance - drop) / 2, n - n10 - n01
    ways = gammaln(n + 1) - gammaln(n10 + 1) - gammaln(n01 + 1) - gammaln(rest + 1)
    return np.exp(ways + xlogy(n10, p10) + xlogy(n01, p01) + xlogy(rest, 1 - discordance))


def _score(n10: int, n01: int, n: int) -> tuple[float, float]:
    interval = tango_interval(n10, n01, n)
    return interval.low, interval.high


@cache
def _exact(n10: int, n01: int, n: int) -> tuple[float, float]:
    if n10 > n01:
        low, high = _exact(n01, n10, n)
        return -high, -low
    interval = unconditional_interval(n10, n01, n)
    return interval.low, interval.high


def _textbook(n10: int, n01: int, n: int) -> tuple[float, float]:
    difference = (n01 - n10) / n
    half = NormalDist().inv_cdf(0.975) * sqrt(((n10 + n01) / n - difference**2) / n)
    return difference - half, difference + half
