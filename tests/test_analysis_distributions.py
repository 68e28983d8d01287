"""Pass rates of prompts, tags and repeated cases side by side: the spread that a mean does not show."""

from __future__ import annotations

import random

import numpy as np
import pytest

from analysis_trials import both, concluded, errored, old, pairs_of, trial
from swapgate.analysis.distributions import PERMUTATIONS, spreads
from swapgate.analysis.ordering import SEED
from swapgate.stats import rate_distributions


def found(trials):
    return {(s.suite, s.unit): s for s in spreads(pairs_of(trials))}


def prompts(*, count=24, cases=10, fields=lambda i, j: {}):
    """Return two models of the same mean on many prompts: the baseline even, the candidate all or little."""
    return [
        one
        for i in range(count)
        for j in range(cases)
        for one in both(
            f"c{i}-{j}",
            j < (10 if i % 2 else 6),
            j != i % cases and j != (i + 3) % cases,
            prompt=f"p{i}",
            **fields(i, j),
        )
    ]


def test_models_of_the_same_mean_and_another_spread_are_told_apart():
    spread = found(prompts())[None, "prompt"]
    comparison = spread.comparison
    assert comparison.mean_difference == pytest.approx(0)
    assert comparison.mean_p_value > 0.5
    assert comparison.spread_difference > 0.15
    assert comparison.p_value < 0.01
    assert (comparison.baseline.mean, comparison.candidate.mean) == (pytest.approx(0.8), pytest.approx(0.8))
    assert set(comparison.candidate.rates) == {0.6, 1.0}
    assert set(comparison.baseline.rates) == {0.8}


def test_the_paired_difference_of_the_same_models_sees_nothing():
    outcome = concluded(prompts())
    assert outcome.comparisons[0].differences[0].estimate == pytest.approx(0)
    assert outcome.comparisons[0].differences[0].p_value > 0.5
    assert outcome.spreads[0].comparison.p_value < 0.01


def test_models_that_differ_by_chance_alone_are_not_told_apart():
    rng = np.random.default_rng(3)
    trials = [
        one
        for i in range(24)
        for j in range(10)
        for one in both(f"c{i}-{j}", bool(rng.random() < 0.8), bool(rng.random() < 0.8), prompt=f"p{i}")
    ]
    assert found(trials)[None, "prompt"].comparison.p_value > 0.05


def test_a_spread_is_that_of_the_results_on_both_sides():
    trials = prompts(count=6)
    comparison = found(trials)[None, "prompt"].comparison
    ours = [t for t in trials if t.model == "new"]
    theirs = [t for t in trials if t.model == "old"]
    expected = rate_distributions(
        [t.semantic_passed for t in theirs],
        [t.semantic_passed for t in ours],
        [t.prompt for t in ours],
        [t.case for t in ours],
        seed=SEED,
        permutations=PERMUTATIONS,
    )
    assert comparison == expected
    assert (comparison.units, comparison.clusters) == (6, 60)


def test_units_are_prompts_tags_and_repeated_cases():
    tagged = prompts(count=4, fields=lambda i, j: {"tags": ("x", "y") if j % 2 else ("x",)})
    assert set(found(tagged)) == {(None, "prompt"), (None, "tag")}
    assert found(tagged)[None, "tag"].comparison.units == 2
    repeated = [
        one for i in range(12) for r in range(1, 6) for one in both(f"c{i}", i % 3 > 0, r < 5, repeat=r)
    ]
    assert set(found(repeated)) == {(None, "case")}
    by_case = found(repeated)[None, "case"].comparison
    assert (by_case.units, by_case.clusters) == (12, 12)
    assert set(by_case.candidate.rates) == {0.0, 1.0}
    assert set(by_case.baseline.rates) == {0.8}


def test_wavering_repeats_against_steady_ones_of_the_same_mean_are_told_apart():
    repeated = [
        one
        for i in range(60)
        for r in range(1, 6)
        for one in both(f"c{i}", i % 5 > 0, (i + r) % 5 > 0, repeat=r)
    ]
    comparison = found(repeated)[None, "case"].comparison
    assert comparison.mean_difference == pytest.approx(0)
    assert comparison.p_value < 0.01


def test_suites_follow_the_whole_and_one_suite_alone_is_not_said_twice():
    one = prompts(count=6)
    assert set(found(one)) == {(None, "prompt")}
    two = [*one, *prompts(count=4, fields=lambda i, j: {"suite": "other"})]
    assert list(found(two)) == [(None, "prompt"), ("s", "prompt"), ("other", "prompt")]
    assert found(two)["other", "prompt"].comparison.units == 4
    assert found(two)["s", "prompt"].comparison == found(one)[None, "prompt"].comparison


@pytest.mark.parametrize(
    "trials",
    [
        [],
        [trial("a", semantic=True, prompt="p"), trial("b", semantic=True, prompt="q")],
        [one for i in range(9) for one in both(f"c{i}", True, False)],
        [one for i in range(9) for one in both(f"c{i}", True, False, prompt="p")],
        [one for i in range(9) for one in both(f"c{i}", True, False, prompt=f"p{i}", tags=(f"t{i}",))],
        [
            one
            for i in range(9)
            for one in (errored(f"c{i}", prompt=f"p{i % 2}"), old(f"c{i}", prompt=f"p{i % 2}"))
        ],
    ],
    ids=["nothing", "no baseline", "no unit", "one prompt", "a unit a case", "never answered"],
)
def test_without_two_units_of_several_trials_nothing_is_said(trials):
    assert found(trials) == {}


def test_structure_is_compared_where_nothing_scored_the_meaning():
    trials = [
        make(f"c{i}", prompt=f"p{i % 4}", structural=make is old or i % 4 > 1)
        for i in range(40)
        for make in (trial, old)
    ]
    spread = found(trials)[None, "prompt"]
    assert spread.measure == "structural"
    assert spread.comparison.candidate.rates == (0.0, 0.0, 1.0, 1.0)


def test_cases_that_one_side_never_scored_are_left_out():
    trials = prompts(count=6)
    trials[0] = trial("c0-0", prompt="p0")
    assert found(trials)[None, "prompt"].comparison.clusters == 59


def test_cases_of_a_cluster_change_places_together():
    trials = prompts(count=6, fields=lambda i, j: {"cluster": f"doc{j}"})
    assert found(trials)[None, "prompt"].comparison.clusters == 10


@pytest.mark.parametrize("fields", [{}, {"tags": ("t", "u")}])
def test_neither_the_order_in_which_answers_came_nor_the_run_s_seed_matters(fields):
    trials = prompts(count=8, fields=lambda i, j: {"cluster": f"doc{(i + j) % 30}", **fields})
    told = concluded(trials, seed=5).spreads
    assert len(told) == 1 + bool(fields)
    for seed in range(4):
        other = random.Random(seed).sample(trials, len(trials))
        # Models stand in the order of their first answers.
        other.sort(key=lambda t: t.model != trials[0].model)
        assert concluded(other, seed=seed).spreads == told


def test_progress_is_told():
    told = []
    list(spreads(pairs_of(prompts(count=6)), progress=told.append))
    assert told[-1] == 1
