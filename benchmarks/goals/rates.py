"""Goal 1: one pass rate, coverage of the 95% interval summed over every number of passes. No simulation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import sqrt
from statistics import NormalDist, fmean

import numpy as np
from scipy.stats import binom

from benchmarks.table import Row
from swapgate.stats.proportion import exact_interval, wilson_interval

CASES = (20, 50, 100, 300, 1000)
RATES = (0.70, 0.90, 0.96, 0.99)
CELLS = f"{len(CASES) * len(RATES)} cells (n 20 to 1000, rate .70 to .99)"
Bounds = Callable[[int, int], tuple[float, float]]


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the coverage of Wilson's and of the exact interval beside the textbook's."""
    score, exact, naive = (_coverages(bounds) for bounds in (_score, _exact, _textbook))
    yield Row(
        goal=f"rate: lowest coverage of {CELLS}",
        value=min(score),
        limit=">= 0.91",
        beside={"CLT": min(naive)},
    )
    yield Row(goal="rate: highest coverage", value=max(score), limit="<= 0.985", beside={"CLT": max(naive)})
    yield Row(goal="rate: mean coverage", value=fmean(score), limit=">= 0.945", beside={"CLT": fmean(naive)})
    yield Row(goal="rate: mean coverage, above", value=fmean(score), limit="<= 0.96")
    yield Row(
        goal="rate, exact: lowest coverage", value=min(exact), limit=">= 0.95", beside={"CLT": min(naive)}
    )


def _coverages(bounds: Bounds) -> list[float]:
    found = []
    for n in CASES:
        low, high = np.array([bounds(passed, n) for passed in range(n + 1)]).T
        for rate in RATES:
            weights = binom.pmf(np.arange(n + 1), n, rate)
            found.append(float(weights[(low <= rate) & (rate <= high)].sum()))
    return found


def _score(passed: int, n: int) -> tuple[float, float]:
    interval = wilson_interval(passed, n)
    return interval.low, interval.high


def _exact(passed: int, n: int) -> tuple[float, float]:
    interval = exact_interval(passed, n)
    return interval.low, interval.high


def _textbook(passed: int, n: int) -> tuple[float, float]:
    rate = passed / n
    half = NormalDist().inv_cdf(0.975) * sqrt(rate * (1 - rate) / n)
    return rate - half, rate + half
