"""Means: scipy's and statsmodels' own numbers, the edges, and coverage with clusters."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS

from swapgate.stats.clusters import ONE_CLUSTER
from swapgate.stats.means import (
    NO_CLUSTER_VARIATION,
    NO_VALUES,
    NO_VARIATION,
    ONE_VALUE,
    mean_interval,
    paired_mean_difference,
)

numbers = st.floats(-1e6, 1e6, allow_nan=False)
rows = st.lists(st.tuples(numbers, numbers, st.integers(0, 5)), max_size=40)


@given(st.lists(numbers, min_size=2, max_size=60), st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_independent_values_get_the_textbook_t_interval(values, confidence):
    result = mean_interval(values, confidence=confidence)
    spread = np.std(values, ddof=1)
    assert result.standard_error == pytest.approx(spread / len(values) ** 0.5, rel=1e-6, abs=1e-9)
    if result.low is not None:
        low, high = stats.t.interval(confidence, len(values) - 1, np.mean(values), stats.sem(values))
        assert (result.low, result.high) == pytest.approx((low, high), rel=1e-6, abs=1e-9)


def test_a_win_rate_has_the_standard_error_that_leaderboards_print():
    # Wins, losses and ties as 1, 0 and 0.5: 40 wins, 8 ties and 52 losses of 100.
    wins = [1.0] * 40 + [0.5] * 8 + [0.0] * 52
    result = mean_interval(wins)
    variance = (40 * 0.56**2 + 8 * 0.06**2 + 52 * 0.44**2) / 99
    assert result.estimate == pytest.approx(0.44)
    assert result.standard_error == pytest.approx((variance / 100) ** 0.5)


def test_clusters_get_statsmodels_cluster_robust_standard_error():
    rng = np.random.default_rng(3)
    clusters = rng.integers(0, 12, 90)
    values = rng.normal(size=12)[clusters] + rng.normal(size=90)
    fit = OLS(values, np.ones(90)).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    result = mean_interval(values, clusters)
    assert result.standard_error == pytest.approx(fit.bse[0])
    assert (result.low, result.high) == pytest.approx(tuple(fit.conf_int()[0]))
    assert (result.n, result.clusters, result.note) == (90, 12, "")


def test_clusters_of_one_value_are_no_clusters():
    values = [1.0, 5.0, 2.0, 8.0]
    assert mean_interval(values, ["a", "b", "c", "d"]) == mean_interval(values)


def test_identical_repeats_bring_nothing_new():
    values = [1.0, 5.0, 2.0, 8.0]
    repeated = mean_interval(np.repeat(values, 5), np.repeat(range(4), 5))
    single = mean_interval(values)
    assert (repeated.low, repeated.high) == pytest.approx((single.low, single.high))
    assert "only 4 clusters" in repeated.note


@pytest.mark.parametrize(
    ("values", "clusters", "note"),
    [
        ([], None, NO_VALUES),
        ([3.0], None, ONE_VALUE),
        ([3.0, 4.0], ["a", "a"], ONE_CLUSTER),
        ([0.1] * 7, None, NO_VARIATION),
        ([0.1] * 6, ["a", "a", "b", "b", "c", "c"], NO_VARIATION),
        ([0.1, 0.3] * 3, ["a", "a", "b", "b", "c", "c"], NO_CLUSTER_VARIATION),
    ],
)
def test_what_has_no_interval_is_refused_by_name(values, clusters, note):
    result = mean_interval(values, clusters)
    assert (result.low, result.high, result.note) == (None, None, note)
    assert result.estimate == (pytest.approx(np.mean(values)) if values else None)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), None])
def test_a_value_that_is_no_number_is_a_mistake_of_the_caller(wrong):
    with pytest.raises(ValueError, match=r"values\[1\] is (nan|inf): values must be finite"):
        mean_interval([1.0, wrong, 2.0])


def test_lengths_that_differ_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="got 3 trials and 2 clusters"):
        mean_interval([1, 2, 3], ["a", "b"])
    with pytest.raises(ValueError, match="got 2 and 1"):
        paired_mean_difference([1, 2], [1])
    with pytest.raises(ValueError, match="values must be one-dimensional"):
        mean_interval([[1, 2], [3, 4]])


@given(rows)
def test_any_pairs_give_an_interval_or_a_named_refusal(data):
    baseline, candidate, clusters = ([row[i] for row in data] for i in range(3))
    result = paired_mean_difference(baseline, candidate, clusters)
    difference = result.difference
    if difference.low is None:
        assert difference.high is None
        assert result.p_value is None
        assert difference.note
    else:
        assert difference.low < difference.estimate < difference.high
        assert 0 <= result.p_value <= 1


@given(rows)
def test_swapping_the_models_mirrors_the_result(data):
    baseline, candidate, clusters = ([row[i] for row in data] for i in range(3))
    ours = paired_mean_difference(baseline, candidate, clusters).difference
    swapped = paired_mean_difference(candidate, baseline, clusters).difference
    assert ours.note == swapped.note
    if ours.low is not None:
        assert (ours.low, ours.high) == pytest.approx((-swapped.high, -swapped.low))


def test_a_paired_difference_is_scipys_paired_t_test():
    baseline, candidate = [812, 640, 1200, 455, 990], [700, 655, 1010, 400, 930]
    result = paired_mean_difference(baseline, candidate, confidence=0.95)
    expected = stats.ttest_rel(candidate, baseline)
    interval = expected.confidence_interval(0.95)
    assert result.p_value == pytest.approx(expected.pvalue)
    assert (result.difference.low, result.difference.high) == pytest.approx((interval.low, interval.high))
    assert result.ratio == pytest.approx(739 / 819.4)
    assert (result.baseline, result.candidate) == (pytest.approx(819.4), pytest.approx(739))


def test_the_test_and_the_interval_agree():
    rng = np.random.default_rng(4)
    for _ in range(50):
        result = paired_mean_difference(rng.normal(size=12), rng.normal(0.5, size=12), confidence=0.90)
        excludes_zero = result.difference.low > 0 or result.difference.high < 0
        assert excludes_zero == (result.p_value < 0.10)


def test_a_ratio_to_nothing_is_none():
    result = paired_mean_difference([0, 0, 0], [1, 2, 3])
    assert result.ratio is None
    assert result.difference.estimate == 2
    assert paired_mean_difference([], []).ratio is None


def test_skewed_latencies_in_clusters_are_covered():
    rng, runs, held = np.random.default_rng(11), 800, 0
    clusters = np.repeat(np.arange(30), 4)
    for _ in range(runs):
        level = np.repeat(rng.gamma(4.0, 0.25, 30), 4)
        values = level * rng.gamma(4.0, 0.25, 120)
        result = mean_interval(values, clusters)
        held += result.low <= 1.0 <= result.high
    assert held / runs >= 0.92
