"""Paired differences: published tables, statsmodels' own numbers, the edges, and coverage with clusters."""

from __future__ import annotations

import math
import random
import time
from statistics import NormalDist

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.proportion import confint_proportions_2indep

from swapgate.stats.clusters import cluster_sums, robust_variance
from swapgate.stats.exact import mcnemar_exact, mcnemar_midp, unconditional_interval
from swapgate.stats.interval import critical_value
from swapgate.stats.paired import design_effect, paired_difference
from swapgate.stats.proportion import wilson_bounds
from swapgate.stats.tango import noninferiority_p, tango_interval, tango_z

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


def test_mcnemars_asymptotic_p_value_is_tangos_at_no_difference():
    z = tango_z(16, 6, 161, difference=0.0)
    assert 2 * NormalDist().cdf(z) == pytest.approx(0.033006, abs=5e-7)
    assert noninferiority_p(6, 16, 161, 0.0) == pytest.approx(0.033006 / 2, abs=5e-7)


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


@given(
    st.tuples(*[st.integers(0, 2000) | st.integers(0, 3)] * 3).map(lambda t: (t[0], t[1], sum(t) + 1)),
    st.sampled_from([0.5, 0.9, 0.999]),
    st.sampled_from([1.0, 2.5, 20.0]),
)
def test_the_bounds_are_those_of_a_bisection_to_a_billionth(table, confidence, deff):
    n10, n01, n = table
    reach = critical_value(confidence)
    interval = tango_interval(n10, n01, n, confidence=confidence, deff=deff)
    for bound, end in ((interval.low, -1.0), (interval.high, 1.0)):
        inside, outside = (n01 - n10) / n, end
        for _ in range(50):
            middle = (inside + outside) / 2
            is_inside = abs(tango_z(n10, n01, n, difference=middle, deff=deff)) <= reach
            inside, outside = (middle, outside) if is_inside else (inside, middle)
        assert bound == pytest.approx(inside, abs=1e-9)


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


@given(tables, st.sampled_from([0.0, 0.02, 0.05, 0.10, 0.5]), st.sampled_from([1.0, 3.0]))
def test_the_margin_is_cleared_exactly_when_its_p_value_is_small(table, margin, deff):
    n10, n01, n = table
    p = noninferiority_p(n10, n01, n, margin, deff=deff, df=9)
    low = tango_interval(n10, n01, n, confidence=0.90, deff=deff, df=9).low
    assert 0 <= p <= 1
    if abs(p - 0.05) > 1e-9:
        assert (p < 0.05) == (low > -margin)


def test_a_margin_of_0_without_a_discordant_pair_can_never_pass():
    assert noninferiority_p(0, 0, 10_000, 0.0) == 0.5
    assert tango_interval(0, 0, 10_000, confidence=0.90).low < 0
    assert unconditional_interval(0, 0, 10_000, confidence=0.90).low < 0


@pytest.mark.parametrize("margin", [-0.05, 1.0, math.nan])
def test_a_margin_is_a_share_of_the_cases(margin):
    with pytest.raises(ValueError, match="a margin must be at least 0 and below 1"):
        noninferiority_p(1, 1, 50, margin)


def test_noninferiority_is_refused_where_the_interval_is():
    assert noninferiority_p(0, 0, 0, 0.05) is None
    assert noninferiority_p(1, 1, 50, 0.05, df=0) is None
    assert paired_difference([True] * 3, [True] * 3, ["a"] * 3).p_noninferior(0.05) is None


@given(pairs, st.sampled_from(["score", "exact"]))
def test_a_results_p_values_agree_with_its_interval(data, method):
    baseline, candidate, clusters = ([row[i] for row in data] for i in range(3))
    result = paired_difference(baseline, candidate, clusters, method=method)
    if result.low is None:
        return
    p = result.p_noninferior(0.05)
    if abs(result.low + 0.05) > 1e-6:
        assert (p <= 0.05) == (result.low > -0.05)
    is_midp = result.method == "score" and result.clusters == result.pairs
    if not is_midp and min(abs(result.low), abs(result.high)) > 1e-6:
        assert (result.p_value <= 0.10) == (not result.low <= 0 <= result.high)


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


def test_the_exact_method_gives_the_unconditional_interval_and_its_p_value():
    baseline = [True] * 59 + [True] * 16 + [False] * 86
    candidate = [True] * 59 + [False] * 16 + [True] * 6 + [False] * 80
    result = paired_difference(baseline, candidate, confidence=0.95, method="exact")
    interval = unconditional_interval(16, 6, 161, confidence=0.95)
    assert (result.low, result.high, result.method) == (interval.low, interval.high, "exact")
    assert result.p_value == pytest.approx(0.03605, abs=5e-6)
    assert result.note == ""


def test_clusters_have_no_exact_interval_and_it_is_said():
    data = [True, False] * 20, [True, True] * 20, [i // 2 for i in range(40)]
    exact, score = (paired_difference(*data, method=method) for method in ("exact", "score"))
    assert (exact.low, exact.high, exact.p_value) == (score.low, score.high, score.p_value)
    assert exact.method == "score"
    assert exact.note == "pairs in clusters have no exact interval: this is the score interval"
    few = paired_difference(data[0][:8], data[1][:8], data[2][:8], method="exact")
    assert few.note.endswith("score interval; only 4 clusters: the interval is rough below 10")


def test_an_unknown_method_is_named():
    with pytest.raises(ValueError, match="unknown method 'wald': use 'score' or 'exact'"):
        paired_difference([True], [True], method="wald")


def test_lists_arrays_columns_and_labels_of_any_kind_give_the_same_result():
    rng = random.Random(5)
    baseline, candidate = ([rng.random() < 0.8 for _ in range(60)] for _ in range(2))
    codes = [i // 3 for i in range(60)]
    expected = paired_difference(baseline, candidate, codes)
    assert expected.deff > 1
    for convert in (np.array, pd.Series, lambda v: np.array(v, dtype=float), lambda v: list(map(int, v))):
        assert paired_difference(convert(baseline), convert(candidate), codes) == expected
    labels = [f"suite-{code % 2}/{code}" for code in codes]
    rows = [(code % 2, code) for code in codes]
    for clusters in (
        *(labels, rows, tuple(codes), np.array(codes), np.array(labels), np.array(rows)),
        *(pd.Series(labels), pd.Series(codes, dtype="int8"), pd.Series(rows), pd.Categorical(labels)),
        np.array(codes) * 10**12 - 3,
    ):
        assert paired_difference(baseline, candidate, clusters) == expected


@pytest.mark.parametrize("value", [math.nan, None, 2, 0.5, "yes", pd.NA])
def test_a_result_that_is_neither_true_nor_false_is_named_with_a_remedy(value):
    with pytest.raises(ValueError, match=r"candidate\[\d\] is .*Leave trials without a result out"):
        paired_difference([True, True], [True, value])


@pytest.mark.parametrize("label", [None, math.nan, pd.NA])
def test_a_missing_cluster_label_is_named_with_a_remedy(label):
    with pytest.raises(ValueError, match="give a trial that belongs to no group a label of its own"):
        paired_difference([True, True], [True, False], ["a", label])


def test_mistakes_of_shape_are_named():
    with pytest.raises(ValueError, match="both models need a result for each trial, got 2 and 1"):
        paired_difference([True, True], [True])
    with pytest.raises(ValueError, match="each trial needs one cluster, got 2 trials and 1 clusters"):
        paired_difference([True, True], [True, True], ["a"])
    with pytest.raises(ValueError, match="baseline must be one-dimensional, got 2 dimensions"):
        paired_difference([[True, True]], [[True, True]])
    with pytest.raises(ValueError, match="cluster labels must be texts, numbers or tuples"):
        paired_difference([True], [True], [["a"]])
    with pytest.raises(ValueError, match="differences must be -1, 0 or 1"):
        design_effect([0, 2], ["a", "b"])


def test_sums_of_many_trials_stay_exact():
    # Two equal clusters of three million trials: n ** 2 times a sum of squares is beyond 64 bits.
    n = 3_000_000
    assert robust_variance([n, n], [2 * n, 2 * n]) == 0.0
    assert robust_variance([n, n + 1], [2 * n, 2 * n]) == pytest.approx(2 * 2 * 0.25 / (4 * n) ** 2)
    with pytest.raises(ValueError, match="needs at least two, got 1"):
        robust_variance([1], [2])


def test_the_result_holds_plain_numbers():
    result = paired_difference(np.array([1, 0, 1, 1]), np.array([1, 1, 1, 0]), np.array([0, 0, 1, 1]))
    kinds = [type(getattr(result, name)) for name in result.__slots__]
    assert set(kinds) <= {int, float, str}


def test_a_hundred_thousand_pairs_take_no_noticeable_time():
    rng = np.random.default_rng(1)
    baseline, candidate = (rng.random(100_000) < 0.8 for _ in range(2))
    labels = [f"case-{i // 5}" for i in range(100_000)]
    started = time.process_time()
    paired_difference(baseline, candidate, labels)
    # A tenth of that on an idle machine.
    assert time.process_time() - started < 0.5


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
