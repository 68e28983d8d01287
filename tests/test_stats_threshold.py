"""Thresholds along a covariate: the statistic, error rates, where the cut lies, clusters and refusals."""

from __future__ import annotations

import math
from dataclasses import astuple
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from swapgate.stats.cuts import cut_range
from swapgate.stats.exchange import Blocks, Deal, Shuffle, arrange
from swapgate.stats.interval import Interval
from swapgate.stats.permutation import (
    ENOUGH,
    draw_statistics,
    sequential_p_value,
    smallest_p_value,
)
from swapgate.stats.proportion import clustered_rate, wilson_interval
from swapgate.stats.tango import tango_interval
from swapgate.stats.threshold import covariate_effect, paired_covariate_effect

ANSWERS = ("threshold", "trend, no threshold", "not separated", "too few failures")
cases = st.lists(
    st.tuples(st.booleans(), st.booleans(), st.integers(0, 9), st.integers(0, 8)), min_size=0, max_size=50
)


def step_data(seed, n=300, *, rates=(0.04, 0.15), cut=600.0):
    rng = np.random.default_rng(seed)
    tokens = np.round(rng.uniform(100, 1000, n))
    return rng.random(n) < np.where(tokens > cut, rates[1], rates[0]), tokens


def numbers(result):
    for value in astuple(result):
        yield from value if isinstance(value, tuple) else [value]


def test_each_cuts_statistic_is_the_uncorrected_chi_square():
    rng = np.random.default_rng(2)
    x, failed = rng.integers(0, 6, 80).astype(float), (rng.random(80) < 0.3).astype(float)
    best = 0.0
    for cut in np.unique(x)[:-1]:
        above = x > cut
        if min(above.sum(), (~above).sum()) >= 8:
            table = [[(failed[side] == kind).sum() for kind in (0, 1)] for side in (above, ~above)]
            best = max(best, chi2_contingency(table, correction=False).statistic * 79 / 80)
    assert arrange(failed, x).observed()[0] ** 2 == pytest.approx(best)


def test_the_p_value_is_that_of_all_arrangements():
    x = np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 9, 10])
    failed = np.isin(x, [4, 6, 8, 9, 10]).astype(float)
    observed = arrange(failed, x).observed().max()
    every = [
        arrange(np.isin(np.arange(10), places).astype(float), x).observed().max()
        for places in combinations(range(10), 5)
    ]
    exact = np.mean(np.array(every) >= observed - 1e-9)
    assert 0.02 < exact < 0.3
    effect = covariate_effect(failed, x, seed=4, permutations=20_000)
    assert effect.p_value == pytest.approx(exact, rel=0.35)


@pytest.mark.parametrize("kinds", [2, 3], ids=["failures", "differences"])
def test_dealing_to_groups_is_as_shuffling_case_by_case(kinds):
    rng = np.random.default_rng(3)
    outcome = rng.choice(kinds, 400, p=[0.9, 0.1] if kinds == 2 else [0.1, 0.8, 0.1]) * 1.0
    x = rng.integers(0, 12, 400) * 1.0
    dealt = arrange(outcome, x)
    assert isinstance(dealt.exchange, Deal)
    order = np.argsort(x, kind="stable")
    shuffle = Shuffle(residuals=(outcome - outcome.mean())[order], sizes=np.ones(400))
    start = np.concatenate([[0], np.flatnonzero(np.diff(x[order])) + 1])
    one, other = (e.draw(np.random.default_rng(1), 4000)[0] for e in (dealt.exchange, shuffle))
    other = np.add.reduceat(other, start, axis=1)
    assert one.sum(axis=1) == pytest.approx(0, abs=1e-9)
    assert np.cov(one, rowvar=False) == pytest.approx(np.cov(other, rowvar=False), abs=0.8)
    high = [np.quantile(np.abs(np.cumsum(e, axis=1)).max(axis=1), 0.95) for e in (one, other)]
    assert high[0] == pytest.approx(high[1], rel=0.05)


def test_many_cases_are_grouped_with_hardly_a_change_of_the_statistics():
    rng = np.random.default_rng(4)
    x, failed = rng.random(8000), (rng.random(8000) < 0.1).astype(float)
    failed[(x > 0.6) & (rng.random(8000) < 0.05)] = 1.0
    grouped = arrange(failed, x)
    assert isinstance(grouped.exchange, Deal)
    assert len(grouped.sizes) == 500
    # Outcomes of many values are not dealt, so nothing is grouped.
    single = arrange(failed + 1e-6 * rng.random(8000), x)
    assert isinstance(single.exchange, Shuffle)
    assert grouped.observed() == pytest.approx(single.observed(), rel=0.02)


def test_blocks_move_whole_clusters_and_leave_those_of_a_size_of_their_own():
    clusters = np.array([0, 0, 1, 1, 2, 2, 2])
    arrangement = arrange(np.array([1.0, 1, 0, 0, 0, 1, 1]), np.arange(7.0), clusters)
    assert isinstance(arrangement.exchange, Blocks)
    assert arrangement.exchange.movable == 2
    rows = {tuple(row > 0) for row in arrangement.exchange.draw(np.random.default_rng(1), 50)[0]}
    one, other = (True, True, False, False), (False, False, True, True)
    assert rows == {(*moved, False, True, True) for moved in (one, other)}


def test_a_threshold_is_found_with_its_place_and_the_rates_around_it():
    failed, tokens = step_data(1, 1000)
    effect = covariate_effect(failed, tokens, seed=1)
    assert effect.answer == "threshold"
    assert effect.cut_low <= 600 <= effect.cut_high
    assert effect.cut_low <= effect.cut < effect.cut_high
    above = tokens > effect.cut
    assert effect.above == wilson_interval(int(failed[above].sum()), int(above.sum()))
    assert effect.below == wilson_interval(int(failed[~above].sum()), int((~above).sum()))
    assert effect.superiority.low > 0.5
    assert effect.slope.low > 0
    assert effect.p_value == pytest.approx(1 / 2001)


def test_failures_of_short_inputs_are_found_too():
    failed, tokens = step_data(1, 1000)
    mirrored = covariate_effect(failed, -tokens, seed=1)
    assert mirrored.answer == "threshold"
    assert mirrored.cut_low <= -600 <= mirrored.cut_high
    assert mirrored.below.estimate > mirrored.above.estimate


def test_a_steep_trend_is_no_threshold():
    rng = np.random.default_rng(6)
    tokens = rng.uniform(0, 1000, 3000)
    failed = rng.random(3000) < 1 / (1 + np.exp(5 - tokens / 150))
    effect = covariate_effect(failed, tokens, seed=1)
    assert effect.answer == "trend, no threshold"
    assert effect.advantage < 0
    assert (effect.cut, effect.cut_low, effect.below) == (None, None, None)
    assert effect.slope.low < 1 / 150 < effect.slope.high


def test_a_covariate_of_two_values_can_show_a_trend_but_no_threshold():
    files = np.arange(400) % 2
    failed = np.where(files == 1, np.arange(400) % 3 == 0, np.arange(400) % 20 == 0)
    assert covariate_effect(failed, files, seed=1).answer == "trend, no threshold"


def test_without_a_cut_that_leaves_a_tenth_the_trend_is_still_tested():
    files = np.array([0] * 190 + [5] * 10)
    failed = np.array([0, 0, 0, 0, 0, 0, 0, 0, 0, 1] * 19 + [1] * 10)
    effect = covariate_effect(failed, files, seed=1)
    assert effect.answer == "trend, no threshold"
    assert effect.advantage is None
    assert effect.note == "no cut leaves 10% of the cases on either side"


def test_a_step_that_a_trend_explains_nearly_as_well_is_called_so():
    notes = [covariate_effect(*step_data(seed), seed=1) for seed in range(20)]
    doubtful = [e for e in notes if e.answer == "threshold" and e.advantage < 6]
    assert doubtful
    assert all("fits nearly as well" in e.note for e in doubtful)


@pytest.mark.parametrize("covariate", ["uniform", "log-normal", "ties"])
def test_without_an_effect_a_threshold_is_rarely_found(covariate):
    rng, found, runs = np.random.default_rng(8), 0, 200
    for seed in range(runs):
        x = {
            "uniform": rng.uniform(0, 1000, 200),
            "log-normal": np.exp(rng.normal(6, 0.8, 200)),
            "ties": rng.integers(0, 8, 200),
        }[covariate]
        found += covariate_effect(rng.random(200) < 0.1, x, seed=seed, permutations=199).p_value <= 0.05
    assert found / runs <= 0.09


def test_a_rise_from_4_to_15_percent_is_found_in_most_runs_and_the_range_holds_it():
    effects = [covariate_effect(*step_data(seed), seed=seed, permutations=199) for seed in range(120)]
    found = [e for e in effects if e.answer == "threshold"]
    assert len(found) / 120 >= 0.66
    assert sum(e.cut_low <= 600 <= e.cut_high for e in found) / len(found) >= 0.9


def test_the_range_narrows_with_more_cases():
    few, many = (covariate_effect(*step_data(3, n), seed=1, permutations=199) for n in (800, 12_800))
    assert many.cut_high - many.cut_low < (few.cut_high - few.cut_low) / 4


def test_the_difference_of_two_models_is_found_where_it_changes():
    failed, tokens = step_data(2, 1000, rates=(0.05, 0.25))
    baseline, _ = step_data(2, 1000, rates=(0.05, 0.05))
    effect = paired_covariate_effect(baseline, failed, tokens, seed=1)
    assert effect.answer == "threshold"
    assert effect.cut_low <= 600 <= effect.cut_high
    above = tokens > effect.cut
    difference = failed.astype(int) - baseline
    n10, n01 = (int((difference[above] == d).sum()) for d in (-1, 1))
    expected = tango_interval(n10, n01, int(above.sum()))
    assert (effect.above.low, effect.above.high) == pytest.approx((expected.low, expected.high))
    swapped = paired_covariate_effect(failed, baseline, tokens, seed=1)
    assert swapped.cut == effect.cut
    assert swapped.above.estimate == pytest.approx(-effect.above.estimate)


def test_a_candidate_that_is_worse_everywhere_alike_shows_no_effect_of_the_covariate():
    rng, found = np.random.default_rng(9), 0
    for seed in range(200):
        baseline = rng.random(200) < 0.06
        candidate = baseline | (rng.random(200) < 0.15)
        effect = paired_covariate_effect(baseline, candidate, rng.random(200), seed=seed, permutations=299)
        found += effect.p_value <= 0.05
    assert found / 200 <= 0.095


@pytest.mark.parametrize("own", [0.0, 0.5], ids=["of one length each", "of unlike lengths"])
def test_whole_clusters_change_places_so_false_alarms_stay_rare(own):
    rng, found, ignored, runs = np.random.default_rng(10), 0, 0, 150
    cluster = np.arange(300) // 5
    for seed in range(runs):
        common = rng.random(300) < math.sqrt(0.5)
        failed = np.where(common, rng.random(60)[cluster], rng.random(300)) < 0.2
        x = (1 - own) * rng.random(60)[cluster] + own * rng.random(300)
        found += covariate_effect(failed, x, cluster, seed=seed, permutations=99).p_value <= 0.05
        ignored += covariate_effect(failed, x, seed=seed, permutations=99).p_value <= 0.05
    assert found / runs <= 0.1
    assert ignored / runs >= 0.15


def test_repeats_that_never_vary_bring_nothing_new():
    failed, tokens = step_data(5, 200, rates=(0.05, 0.3))
    once = covariate_effect(failed, tokens, seed=1)
    cluster = np.repeat(np.arange(200), 4)
    repeated = covariate_effect(np.repeat(failed, 4), np.repeat(tokens, 4), cluster, seed=1)
    for name in ("answer", "clusters", "cut", "cut_low", "cut_high"):
        assert getattr(repeated, name) == getattr(once, name)
    assert repeated.p_value == pytest.approx(once.p_value, rel=0.5)
    assert repeated.advantage == pytest.approx(once.advantage, rel=0.02)
    above = np.repeat(tokens, 4) > once.cut
    expected = clustered_rate(np.repeat(failed, 4)[above].tolist(), cluster[above].tolist())
    assert (repeated.above.low, repeated.above.high) == pytest.approx((expected.low, expected.high))


def test_clusters_of_one_case_each_are_no_clusters():
    failed, tokens = step_data(1)
    assert covariate_effect(failed, tokens, range(300), seed=1) == covariate_effect(failed, tokens, seed=1)


def test_clusters_of_unlike_sizes_stay_or_refuse_and_say_so():
    rng = np.random.default_rng(11)
    sizes = [3] * 12 + [7, 9]
    cluster = np.repeat(np.arange(14), sizes)
    failed, x = rng.random(52) < 0.4, rng.random(52)
    assert "2 of 14 clusters have a size of their own" in covariate_effect(failed, x, cluster, seed=1).note
    cluster = np.repeat(np.arange(9), range(2, 11))
    failed, x = rng.random(54) < 0.5, rng.random(54)
    effect = covariate_effect(failed, x, cluster, seed=1)
    assert (effect.answer, effect.p_value) == ("too few failures", None)
    assert "their size" in effect.note
    # One length a cluster: sizes need not agree.
    assert covariate_effect(failed, x[cluster], cluster, seed=1).p_value is not None


def test_fewer_than_ten_clusters_warn():
    cluster = np.arange(80) // 10
    effect = covariate_effect(np.arange(80) % 3 == 0, cluster, cluster, seed=1)
    assert effect.note.startswith("only 8 clusters")


def test_a_side_of_one_cluster_gets_no_interval():
    cluster = np.repeat(np.arange(6), 20)
    failed = np.where(cluster == 5, np.arange(120) % 10 > 0, np.arange(120) % 20 == 0)
    effect = covariate_effect(failed, cluster, cluster, seed=1, alpha=0.5)
    assert effect.answer == "threshold"
    assert (effect.above.low, effect.above.note.startswith("one cluster")) == (None, True)
    assert effect.below.low < effect.below.high


def test_shares_of_failing_repeats_are_outcomes_too():
    rng = np.random.default_rng(12)
    tokens = rng.uniform(0, 1000, 200)
    shares = rng.binomial(3, np.where(tokens > 600, 0.4, 0.05)) / 3
    effect = covariate_effect(shares, tokens, seed=1)
    assert effect.answer == "threshold"
    assert effect.cut_low <= 600 <= effect.cut_high
    assert effect.superiority is None
    assert effect.above.low > effect.below.high


@pytest.mark.parametrize(
    ("failed", "covariate", "clusters", "note"),
    [
        ([], [], None, "0 failing cases: fewer than 5"),
        ([1] * 4 + [0] * 40, range(44), None, "4 failing cases: fewer than 5"),
        ([0] + [1] * 40, range(41), None, "1 passing case: fewer than 5"),
        ([0, 1] * 20, [7] * 40, None, "the covariate is 7 in every case"),
        ([0, 1] * 20, range(40), ["a"] * 40, "1 failing cluster: fewer than 5"),
        ([1] * 10 + [0] * 90, range(100), [i // 10 for i in range(100)], "1 failing cluster: fewer than 5"),
    ],
)
def test_too_little_is_refused_by_name(failed, covariate, clusters, note):
    effect = covariate_effect(failed, covariate, clusters, seed=1)
    assert (effect.answer, effect.p_value, effect.note) == ("too few failures", None, note)


def test_models_that_hardly_differ_are_refused_by_name():
    effect = paired_covariate_effect([0] * 50, [1] * 3 + [0] * 47, range(50), seed=1)
    assert (effect.answer, effect.note) == ("too few failures", "3 differing cases: fewer than 5")
    # The candidate fails everywhere, the baseline nowhere: nothing changes along the covariate.
    effect = paired_covariate_effect([0] * 50, [1] * 50, range(50), seed=1)
    assert (effect.answer, effect.note) == ("too few failures", "the outcome is 1 in every case")


@pytest.mark.parametrize(
    ("failed", "covariate", "clusters"),
    [
        ([0, 1], [1], None),
        ([0, 1], [1, 2], ["a"]),
        ([0, 2], [1, 2], None),
        ([0, math.nan], [1, 2], None),
        ([0, 1], [1, math.inf], None),
    ],
)
def test_a_callers_mistake_raises(failed, covariate, clusters):
    with pytest.raises(ValueError, match="must"):
        covariate_effect(failed, covariate, clusters, seed=1)


def test_a_callers_mistake_with_two_models_raises():
    with pytest.raises(ValueError, match="equal length"):
        paired_covariate_effect([0, 1], [0], [1, 2], seed=1)
    with pytest.raises(ValueError, match="permutations"):
        covariate_effect([0, 1] * 20, range(40), seed=1, permutations=0)


@given(cases, st.booleans(), st.booleans())
@settings(deadline=None, max_examples=80)
def test_any_input_gets_an_answer_and_never_nan_or_zero_width(rows, with_clusters, constant):
    baseline, failed, covariate, cluster = ([r[i] for r in rows] for i in range(4))
    groups = cluster if with_clusters else None
    x = cluster if constant else covariate
    effects = [
        covariate_effect(failed, x, groups, seed=1, permutations=50),
        paired_covariate_effect(baseline, failed, x, groups, seed=1, permutations=50),
    ]
    for effect in effects:
        assert effect.answer in ANSWERS
        assert (effect.p_value is None) == (effect.answer == "too few failures")
        assert effect.p_value is not None or effect.note
        assert not any(isinstance(v, float) and not math.isfinite(v) for v in numbers(effect))
        assert all(isinstance(v, float | int | str | Interval | None) for v in numbers(effect))
        for interval in (effect.superiority, effect.slope, effect.below, effect.above):
            if interval is not None:
                assert interval.note if interval.low is None else interval.low < interval.high


def test_the_seed_decides_and_arrays_lists_and_order_do_not_matter():
    failed, tokens = step_data(4)
    effect = covariate_effect(failed, tokens, seed=1)
    assert covariate_effect(failed.tolist(), tokens.tolist(), seed=1) == effect
    shuffled = np.random.default_rng(0).permutation(300)
    other = covariate_effect(failed[shuffled], tokens[shuffled], seed=1)
    assert (other.cut, other.answer) == (effect.cut, effect.answer)
    assert other.advantage == pytest.approx(effect.advantage)
    assert covariate_effect(failed, tokens, seed=2).p_value != effect.p_value


def test_progress_rises_to_one_also_when_drawing_stops_early():
    failed, tokens = step_data(1, rates=(0.1, 0.1))
    shares = []
    effect = covariate_effect(failed, tokens, seed=1, permutations=5000, progress=shares.append)
    assert effect.permutations < 5000
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_an_early_stop_counts_up_to_the_draw_that_reached_enough():
    drawn = np.zeros(1000)
    drawn[::2] = 1.0
    assert sequential_p_value(drawn, 1.0) == ENOUGH / 199
    assert sequential_p_value(drawn[:100], 1.0) == 51 / 101
    assert sequential_p_value(drawn, 2.0) == 1 / 1001


def test_an_early_stop_keeps_p_values_uniform_enough():
    rng = np.random.default_rng(13)
    p_values = []
    for seed in range(400):
        observed = np.array([rng.random()])
        drawn = draw_statistics(
            lambda g, n: g.random((n, 1)), width=1, seed=seed, permutations=999, observed=observed
        )
        p_values.append(sequential_p_value(drawn[:, 0], float(observed[0])))
    assert np.mean(np.array(p_values) <= 0.05) <= 0.085
    assert np.mean(np.array(p_values) <= 0.5) == pytest.approx(0.5, abs=0.1)


def test_the_smallest_of_equal_statistics_costs_nothing_and_of_independent_ones_its_share():
    rng = np.random.default_rng(14)
    same = np.repeat(rng.random((999, 1)), 3, axis=1)
    each, combined = smallest_p_value(same, np.full(3, 0.96))
    assert combined == each[0] == each[2]
    each, combined = smallest_p_value(rng.random((4999, 2)), np.array([0.96, 0.5]))
    assert combined == pytest.approx(1 - (1 - each[0]) ** 2, rel=0.15)


def test_no_cut_no_range():
    kinds = np.array([[1.0, 0.0], [0.0, 1.0]] * 10)
    assert cut_range(kinds, kinds[:, 0], np.array([0.0] * 19 + [1.0])) is None
