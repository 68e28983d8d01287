"""Distributions of pass rates: the summaries, the swaps, error rates, power to see spread, refusals."""

from __future__ import annotations

import math
from dataclasses import astuple
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate.stats.distribution import rate_distributions

trials = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.integers(0, 5), st.integers(0, 8)), min_size=0, max_size=60
)


def models(rng, *, spreads=(0.15, 0.15), means=(0.8, 0.8), units=60, repeats=5):
    """Return both models' passes and the units: each rate a spread above or below its mean."""
    unit = np.repeat(np.arange(units), repeats)
    side = rng.choice([-1, 1], units)
    sides = (side, np.where(rng.random(units) < 0.5, side, rng.choice([-1, 1], units)))
    passes = [
        rng.random(len(unit)) < (mean + spread * s)[unit]
        for mean, spread, s in zip(means, spreads, sides, strict=True)
    ]
    return passes[0], passes[1], unit


def numbers(values):
    for value in values:
        yield from numbers(value) if isinstance(value, tuple) else [value]


def test_the_summaries_are_those_of_the_unit_rates():
    unit = [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    baseline = [1, 1, 1, 1, 1, 1, 1, 0, 1, 0, 0, 0, 1, 1, 0, 0]
    found = rate_distributions(baseline, [1] * 16, unit, seed=1)
    assert found.baseline.rates == (0.25, 0.5, 0.75, 1.0)
    assert found.baseline.mean == 0.625
    assert found.baseline.sd == pytest.approx(np.std([0.25, 0.5, 0.75, 1], ddof=1))
    noise = np.mean([r * (1 - r) / 3 for r in found.baseline.rates])
    assert found.baseline.between_sd == pytest.approx(math.sqrt(found.baseline.sd**2 - noise))
    assert found.baseline.counts == (0, 0, 1, 0, 0, 1, 0, 1, 0, 1)
    assert found.baseline.quantiles[2] == 0.625
    assert (found.candidate.mean, found.candidate.sd, found.candidate.between_sd) == (1.0, 0.0, 0.0)
    assert found.mean_difference == 0.375
    assert found.spread_difference == pytest.approx(-found.baseline.between_sd)


def test_the_spread_of_units_with_few_trials_is_not_taken_for_their_noise():
    rng, spreads, noises = np.random.default_rng(1), [], []
    for seed in range(60):
        baseline, candidate, unit = models(rng, spreads=(0.0, 0.15), units=100, repeats=3)
        found = rate_distributions(baseline, candidate, unit, seed=seed, permutations=1)
        noises.append(found.baseline.between_sd**2)
        spreads.append(found.candidate.between_sd**2)
        assert found.baseline.sd > 0.15
    assert math.sqrt(np.mean(noises)) < 0.08
    assert math.sqrt(np.mean(spreads)) == pytest.approx(0.15, abs=0.02)


def test_the_noise_between_repeated_cases_of_a_prompt_is_that_of_its_cases():
    rng = np.random.default_rng(2)
    case = np.repeat(np.arange(400), 5)
    variances = {"cases": [], "trials": []}
    for seed in range(40):
        passes = (rng.random(400) < 0.7)[case]
        for name, cluster in (("cases", case), ("trials", np.arange(2000))):
            found = rate_distributions(passes, passes, case // 20, cluster, seed=seed, permutations=1)
            variances[name].append(found.baseline.between_sd)
    # All prompts are alike: what is left is noise around zero, cut off below.
    assert np.mean(variances["cases"]) < 0.06 < np.mean(variances["trials"])


def test_the_p_values_are_those_of_all_swaps():
    baseline = np.array([1, 1, 0, 1, 0, 0, 1, 1, 1, 0, 1, 1], dtype=bool)
    candidate = np.array([1, 0, 0, 0, 1, 0, 1, 0, 1, 1, 0, 0], dtype=bool)
    unit = np.repeat(np.arange(6), 2)
    found = rate_distributions(baseline, candidate, unit, seed=1, permutations=20_000)
    differences = []
    for swap in product([False, True], repeat=6):
        swapped = np.array(swap)[unit]
        first = np.where(swapped, candidate, baseline)
        differences.append(abs(first.mean() - np.where(swapped, baseline, candidate).mean()))
    exact = np.mean(np.array(differences) >= differences[0] - 1e-12)
    assert found.mean_p_value == pytest.approx(exact, rel=0.05)


@pytest.mark.parametrize("layout", ["repeated cases", "prompts of cases"])
def test_exchangeable_models_are_rarely_told_apart(layout):
    rng, apart, runs = np.random.default_rng(3), 0, 250
    for seed in range(runs):
        baseline, candidate, unit = models(rng, repeats=3)
        prompt, cluster = (unit, None) if layout == "repeated cases" else (unit % 6, unit)
        found = rate_distributions(baseline, candidate, prompt, cluster, seed=seed, permutations=199)
        apart += found.p_value <= 0.05
    assert apart / runs <= 0.09


def test_equal_means_with_different_spread_are_told_apart():
    rng, apart, means = np.random.default_rng(4), 0, 0
    for seed in range(60):
        baseline, candidate, unit = models(rng, spreads=(0.05, 0.2), units=100, repeats=3)
        found = rate_distributions(baseline, candidate, unit, seed=seed, permutations=199)
        apart += found.p_value <= 0.05
        means += found.mean_p_value <= 0.05
    assert apart / 60 >= 0.6
    assert means / 60 <= 0.2


def test_prompts_of_equal_mean_but_different_spread_are_told_apart():
    rng = np.random.default_rng(5)
    case = np.arange(800)
    prompt = case % 8
    baseline = rng.random(800) < 0.75
    candidate = rng.random(800) < np.where(prompt < 4, 0.95, 0.55)
    found = rate_distributions(baseline, candidate, prompt, case, seed=1)
    assert found.p_value < 0.01
    assert found.spread_p_value < 0.01 < found.mean_p_value
    assert found.spread_difference > 0.1


def test_different_means_are_told_apart():
    rng = np.random.default_rng(6)
    baseline, candidate, unit = models(rng, spreads=(0.1, 0.1), means=(0.85, 0.6))
    found = rate_distributions(baseline, candidate, unit, seed=1)
    assert found.p_value < 0.01
    assert found.mean_p_value < 0.01


def test_the_combined_p_value_pays_for_three_looks_and_not_for_more():
    rng = np.random.default_rng(7)
    for seed in range(20):
        baseline, candidate, unit = models(rng, units=30)
        found = rate_distributions(baseline, candidate, unit, seed=seed, permutations=299)
        parts = (found.mean_p_value, found.spread_p_value, found.shape_p_value)
        assert min(parts) <= found.p_value <= min(1.0, 3 * min(parts) + 1e-9)


def test_swapping_the_models_mirrors_the_differences_and_keeps_the_p_values():
    baseline, candidate, unit = models(np.random.default_rng(8), spreads=(0.1, 0.2), units=100)
    one, other = (
        rate_distributions(*pair, unit, seed=1) for pair in ((baseline, candidate), (candidate, baseline))
    )
    assert other.baseline == one.candidate
    assert other.mean_difference == pytest.approx(-one.mean_difference)
    assert other.spread_difference == pytest.approx(-one.spread_difference)
    assert (other.p_value, other.spread_p_value) == pytest.approx((one.p_value, one.spread_p_value), abs=1e-9)


def test_the_seed_decides_and_neither_order_nor_names_nor_lists_matter():
    baseline, candidate, unit = models(np.random.default_rng(9), units=40)
    found = rate_distributions(baseline, candidate, unit, seed=1)
    names = [f"case {u}" for u in unit]
    order = np.random.default_rng(0).permutation(len(unit))
    other = rate_distributions(
        baseline[order].tolist(), candidate[order].tolist(), [names[i] for i in order], seed=1
    )
    assert other.baseline.rates == found.baseline.rates
    assert other.baseline.between_sd == pytest.approx(found.baseline.between_sd)
    assert other.p_value == pytest.approx(found.p_value, abs=0.05)
    assert rate_distributions(baseline, candidate, unit, seed=1) == found


def test_models_that_agree_everywhere_are_not_told_apart():
    passes = [True, False, True, True] * 10
    found = rate_distributions(passes, passes, [i // 4 for i in range(40)], seed=1)
    assert (found.p_value, found.mean_p_value, found.spread_p_value, found.shape_p_value) == (1, 1, 1, 1)
    assert found.note == "the models agree on every trial"


@pytest.mark.parametrize(
    ("passes", "units", "clusters", "note"),
    [
        ([], [], None, "0 units of several trials: fewer than 2"),
        (
            [1, 0, 1],
            ["a", "b", "c"],
            None,
            "every unit has a single trial: its rate shows no spread but chance",
        ),
        ([1, 0, 1], ["a", "a", "c"], None, "1 unit of several trials: fewer than 2"),
        ([1, 0, 1, 1], ["a", "a", "b", "b"], [1, 1, 1, 1], "one cluster only"),
    ],
)
def test_too_little_is_refused_by_name(passes, units, clusters, note):
    found = rate_distributions(passes, passes, units, clusters, seed=1)
    assert (found.baseline, found.candidate, found.p_value) == (None, None, None)
    assert found.note.startswith(note)


def test_single_trials_are_left_out_and_few_clusters_warned_of():
    found = rate_distributions([1, 0, 1, 1, 1], [0, 0, 1, 0, 1], ["a", "a", "b", "b", "c"], seed=1)
    assert found.units == 2
    assert "only 2 clusters" in found.note
    assert "1 unit of a single trial left out" in found.note


def test_a_callers_mistake_raises():
    with pytest.raises(ValueError, match="one value a trial"):
        rate_distributions([1], [1, 0], ["a", "a"], seed=1)
    with pytest.raises(ValueError, match="one value a trial"):
        rate_distributions([1, 0], [1, 0], ["a", "a"], ["x"], seed=1)
    with pytest.raises(ValueError, match="True or False"):
        rate_distributions([1, 2], [1, 0], ["a", "a"], seed=1)
    with pytest.raises(ValueError, match="True or False"):
        rate_distributions([1, math.nan], [1, 0], ["a", "a"], seed=1)


@given(trials, st.booleans())
@settings(deadline=None)
def test_any_input_gets_an_answer_and_never_nan(rows, with_clusters):
    baseline, candidate, unit, cluster = ([r[i] for r in rows] for i in range(4))
    found = rate_distributions(
        baseline, candidate, unit, cluster if with_clusters else None, seed=1, permutations=40
    )
    values = list(numbers(astuple(found)))
    assert all(v is None or type(v) in (float, int, str) for v in values)
    assert not any(isinstance(v, float) and not math.isfinite(v) for v in values)
    if found.p_value is None:
        assert found.note
    else:
        assert 1 / 41 <= found.p_value <= 1
        assert sum(found.baseline.counts) == found.units == len(found.candidate.rates)
        assert found.baseline.between_sd <= found.baseline.sd + 1e-9


def test_progress_rises_to_one():
    shares = []
    baseline, candidate, unit = models(np.random.default_rng(1))
    rate_distributions(baseline, candidate, unit, seed=1, progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    assert len(shares) > 1
