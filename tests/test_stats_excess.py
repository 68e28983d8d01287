"""Excess over a noise floor, quantiles and ratios: coverage, published examples, edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate.stats import (
    difference_of_intervals,
    excess_mean,
    excess_rate,
    fewest_for_quantile,
    quantile_interval,
    ratio_interval,
    wilson_interval,
)

NAN = float("nan")


@pytest.mark.parametrize(("share", "cluster"), [(0.05, 1), (0.25, 1), (0.25, 5), (1.0, 1)])
def test_a_candidate_at_the_margin_is_below_it_in_hardly_more_than_5_percent(share, cluster):
    rng = np.random.default_rng(7)
    n, runs, margin, false = 600, 400, 0.05, 0
    groups = np.repeat(np.arange(n // cluster), cluster)
    for _ in range(runs):
        is_hard = (rng.random(n // cluster) < 0.3)[groups]
        noise = np.where(is_hard, 0.3, 0.02)
        disagrees = rng.random(n) < noise + margin
        again = np.where(rng.random(n) < share, rng.random(n) < noise, NAN)
        found = excess_rate(disagrees, again, groups if cluster > 1 else None)
        assert found.excess.high is not None
        false += found.excess.high < margin
    assert false / runs <= 0.075


def test_newcombes_published_example_comes_out():
    # Newcombe 1998, Stat. Med. 17:873-890, table II, contrast (a) by method 10.
    found = difference_of_intervals(wilson_interval(56, 70), wilson_interval(48, 80))
    assert found.low == pytest.approx(0.0524, abs=5e-5)
    assert found.high == pytest.approx(0.3339, abs=5e-5)


def test_without_second_answers_the_excess_is_refused_and_says_why():
    found = excess_rate([1, 0, 0], [NAN, NAN, NAN])
    assert found.excess.low is None
    assert "no second answers" in found.excess.note


def test_a_floor_without_any_disagreement_has_a_width_all_the_same():
    found = excess_rate([0] * 100, [0] * 20 + [NAN] * 80)
    assert found.excess.low < 0 < found.excess.high


def test_a_mean_distance_is_held_against_the_controls_own():
    rng = np.random.default_rng(3)
    found = excess_mean(rng.normal(0.3, 0.05, 500), rng.normal(0.2, 0.05, 500))
    assert found.excess.low < 0.1 < found.excess.high
    assert found.excess.low > 0.08


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 1.0, NAN]), st.sampled_from([0.0, 1.0, NAN])), max_size=40),
    st.integers(1, 5),
)
@settings(max_examples=200, deadline=None)
def test_any_input_gives_an_interval_around_the_estimate_or_a_reason(pairs, size):
    x, y = [one for one, _ in pairs], [two for _, two in pairs]
    found = excess_rate(x, y, [number // size for number in range(len(pairs))]).excess
    if found.low is None:
        assert found.note
    else:
        assert -1 - 1e-9 <= found.low <= found.estimate <= found.high <= 1 + 1e-9
        assert found.low < found.high


def test_an_upper_bound_of_the_95th_percentile_takes_59_values():
    assert fewest_for_quantile(0.95) == 59
    assert quantile_interval(range(58), 0.95).high is None
    assert "at least 59" in quantile_interval(range(58), 0.95).note
    assert quantile_interval(range(59), 0.95).high == 58


@pytest.mark.parametrize("n", [60, 200, 1000])
def test_the_bounds_of_a_percentile_keep_their_level(n):
    rng = np.random.default_rng(11)
    truth = math.exp(1.6448536269514722)
    values = rng.lognormal(size=(1500, n))
    found = [quantile_interval(row, 0.95) for row in values]
    assert np.mean([one.high < truth for one in found if one.high is not None]) <= 0.065
    assert np.mean([one.low > truth for one in found if one.low is not None]) <= 0.065


def test_timeouts_are_slower_than_everything():
    found = quantile_interval([1.0] * 90 + [math.inf] * 10, 0.95)
    assert found.estimate == math.inf


def test_users_with_many_requests_widen_the_bounds_of_a_percentile():
    rng = np.random.default_rng(2)
    users = np.repeat(np.arange(40), 25)
    values = rng.lognormal(size=40)[users] * rng.lognormal(sigma=0.05, size=1000)
    alone, grouped = quantile_interval(values, 0.95), quantile_interval(values, 0.95, users)
    assert grouped.high is None or grouped.high >= alone.high
    assert grouped.low < alone.low


def test_a_ratio_of_costs_is_covered():
    rng = np.random.default_rng(4)
    hits = 0
    for _ in range(400):
        base = rng.lognormal(size=200)
        other = 0.4 * base * rng.lognormal(sigma=0.3, mean=-0.045, size=200)
        found = ratio_interval(other, base)
        hits += found.low <= 0.4 <= found.high
    assert 0.86 <= hits / 400 <= 0.94


def test_a_ratio_over_nothing_is_refused():
    assert ratio_interval([], []).estimate is None
    assert ratio_interval([1.0, 1.0], [0.0, 0.0]).low is None
