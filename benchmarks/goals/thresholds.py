"""Failures against a covariate, and distributions of pass rates: false alarms and power.

The covariate of 300 cases is uniform, log-normal (like the length of inputs) or takes ten values. Without an
effect 8% fail; with one, 4% up to a cut and 15% above it, where 30, 40 or 50% of the cases lie. "Found" is
the answer "threshold"; the naive best cut is found when the smallest uncorrected p-value among the cuts
through the inner 80% is at most .05. Clusters: 60 of 5 cases, 15% fail, intraclass correlation .3; the
covariate is the same in all of a cluster, or half its own in each case.

Pass rates: 60 units of 5 trials, beta-distributed with mean .80, correlated between the models by .6 on the
normal scale. Exchangeable models have the spread .15, unlike ones .10 and .25. The naive z test takes each
trial for independent of all others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, ndtr

from benchmarks.table import Row
from swapgate.stats.distribution import rate_distributions
from swapgate.stats.threshold import covariate_effect, paired_covariate_effect

Array = NDArray[np.float64]
Draw = Callable[[np.random.Generator], Array]

CASES = 300
COVARIATES: dict[str, Draw] = {
    "uniform": lambda rng: rng.uniform(50, 1150, CASES),
    "log-normal": lambda rng: np.exp(rng.normal(6.2, 0.7, CASES)),
    "ten values": lambda rng: rng.integers(1, 11, CASES) * 100.0,
}
SHARES = (0.3, 0.4, 0.5)
UNITS, TRIALS = 60, 5


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield false alarms, power and the range's coverage; then false alarms and power for distributions."""
    runs, permutations = (160, 499) if quick else (3000, 999)
    cells = {"all three": list(COVARIATES.values())} if quick else {n: [c] for n, c in COVARIATES.items()}
    for name, draws in cells.items():
        yield _false_alarms(name, draws, runs=3 * runs if quick else runs, permutations=permutations)
    for name, draws in cells.items():
        yield from _power(name, draws, runs=min(runs, 900), permutations=permutations)
    if not quick:
        yield _clustered("of one length each", own=0.0, runs=runs, permutations=permutations)
        yield _clustered("of unlike lengths", own=0.5, runs=runs, permutations=permutations)
        yield _paired(runs=runs, permutations=permutations)
    yield from _distributions(runs=runs, permutations=permutations)


def _false_alarms(name: str, draws: Sequence[Draw], *, runs: int, permutations: int) -> Row:
    rng, found, naive = np.random.default_rng(7001), 0, 0
    for run in range(runs):
        failed, x = rng.random(CASES) < 0.08, draws[run % len(draws)](rng)
        found += _found(failed, x, seed=run, permutations=permutations)
        naive += _naive_best_cut(failed, x)
    return Row(
        goal=f"length, {name}: threshold without an effect",
        value=found / runs,
        limit="<= 0.06",
        beside={"naive best cut": naive / runs},
    )


def _power(name: str, draws: Sequence[Draw], *, runs: int, permutations: int) -> Iterator[Row]:
    rng, found, held = np.random.default_rng(7002), dict.fromkeys(SHARES, 0), 0
    settings = list(product(SHARES, draws))
    for run in range(runs):
        share, draw = settings[run % len(settings)]
        x = draw(rng)
        cut = float(np.quantile(x, 1 - share))
        effect = covariate_effect(
            rng.random(CASES) < np.where(x > cut, 0.15, 0.04), x, seed=run, permutations=permutations
        )
        if effect.cut_low is not None and effect.cut_high is not None:
            found[share] += 1
            held += effect.cut_low <= cut <= effect.cut_high
    per_share = {share: count / (runs / len(SHARES)) for share, count in found.items()}
    beside = {f"{share:.0%} above": power for share, power in per_share.items()}
    average = sum(found.values()) / runs
    yield Row(
        goal=f"length, {name}: power, 4% to 15%, mean over the shares above",
        value=average,
        limit=">= 0.70",
        beside=beside,
    )
    yield Row(
        goal=f"length, {name}: range holds the cut", value=held / max(sum(found.values()), 1), limit=">= 0.90"
    )


def _clustered(name: str, *, own: float, runs: int, permutations: int) -> Row:
    rng, found, naive = np.random.default_rng(7003), 0, 0
    cluster = np.arange(CASES) // 5
    for run in range(runs):
        failed = _alike(rng, cluster) < 0.15
        x = (1 - own) * rng.random(60)[cluster] + own * rng.random(CASES)
        found += _found(failed, x, cluster.tolist(), seed=run, permutations=permutations)
        naive += _found(failed, x, seed=run, permutations=permutations)
    return Row(
        goal=f"length, clusters {name}: threshold without an effect",
        value=found / runs,
        limit="<= 0.06",
        beside={"clusters ignored": naive / runs},
    )


def _paired(*, runs: int, permutations: int) -> Row:
    rng, found = np.random.default_rng(7004), 0
    for run in range(runs):
        baseline = rng.random(CASES) < 0.06
        candidate = baseline ^ (rng.random(CASES) < np.where(baseline, 0.3, 0.08))
        effect = paired_covariate_effect(
            baseline, candidate, rng.random(CASES), seed=run, permutations=permutations
        )
        found += effect.answer == "threshold"
    return Row(
        goal="length, difference, worse everywhere alike: threshold", value=found / runs, limit="<= 0.06"
    )


def _distributions(*, runs: int, permutations: int) -> Iterator[Row]:
    for goal, spreads, limit in (
        ("distributions, exchangeable models: told apart", (0.15, 0.15), "<= 0.06"),
        ("distributions, equal means, spreads .10 and .25: power", (0.10, 0.25), ">= 0.75"),
    ):
        rng, apart = np.random.default_rng(7005), np.zeros(4)
        for run in range(runs):
            baseline, candidate, unit = _models(rng, spreads)
            found = rate_distributions(baseline, candidate, unit, seed=run, permutations=permutations)
            p_values = [found.p_value, found.mean_p_value, found.shape_p_value]
            apart += np.array(
                [p is not None and p <= 0.05 for p in p_values] + [_naive_z(baseline, candidate)]
            )
        value, mean, shape, naive = (float(share) for share in apart / runs)
        yield Row(
            goal=goal,
            value=value,
            limit=limit,
            beside={"means alone": mean, "distance alone": shape, "naive z test": naive},
        )


def _found(
    failed: Array, x: Array, clusters: list[int] | None = None, *, seed: int, permutations: int
) -> bool:
    return covariate_effect(failed, x, clusters, seed=seed, permutations=permutations).answer == "threshold"


def _naive_best_cut(failed: Array, x: Array) -> bool:
    order = np.argsort(x)
    y, ordered, n = failed[order].astype(float), x[order], len(x)
    ends = np.flatnonzero(np.diff(ordered) > 0)
    ends = ends[(ends + 1 >= n / 10) & (ends + 1 <= n - n / 10)]
    m, rate = ends + 1, y.mean()
    z = (np.cumsum(y)[ends] - m * rate) / np.sqrt(rate * (1 - rate) * m * (n - m) / n)
    return bool(np.abs(z).max() >= 1.96)


def _naive_z(baseline: Array, candidate: Array) -> bool:
    n, pooled = len(baseline), (baseline.mean() + candidate.mean()) / 2
    error = np.sqrt(2 * pooled * (1 - pooled) / n)
    return bool(abs(candidate.mean() - baseline.mean()) >= 1.96 * error)


def _alike(rng: np.random.Generator, cluster: NDArray[np.int64]) -> Array:
    """Return uniform numbers whose order relations correlate by .3 within clusters."""
    is_common = rng.random(len(cluster)) < np.sqrt(0.3)
    return np.where(is_common, rng.random(cluster.max() + 1)[cluster], rng.random(len(cluster)))


def _models(rng: np.random.Generator, spreads: tuple[float, float]) -> tuple[Array, Array, list[int]]:
    unit = np.arange(UNITS * TRIALS) // TRIALS
    first, second = rng.normal(size=(2, UNITS))
    passes = []
    for spread, normal in zip(spreads, (first, 0.6 * first + 0.8 * second), strict=True):
        size = 0.8 * 0.2 / spread**2 - 1
        rates = betaincinv(0.8 * size, 0.2 * size, ndtr(normal))
        passes.append(rng.random(len(unit)) < rates[unit])
    return passes[0], passes[1], unit.tolist()
