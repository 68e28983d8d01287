"""Goal 4: clusters of five trials, intraclass correlation .3, from four clusters on.

Two kinds of clusters are simulated, both with that correlation: in *shared* ones each trial takes its
cluster's one outcome with probability sqrt(.3) and is drawn afresh otherwise; *spread* ones have chances of
their own, from a Dirichlet distribution. The gate is asked at the margin itself, where every pass is false,
and without its floor on the number of clusters. The last row is no simulation: it weighs all tables of cases
whose repeats are identical.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from math import comb

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from benchmarks.table import Row
from swapgate.stats.interval import Interval
from swapgate.stats.paired import PairedDifference, paired_difference
from swapgate.stats.proportion import clustered_rate, wilson_interval
from swapgate.stats.tango import tango_interval

SIZE, ICC = 5, 0.3
Outcomes = NDArray[np.int64]
Cells = Iterator[tuple[Callable[[Sequence[float]], Outcomes], tuple[float, float]]]


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the coverage of rates and of differences, then the gate's false passes."""
    groups, runs = ((4, 20), 1000) if quick else ((4, 6, 10, 20, 60), 4000)
    yield _rates(groups, runs)
    yield _differences(groups, runs)
    yield _gate(groups, runs)
    yield _identical((4, 10) if quick else (4, 10, 20, 40))


def _rates(groups: Sequence[int], runs: int) -> Row:
    ours, t, pooled = [], [], []
    for draw, (rate, _) in _cells(groups, runs, ((0.7, 0.0), (0.9, 0.0), (0.96, 0.0))):
        passes = draw((1 - rate, rate))
        n, labels = passes[0].size, _labels(passes)
        ours.append(_held([clustered_rate(p.ravel(), labels) for p in passes], rate))
        pooled.append(_held([wilson_interval(int(p.sum()), n) for p in passes], rate))
        low, high = _t_bounds(passes, confidence=0.95)
        t.append(np.mean((low <= rate) & (rate <= high)))
    return Row(
        goal="clusters: coverage of a rate, worst cell",
        value=min(ours),
        limit=">= 0.93",
        beside={"cluster-robust t": min(t), "pooled Wilson": min(pooled)},
    )


def _differences(groups: Sequence[int], runs: int) -> Row:
    ours, t, pooled = [], [], []
    for draw, (worse, better) in _cells(groups, runs, ((0.05, 0.05), (0.2, 0.1), (0.1, 0.0))):
        d = draw((worse, 1 - worse - better, better)) - 1
        true = better - worse
        ours.append(_held([_clustered(one, confidence=0.95) for one in d], true))
        pooled.append(_held([_pooled(one, confidence=0.95) for one in d], true))
        low, high = _t_bounds(d, confidence=0.95)
        t.append(np.mean((low <= true) & (true <= high)))
    return Row(
        goal="clusters: coverage of a paired difference, worst cell",
        value=min(ours),
        limit=">= 0.93",
        beside={"cluster-robust t": min(t), "pooled Tango": min(pooled)},
    )


def _gate(groups: Sequence[int], runs: int) -> Row:
    ours, t, pooled = [], [], []
    for draw, (worse, better) in _cells(groups, runs, ((0.05, 0.0), (0.1, 0.05), (0.1, 0.0), (0.2, 0.1))):
        d = draw((worse, 1 - worse - better, better)) - 1
        limit = better - worse
        ours.append(np.mean([_clustered(one, confidence=0.90).low > limit for one in d]))
        pooled.append(np.mean([_pooled(one, confidence=0.90).low > limit for one in d]))
        t.append(np.mean(_t_bounds(d, confidence=0.90)[0] > limit))
    return Row(
        goal="clusters: false passes of the gate, worst cell",
        value=max(ours),
        limit="<= 0.08",
        beside={"cluster-robust t": max(t), "pooled Tango": max(pooled)},
    )


def _identical(groups: Sequence[int]) -> Row:
    """Return the chance that cases of twenty identical repeats pass a margin of 5 points that they break."""
    margin, repeats = 0.05, 20
    ours, pooled = [], []
    for cases in groups:
        passed = np.zeros(2)
        for worse in range(cases + 1):
            chance = comb(cases, worse) * margin**worse * (1 - margin) ** (cases - worse)
            d = np.repeat([-1, 0], [worse, cases - worse])[:, None].repeat(repeats, axis=1)
            lows = [compare(d, confidence=0.90).low for compare in (_clustered, _pooled)]
            passed += chance * (np.array(lows) > -margin)
        ours.append(passed[0])
        pooled.append(passed[1])
    return Row(
        goal="clusters: false passes with 20 identical repeats, worst number of cases",
        value=float(max(ours)),
        limit="<= 0",
        beside={"pooled Tango": float(max(pooled))},
    )


def _cells(groups: Sequence[int], runs: int, chances: Sequence[tuple[float, float]]) -> Cells:
    """Yield for each kind and number of clusters how to draw them, with the chances to use."""
    for cell, (kind, number, pair) in enumerate(product((_shared, _spread), groups, chances)):
        rng = np.random.default_rng([4, cell])
        yield (lambda p, kind=kind, rng=rng, number=number: kind(rng, p, (runs, number, SIZE))), pair


def _shared(rng: np.random.Generator, chances: Sequence[float], shape: tuple[int, int, int]) -> Outcomes:
    own = rng.choice(len(chances), p=chances, size=shape)
    common = rng.choice(len(chances), p=chances, size=(*shape[:2], 1))
    return np.where(rng.random(shape) < ICC**0.5, common, own)


def _spread(rng: np.random.Generator, chances: Sequence[float], shape: tuple[int, int, int]) -> Outcomes:
    # A chance of exactly 0 is not allowed there.
    weights = np.maximum(chances, 1e-9) * (1 / ICC - 1)
    steps = rng.dirichlet(weights, shape[:2]).cumsum(axis=2)[..., None, :-1]
    return (rng.random(shape)[..., None] > steps).sum(axis=-1)


def _labels(outcomes: Outcomes) -> Outcomes:
    return np.repeat(np.arange(outcomes.shape[-2]), outcomes.shape[-1])


def _clustered(differences: Outcomes, *, confidence: float) -> PairedDifference:
    """Compare two models whose differences are these."""
    d = differences.ravel()
    return paired_difference(d < 0, d > 0, _labels(differences), confidence=confidence)


def _pooled(differences: Outcomes, *, confidence: float) -> Interval:
    worse, better = int((differences < 0).sum()), int((differences > 0).sum())
    return tango_interval(worse, better, differences.size, confidence=confidence)


def _t_bounds(outcomes: Outcomes, *, confidence: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the cluster-robust t interval of each run's mean; clusters have equal sizes."""
    means = outcomes.mean(axis=2)
    groups = means.shape[1]
    half = stdtrit(groups - 1, (1 + confidence) / 2) * means.std(axis=1, ddof=1) / groups**0.5
    return means.mean(axis=1) - half, means.mean(axis=1) + half


def _held(intervals: Sequence[Interval | PairedDifference], true: float) -> float:
    return float(np.mean([interval.low <= true <= interval.high for interval in intervals]))
