"""The change of a conditional rate: Newcombe's published interval, the edges, symmetry and coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import confint_proportions_2indep

from swapgate.stats.change import conditional_change
from swapgate.stats.clusters import ONE_CLUSTER
from swapgate.stats.proportion import clustered_rate, wilson_interval
from swapgate.stats.tango import tango_interval

masks = st.lists(st.tuples(*[st.booleans()] * 4, st.integers(0, 5)), max_size=60)


def columns(data):
    return [[row[i] for row in data] for i in range(5)]


def test_newcombes_published_interval_is_reproduced_where_both_count_everything():
    # Newcombe's method 10 for A minus B of (both 59, only A 6, only B 16, none 80): [-.1186, -.0046].
    a = [1] * 59 + [1] * 6 + [0] * 16 + [0] * 80
    b = [1] * 59 + [0] * 6 + [1] * 16 + [0] * 80
    everything = [1] * 161
    change = conditional_change(everything, b, everything, a, confidence=0.95)
    assert change.estimate == pytest.approx(-10 / 161)
    assert (change.low, change.high) == pytest.approx((-0.1186, -0.0046), abs=5e-5)
    assert change.p_value == pytest.approx(0.034, abs=0.002)


def test_trials_that_only_one_model_counts_are_compared_as_independent():
    baseline = np.repeat([1, 0], [80, 60])
    hits_b, hits_c = np.zeros(140, int), np.zeros(140, int)
    hits_b[:24], hits_c[80:89] = 1, 1
    change = conditional_change(baseline, hits_b, 1 - baseline, hits_c, confidence=0.95)
    low, high = confint_proportions_2indep(9, 60, 24, 80, method="newcomb", compare="diff")
    assert (change.low, change.high) == pytest.approx((low, high), abs=1e-6)
    assert (change.counted_by_both, change.correlation) == (0, 0.0)


def test_a_blind_pass_rate_counts_each_models_own_trials():
    change = conditional_change(
        [True, True, True, False],
        [True, False, False, True],
        [True, True, False, True],
        [True, True, True, False],
    )
    assert (change.baseline_hits, change.baseline_counted, change.baseline_rate) == (
        1,
        3,
        pytest.approx(1 / 3),
    )
    # The third trial's hit is not counted.
    assert (change.candidate_hits, change.candidate_counted, change.counted_by_both) == (2, 3, 2)
    assert change.estimate == pytest.approx(1 / 3)


def test_models_that_agree_on_every_trial_get_the_width_of_tangos_interval():
    hits = [1] * 100 + [0] * 100
    change = conditional_change([1] * 200, hits, [1] * 200, hits)
    tango = tango_interval(0, 0, 200, confidence=0.90)
    assert (change.low, change.high) == pytest.approx((tango.low, tango.high))
    assert change.p_value == 1.0


@pytest.mark.parametrize("hit", [0, 1])
def test_rates_of_0_and_of_1_have_width(hit):
    change = conditional_change([1] * 30, [hit] * 30, [1] * 30, [hit] * 30, confidence=0.95)
    wilson = wilson_interval(0, 30)
    assert (change.low, change.high) == pytest.approx((-wilson.high, wilson.high))
    far = conditional_change([1] * 30, [0] * 30, [1] * 30, [1] * 30)
    assert (far.estimate, far.high) == (1.0, 1.0)
    assert 0.5 < far.low < 1
    assert far.p_value < 1e-6


def test_identical_repeats_bring_nothing_new():
    rng = np.random.default_rng(2)
    data = [rng.random(20) < p for p in (0.9, 0.3, 0.9, 0.4)]
    single = conditional_change(*data)
    repeated = conditional_change(*(np.repeat(d, 10) for d in data), np.repeat(np.arange(20), 10))
    assert repeated.low <= single.low
    assert repeated.high >= single.high
    assert repeated.p_value >= single.p_value


def test_clusters_widen_the_rates_as_they_do_for_one_model():
    rng = np.random.default_rng(5)
    clusters = np.repeat(np.arange(15), 4)
    counted = rng.random(60) < 0.8
    hit = np.repeat(rng.random(15) < 0.3, 4)
    none = np.zeros(60, dtype=bool)
    change = conditional_change(counted, none, counted, hit, clusters, confidence=0.90)
    rate = clustered_rate(hit[counted], clusters[counted], confidence=0.90)
    assert change.candidate_rate == rate.estimate
    assert change.high - change.estimate == pytest.approx(rate.high - rate.estimate)


def test_a_model_without_a_counted_trial_and_one_cluster_are_refused_by_name():
    empty = conditional_change([], [], [], [])
    assert (empty.estimate, empty.low, empty.p_value) == (None, None, None)
    assert empty.note == "no counted trial of the baseline"
    broken = conditional_change([1, 1], [0, 1], [0, 0], [0, 0])
    assert (broken.baseline_rate, broken.candidate_rate, broken.estimate) == (0.5, None, None)
    assert broken.note == "no counted trial of the candidate"
    one = conditional_change([1, 1, 0, 1], [0, 1, 0, 0], [1, 1, 1, 1], [0, 0, 0, 1], ["a", "a", "b", "a"])
    assert (one.low, one.high, one.p_value, one.note) == (None, None, None, ONE_CLUSTER)
    assert one.estimate == pytest.approx(1 / 4 - 1 / 3)


def test_few_clusters_are_warned_about():
    counted, hit = [1] * 12, [0, 1] * 6
    assert "only 6 clusters" in conditional_change(counted, hit, counted, hit, np.repeat(range(6), 2)).note
    assert conditional_change(counted, hit, counted, hit).note == ""


def test_masks_that_do_not_fit_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="one entry for each pair"):
        conditional_change([1, 0], [1, 0], [1], [1])
    with pytest.raises(ValueError, match="one entry for each pair"):
        conditional_change([1, 0], [1, 0], [1, 0], [1, 0], ["a"])
    with pytest.raises(ValueError, match="candidate_hit"):
        conditional_change([1], [1], [1], [float("nan")])


@given(masks, st.sampled_from([0.8, 0.9, 0.95]))
def test_any_masks_give_an_interval_or_a_named_refusal(data, confidence):
    *results, clusters = columns(data)
    for groups in (None, clusters):
        change = conditional_change(*results, groups, confidence=confidence)
        assert -1 <= change.correlation <= 1
        if change.low is None:
            assert (change.high, change.p_value) == (None, None)
            assert change.note
        else:
            assert -1 <= change.low <= change.estimate <= change.high <= 1
            assert change.high - change.low > 1e-3
            assert 0 <= change.p_value <= 1


@given(masks)
def test_swapping_the_models_mirrors_the_result(data):
    b_counted, b_hit, c_counted, c_hit, clusters = columns(data)
    ours = conditional_change(b_counted, b_hit, c_counted, c_hit, clusters)
    swapped = conditional_change(c_counted, c_hit, b_counted, b_hit, clusters)
    if ours.low is not None:
        assert (ours.low, ours.high) == pytest.approx((-swapped.high, -swapped.low))
        assert ours.p_value == pytest.approx(swapped.p_value)


@given(masks, st.sampled_from([0.8, 0.9, 0.95]))
def test_the_p_value_and_the_interval_agree(data, confidence):
    change = conditional_change(*columns(data), confidence=confidence)
    if change.low is not None and abs(change.p_value - (1 - confidence)) > 1e-6:
        excludes_zero = change.low > 0 or change.high < 0
        assert excludes_zero == (change.p_value < 1 - confidence)


@pytest.mark.parametrize(
    ("before", "after", "shared"), [(0.02, 0.02, 0.9), (0.2, 0.3, 0.6), (0.1, 0.1, 0.98), (0.0, 0.05, 0.5)]
)
def test_blind_pass_rates_of_correlated_models_in_clusters_are_covered(before, after, shared):
    rng, runs, held = np.random.default_rng(20), 400, 0
    clusters = np.repeat(np.arange(40), 3)
    for _ in range(runs):
        level = np.repeat(rng.random(40), 3)
        common = np.where(rng.random(120) < 0.5, level, rng.random(120))
        own = [np.where(rng.random(120) < shared, common, rng.random(120)) for _ in range(2)]
        structure = rng.random(120)
        counted = [np.where(rng.random(120) < shared, structure, rng.random(120)) < 0.85 for _ in range(2)]
        change = conditional_change(
            counted[0], own[0] < before, counted[1], own[1] < after, clusters, confidence=0.95
        )
        held += change.low <= after - before <= change.high
    assert held / runs >= 0.93
