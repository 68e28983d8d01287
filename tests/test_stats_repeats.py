"""Repeats: rates per case, flaky cases, pass@k and pass^k by their definition, the correlation of repeats."""

from __future__ import annotations

from itertools import combinations
from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from swapgate.stats.clusters import ONE_CLUSTER
from swapgate.stats.means import NO_VALUES, NO_VARIATION
from swapgate.stats.pass_k import all_of_k, any_of_k, pass_at_k, pass_hat_k
from swapgate.stats.proportion import NO_TRIALS
from swapgate.stats.repeats import NO_REPEATS, case_rates, flaky_cases, intraclass_correlation

trials = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=60)


def test_each_case_has_its_rate_in_order_of_appearance():
    rates = case_rates([1, 0, 1, 1, 0, 0], ["b", "a", "b", "b", "a", "c"])
    assert [(r.case, r.passed, r.repeats) for r in rates] == [("b", 3, 3), ("a", 0, 2), ("c", 0, 1)]
    assert [r.rate for r in rates] == [1.0, 0.0, 0.0]
    assert case_rates([], []) == ()


def test_cases_may_be_columns_arrays_or_tuples():
    assert [r.case for r in case_rates(np.array([1, 0]), np.array([7, 3]))] == [7, 3]
    assert [r.case for r in case_rates(pd.Series([1, 0]), pd.Series(["x", "y"]))] == ["x", "y"]
    assert [r.case for r in case_rates([1, 0], [("s", 1), ("s", 2)])] == [("s", 1), ("s", 2)]


def test_flaky_cases_come_with_the_most_undecided_first():
    passes = [1, 1, 1, 0] + [1, 1, 0, 0] + [1] * 4 + [0] * 4
    flaky = flaky_cases(passes, np.repeat(["often", "half", "always", "never"], 4))
    assert [(case.case, case.rate) for case in flaky] == [("half", 0.5), ("often", 0.75)]
    assert all(case.is_flaky for case in flaky)
    assert flaky_cases([1, 0], ["a", "b"]) == ()


@pytest.mark.parametrize("n", [1, 2, 5, 9])
def test_the_estimates_are_the_share_of_subsets_of_k_trials(n):
    for c in range(n + 1):
        results = [True] * c + [False] * (n - c)
        for k in range(1, n + 1):
            subsets = list(combinations(results, k))
            assert any_of_k([c], [n], k=k)[0] == pytest.approx(np.mean([any(s) for s in subsets]))
            assert all_of_k([c], [n], k=k)[0] == pytest.approx(np.mean([all(s) for s in subsets]))


def test_many_repeats_agree_with_the_formulas_as_published():
    assert any_of_k([13], [200], k=100)[0] == pytest.approx(1 - comb(187, 100) / comb(200, 100))
    assert all_of_k([190], [200], k=8)[0] == pytest.approx(comb(190, 8) / comb(200, 8))


def test_k_and_counts_that_are_impossible_are_a_mistake_of_the_caller():
    for k in (0, 4):
        with pytest.raises(ValueError, match=f"k must lie between 1 and the repeats of every case, got {k}"):
            all_of_k([1], [3], k=k)
    with pytest.raises(ValueError, match="passed must lie between 0 and repeats"):
        any_of_k([4], [3], k=1)
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        pass_at_k([1], ["a"], k=0)
    with pytest.raises(ValueError, match="got 2 trials and 1 labels"):
        case_rates([1, 0], ["a"])
    with pytest.raises(ValueError, match="all trials of a case must lie in the same cluster"):
        pass_hat_k([1, 0], ["a", "a"], ["x", "y"], k=1)
    with pytest.raises(ValueError, match="got 2 trials and 1 clusters"):
        pass_hat_k([1, 0], ["a", "a"], ["x"], k=1)


def test_both_are_averages_over_cases():
    passes, cases = [1, 0, 0, 1] + [1, 1, 1, 0] + [0] * 4, np.repeat(["a", "b", "c"], 4)
    assert pass_at_k(passes, cases, k=2).estimate == pytest.approx((5 / 6 + 1 + 0) / 3)
    assert pass_hat_k(passes, cases, k=2).estimate == pytest.approx((1 / 6 + 1 / 2 + 0) / 3)
    assert pass_hat_k(passes, cases, k=1).estimate == pass_at_k(passes, cases, k=1).estimate == 5 / 12


def test_cases_with_too_few_repeats_are_left_out_and_counted():
    result = pass_hat_k([1, 1, 0, 1, 1, 1, 1], ["a", "a", "b", "b", "c", "d", "d"], k=2)
    assert result.estimate == pytest.approx(2 / 3)
    assert "1 of 4 cases have fewer than 2 repeats and are left out" in result.note
    assert "only 3 clusters" in result.note


def test_nothing_and_one_case_are_refused_by_name():
    for method in (pass_at_k, pass_hat_k):
        assert method([], [], k=2).note == NO_TRIALS
        none = method([1, 0], ["a", "b"], k=2)
        assert (none.estimate, none.low) == (None, None)
        assert none.note == f"{NO_TRIALS}; 2 of 2 cases have fewer than 2 repeats and are left out"
        one = method([1, 1, 0], ["a"] * 3, k=2)
        assert (one.low, one.high, one.note) == (None, None, ONE_CLUSTER)


def test_cases_that_never_vary_count_once_each():
    for outcome in (0, 1):
        result = pass_hat_k([outcome] * 60, np.repeat(range(12), 5), k=3)
        assert result.effective_n == pytest.approx(12)
        assert result.high - result.low > 0.2


def test_one_flaky_repeat_does_not_make_the_interval_narrow():
    passes = [1] * 600
    cases = np.repeat(range(30), 20)
    steady = pass_hat_k(passes, cases, k=1)
    flaky = pass_hat_k([0, *passes[1:]], cases, k=1)
    assert flaky.effective_n < 2 * steady.effective_n
    assert flaky.low < 0.95


def test_cases_of_one_cluster_count_together():
    rng = np.random.default_rng(4)
    chance = np.repeat(rng.random(15), 20)
    passes, cases = rng.random(300) < chance, np.repeat(range(75), 4)
    alone, together = pass_at_k(passes, cases, k=2), pass_at_k(passes, cases, cases // 5, k=2)
    assert together.estimate == alone.estimate
    assert together.effective_n < alone.effective_n


@given(trials, st.integers(1, 4))
def test_any_trials_give_an_interval_or_a_named_refusal(data, k):
    passes, cases = ([row[i] for row in data] for i in range(2))
    low, high = pass_hat_k(passes, cases, k=k), pass_at_k(passes, cases, k=k)
    for result in (low, high):
        if result.low is None:
            assert result.high is None
            assert result.note
        else:
            assert 0 <= result.low <= result.estimate <= result.high <= 1
            assert result.high - result.low > 1e-3
    if low.estimate is not None:
        assert low.estimate <= high.estimate + 1e-12


@given(trials)
def test_more_trials_pass_less_often_together_and_more_often_one_by_one(data):
    passes, cases = ([row[i] for row in data] * 4 for i in range(2))
    together = [pass_hat_k(passes, cases, k=k).estimate for k in (1, 2, 3, 4)]
    one = [pass_at_k(passes, cases, k=k).estimate for k in (1, 2, 3, 4)]
    if data:
        assert together == sorted(together, reverse=True) or np.ptp(together) < 1e-12
        assert one == sorted(one) or np.ptp(one) < 1e-12


def test_failing_is_passing_upside_down():
    rng = np.random.default_rng(3)
    passes, cases = rng.random(100) < 0.6, np.repeat(range(20), 5)
    passed, failed = pass_at_k(passes, cases, k=3), pass_hat_k(~passes, cases, k=3)
    assert passed.estimate == pytest.approx(1 - failed.estimate)
    assert (passed.low, passed.high) == pytest.approx((1 - failed.high, 1 - failed.low))


def test_the_correlation_is_that_of_scipys_analysis_of_variance():
    rng = np.random.default_rng(7)
    groups = [rng.normal(level, 1.0, 6) for level in rng.normal(size=10)]
    f = stats.f_oneway(*groups).statistic
    result = intraclass_correlation(np.concatenate(groups), np.repeat(range(10), 6))
    assert result.between == pytest.approx((f - 1) / (f + 5))
    assert result.between + result.within == pytest.approx(1)
    assert (result.clusters, result.mean_size) == (10, 6.0)


def test_the_correlation_of_shrout_and_fleiss_four_judges():
    # Shrout and Fleiss 1979, table 2: six targets rated by four judges, ICC(1,1) = .17.
    ratings = [9, 2, 5, 8, 6, 1, 3, 2, 8, 4, 6, 8, 7, 1, 2, 6, 10, 5, 6, 9, 6, 2, 4, 7]
    result = intraclass_correlation(ratings, np.repeat(range(6), 4))
    assert result.between == pytest.approx(0.17, abs=0.005)


def test_the_correlation_is_estimated_for_uneven_clusters():
    rng = np.random.default_rng(9)
    estimates = []
    for _ in range(200):
        clusters = np.repeat(np.arange(40), rng.integers(1, 8, 40))
        common = np.repeat(rng.random(40) < 0.8, np.bincount(clusters))
        own = rng.random(clusters.size) < 0.8
        passes = np.where(rng.random(clusters.size) < 0.3**0.5, common, own)
        estimates.append(intraclass_correlation(passes, clusters).between)
    assert np.mean(estimates) == pytest.approx(0.3, abs=0.03)


@pytest.mark.parametrize(
    ("values", "clusters", "note"),
    [
        ([], [], NO_VALUES),
        ([1, 0, 1], ["a"] * 3, ONE_CLUSTER),
        ([1, 0, 1], ["a", "b", "c"], NO_REPEATS),
        ([1, 1, 1, 1], ["a", "a", "b", "b"], NO_VARIATION),
    ],
)
def test_a_correlation_that_cannot_be_estimated_is_refused_by_name(values, clusters, note):
    result = intraclass_correlation(values, clusters)
    assert (result.between, result.within, result.note) == (None, None, note)


@pytest.mark.parametrize("unit", [1.0, 1e-160, 1e-308, 1e140])
def test_a_correlation_does_not_depend_on_the_unit(unit):
    values = np.array([0.0, 1.0, 3.0, 5.0, 8.0, 9.0])
    expected = intraclass_correlation(values, [0, 0, 1, 1, 2, 2]).between
    assert intraclass_correlation(values * unit, [0, 0, 1, 1, 2, 2]).between == pytest.approx(expected)


@given(st.lists(st.tuples(st.floats(-100, 100), st.integers(0, 5)), max_size=40))
def test_a_correlation_is_a_share_or_a_named_refusal(data):
    values, clusters = ([row[i] for row in data] for i in range(2))
    result = intraclass_correlation(values, clusters)
    if result.between is None:
        assert result.note
    else:
        assert 0 <= result.between <= 1
        assert result.within == pytest.approx(1 - result.between)


@pytest.mark.parametrize(("method", "k"), [(pass_hat_k, 3), (pass_at_k, 2)])
def test_cases_of_differing_chances_are_covered(method, k):
    rng, runs, held = np.random.default_rng(12), 400, 0
    cases = np.repeat(np.arange(30), 5)
    true = np.mean(
        rng.beta(2.1, 0.9, 10**6) ** k if method is pass_hat_k else 1 - (1 - rng.beta(2.1, 0.9, 10**6)) ** k
    )
    for _ in range(runs):
        passes = rng.random(150) < np.repeat(rng.beta(2.1, 0.9, 30), 5)
        result = method(passes, cases, k=k)
        held += result.low <= true <= result.high
    assert held / runs >= 0.93
