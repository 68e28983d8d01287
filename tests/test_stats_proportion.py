"""Intervals of one rate: published examples, scipy's own, the edges, and coverage with clusters."""

from __future__ import annotations

import math
import random
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from swapgate.stats.clusters import cluster_sums, robust_variance
from swapgate.stats.interval import critical_value
from swapgate.stats.proportion import clustered_rate, exact_interval, wilson_interval

counts = st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
clustered = st.lists(st.tuples(st.booleans(), st.integers(0, 8)), min_size=1, max_size=60)


@pytest.mark.parametrize(
    ("passed", "n", "wilson", "exact"),
    [
        (81, 263, (0.2553, 0.3662), (0.2527, 0.3676)),
        (15, 148, (0.0624, 0.1605), (0.0578, 0.1617)),
        (0, 20, (0.0, 0.1611), (0.0, 0.1684)),
        (1, 29, (0.0061, 0.1718), (0.0009, 0.1776)),
    ],
)
def test_newcombes_examples_are_reproduced(passed, n, wilson, exact):
    for interval, published in ((wilson_interval(passed, n), wilson), (exact_interval(passed, n), exact)):
        assert (interval.low, interval.high) == pytest.approx(published, abs=5e-5)
        assert interval.estimate == passed / n


@given(counts, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_both_intervals_agree_with_scipy(count, confidence):
    passed, n = count
    test = binomtest(passed, n)
    for method, interval in (("wilson", wilson_interval), ("exact", exact_interval)):
        ours, theirs = interval(passed, n, confidence=confidence), test.proportion_ci(confidence, method)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)


@given(counts)
def test_an_interval_holds_its_estimate_and_mirrors_its_complement(count):
    passed, n = count
    for interval in (wilson_interval, exact_interval):
        ours, mirrored = interval(passed, n), interval(n - passed, n)
        assert 0 <= ours.low <= passed / n <= ours.high <= 1
        assert ours.low < ours.high
        assert (ours.low, ours.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low), abs=1e-9)


@given(st.integers(1, 200))
def test_more_passes_never_lower_a_bound(n):
    for interval in (wilson_interval, exact_interval):
        bounds = [(i.low, i.high) for i in (interval(passed, n) for passed in range(n + 1))]
        assert all(a[0] <= b[0] and a[1] <= b[1] for a, b in pairwise(bounds))


def test_no_trials_refuse_an_interval_and_say_so():
    for interval in (wilson_interval(0, 0), exact_interval(0, 0), clustered_rate([], [])):
        assert (interval.estimate, interval.low, interval.high) == (None, None, None)
        assert interval.note == "no trials"


def test_more_passes_than_trials_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="passed must lie between 0 and n, got passed=3, n=2"):
        wilson_interval(3, 2)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1, got 95"):
        wilson_interval(1, 2, confidence=95)
    with pytest.raises(ValueError, match="each trial needs one cluster, got 2 trials and 1 clusters"):
        clustered_rate([True, False], ["a"])
    with pytest.raises(ValueError, match="unknown method 'wilson': use 'score' or 'exact'"):
        clustered_rate([True, False], method="wilson")


@pytest.mark.parametrize("value", [math.nan, None, 3, "True"])
def test_a_result_that_is_neither_true_nor_false_is_named_with_a_remedy(value):
    with pytest.raises(ValueError, match=r"passes\[\d\] is .*Leave trials without a result out"):
        clustered_rate([True, value], ["a", "b"])


@pytest.mark.parametrize(("method", "plain"), [("score", wilson_interval), ("exact", exact_interval)])
def test_trials_of_their_own_are_independent(method, plain):
    passes = np.arange(30) % 4 > 0
    for clusters in (None, range(30), [f"case-{i}" for i in range(30)], np.arange(30)[::-1]):
        assert clustered_rate(passes, clusters, method=method) == plain(int(passes.sum()), 30)
    assert clustered_rate([True], ["a"], method=method) == plain(1, 1)


def test_arrays_and_columns_are_taken():
    passes, clusters = [True, True, False, True] * 5, [i // 2 for i in range(20)]
    expected = clustered_rate(passes, clusters)
    for convert in (np.array, pd.Series, lambda v: np.array(v, dtype=float)):
        assert clustered_rate(convert(passes), convert(clusters)) == expected


def test_one_cluster_refuses_an_interval_but_keeps_the_rate():
    interval = clustered_rate([True, True, True, False], ["a"] * 4)
    assert interval.estimate == 0.75
    assert (interval.low, interval.high) == (None, None)
    assert "one cluster" in interval.note


@pytest.mark.parametrize("passed", [True, False])
def test_without_variation_every_cluster_counts_as_one_trial(passed):
    interval = clustered_rate([passed] * 200, [i // 20 for i in range(200)])
    wilson = wilson_interval(10 * passed, 10)
    assert interval.effective_n == 10
    # t(9) instead of the normal quantile makes it wider still.
    assert interval.low <= wilson.low
    assert interval.high >= wilson.high


def test_identical_repeats_are_worth_no_more_than_their_cases():
    single = [True, False, True, True, True, False, True, True, True, True, True, True]
    once = wilson_interval(10, 12)
    few, many = (
        clustered_rate([p for p in single for _ in range(k)], [c for c in range(12) for _ in range(k)])
        for k in (2, 20)
    )
    # 11 by the variance alone; the two failing cases are believed as two of three, and 12 cases are 12.
    assert few.effective_n == many.effective_n == pytest.approx(12 * 3 / (2 * 12 / 11 + 1))
    assert (few.low, few.high) == pytest.approx((many.low, many.high))
    # t(11) in place of the normal quantile: wider than the twelve cases alone, never narrower.
    assert many.low < once.low < once.high < many.high


def test_the_effective_number_follows_the_robust_variance_and_what_few_clusters_can_show():
    passes, clusters = [True, True, True, False, False, True, False, False], [0, 0, 1, 1, 2, 2, 3, 3]
    variance = robust_variance(*cluster_sums(passes, clusters))
    # By hand: p = 1/2, deviations 1, 0, 0, -1 of the cluster sums; 4/3 * 2 / 64.
    assert variance == pytest.approx(4 / 3 * 2 / 64)
    interval = clustered_rate(passes, clusters, confidence=0.90)
    # Three clusters hold each result: the design effect 8/6 counts three times, the largest, 2, once.
    n = 8 / ((3 * 8 / 6 + 2) / 4)
    assert interval.effective_n == pytest.approx(n)
    t = critical_value(0.90, df=3)
    half = t * math.sqrt(0.25 / n + t * t / (4 * n * n)) / (1 + t * t / n)
    assert (interval.low, interval.high) == pytest.approx((0.5 - half, 0.5 + half))


def test_clusters_are_never_worth_more_than_independent_trials():
    # Every cluster has exactly one pass but for one: almost no variance between clusters.
    passes = [True, False] * 20 + [True, True]
    interval = clustered_rate(passes, [i // 2 for i in range(42)])
    assert 40 < interval.effective_n <= 42


def test_one_flake_among_identical_repeats_does_not_make_the_repeats_independent():
    passes = [True] * 599 + [False]
    interval = clustered_rate(passes, [i // 20 for i in range(600)])
    assert interval.effective_n < 60


def test_few_clusters_are_said_beside_the_bounds():
    few = clustered_rate([True, False] * 4, [i // 2 for i in range(8)])
    many = clustered_rate([True, True] * 10, [i // 2 for i in range(20)])
    assert few.low is not None
    assert few.note == "only 4 clusters: the interval is rough below 10"
    assert many.note == ""


@given(clustered, st.sampled_from(["score", "exact"]))
def test_clustered_data_give_an_interval_or_a_named_refusal(data, method):
    interval = clustered_rate([p for p, _ in data], [c for _, c in data], method=method)
    if interval.low is None or interval.high is None:
        assert interval.note
        assert len({c for _, c in data}) == 1 < len(data)
    else:
        assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
        assert interval.high - interval.low > 1e-3
        assert 0 < interval.effective_n <= len(data)


@given(clustered)
def test_the_exact_method_counts_each_cluster_once_where_every_trial_passes(data):
    clusters = [c for _, c in data]
    groups = len(set(clusters))
    exact = clustered_rate([True] * len(data), clusters, method="exact")
    if exact.low is not None:
        worth = groups if groups == len(data) else exact_n(groups)
        assert exact.high == 1.0
        assert exact.low == pytest.approx(0.025 ** (1 / worth), abs=1e-9)


def exact_n(clusters: int) -> float:
    return clusters * (critical_value(0.95) / critical_value(0.95, df=clusters - 1)) ** 2


@pytest.mark.parametrize("groups", [4, 20])
def test_clusters_of_five_are_covered(groups):
    rng, rate, icc, runs = random.Random(20260401), 0.9, 0.3, 600
    a, b = rate * (1 - icc) / icc, (1 - rate) * (1 - icc) / icc
    clusters = [i // 5 for i in range(5 * groups)]
    held = 0
    for _ in range(runs):
        passes = [rng.random() < p for p in (rng.betavariate(a, b) for _ in range(groups)) for _ in range(5)]
        interval = clustered_rate(passes, clusters)
        held += interval.low <= rate <= interval.high
    assert held / runs >= 0.93
