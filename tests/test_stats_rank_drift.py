"""Drift by ranks: exact whatever the distribution, and slow only where the ranks themselves are."""

from __future__ import annotations

from itertools import permutations
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.stats import likely_starts, rank_bets, rank_evidence

FINITE = st.floats(-1e6, 1e6, allow_nan=False)


def test_every_bet_is_fair_over_all_orders_of_the_nights():
    for values in ((1.0, 2.0, 3.0, 4.0, 5.0), (1.0, 1.0, 2.0, 3.0, 3.0), (7.0,) * 5):
        bets = np.array([rank_bets(order) for order in permutations(values)])
        assert bets.mean(axis=0) == pytest.approx(np.ones(bets.shape[1:]))


def test_the_evidence_less_the_nights_is_a_martingale_over_all_orders():
    orders = [rank_evidence(order).evidence for order in permutations((0.2, 0.4, 0.4, 0.7, 0.9, 1.3))]
    assert np.mean(orders, axis=0) == pytest.approx(np.arange(1, 7))


def test_nights_that_are_all_alike_are_no_evidence():
    assert rank_evidence([0.0] * 30).evidence == pytest.approx(range(1, 31))


def test_the_evidence_of_nights_that_top_all_before_is_bounded_as_the_docstring_says():
    quiet = np.random.default_rng(1).normal(size=20)
    found = [rank_bets([*quiet, *high])[20:].prod(axis=0) for high in permutations((100.0, 101.0, 102.0))]
    assert 100 < np.mean(found, axis=0).max() <= comb(23, 3)


@given(st.lists(FINITE, max_size=40))
def test_any_values_give_finite_evidence_of_nights_in_order(values):
    found = rank_evidence(values)
    assert len(found.evidence) == len(values)
    assert all(np.isfinite(found.evidence))
    if values:
        assert 0 <= found.earliest <= found.since <= found.latest < len(values)


@given(st.lists(FINITE, min_size=2, max_size=20, unique=True))
def test_only_the_order_of_the_values_counts(values):
    ranks = [float(sorted(values).index(value)) for value in values]
    assert rank_evidence(values) == rank_evidence(ranks)


def test_a_rise_is_dated():
    rng = np.random.default_rng(3)
    found = rank_evidence([*rng.normal(1, 0.1, 40), *rng.normal(1.6, 0.1, 8)])
    assert found.since == 40
    assert found.evidence[-1] > 1e5
    assert found.earliest <= 40 <= found.latest


def test_values_that_are_no_numbers_are_refused():
    with pytest.raises(ValueError, match="finite"):
        rank_evidence([1.0, float("nan")])


def test_without_a_night_there_is_no_evidence():
    assert rank_evidence([]).since is None


def test_the_likeliest_starts_hold_most_of_the_probability():
    assert likely_starts(np.log([0.94, 0.03, 0.03])) == (0, 0, 0)
    assert likely_starts(np.log([0.25, 0.25, 0.25, 0.25])) == (0, 0, 3)
