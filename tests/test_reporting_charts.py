"""Where the shapes of the charts lie."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting_outcome import made_up_outcome
from swapgate.facts import Facts
from swapgate.reporting.html import charts
from swapgate.reporting.html.lengths import LengthChart, length_charts

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


def _lengths(tokens: list[int], failed: list[bool], *, cut: float | None = None) -> LengthChart:
    one = next(f for f in OUTCOME.facts if f.model == "model-new" and f.semantic is not None)
    facts: list[Facts] = [
        one._replace(tokens_in=n, semantic=not f) for n, f in zip(tokens, failed, strict=True)
    ]
    found = replace(OUTCOME.covariates[0], measure="semantic", cut=cut)
    charts = length_charts(replace(OUTCOME, facts=facts, covariates=(found,) if cut is not None else ()))
    (chart,) = charts["semantic"]
    return chart


@given(st.data())
def test_every_trial_lies_in_one_bin_of_its_length(data: st.DataObject) -> None:
    tokens = data.draw(
        st.lists(st.integers(1, 9999), min_size=16, max_size=300).filter(lambda t: len(set(t)) > 1)
    )
    failed = data.draw(st.lists(st.booleans(), min_size=len(tokens), max_size=len(tokens)).filter(any))
    bins = _lengths(tokens, failed).bins
    assert sum(bin_.n for bin_ in bins) == len(tokens)
    assert sum(bin_.failed for bin_ in bins) == sum(failed)
    assert max(bin_.n for bin_ in bins) - min(bin_.n for bin_ in bins) <= 1
    assert [bin_.low for bin_ in bins] == sorted(bin_.low for bin_ in bins)
    assert sum(bin_.width for bin_ in bins) == pytest.approx(100)


@given(cut=st.floats(0, 2000), more=st.floats(0, 500))
def test_a_longer_threshold_lies_further_to_the_right(cut: float, more: float) -> None:
    tokens = list(range(100, 1700, 10))
    places = [_lengths(tokens, [True] * len(tokens), cut=at).cut_x for at in (cut, cut + more)]
    assert places[0] is not None
    assert places[1] is not None
    assert 0 <= places[0] <= places[1] <= 100


def test_a_threshold_in_the_middle_of_even_lengths_lies_in_the_middle() -> None:
    tokens = list(range(0, 1600, 10))
    assert _lengths(tokens, [True] * 160, cut=800).cut_x == pytest.approx(50)


def test_inputs_of_one_length_have_no_chart() -> None:
    facts = [one._replace(tokens_in=500) for one in OUTCOME.facts]
    assert length_charts(replace(OUTCOME, facts=facts)) == {}


def test_models_stand_beside_each_other_by_one_measure() -> None:
    found = length_charts(made_up_outcome(cases=16))
    assert list(found) == ["structural", "semantic"]
    for charts_ in found.values():
        assert [chart.model for chart in charts_] == ["model-old", "model-new", "vendor/model-mini"]


def test_what_no_model_failed_has_no_chart() -> None:
    facts = [one._replace(structural=True) for one in made_up_outcome(cases=16).facts]
    assert list(length_charts(replace(OUTCOME, facts=facts))) == ["semantic"]
