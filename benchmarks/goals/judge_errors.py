"""Goal 5: rates and differences corrected for a judge of sensitivity .9 and specificity .8.

Rates: 95% intervals over a grid of true rates, each in the design that its labels record. Labels drawn by
verdict or by truth, 20 of either kind, and 50 trials: exact over outcomes, but for a ten-thousandth of the
probability. Other cells are simulated. A part of the trials may be known to be wrong without a judge.
Differences: the judge fails right responses of the baseline (.9, .8) and passes wrong ones of the candidate
(.97, .5); both are right in 70% of the cases. Refusals are left out of the coverage.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy.stats import binom

from benchmarks.table import Row
from swapgate.stats.judge_errors import corrected_difference, corrected_rate
from swapgate.stats.judge_labels import Design, Labels
from swapgate.stats.paired import paired_difference
from swapgate.stats.ppi import ppi_difference
from swapgate.stats.proportion import wilson_interval

JUDGE, FOND_JUDGE = (0.9, 0.8), (0.97, 0.5)
RATES = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95)
TRIALS, OF_A_KIND = 50, 20
# Outcomes less likely than this under every rate are left out.
NEGLIGIBLE = 1e-6


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the worst coverage of each design, and that of a difference."""
    exact_rates = RATES[1::2] if quick else RATES
    for design in ("by_verdict", "by_label"):
        covered, naive = _exact(design, exact_rates)
        yield Row(
            goal=f"judge errors, labels {design}, 20 of a kind, 50 trials: lowest coverage",
            value=min(covered),
            limit=">= 0.94",
            beside={"naive verdict rate": min(naive)},
        )
    runs = 1000 if quick else 5000
    cells = [(0.7, 300, 100, 0.3)]
    if not quick:
        cells = [
            *product(RATES[::2], (100, 1000), (50, 200), (0.0,)),
            *product(RATES, (300,), (100,), (0.3,)),
        ]
    designs: tuple[Design, ...] = ("random",) if quick else ("random", "by_verdict", "by_label")
    for design in designs:
        found = [_simulated(design, *cell, runs=runs, seed=seed) for seed, cell in enumerate(cells)]
        yield Row(
            goal=f"judge errors, labels {design}, {len(cells)} cells: lowest coverage",
            value=min(f[0] for f in found),
            limit=">= 0.94",
            beside={"naive verdict rate": min(f[1] for f in found)},
        )
    yield from _differences(runs=500 if quick else 5000)


def _exact(design: Design, rates: tuple[float, ...]) -> tuple[list[float], list[float]]:
    """Return the coverage of the corrected and of the raw interval for each true rate."""
    grid = np.stack(np.meshgrid(*(np.arange(n + 1) for n in (TRIALS, OF_A_KIND, OF_A_KIND)), indexing="ij"))
    passing, of_one, of_other = grid.reshape(3, -1)
    likely = [_probabilities(design, rate, passing, of_one, of_other) for rate in rates]
    kept = np.flatnonzero(np.max(likely, axis=0) > NEGLIGIBLE)
    bounds = np.array([_bounds(design, *outcome) for outcome in grid.reshape(3, -1).T[kept].tolist()])
    raw = [wilson_interval(k, TRIALS) for k in range(TRIALS + 1)]
    covered, naive = [], []
    for rate, chances in zip(rates, likely, strict=True):
        weight = chances[kept] * ~np.isnan(bounds[:, 0])
        hit = (bounds[:, 0] <= rate) & (rate <= bounds[:, 1])
        covered.append(float(weight @ hit / weight.sum()))
        share = _pass_share(rate, JUDGE)
        naive.append(sum(binom.pmf(k, TRIALS, share) for k, i in enumerate(raw) if i.low <= rate <= i.high))
    return covered, naive


def _probabilities(design: Design, rate: float, passing, of_one, of_other) -> np.ndarray:
    """Return the probability of each outcome: passing verdicts, and successes among either kind of label."""
    sensitivity, specificity = JUDGE
    share = _pass_share(rate, JUDGE)
    one, other = (
        (sensitivity, 1 - specificity)
        if design == "by_label"
        else (rate * sensitivity / share, rate * (1 - sensitivity) / (1 - share))
    )
    labels = binom.pmf(of_one, OF_A_KIND, one) * binom.pmf(of_other, OF_A_KIND, other)
    return binom.pmf(passing, TRIALS, share) * labels


def _bounds(design: Design, passing: int, of_one: int, of_other: int) -> tuple[float, float]:
    kinds = [True] * OF_A_KIND + [False] * OF_A_KIND
    successes = [i < of_one for i in range(OF_A_KIND)] + [i < of_other for i in range(OF_A_KIND)]
    verdicts, truths = (successes, kinds) if design == "by_label" else (kinds, successes)
    labels = Labels(verdicts=verdicts, truths=truths, design=design)
    found = corrected_rate([True] * passing + [False] * (TRIALS - passing), labels)
    return (np.nan, np.nan) if found.low is None or found.high is None else (found.low, found.high)


def _pass_share(rate: float, judge: tuple[float, float]) -> float:
    return rate * judge[0] + (1 - rate) * (1 - judge[1])


def _simulated(
    design: Design, rate: float, n: int, k: int, known_wrong: float, *, runs: int, seed: int
) -> tuple[float, float]:
    """Return the coverage of the corrected and of the raw interval; k labels in all."""
    rng, share, true = np.random.default_rng(seed), _pass_share(rate, JUDGE), rate * (1 - known_wrong)
    hits, answered, naive = 0, 0, 0
    for _ in range(runs):
        wrong = int(rng.binomial(n, known_wrong))
        passing = int(rng.binomial(n - wrong, share))
        verdicts = [True] * passing + [False] * (n - wrong - passing) + [None] * wrong
        found = corrected_rate(verdicts, _drawn(rng, rate, k, design, JUDGE))
        raw = wilson_interval(passing, n)
        naive += raw.low <= true <= raw.high
        if found.low is not None:
            answered += 1
            hits += found.low <= true <= found.high
    return hits / answered, naive / runs


def _drawn(
    rng: np.random.Generator, rate: float, k: int, design: Design, judge: tuple[float, float]
) -> Labels:
    """Return k labels, half of them of either kind unless they are drawn at random."""
    share = _pass_share(rate, judge)
    if design == "by_verdict":
        verdicts = np.repeat([True, False], k // 2)
        right = np.where(verdicts, rate * judge[0] / share, rate * (1 - judge[0]) / (1 - share))
        return Labels(verdicts=verdicts, truths=rng.random(len(right)) < right, design=design)
    truths = np.repeat([True, False], k // 2) if design == "by_label" else rng.random(k) < rate
    passing = rng.random(len(truths)) < np.where(truths, judge[0], 1 - judge[1])
    return Labels(verdicts=passing, truths=truths, design=design)


def _differences(*, runs: int) -> Iterator[Row]:
    """Yield the coverage of a difference of 0 between two models that the judge treats unlike."""
    rng, n, k, rate = np.random.default_rng(5), 300, 100, 0.7
    hits = dict.fromkeys(("corrected", "on the same trials", "verdicts", "pooled"), 0)
    for _ in range(runs):
        # Half of what makes a case hard is the same for both models.
        shared, is_shared = rng.random(n), rng.random((2, n)) < 0.5
        truths = np.where(is_shared, shared, rng.random((2, n))) < rate
        passing = [np.where(t, j[0], 1 - j[1]) for t, j in zip(truths, (JUDGE, FOND_JUDGE), strict=True)]
        verdicts = rng.random((2, n)) < np.array(passing)
        one, two = (_drawn(rng, rate, k, "random", judge) for judge in (JUDGE, FOND_JUDGE))
        same = [Labels(verdicts=v[:k], truths=t[:k]) for v, t in zip(verdicts, truths, strict=True)]
        plain = paired_difference(*verdicts, confidence=0.95)
        found = {
            "corrected": corrected_difference(
                *verdicts, baseline_labels=one, candidate_labels=two, confidence=0.95
            ),
            "on the same trials": ppi_difference(*same, *verdicts[:, k:], confidence=0.95),
            "verdicts": plain,
        }
        for name, interval in found.items():
            hits[name] += interval.low <= 0 <= interval.high
        youden = _pooled_youden(one, two)
        hits["pooled"] += plain.low / youden <= 0 <= plain.high / youden
    beside = {"naive verdicts": hits["verdicts"] / runs, "pooled Rogan-Gladen": hits["pooled"] / runs}
    for name, goal in (
        ("corrected", "labels of each"),
        ("on the same trials", "both labelled on the same trials"),
    ):
        yield Row(
            goal=f"judge biased for one of two models, {goal}: coverage",
            value=hits[name] / runs,
            limit=">= 0.93",
            beside=beside,
        )


def _pooled_youden(one: Labels, two: Labels) -> float:
    """Return sensitivity + specificity - 1 of both models' labels thrown together."""
    truths = np.concatenate([one.truths, two.truths])
    verdicts = np.concatenate([one.verdicts, two.verdicts])
    return float(verdicts[truths].mean() - verdicts[~truths].mean())
