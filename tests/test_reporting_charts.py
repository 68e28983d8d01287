"""Where the shapes of the charts lie."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting_outcome import made_up_outcome
from swapgate.reporting.html import charts

OUTCOME = made_up_outcome()
SCORES = OUTCOME.comparisons[0].scores[0]


def test_levels_are_shown_one_by_one_as_shares_of_the_most_frequent() -> None:
    levels = charts.score_levels(SCORES)
    assert [(level.label, level.before, level.after) for level in levels] == [
        ("1", 0, 1), ("2", 2, 5), ("3", 0, 2), ("4", 3, 2), ("5", 9, 4),
    ]  # fmt: skip
    assert (levels[-1].before_share, levels[-1].after_share) == (1.0, 4 / 9)


@given(levels=st.lists(st.floats(min_value=-1e6, max_value=1e6), min_size=12, max_size=200, unique=True))
def test_many_levels_are_put_into_ranges_and_none_is_lost(levels: list[float]) -> None:
    ordered = tuple(sorted(levels))
    counts = tuple(range(1, len(ordered) + 1))
    shift = replace(SCORES, levels=ordered, baseline_counts=counts, candidate_counts=counts[::-1])
    rows = charts.score_levels(shift)
    assert len(rows) <= 10
    assert sum(row.before for row in rows) == sum(row.after for row in rows) == sum(counts)


def test_units_are_counted_in_ten_bins_and_a_refusal_has_none() -> None:
    spread, _, refused = OUTCOME.spreads
    bins = charts.rate_bins(spread.comparison)
    assert (bins[8].label, bins[8].before, bins[8].after) == ("80 to 90%", 12, 4)
    assert charts.rate_bins(refused.comparison) == []


def test_a_threshold_lies_between_the_smallest_and_the_largest_value() -> None:
    step = charts.step(OUTCOME.covariates[0], OUTCOME.facts)
    assert step is not None
    assert (step.lowest, step.highest) == (812, 819)
    assert step.cut == pytest.approx(100 * 3 / 7)
    assert (step.range_x, step.range_x + step.range_width) == (pytest.approx(100 / 7), pytest.approx(500 / 7))
    assert step.below.width + step.above.width == pytest.approx(100)
    assert step.above.y < step.below.y < step.zero == 100
    for side in (step.below, step.above):
        assert side.top <= side.y <= side.top + side.height <= 100


def test_a_difference_has_its_zero_inside_the_chart() -> None:
    step = charts.step(OUTCOME.covariates[-1], OUTCOME.facts)
    assert step is not None
    assert 0 < step.zero < 100
    assert step.bottom < 0 < step.top


def test_without_facts_the_range_of_the_cut_is_the_chart() -> None:
    step = charts.step(OUTCOME.covariates[0], [])
    assert step is not None
    assert (step.lowest, step.highest, step.range_width) == (813, 817, 100)


def test_no_chart_without_a_threshold_or_without_any_width() -> None:
    threshold, trend, *_ = OUTCOME.covariates
    assert charts.step(trend, OUTCOME.facts) is None
    assert charts.step(replace(threshold, cut_low=None, cut_high=None), []) is None
