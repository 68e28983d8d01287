"""Scores of two models: scipy's own numbers, exact tests with ties and zeros, distributions, the edges."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats

from swapgate.stats.clusters import ONE_CLUSTER
from swapgate.stats.means import paired_mean_difference
from swapgate.stats.scores import NO_DIFFERENCE, NO_PAIRS, paired_scores, signed_rank_test

scores = st.integers(1, 5)
pairs = st.lists(st.tuples(scores, scores), min_size=1, max_size=80)


def by_all_sign_patterns(differences):
    """The two-sided p-value by its definition: twice the smaller share of patterns as extreme."""
    d = np.asarray(differences, dtype=float)
    ranks = np.where(d == 0, 0, stats.rankdata(np.abs(d)))
    sums = np.array([np.dot(signs, ranks[d != 0]) for signs in product((0, 1), repeat=int((d != 0).sum()))])
    seen = ranks[d > 0].sum()
    return min(1.0, 2 * min(np.mean(sums <= seen + 1e-9), np.mean(sums >= seen - 1e-9)))


def scipy_approximation(d):
    return stats.wilcoxon(d, zero_method="pratt", method="asymptotic", correction=False)


@given(pairs)
def test_the_statistic_and_its_normal_approximation_are_scipys(data):
    d = np.array([c - b for b, c in data])
    assume(d.any())
    ours, expected = signed_rank_test(d), scipy_approximation(d)
    assert ours.statistic == expected.statistic
    assert -abs(ours.z) == pytest.approx(expected.zstatistic)
    if not ours.is_exact:
        assert ours.p_value == pytest.approx(expected.pvalue)


def test_many_pairs_get_scipys_p_value():
    rng = np.random.default_rng(1)
    d = rng.choice([-2, -1, 0, 1, 2, 3], 300)
    ours = signed_rank_test(d)
    assert not ours.is_exact
    assert ours.p_value == pytest.approx(scipy_approximation(d).pvalue, rel=1e-9)
    assert (ours.differing, ours.zeros) == (np.count_nonzero(d), np.count_nonzero(d == 0))


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=10))
def test_few_differences_get_the_exact_p_value_with_ties_and_zeros(d):
    assert signed_rank_test(d).p_value == pytest.approx(by_all_sign_patterns(d))


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_up_to_thirteen_pairs_agree_with_scipys_default(d):
    assume(any(d))
    expected = stats.wilcoxon(np.array(d, dtype=float), zero_method="pratt").pvalue
    assert signed_rank_test(d).p_value == pytest.approx(expected)


@pytest.mark.parametrize("n", [5, 14, 30, 50])
def test_differences_without_ties_and_zeros_get_scipys_exact_p_value(n):
    d = np.random.default_rng(n).normal(0.3, size=n)
    ours = signed_rank_test(d)
    assert ours.is_exact
    assert ours.p_value == pytest.approx(stats.wilcoxon(d, method="exact").pvalue)


def test_four_differences_of_one_sign_are_never_significant():
    ours = signed_rank_test([0] * 16 + [1] * 4)
    assert ours.p_value == pytest.approx(2 / 2**4)
    # The approximation says otherwise, which is why it is not used here.
    assert scipy_approximation([0] * 16 + [1] * 4).pvalue == pytest.approx(0.046, abs=5e-4)


def test_equal_scores_give_a_p_value_of_1_and_never_nan():
    result = paired_scores([4, 5, 3], [4, 5, 3])
    assert (result.test.p_value, result.test.note) == (1.0, NO_DIFFERENCE)
    assert result.means.difference.low is None
    assert "no variation" in result.means.difference.note


def test_no_pairs_and_one_cluster_are_refused_by_name():
    empty = paired_scores([], [])
    assert (empty.pairs, empty.levels, empty.baseline_counts) == (0, (), ())
    assert (empty.test.p_value, empty.test.note) == (None, NO_PAIRS)
    one = paired_scores([1, 2, 3], [2, 3, 5], ["a"] * 3)
    assert (one.test.p_value, one.test.note) == (None, ONE_CLUSTER)
    assert one.means.difference.note == ONE_CLUSTER


def test_averages_that_are_equal_on_paper_are_tied():
    baseline, candidate = [11 / 3, 4.0, 10 / 3], [4.0, 13 / 3, 11 / 3]
    # All three differences are a third, but for the last bit.
    assert len({c - b for b, c in zip(baseline, candidate, strict=True)}) > 1
    assert paired_scores(baseline, candidate).test == signed_rank_test([1, 1, 1])


def test_distributions_stand_side_by_side():
    result = paired_scores([1, 5, 5, 5, 5], [4, 4, 4, 4, 5])
    assert result.levels == (1.0, 4.0, 5.0)
    assert result.baseline_counts == (1, 0, 4)
    assert result.candidate_counts == (0, 4, 1)
    assert result.means.difference.estimate == pytest.approx(0.0)


def test_a_scale_shows_its_unused_levels():
    result = paired_scores([1, 5], [4, 4], levels=[1, 2, 3, 4, 5])
    assert result.baseline_counts == (1, 0, 0, 0, 1)
    assert result.candidate_counts == (0, 0, 0, 2, 0)
    halves = paired_scores([0.2, 0.75], [0.24, 1.0], levels=[0, 0.5, 1])
    assert (halves.baseline_counts, halves.candidate_counts) == ((1, 0, 1), (1, 0, 1))
    with pytest.raises(ValueError, match="levels must rise"):
        paired_scores([1], [2], levels=[5, 1])


def test_averages_are_counted_at_the_nearest_level_and_tested_as_they_are():
    result = paired_scores([3.67, 2.5, 4.2], [3.33, 3.5, 4.4])
    assert result.levels == (3.0, 4.0)
    assert result.baseline_counts == (1, 2)
    assert result.candidate_counts == (1, 2)
    assert result.means.difference.estimate == pytest.approx((-0.34 + 1.0 + 0.2) / 3)


def test_with_clusters_each_cluster_is_one_pair_of_the_test():
    baseline, candidate = [3, 3, 4, 4, 2, 2], [4, 5, 4, 4, 1, 2]
    clusters = ["a", "a", "b", "b", "c", "c"]
    result = paired_scores(baseline, candidate, clusters)
    assert result.test == signed_rank_test([1.5, 0.0, -0.5])
    assert result.means == paired_mean_difference(baseline, candidate, clusters)


def test_repeats_do_not_make_a_difference_significant():
    baseline, candidate = [3, 3, 4, 4], [4, 4, 5, 5]
    cases = np.arange(4)
    repeated = paired_scores(np.repeat(baseline, 25), np.repeat(candidate, 25), np.repeat(cases, 25))
    assert repeated.test.p_value == 0.125


@given(pairs)
def test_swapping_the_models_mirrors_the_test(data):
    baseline, candidate = ([row[i] for row in data] for i in range(2))
    ours, swapped = paired_scores(baseline, candidate), paired_scores(candidate, baseline)
    assert ours.test.p_value == pytest.approx(swapped.test.p_value)
    assert ours.test.z == pytest.approx(-swapped.test.z)
    assert sum(ours.baseline_counts) == sum(ours.candidate_counts) == len(data)
    assert ours.baseline_counts == swapped.candidate_counts
    assert 0 < ours.test.p_value <= 1


def test_a_score_that_is_no_number_is_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match=r"candidate\[0\] is nan"):
        paired_scores([1.0], [float("nan")])


def test_models_without_a_difference_are_told_apart_at_the_level_only():
    rng, found, runs = np.random.default_rng(6), 0, 1500
    for _ in range(runs):
        level = rng.integers(1, 6, 40)
        noise = rng.choice([-1, 0, 0, 1], (2, 40))
        found += paired_scores(level + noise[0], level + noise[1]).test.p_value <= 0.05
    assert found / runs <= 0.065
