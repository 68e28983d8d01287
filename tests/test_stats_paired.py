"""Paired differences: published tables, statsmodels' own numbers, the edges, and coverage with clusters."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.proportion import confint_proportions_2indep

from swapgate.stats.clusters import cluster_sums, robust_variance
from swapgate.stats.paired import (
    design_effect,
    mcnemar_exact,
    mcnemar_midp,
    paired_difference,
    tango_interval,
    tango_z,
)
from swapgate.stats.proportion import wilson_bounds

tables = st.tuples(*[st.integers(0, 60)] * 3).map(lambda t: (t[0], t[1], sum(t))).filter(lambda t: t[2] > 0)
pairs = st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(0, 6)), min_size=1, max_size=50)


def newcombe10(both: int, only_a: int, only_b: int, none: int) -> tuple[float, float]:
    """Newcombe's method 10 for A minus B, as a second opinion on Tango's interval."""
    n = both + only_a + only_b + none
    pa, pb = (both + only_a) / n, (both + only_b) / n
    (la, ua), (lb, ub) = wilson_bounds(pa, n), wilson_bounds(pb, n)
    products = (both + only_a) * (only_b + none) * (both + only_b) * (only_a + none)
    excess = both * none - only_a * only_b
    if excess > 0:
        excess = max(excess - n / 2, 0)
    phi = excess / math.sqrt(products) if products else 0.0
    low = math.sqrt((pa - la) ** 2 - 2 * phi * (pa - la) * (ub - pb) + (ub - pb) ** 2)
    high = math.sqrt((pb - lb) ** 2 - 2 * phi * (pb - lb) * (ua - pa) + (ua - pa) ** 2)
    return pa - pb - low, pa - pb + high


@pytest.mark.parametrize(
    ("table", "confidence", "published", "digits"),
    [
        ((59, 6, 16, 80), 0.95, (-0.1240, -0.0054), 4),
        ((4, 9, 3, 16), 0.95, (-0.027, 0.390), 3),
        ((43, 0, 1, 0), 0.90, (-0.096, 0.037), 3),
    ],
)
def test_tangos_published_intervals_are_reproduced(table, confidence, published, digits):
    _, only_candidate, only_baseline, _ = table
    interval = tango_interval(only_baseline, only_candidate, sum(table), confidence=confidence)
    assert (round(interval.low, digits), round(interval.high, digits)) == published


def test_newcombes_method_agrees_where_both_are_published():
    assert newcombe10(59, 6, 16, 80) == pytest.approx((-0.1186, -0.0046), abs=5e-5)
    tango = tango_interval(16, 6, 161)
    assert (tango.low, tango.high) == pytest.approx(newcombe10(59, 6, 16, 80), abs=0.01)


def test_mcnemars_published_p_values_are_reproduced():
    assert mcnemar_exact(16, 6) == pytest.approx(0.052479, abs=5e-7)
    assert mcnemar_midp(16, 6) == pytest.approx(0.034690, abs=5e-7)
    z = tango_z(16, 6, 161, difference=0.0)
    assert 2 * NormalDist().cdf(z) == pytest.approx(0.033006, abs=5e-7)
    # Fagerland et al. 2013, airway hyper-responsiveness: 1 and 7 discordant pairs.
    assert mcnemar_midp(1, 7) == pytest.approx(0.0390625)


@given(st.integers(0, 80), st.integers(0, 80))
def test_mcnemar_agrees_with_statsmodels_and_with_the_definition_of_mid_p(n10, n01):
    exact = mcnemar([[3, n10], [n01, 3]], exact=True).pvalue if n10 + n01 else 1.0
    assert mcnemar_exact(n10, n01) == pytest.approx(exact)
    n = n10 + n01
    if n:
        weights = [math.comb(n, k) / 2**n for k in range(n + 1)]
        far = sum(w for k, w in enumerate(weights) if abs(2 * k - n) > abs(n10 - n01))
        near = sum(w for k, w in enumerate(weights) if abs(2 * k - n) == abs(n10 - n01))
        assert mcnemar_midp(n10, n01) == pytest.approx(far + near / 2)
    assert mcnemar_midp(n10, n01) == mcnemar_midp(n01, n10)


@given(tables, st.sampled_from([0.8, 0.9, 0.95, 0.99]))
def test_a_tango_interval_holds_its_estimate_has_width_and_mirrors_the_swap(table, confidence):
    n10, n01, n = table
    ours, swapped = (tango_interval(a, b, n, confidence=confidence) for a, b in ((n10, n01), (n01, n10)))
    assert -1 <= ours.low <= (n01 - n10) / n <= ours.high <= 1
    assert ours.high - ours.low > 1e-6
    assert (ours.low, ours.high) == pytest.approx((-swapped.high, -swapped.low), abs=1e-9)


@given(tables)
def test_the_bounds_are_where_the_statistic_reaches_the_quantile(table):
    n10, n01, n = table
    interval, z = tango_interval(n10, n01, n, confidence=0.90), NormalDist().inv_cdf(0.95)
    for bound, side in ((interval.low, 1), (interval.high, -1)):
        if abs(bound) < 1 - 1e-6:
            assert tango_z(n10, n01, n, difference=bound) == pytest.approx(side * z, rel=1e-4)


@given(tables, st.floats(-1, 1), st.floats(-1, 1))
def test_the_statistic_falls_as_the_hypothesis_rises(table, one, other):
    n10, n01, n = table
    low, high = min(one, other), max(one, other)
    z_low, z_high = (tango_z(n10, n01, n, difference=d) for d in (low, high))
    assert not math.isnan(z_low)
    assert z_low >= z_high - 1e-6


@given(tables)
def test_one_more_case_for_the_candidate_never_lowers_the_interval(table):
    n10, n01, n = table
    assume(n10 > 0)
    before, after = tango_interval(n10, n01, n), tango_interval(n10 - 1, n01, n)
    assert after.low >= before.low - 1e-9
    assert after.high >= before.high - 1e-9


def test_pairs_that_all_agree_still_have_width():
    interval = tango_interval(0, 0, 50)
    assert (interval.low, interval.high) == pytest.approx((-0.0713, 0.0713), abs=5e-5)
    assert mcnemar_midp(0, 0) == mcnemar_exact(0, 0) == 1.0


def test_pairs_that_all_differ_reach_the_end_of_the_scale():
    interval = tango_interval(0, 12, 12)
    squared = NormalDist().inv_cdf(0.975) ** 2
    assert interval.high == 1.0
    assert interval.low == pytest.approx((12 - squared) / (12 + squared))
    assert tango_interval(12, 0, 12).low == -1.0


def test_a_margin_is_cleared_exactly_when_the_statistic_says_so():
    for n10 in range(12):
        for n01 in range(12):
            low = tango_interval(n10, n01, 150, confidence=0.90).low
            z = tango_z(n10, n01, 150, difference=-0.05)
            assert (low > -0.05) == (z > NormalDist().inv_cdf(0.95))


def test_no_pairs_and_one_cluster_are_refused_by_name():
    empty = paired_difference([], [])
    assert (empty.pairs, empty.estimate, empty.low, empty.p_value) == (0, None, None, None)
    assert empty.note == "no pairs"
    one = paired_difference([True, False, True], [True, True, True], ["a"] * 3)
    assert (one.low, one.high, one.p_value) == (None, None, None)
    assert one.estimate == pytest.approx(1 / 3)
    assert "one cluster" in one.note
    with pytest.raises(ValueError, match="at least two clusters, got 1"):
        design_effect([0, 1], ["a", "a"])


def test_impossible_counts_are_a_mistake_of_the_caller():
    with pytest.raises(ValueError, match="n10=5, n01=6, n=10"):
        tango_interval(5, 6, 10)


def test_a_difference_is_candidate_minus_baseline():
    baseline, candidate = [True, True, True, False], [True, False, False, True]
    result = paired_difference(baseline, candidate)
    assert (result.both, result.only_candidate, result.only_baseline, result.neither) == (1, 1, 2, 0)
    assert result.estimate == -0.25
    assert result.p_value == mcnemar_midp(2, 1)
    assert result.deff == 1.0


def test_identical_repeats_bring_nothing_new():
    baseline = [True] * 9 + [False]
    candidate = [True] * 8 + [False, True]
    single = paired_difference(baseline, candidate)
    repeated = paired_difference(
        [b for b in baseline for _ in range(20)],
        [c for c in candidate for _ in range(20)],
        [case for case in range(10) for _ in range(20)],
    )
    assert repeated.deff == 20
    assert repeated.clusters == 10
    # t(9) in place of the normal quantile: wider than the ten cases alone, never narrower.
    assert repeated.low <= single.low
    assert repeated.high >= single.high
    assert repeated.p_value > 0.5


def test_clusters_without_a_discordant_pair_count_as_one_pair_each():
    result = paired_difference([True] * 200, [True] * 200, [i // 20 for i in range(200)])
    assert result.deff == 20
    assert result.low < -0.2
    assert result.p_value == 1.0


def test_the_design_effect_uses_the_cluster_robust_variance_of_statsmodels():
    rng = random.Random(7)
    clusters = [i // 4 for i in range(80)]
    differences = [rng.choice([-1, 0, 0, 0, 1, 1]) for _ in clusters]
    fit = OLS(differences, [1.0] * 80).fit(cov_type="cluster", cov_kwds={"groups": clusters}, use_t=True)
    # statsmodels multiplies by (N - 1) / (N - K) too, which is 1 for a mean.
    assert robust_variance(*cluster_sums(differences, clusters)) == pytest.approx(fit.bse[0] ** 2)


@given(pairs)
def test_any_pairs_give_an_interval_or_a_named_refusal(data):
    baseline, candidate, clusters = ([row[i] for row in data] for i in range(3))
    result = paired_difference(baseline, candidate, clusters)
    assert result.pairs == len(data)
    assert 1 <= result.deff <= len(data)
    if result.low is None or result.high is None:
        assert "one cluster" in result.note
    else:
        assert -1 <= result.low <= result.estimate <= result.high <= 1
        assert result.high - result.low > 1e-3
        assert 0 <= result.p_value <= 1


@given(pairs)
def test_swapping_the_models_mirrors_the_result(data):
    baseline, candidate, clusters = ([row[i] for row in data] for i in range(3))
    ours, swapped = (
        paired_difference(baseline, candidate, clusters),
        paired_difference(candidate, baseline, clusters),
    )
    assert (ours.deff, ours.p_value) == pytest.approx((swapped.deff, swapped.p_value))
    if ours.low is not None:
        assert (ours.low, ours.high) == pytest.approx((-swapped.high, -swapped.low), abs=1e-9)


def test_paired_intervals_are_much_narrower_than_unpaired_ones_when_models_agree():
    paired = tango_interval(4, 4, 200)
    low, high = confint_proportions_2indep(160, 200, 160, 200, method="newcomb")
    assert paired.high - paired.low < (high - low) / 2


def test_paired_clusters_of_five_are_covered():
    rng, groups, runs, held = random.Random(20260402), 12, 500, 0
    clusters = [i // 5 for i in range(5 * groups)]
    for _ in range(runs):
        baseline, candidate = [], []
        for _ in range(groups):
            shared = rng.random()
            for _ in range(5):
                level = shared if rng.random() < 0.55 else rng.random()
                baseline.append(level < 0.90)
                candidate.append(0.12 < level < 0.97)
        result = paired_difference(baseline, candidate, clusters, confidence=0.95)
        held += result.low <= 0.85 - 0.90 <= result.high
    assert held / runs >= 0.93
