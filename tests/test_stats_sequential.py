"""Stopping early: published boundaries, what the planned looks answer, and looks after every case."""

from __future__ import annotations

from itertools import pairwise
from math import exp, inf, log, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm, t

from swapgate.stats.anytime import anytime_margin, anytime_rate, margin_evidence, rate_evidence
from swapgate.stats.boundaries import alpha_spent, critical_values, crossings, predictive_bound
from swapgate.stats.looks import planned_looks, random_order
from swapgate.stats.proportion import wilson_bounds
from swapgate.stats.sequential import GroupSequential
from swapgate.stats.tango import tango_interval, tango_z
from swapgate.stats.tango_tables import tango_z_of_tables

FIVE, TEN = [k / 5 for k in range(1, 6)], [k / 10 for k in range(1, 11)]


# Boundaries


def test_published_boundaries_of_five_even_looks():
    assert critical_values(FIVE, alpha=0.025) == pytest.approx([4.877, 3.357, 2.680, 2.290, 2.031], abs=5e-4)
    assert critical_values(FIVE, alpha=0.025, spending="pocock") == pytest.approx(
        [2.438, 2.427, 2.410, 2.397, 2.386], abs=5e-4
    )


@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (3, 2.289), (4, 2.361), (5, 2.413), (10, 2.555)])
def test_pococks_constants_spend_five_percent_two_sided(looks, constant):
    # Jennison and Turnbull 2000, table 2.1: equal critical values, two-sided alpha .05.
    times = [(k + 1) / looks for k in range(looks)]
    found = crossings(times, [constant] * looks, [-constant] * looks, drift=0.0)
    assert sum(found.above) + sum(found.below) == pytest.approx(0.05, abs=2e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (3, 2.004), (4, 2.024), (5, 2.040), (10, 2.087)])
def test_obrien_and_flemings_constants_spend_five_percent_two_sided(looks, constant):
    # Jennison and Turnbull 2000, table 2.3: critical values falling as sqrt(K / k).
    times = [(k + 1) / looks for k in range(looks)]
    upper = [constant / sqrt(time) for time in times]
    found = crossings(times, upper, [-c for c in upper], drift=0.0)
    assert sum(found.above) + sum(found.below) == pytest.approx(0.05, abs=2e-4)


@pytest.mark.parametrize("spending", ["obrien-fleming", "pocock"])
def test_the_first_two_values_agree_with_the_normal_distribution_of_scipy(spending):
    first, second = critical_values([0.3, 0.7], spending=spending)
    assert norm.sf(first) == pytest.approx(alpha_spent(0.3, spending=spending))
    both = multivariate_normal([0, 0], [[1, sqrt(3 / 7)], [sqrt(3 / 7), 1]]).cdf([first, second])
    assert 1 - both == pytest.approx(alpha_spent(0.7, spending=spending), abs=1e-5)


@given(
    st.lists(st.floats(0.01, 1.0), min_size=1, max_size=8, unique=True).map(sorted),
    st.sampled_from(["obrien-fleming", "pocock"]),
)
@settings(max_examples=30, deadline=None)
def test_whatever_the_schedule_just_the_spent_alpha_is_used(fractions, spending):
    if any(b - a < 0.005 for a, b in pairwise(fractions)):
        return
    values = critical_values(fractions, spending=spending)
    found = crossings(fractions, values, [-inf] * len(values), drift=0.0)
    assert sum(found.above) == pytest.approx(alpha_spent(fractions[-1], spending=spending), abs=1e-8)


def test_one_look_is_the_single_test():
    for spending in ("obrien-fleming", "pocock"):
        assert critical_values([1.0], spending=spending)[0] == pytest.approx(norm.ppf(0.95), abs=1e-9)


def test_a_look_too_early_for_any_alpha_has_no_finite_value_and_costs_nothing():
    early = critical_values([0.001, 0.5, 1.0])
    assert early[0] == inf
    assert early[1:] == pytest.approx(critical_values([0.5, 1.0]), abs=1e-9)


def test_a_value_depends_on_its_own_look_and_the_earlier_ones_only():
    assert critical_values([0.2, 0.5, 1.0])[:2] == critical_values([0.2, 0.5, 0.6, 0.9])[:2]


def test_many_looks_stay_accurate():
    fine = critical_values([k / 100 for k in range(1, 101)])
    assert fine[-1] == pytest.approx(1.9035, abs=2e-4)


def test_simulated_paths_cross_as_often_as_the_integration_says():
    rng = np.random.default_rng(1)
    paths = np.cumsum(rng.normal(0.2, 1, (40_000, 10)), axis=1) / np.sqrt(np.arange(1, 11))
    values = critical_values(TEN)
    simulated = np.mean((paths >= values).any(axis=1))
    # A step has mean 0.2 and variance 1, so the z at full information has mean 0.2 sqrt(10).
    found = crossings(TEN, values, [-inf] * 10, drift=0.2 * sqrt(10))
    assert simulated == pytest.approx(sum(found.above), abs=0.01)


def test_the_default_futility_costs_half_a_point_of_power_and_saves_two_thirds():
    upper, drift = critical_values(TEN), norm.ppf(0.95) + norm.ppf(0.80)
    futile = [predictive_bound(f, final=upper[-1], chance=0.005) for f in TEN]
    without = crossings(TEN, upper, [-inf] * 10, drift=drift)
    equal, worse = (crossings(TEN, upper, futile, drift=sign * drift) for sign in (1, -1))
    assert sum(without.above) - sum(equal.above) < 0.006
    assert equal.expected_fraction < 0.75
    assert worse.expected_fraction < 0.35


@pytest.mark.parametrize("fractions", [[0.0, 1.0], [0.5, 0.5], [0.6, 0.4], [0.5, 1.1]])
def test_fractions_that_do_not_increase_are_a_mistake(fractions):
    with pytest.raises(ValueError, match="fractions must increase"):
        critical_values(fractions)


# Order and schedule


def test_the_order_is_the_same_everywhere_and_keeps_clusters_whole():
    clusters = [f"doc-{i // 3}" for i in range(12)]
    order = random_order(clusters, seed=7)
    assert order == [6, 7, 8, 0, 1, 2, 9, 10, 11, 3, 4, 5]
    assert order != random_order(clusters, seed=8)


def test_new_cases_leave_the_order_of_the_others():
    names = [f"case-{i}" for i in range(50)]
    few = [names[i] for i in random_order(names[:40], seed=3)]
    assert few == [names[i] for i in random_order(names, seed=3) if i < 40]


def test_arrays_and_lists_have_the_same_order():
    labels = np.array([3, 1, 1, 2, 3])
    assert random_order(labels, seed=1) == random_order(labels.tolist(), seed=1)
    assert random_order([], seed=1) == []


def test_the_order_is_random():
    firsts = [random_order(range(5), seed=seed)[0] for seed in range(2000)]
    assert np.bincount(firsts, minlength=5).min() > 330


def test_looks_are_even_and_end_with_the_plan():
    assert planned_looks([1] * 100, 5) == (20, 40, 60, 80, 100)
    assert planned_looks([1] * 3, 10) == (1, 2, 3)
    assert planned_looks([7], 10) == (7,)
    assert planned_looks([], 10) == ()


@given(st.lists(st.integers(1, 9), min_size=1, max_size=60), st.integers(1, 12))
def test_looks_fall_on_whole_clusters(sizes, looks):
    found = planned_looks(sizes, looks)
    ends = set(np.cumsum(sizes).tolist())
    assert set(found) <= ends
    assert found[-1] == sum(sizes)
    assert list(found) == sorted(set(found))
    assert len(found) <= looks


# The group-sequential gate


def gate(n: int = 400, looks: int = 4, **options) -> GroupSequential:
    return GroupSequential(planned_looks([1] * n, looks), **options)


def test_a_good_candidate_passes_early_and_its_interval_clears_the_margin():
    looks = gate()
    assert looks.look_margin(1, 1, 100, margin=0.05).answer == "go on"
    answer = looks.look_margin(2, 3, 200, margin=0.05)
    assert (answer.answer, answer.look, answer.fraction) == ("pass", 2, 0.5)
    assert answer.z >= answer.critical
    assert answer.interval.low > -0.05


def test_a_bad_candidate_fails_early_where_nothing_is_futile():
    looks = gate(futility=None)
    looks.look_margin(20, 1, 100, margin=0.05)
    answer = looks.look_margin(40, 2, 200, margin=0.05)
    assert answer.answer == "fail"
    assert answer.interval.high < -0.05


def test_a_candidate_that_can_hardly_pass_any_more_is_futile_and_no_failure():
    looks = gate()
    answer = looks.look_margin(14, 2, 100, margin=0.05)
    assert answer.answer == "futile"
    assert answer.z < answer.futility
    assert answer.interval.low < -0.05 < answer.interval.high


def test_going_on_after_futility_costs_nothing():
    bound, free = gate(), gate(futility=None)
    bound.look_margin(14, 2, 100, margin=0.05)
    free.look_margin(14, 2, 100, margin=0.05)
    again, other = (g.look_margin(15, 4, 200, margin=0.05) for g in (bound, free))
    assert again.critical == other.critical


def test_the_last_look_decides_or_is_inconclusive():
    looks = gate(looks=1)
    assert looks.look_margin(24, 12, 400, margin=0.05).answer == "inconclusive"
    with pytest.raises(ValueError, match="the last look has been taken"):
        looks.look_margin(24, 12, 400, margin=0.05)


def test_a_run_that_ends_early_spends_all_of_alpha():
    short = gate()
    short.look_margin(3, 3, 100, margin=0.05)
    answer = short.look_margin(7, 9, 250, margin=0.05, is_last=True)
    assert answer.fraction == 1.0
    assert answer.critical < 1.7
    assert answer.answer == "pass"


def test_a_look_without_new_cases_decides_nothing():
    looks = gate()
    looks.look_margin(0, 0, 100, margin=0.05)
    answer = looks.look_margin(0, 0, 100, margin=0.05)
    assert (answer.answer, answer.critical, looks.taken) == ("go on", inf, [0.25])
    assert (answer.interval.low, answer.interval.high) == (-1.0, 1.0)


def test_no_case_and_one_cluster_are_refused_with_a_reason():
    looks = gate()
    nothing = looks.look_margin(0, 0, 0, margin=0.05)
    assert (nothing.answer, nothing.z, nothing.interval.low) == ("go on", None, None)
    assert "no cases" in nothing.interval.note
    one = looks.look_rate(9, 10, minimum=0.85, clusters=1, is_last=True)
    assert one.answer == "inconclusive"
    assert "one cluster" in one.interval.note


def test_below_the_floor_nothing_passes():
    looks = GroupSequential([58])
    assert looks.look_margin(0, 2, 58, margin=0.05).answer == "inconclusive"
    assert GroupSequential([59]).look_margin(0, 2, 59, margin=0.05).answer == "pass"
    clustered = GroupSequential([290]).look_margin(0, 9, 290, margin=0.05, clusters=58)
    assert clustered.answer == "inconclusive"


def test_a_run_resumes_from_the_fractions_of_its_looks():
    whole = gate()
    whole.look_margin(2, 1, 100, margin=0.05)
    resumed = gate(taken=whole.taken)
    assert resumed.look_margin(4, 3, 200, margin=0.05) == whole.look_margin(4, 3, 200, margin=0.05)


def test_looks_may_come_at_other_times_than_planned():
    looks = gate()
    answers = [looks.look_margin(n // 50, n // 50, n, margin=0.05) for n in (37, 123, 301)]
    assert [a.critical for a in answers] == list(critical_values([37 / 400, 123 / 400, 301 / 400]))


def test_clusters_widen_the_interval_by_their_effect_and_by_t():
    plain = GroupSequential([100]).look_margin(6, 4, 100, margin=0.05)
    wide = GroupSequential([100]).look_margin(6, 4, 100, margin=0.05, deff=2.0, clusters=20)
    expected = tango_interval(6, 4, 100, confidence=0.90, deff=2.0, df=19)
    assert (wide.interval.low, wide.interval.high) == pytest.approx((expected.low, expected.high), abs=1e-6)
    assert wide.interval.low < plain.interval.low
    z = tango_z(6, 4, 100, difference=-0.05, deff=2.0)
    assert wide.z == pytest.approx(norm.ppf(t.cdf(z, 19)))


@given(st.integers(0, 40), st.integers(0, 40), st.sampled_from([0.0, 0.03, 0.05, 0.10]), st.integers(1, 10))
@settings(deadline=None)
def test_answer_and_interval_of_a_margin_agree(n10, n01, margin, tenth):
    n = 40 * tenth
    if n10 + n01 > n:
        return
    answer = gate(futility=None).look_margin(n10, n01, n, margin=margin)
    low, high = answer.interval.low, answer.interval.high
    assert low <= answer.interval.estimate <= high
    assert low < high
    if answer.answer == "pass":
        assert low >= -margin - 1e-9
    if answer.answer == "fail":
        assert high <= -margin + 1e-9
    if answer.answer in ("go on", "inconclusive") and n >= 299:
        assert low <= -margin + 1e-9
        assert high >= -margin - 1e-9


@given(
    st.integers(0, 200),
    st.just(0.0) | st.floats(0.001, 1),
    st.sampled_from([1.0, 2.5]),
    st.sampled_from([None, 12]),
)
@settings(deadline=None)
def test_answer_and_interval_of_a_rate_agree(passed, minimum, deff, clusters):
    looks = GroupSequential([200, 400], futility=None)
    answer = looks.look_rate(passed, 200, minimum=minimum, deff=deff, clusters=clusters)
    low, high = answer.interval.low, answer.interval.high
    assert 0 <= low < high <= 1
    assert (answer.answer == "pass") == (low > minimum) or low == pytest.approx(minimum, abs=1e-6)
    assert (answer.answer == "fail") == (high < minimum) or high == pytest.approx(minimum, abs=1e-6)


def test_the_last_look_at_a_rate_is_wilsons_interval_when_it_is_the_only_one():
    answer = GroupSequential([120]).look_rate(110, 120, minimum=0.85)
    expected = wilson_bounds(110 / 120, 120, confidence=0.90)
    assert (answer.interval.low, answer.interval.high) == pytest.approx(expected)
    assert answer.answer == "pass"


def test_looks_must_be_numbers_of_cases():
    for looks in ([], [0, 10]):
        with pytest.raises(ValueError, match="looks must be numbers of cases"):
            GroupSequential(looks)


def test_the_statistic_of_many_tables_is_that_of_each():
    rng = np.random.default_rng(2)
    tables = rng.multinomial(60, [0.1, 0.1, 0.8], 200)
    for difference in (-0.2, -0.05, 0.0, 0.1):
        many = tango_z_of_tables(tables[:, 0], tables[:, 1], 60, difference=difference)
        each = [tango_z(int(a), int(b), 60, difference=difference) for a, b, _ in tables]
        assert many == pytest.approx(each)


# Looks after every case


def draws(rng, runs: int, n: int, discordance: float, difference: float):
    u = rng.random((runs, n))
    return (u < (discordance + difference) / 2) * 1.0 - (u > 1 - (discordance - difference) / 2)


def test_the_evidence_is_the_product_of_its_definition():
    d, m = [0, 1, -1, 0, 0, 1], 0.05
    wealth, futile, psi, squares = 1.0, 1.0, 0.10, 1.0
    for k, x in enumerate(d):
        wealth *= 1 + min(m / (psi + m * m), 0.9 / (1 - m)) * (x + m)
        futile *= 1 - min(m / psi, 0.9) * x
        squares += x * x
        psi = squares / (11 + k)
    evidence = margin_evidence(d, margin=m)
    assert exp(evidence.passes[-1]) == pytest.approx(wealth)
    assert exp(evidence.futile[-1]) == pytest.approx(futile)


@pytest.mark.parametrize(
    ("margin", "discordance", "n"), [(0.05, 0.10, 400), (0.10, 0.10, 150), (0.03, 0.2, 800)]
)
def test_looking_after_every_case_keeps_the_error_rates(margin, discordance, n):
    d = draws(np.random.default_rng(4), 1500, n, discordance, -margin)
    evidence = margin_evidence(d, margin=margin)
    assert np.mean((evidence.passes >= log(20)).any(axis=1)) <= 0.065
    assert np.mean((evidence.fails >= log(20)).any(axis=1)) <= 0.065
    equal = margin_evidence(draws(np.random.default_rng(5), 1500, n, discordance, 0.0), margin=margin)
    assert np.mean((equal.futile >= log(10)).any(axis=1)) <= 0.12


@pytest.mark.parametrize("minimum", [0.5, 0.85, 0.99])
def test_looking_at_a_rate_after_every_case_keeps_the_error_rates(minimum):
    x = np.random.default_rng(6).random((1500, 400)) < minimum
    evidence = rate_evidence(x, minimum=minimum)
    assert np.mean((evidence.passes >= log(20)).any(axis=1)) <= 0.065
    assert np.mean((evidence.fails >= log(20)).any(axis=1)) <= 0.065


def test_the_confidence_sequence_holds_at_the_time_of_stopping():
    rng = np.random.default_rng(8)
    for difference in (-0.08, 0.0):
        results = [anytime_margin(d, margin=0.05) for d in draws(rng, 400, 300, 0.15, difference)]
        held = [r.interval.low <= difference <= r.interval.high for r in results]
        assert np.mean(held) >= 0.88


def test_answers_after_every_case_are_kept():
    good, bad = [0.0] * 100, [-1.0] * 50
    result = anytime_margin(good + bad, margin=0.05)
    assert result == anytime_margin(good, margin=0.05)
    assert (result.answer, result.cases) == ("pass", 68)


def test_a_worse_candidate_is_futile_or_fails():
    d = [-1.0, 0.0] * 30
    assert anytime_margin(d, margin=0.05).answer == "futile"
    fails = anytime_margin(d, margin=0.05, futility=None)
    assert fails.answer == "fail"
    assert fails.interval.high < -0.05


def test_means_over_clusters_count_once_each():
    assert anytime_margin([0.0, 0.5, -0.25] * 40, margin=0.10).answer == "pass"


@given(
    st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.5, 1.0]), max_size=150), st.sampled_from([0.01, 0.05, 0.3])
)
@settings(deadline=None)
def test_answer_and_confidence_sequence_agree(differences, margin):
    result = anytime_margin(differences, margin=margin, futility=None)
    if not differences:
        assert (result.answer, result.cases, result.interval.low) == ("go on", 0, None)
        return
    low, high = result.interval.low, result.interval.high
    assert -1 <= low <= result.interval.estimate <= high <= 1
    assert low < high
    assert (result.answer == "pass") == (low > -margin)
    assert (result.answer == "fail") == (high < -margin)


@given(st.lists(st.booleans(), min_size=1, max_size=150), st.sampled_from([0.05, 0.5, 0.85, 0.99]))
@settings(deadline=None)
def test_answer_and_confidence_sequence_of_a_rate_agree(passes, minimum):
    result = anytime_rate(passes, minimum=minimum)
    low, high = result.interval.low, result.interval.high
    assert 0 <= low <= result.interval.estimate <= high <= 1
    assert low < high
    assert (result.answer == "pass") == (low > minimum)
    assert (result.answer == "fail") == (high < minimum)


def test_missing_results_are_a_mistake():
    with pytest.raises(ValueError, match="leave those without one out"):
        anytime_margin([0.0, float("nan")], margin=0.05)
    with pytest.raises(ValueError, match="leave those without one out"):
        anytime_rate([1.0, 3.0], minimum=0.85)
    with pytest.raises(ValueError, match="a margin must be at least 0"):
        anytime_margin([0.0], margin=1.0)


def test_limits_that_leave_no_room_to_bet_never_decide():
    equal = anytime_margin([0.0, 1.0, -1.0] * 50, margin=0.0)
    assert (equal.answer, equal.e_pass, equal.e_fail, equal.e_futile) == ("go on", 1.0, 1.0, 1.0)
    for minimum in (0.0, 1.0):
        result = anytime_rate([1.0, 0.0] * 50, minimum=minimum)
        assert (result.answer, result.e_pass, result.e_fail) == ("go on", 1.0, 1.0)
        assert (result.interval.low, result.interval.high) == (0.0, 1.0)


def test_a_least_rate_of_one_fails_at_the_first_failure_and_is_never_shown():
    for passed, expected in ((99, "fail"), (100, "inconclusive")):
        assert GroupSequential([100]).look_rate(passed, 100, minimum=1.0).answer == expected
