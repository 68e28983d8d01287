"""Trends of failures along a covariate: scipy's and statsmodels' own numbers, coverage, separation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu, rankdata

from swapgate.stats.trend import (
    ONE_KIND,
    PERFECT_FIT,
    SEPARATED,
    UNDETERMINED,
    linear_slope,
    logistic_slope,
    midranks,
    rank_trend_p_value,
    superiority,
)

cases = st.lists(st.tuples(st.sampled_from([0.0, 1.0]), st.integers(0, 12)), min_size=6, max_size=60)


def columns(rows):
    failed, covariate = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    return failed, covariate


def some_data(seed=3, n=200):
    rng = np.random.default_rng(seed)
    covariate = np.round(np.exp(rng.normal(6, 0.8, n)))
    failed = (rng.random(n) < 1 / (1 + np.exp(2 - 0.001 * covariate))).astype(float)
    return failed, covariate


@given(cases)
def test_ranks_and_p_value_agree_with_scipy(rows):
    failed, covariate = columns(rows)
    assert midranks(covariate).tolist() == rankdata(covariate).tolist()
    p_value = rank_trend_p_value(failed, covariate)
    if 0 < failed.sum() < len(failed) and np.ptp(covariate) > 0:
        theirs = mannwhitneyu(
            covariate[failed == 1], covariate[failed == 0], use_continuity=False, method="asymptotic"
        )
        assert p_value == pytest.approx(theirs.pvalue, abs=1e-9)
    else:
        assert p_value == 1.0


@given(cases)
def test_superiority_is_mann_whitneys_share_and_its_interval_has_width(rows):
    failed, covariate = columns(rows)
    interval = superiority(failed, covariate)
    if failed.min() == failed.max():
        assert (interval.estimate, interval.low, interval.note) == (None, None, ONE_KIND)
        return
    u = mannwhitneyu(covariate[failed == 1], covariate[failed == 0], method="asymptotic").statistic
    ones = failed.sum()
    assert interval.estimate == pytest.approx(u / (ones * (len(failed) - ones)))
    assert 0 <= interval.low <= interval.estimate <= interval.high <= 1
    assert interval.high - interval.low > 1e-3
    mirrored = superiority(failed, -covariate)
    assert (1 - mirrored.high, 1 - mirrored.low) == pytest.approx((interval.low, interval.high), abs=1e-6)


def test_superiority_covers_the_truth_also_with_clusters():
    rng, held, held_clustered = np.random.default_rng(5), 0, 0
    truth = 0.5 * (1 + math.erf(0.8 / 2))
    cluster = np.arange(240) // 4
    for _ in range(300):
        failed = (np.arange(80) < 20).astype(float)
        interval = superiority(failed, rng.normal(size=80) + 0.8 * failed)
        held += interval.low <= truth <= interval.high
        fails = (np.arange(60) % 4 == 0)[cluster].astype(float)
        alike = rng.normal(size=60)[cluster] * math.sqrt(0.5) + rng.normal(size=240) * math.sqrt(0.5)
        interval = superiority(fails, alike + 0.8 * fails, cluster)
        held_clustered += interval.low <= truth <= interval.high
    assert held / 300 >= 0.91
    assert held_clustered / 300 >= 0.91


def test_the_logistic_slope_agrees_with_statsmodels():
    failed, covariate = some_data()
    ours = logistic_slope(failed, covariate)
    fit = sm.Logit(failed, sm.add_constant(covariate)).fit(disp=0)
    assert ours.estimate == pytest.approx(fit.params[1], rel=1e-6)
    assert (ours.low, ours.high) == pytest.approx(tuple(fit.conf_int()[1]), rel=1e-5)


def test_the_clustered_slopes_agree_with_statsmodels():
    failed, covariate = some_data()
    cluster = np.arange(200) // 4
    design = sm.add_constant(covariate)
    options = {"cov_type": "cluster", "cov_kwds": {"groups": cluster, "use_correction": False}}
    correction = math.sqrt(50 / 49)
    logit = sm.Logit(failed, design).fit(disp=0, **options)
    ours = logistic_slope(failed, covariate, cluster, confidence=0.9)
    half = logit.bse[1] * correction * 1.6765509
    assert (ours.high - ours.low) / 2 == pytest.approx(half, rel=1e-5)
    ols = sm.OLS(failed - 0.5, design).fit(**options)
    ours = linear_slope(failed - 0.5, covariate, cluster, confidence=0.9)
    assert ours.estimate == pytest.approx(ols.params[1], rel=1e-6)
    assert (ours.high - ours.low) / 2 == pytest.approx(ols.bse[1] * correction * 1.6765509, rel=1e-5)


@given(cases)
@settings(deadline=None)
def test_a_logistic_slope_is_finite_or_refused_by_name(rows):
    failed, covariate = columns(rows)
    if np.ptp(covariate) == 0:
        return
    slope = logistic_slope(failed, covariate)
    if slope.note:
        assert slope.note in (SEPARATED, ONE_KIND)
        assert slope.estimate is None
    else:
        assert abs(slope.estimate) < 20
        assert slope.low < slope.estimate < slope.high


@pytest.mark.parametrize("sign", [1, -1])
def test_separation_is_a_note_and_no_huge_coefficient(sign):
    covariate = sign * np.arange(20.0)
    slope = logistic_slope((covariate > covariate[10]).astype(float), covariate)
    assert (slope.estimate, slope.low, slope.high, slope.note) == (None, None, None, SEPARATED)


def test_extreme_values_are_fitted_or_refused_by_name():
    failed = np.resize([0.0, 1], 40)
    covariate = np.append(np.arange(39.0), 1e5)
    slope = logistic_slope(failed, covariate)
    fit = sm.Logit(failed, sm.add_constant(covariate)).fit(disp=0)
    assert slope.estimate == pytest.approx(fit.params[1], rel=1e-5)
    assert logistic_slope(failed, np.append(np.arange(39.0), 1e15)).note == UNDETERMINED


def test_shares_take_the_robust_variance():
    covariate = np.arange(40.0)
    shares = np.clip(covariate / 60 + np.resize([0.0, 0.2, 0.1], 40), 0, 1)
    slope = logistic_slope(shares, covariate)
    assert 0 < slope.low < slope.estimate < slope.high


def test_an_outcome_on_the_line_refuses_an_interval_of_zero_width():
    assert linear_slope(np.array([0.0, 0, 1, 1]), np.array([1.0, 1, 2, 2])).note == PERFECT_FIT
    assert linear_slope(np.zeros(4), np.arange(4.0)).note == PERFECT_FIT
