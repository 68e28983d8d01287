"""Adjusted p-values: the worked example, statsmodels' and scipy's own numbers, and the level they keep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control
from statsmodels.stats.multitest import multipletests

from swapgate.stats.multiple import benjamini_hochberg, benjamini_yekutieli, holm

p_values = st.lists(st.floats(0, 1), min_size=1, max_size=40)
METHODS = [holm, benjamini_hochberg, benjamini_yekutieli]


def test_the_worked_example_is_reproduced():
    p = [0.01, 0.04, 0.03, 0.005]
    assert holm(p) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert benjamini_hochberg(p) == pytest.approx([0.02, 0.04, 0.04, 0.02])


def test_benjamini_and_hochbergs_own_example_rejects_four_of_fifteen():
    # Benjamini and Hochberg 1995, section 3.2: four hypotheses at level .05, where Bonferroni finds three.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459]
    p += [0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]
    assert sum(q <= 0.05 for q in benjamini_hochberg(p)) == 4
    assert sum(q <= 0.05 for q in holm(p)) == 3


# statsmodels' Holm takes a tenth of a second.
@settings(max_examples=20, deadline=None)
@given(p_values)
def test_statsmodels_and_scipy_agree(p):
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1].tolist())
    assert benjamini_hochberg(p) == pytest.approx(false_discovery_control(p, method="bh").tolist())
    assert benjamini_hochberg(p) == pytest.approx(multipletests(p, method="fdr_bh")[1].tolist())
    assert benjamini_yekutieli(p) == pytest.approx(false_discovery_control(p, method="by").tolist())


@given(p_values)
def test_adjusting_never_lowers_a_p_value_and_keeps_the_order(p):
    for method in METHODS:
        adjusted = method(p)
        assert all(before - 1e-12 <= after <= 1 for before, after in zip(p, adjusted, strict=True))
        ranked = [after for _, after in sorted(zip(p, adjusted, strict=True))]
        assert ranked == sorted(ranked)
    assert all(q <= h + 1e-12 for q, h in zip(benjamini_hochberg(p), holm(p), strict=True))


@pytest.mark.parametrize("method", METHODS)
def test_what_could_not_be_tested_stays_none_and_does_not_count(method):
    assert method([0.01, None, 0.04, None]) == [method([0.01, 0.04])[0], None, method([0.01, 0.04])[1], None]
    assert method([None, None]) == [None, None]
    assert method([]) == []
    assert method([0.03]) == [0.03]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("wrong", [-0.1, 1.1, float("nan")])
def test_a_p_value_outside_0_to_1_is_a_mistake_of_the_caller(method, wrong):
    with pytest.raises(ValueError, match=r"p_values\[2\] must lie between 0 and 1"):
        method([None, 0.5, wrong])


def test_holm_keeps_the_chance_of_any_false_finding():
    rng = np.random.default_rng(8)
    found = [min(holm(rng.random(7))) <= 0.05 for _ in range(4000)]
    assert 0.04 <= np.mean(found) <= 0.06
