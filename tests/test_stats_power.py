"""Sample sizes: the published floors, and what each promises checked on the intervals themselves."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.stats.paired import tango_interval
from swapgate.stats.power import cases_for_margin, cases_for_rate, floor_cases, min_passing_cases
from swapgate.stats.proportion import wilson_bounds


@pytest.mark.parametrize(
    ("margin", "floor", "passing"),
    [(0.01, 299, 268), (0.02, 149, 133), (0.03, 99, 88), (0.05, 59, 52), (0.10, 29, 25)],
)
def test_the_floors_of_a_margin(margin, floor, passing):
    assert floor_cases(margin) == floor
    assert min_passing_cases(margin) == passing


@pytest.mark.parametrize("margin", [0.01, 0.03, 0.05, 0.10, 0.30])
def test_agreeing_pairs_pass_from_the_smallest_number_on_and_not_before(margin):
    n = min_passing_cases(margin)
    assert tango_interval(0, 0, n, confidence=0.90).low > -margin
    assert tango_interval(0, 0, n - 1, confidence=0.90).low <= -margin
    assert cases_for_margin(0.0, 0.0, margin) == n


@pytest.mark.parametrize("margin", [0.0, 1.0, -0.05])
def test_a_margin_outside_0_to_1_has_no_floor(margin):
    for floor in (floor_cases, min_passing_cases):
        with pytest.raises(ValueError, match="a margin must lie between 0 and 1"):
            floor(margin)


@given(st.floats(0, 1), st.floats(0.01, 0.99))
def test_the_cases_for_a_rate_are_the_fewest_that_settle_it(rate, limit):
    n = cases_for_rate(rate, limit)
    if n is None:
        assert rate == pytest.approx(limit, abs=1e-12)
        return

    def is_settled(trials: float) -> bool:
        low, high = wilson_bounds(rate, trials, confidence=0.90)
        return low >= limit or high <= limit

    # A relative thousandth of room for rounding at either side of the step.
    assert is_settled(n * 1.001)
    assert n == 1 or not is_settled((n - 1) * 0.999)


@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from([0.0, 0.02, 0.05, 0.10]))
def test_the_cases_for_a_margin_are_where_the_interval_clears_it(n10, n01, margin):
    base = 100
    estimate, discordance = (n01 - n10) / base, (n10 + n01) / base
    n = cases_for_margin(estimate, discordance, margin)
    if n is None:
        assert estimate == pytest.approx(-margin)
        return
    if discordance == 0 and margin == 0:
        return

    # Scaling the table by k keeps its proportions: 100 k pairs.
    def is_settled(scale: int) -> bool:
        interval = tango_interval(n10 * scale, n01 * scale, base * scale, confidence=0.90)
        return interval.low > -margin or interval.high < -margin

    scale = -(-n // base)
    assert is_settled(scale + 1)
    assert scale <= 2 or not is_settled(scale - 2)


def test_an_estimate_at_the_limit_is_never_settled():
    assert cases_for_rate(17 / 20, 0.85) is None
    assert cases_for_rate(1.0, 1.0) is None
    assert cases_for_rate(0.1 + 0.2, 0.3) is None
    assert cases_for_margin(-0.05, 0.1, 0.05) is None
    assert cases_for_margin(0.0, 0.1, 0.0) is None


def test_dependent_trials_need_more_cases():
    assert cases_for_rate(0.9, 0.85, deff=2.0) == pytest.approx(2 * cases_for_rate(0.9, 0.85), abs=1)
    assert cases_for_margin(0.0, 0.1, 0.05, deff=3.0) == pytest.approx(
        3 * cases_for_margin(0.0, 0.1, 0.05), abs=2
    )


def test_planning_imports_no_scipy():
    code = (
        "import sys, swapgate.analysis.plan as plan\n"
        "plan.plan_warnings({'s': 5}, overall=None, suites={}, has_baseline=True)\n"
        "print([m for m in sys.modules if m.split('.')[0] in ('scipy', 'numpy', 'pandas')])"
    )
    path = [entry for entry in sys.path if entry]
    run = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path[:0] = {path!r}\n{code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert run.stdout.strip() == "[]"
