"""The last of several sets against the others: exact p-values, and evidence that keeps its promise."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.stats import odd_last_p, p_evidence


def test_p_is_the_share_of_all_arrangements_that_are_as_odd():
    values = np.array([[0.0, 0.2, 1.0], [0.4, 0.0, 0.6], [0.0, 0.0, 0.8]])
    sums = [
        sum(values[case, place] for case, place in enumerate(places))
        for places in product(range(3), repeat=3)
    ]
    expected = np.mean(np.array(sums) >= values[:, -1].sum() - 1e-9)
    assert odd_last_p(values) == pytest.approx(expected)
    assert odd_last_p(-values, is_two_sided=True) == pytest.approx(2 * expected)


def test_small_p_values_are_exact_too():
    quiet = np.zeros((6, 20))
    quiet[:, -1] = 1
    assert odd_last_p(quiet) == pytest.approx(20.0**-6, rel=1e-6)


def test_a_case_without_a_last_set_is_left_out_and_missing_ones_are_not_counted():
    nan = np.nan
    assert odd_last_p([[0, 0, 1], [9, 9, nan]]) == pytest.approx(1 / 3)
    assert odd_last_p([[nan, 0, 1]]) == pytest.approx(1 / 2)
    assert odd_last_p([[nan, nan, 1]]) == odd_last_p([[0, nan]]) == odd_last_p(np.zeros((0, 3))) == 1.0


@given(
    st.lists(st.lists(st.floats(-5, 5, allow_nan=False), min_size=4, max_size=4), min_size=1, max_size=5),
    st.booleans(),
)
def test_any_values_give_a_p_value(values, is_two_sided):
    assert 0 < odd_last_p(values, is_two_sided=is_two_sided) <= 1


def test_p_is_valid_over_all_orders_of_the_sets():
    rng = np.random.default_rng(5)
    values = rng.random((4, 6)).round(1)
    found = []
    for _ in range(2000):
        found.append(odd_last_p(np.array([rng.permutation(row) for row in values])))
    for level in (0.02, 0.1, 0.3):
        assert np.mean(np.array(found) <= level) <= level + 3 * np.sqrt(level / 2000)


def test_bets_on_p_values_are_fair():
    p = (np.arange(200_000) + 0.5) / 200_000
    evidence = [p_evidence([one], threshold=100).evidence[0] for one in p[::50]]
    assert np.mean(evidence) == pytest.approx(1, abs=0.01)


def test_one_night_alone_can_reach_the_threshold_and_is_dated():
    found = p_evidence([0.5] * 20 + [1e-6], threshold=2433)
    assert found.evidence[-2] < 100 < 2433 < found.evidence[-1]
    assert found.since == found.earliest == found.latest == 20


def test_small_but_lasting_oddness_adds_up():
    found = p_evidence([0.5] * 20 + [0.01] * 6, threshold=2433)
    assert found.evidence[-1] > 2433
    assert found.since in {19, 20}


@pytest.mark.parametrize("wrong", [[-0.1], [1.1], [float("nan")], [[0.5]]])
def test_what_is_no_p_value_is_refused(wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        p_evidence(wrong, threshold=100)


def test_no_night_is_no_evidence():
    assert p_evidence([1.0, 1.0], threshold=100).since is None
    assert p_evidence([], threshold=100).evidence == ()
