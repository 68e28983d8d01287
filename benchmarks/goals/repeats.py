"""Goal 9: several trials of each case, whose chances of passing differ.

Populations of cases: chances from a beta distribution with the mean and the intraclass correlation named,
or a share of hopeless cases among reliable ones. Coverage is of 95% intervals for all cases of the
population; "pooled" takes every trial for a case of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from benchmarks.table import Row
from swapgate.stats.interval import Interval
from swapgate.stats.pass_k import all_of_k, any_of_k, pass_at_k, pass_hat_k
from swapgate.stats.proportion import clustered_rate, wilson_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Beta:
    """Cases whose chances follow a beta distribution."""

    mean: float
    icc: float

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        """Return chances of passing."""
        weight = 1 / self.icc - 1
        return rng.beta(self.mean * weight, (1 - self.mean) * weight, shape)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """A share of hopeless cases; the others pass with one chance."""

    hopeless: float
    others: float

    def draw(self, rng: np.random.Generator, shape: tuple[int, int]) -> Floats:
        """Return chances of passing."""
        return np.where(rng.random(shape) < self.hopeless, 0.0, self.others)


POPULATIONS = (
    Beta(mean=0.9, icc=0.3),
    Beta(mean=0.7, icc=0.6),
    Beta(mean=0.96, icc=0.3),
    Mixed(hopeless=0.1, others=0.98),
)


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the coverage of rates, of pass^k and of pass@k."""
    runs = 500 if quick else 2000
    yield _rate(
        "repeats: coverage of a rate, 100 cases of 20 repeats", [(POPULATIONS[0], 100, 20)], runs, 0.94
    )
    shapes = ((10, 5), (30, 5)) if quick else ((10, 5), (30, 3), (30, 10), (100, 5), (100, 20))
    cells = [(population, *shape) for population, shape in product(POPULATIONS, shapes)]
    yield _rate("repeats: coverage of a rate, worst cell", cells, runs, 0.93)
    yield _of_k("pass^3", pass_hat_k, all_of_k, cells, runs)
    yield _of_k("pass@3", pass_at_k, any_of_k, cells, runs)


def _rate(goal: str, cells: list[tuple[Beta | Mixed, int, int]], runs: int, least: float) -> Row:
    ours, pooled, t = [], [], []
    for cell, (population, cases, repeats) in enumerate(cells):
        rng = np.random.default_rng([9, cell])
        true = float(population.draw(rng, (1000, 1000)).mean())
        passed, trials = _draw(rng, population, runs, cases, repeats)
        labels = np.repeat(np.arange(cases), repeats)
        ours.append(_held([clustered_rate(one, labels) for one in trials], true))
        counts = passed.sum(axis=1)
        pooled.append(_held([wilson_interval(int(count), cases * repeats) for count in counts], true))
        t.append(_t_held(passed / repeats, true))
    return Row(
        goal=goal,
        value=min(ours),
        limit=f">= {least}",
        beside={"pooled Wilson": min(pooled), "t of the cases' rates": min(t)},
    )


def _of_k(
    name: str,
    method: Callable[..., Interval],
    of_k: Callable[..., Floats],
    cells: list[tuple[Beta | Mixed, int, int]],
    runs: int,
) -> Row:
    ours, t, k = [], [], 3
    for cell, (population, cases, repeats) in enumerate(cells):
        rng = np.random.default_rng([99, cell])
        chances = population.draw(rng, (1000, 1000))
        true = float(np.mean(chances**k if of_k is all_of_k else 1 - (1 - chances) ** k))
        passed, trials = _draw(rng, population, runs, cases, repeats)
        labels = np.repeat(np.arange(cases), repeats)
        ours.append(_held([method(one, labels, k=k) for one in trials], true))
        t.append(_t_held(of_k(passed, repeats, k=k), true))
    return Row(
        goal=f"repeats: coverage of {name}, worst cell",
        value=min(ours),
        limit=">= 0.93",
        beside={"t of the cases' estimates": min(t)},
    )


def _draw(
    rng: np.random.Generator, population: Beta | Mixed, runs: int, cases: int, repeats: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return each run's passes per case, and its single trials."""
    chances = population.draw(rng, (runs, cases))
    trials = rng.random((runs, cases, repeats)) < chances[..., None]
    return trials.sum(axis=2), trials.reshape(runs, -1)


def _t_held(values: Floats, true: float) -> float:
    cases = values.shape[1]
    half = stdtrit(cases - 1, 0.975) * values.std(axis=1, ddof=1) / cases**0.5
    return float(np.mean(np.abs(values.mean(axis=1) - true) <= half))


def _held(intervals: list[Interval], true: float) -> float:
    return float(np.mean([interval.low <= true <= interval.high for interval in intervals]))
