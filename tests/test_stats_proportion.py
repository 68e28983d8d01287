"""Intervals of one rate: published examples, scipy's own, the edges, and coverage with clusters."""

from __future__ import annotations

import math
import random
from itertools import pairwise

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
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        clustered_rate([True, False], ["a"])


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


def test_identical_repeats_are_worth_their_cases():
    single = [True, False, True, True, True, False, True, True, True, True, True, True]
    once = clustered_rate(single, range(12))
    often = clustered_rate([p for p in single for _ in range(20)], [c for c in range(12) for _ in range(20)])
    assert often.effective_n == pytest.approx(once.effective_n)
    assert (often.low, often.high) == pytest.approx((once.low, once.high))


def test_the_effective_number_follows_the_robust_variance():
    passes, clusters = [True, True, True, False, False, True, False, False], [0, 0, 1, 1, 2, 2, 3, 3]
    variance = robust_variance(*cluster_sums(passes, clusters))
    # By hand: p = 1/2, deviations 1, 0, 0, -1 of the cluster sums; 4/3 * 2 / 64.
    assert variance == pytest.approx(4 / 3 * 2 / 64)
    interval = clustered_rate(passes, clusters, confidence=0.90)
    assert interval.effective_n == pytest.approx(0.25 / variance)
    t, n = critical_value(0.90, df=3), 0.25 / variance
    half = t * math.sqrt(0.25 / n + t * t / (4 * n * n)) / (1 + t * t / n)
    assert (interval.low, interval.high) == pytest.approx((0.5 - half, 0.5 + half))


def test_clusters_are_never_worth_more_than_independent_trials():
    # Every cluster has exactly one pass but for one: almost no variance between clusters.
    passes = [True, False] * 20 + [True, True]
    interval = clustered_rate(passes, [i // 2 for i in range(42)])
    assert interval.effective_n == 42


def test_few_clusters_are_said_beside_the_bounds():
    few = clustered_rate([True, False] * 4, [i // 2 for i in range(8)])
    many = clustered_rate([True, True] * 10, [i // 2 for i in range(20)])
    assert few.low is not None
    assert few.note == "only 4 clusters: the interval is rough below 10"
    assert many.note == ""


@given(clustered, st.sampled_from(["wilson", "exact"]))
def test_clustered_data_give_an_interval_or_a_named_refusal(data, method):
    interval = clustered_rate([p for p, _ in data], [c for _, c in data], method=method)
    if interval.low is None or interval.high is None:
        assert interval.note
        assert len({c for _, c in data}) == 1
    else:
        assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
        assert interval.high - interval.low > 1e-3
        assert 0 < interval.effective_n <= len(data)


@given(clustered)
def test_the_exact_method_is_the_wider_one_where_every_trial_passes(data):
    clusters = [c for _, c in data]
    wilson, exact = (clustered_rate([True] * len(data), clusters, method=m) for m in ("wilson", "exact"))
    if wilson.low is not None:
        assert wilson.high == exact.high == 1.0
        assert exact.low == pytest.approx(0.025 ** (1 / exact_n(len(set(clusters)))), abs=1e-9)


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
