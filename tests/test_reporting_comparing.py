"""The words for how a candidate stands to its baseline."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reporting_outcome import made_up_outcome
from swapgate.analysis.compare import Difference
from swapgate.reporting.words import comparing

COMPARISON = made_up_outcome().comparisons[0]


def _difference(**given: Any) -> Difference:
    enough = {"clusters": 100, "pairs": 100, "estimate": 0.0, "low": -0.04, "high": 0.04, "p_value": 0.9}
    return replace(COMPARISON.differences[0], **{**enough, "p_noninferior": 0.6, **given})


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "not separated"),
        ({"estimate": -0.2, "p_value": 0.05}, "worse"),
        ({"estimate": -0.2, "p_value": 0.051}, "not separated"),
        ({"estimate": 0.2, "p_value": 0.01, "p_noninferior": 0.0001}, "better"),
        ({"p_noninferior": 0.05}, "not separated, not worse by more than 5 points"),
        ({"estimate": -0.02, "p_value": 0.04, "p_noninferior": 0.01}, "worse, but not by more than 5 points"),
        ({"p_noninferior": 0.05, "margin": 0.1}, "not separated, not worse by more than 10 points"),
        ({"estimate": None, "p_value": None}, ""),
        ({"p_value": None}, ""),
    ],
)  # fmt: skip
def test_a_difference_is_put_into_words(given: dict[str, Any], says: str) -> None:
    assert comparing.says(_difference(**given)) == says


def test_too_few_cases_never_show_that_a_candidate_is_good_enough() -> None:
    assert comparing.says(_difference(clusters=58, p_noninferior=0.001)) == "not separated"
    assert comparing.says(_difference(clusters=59, p_noninferior=0.001)).endswith("by more than 5 points")


def test_a_margin_of_nothing_is_not_worse_by_nothing() -> None:
    assert comparing.says(_difference(margin=0.0, p_noninferior=0.01)) == "not separated"


def test_of_several_candidates_the_adjusted_value_decides() -> None:
    difference = _difference(estimate=-0.2, p_value=0.03, p_adjusted=0.06)
    assert comparing.word_of(difference) == "not separated"
    assert comparing.p_text(difference) == "p 0.030, adjusted 0.060"


@pytest.mark.parametrize(
    ("low", "high", "says"),
    [
        (-0.3, -0.1, "worse"),
        (0.1, 0.3, "better"),
        (-0.04, 0.1, "not separated, not worse by more than 5 points"),
        (-0.2, 0.1, "not separated"),
        (None, None, ""),
    ],
)
def test_in_a_run_that_may_stop_early_the_bounds_over_all_looks_decide(
    low: float | None, high: float | None, says: str
) -> None:
    difference = _difference(low=low, high=high, look=3, p_value=0.001, p_noninferior=0.9)
    assert comparing.says(difference) == says
    assert comparing.p_text(difference) == "over 3 looks"


def test_more_blind_passes_are_worse_and_none_at_all_are_not_told() -> None:
    change = COMPARISON.blind_pass[0]
    assert comparing.blind_word(change) == "worse"
    assert comparing.blind_word(replace(change, estimate=-0.2)) == "better"
    assert comparing.blind_word(replace(change, p_value=0.2)) == "not separated"
    none = replace(change, baseline_hits=0, candidate_hits=0)
    assert comparing.blind_pass_of(replace(COMPARISON, blind_pass=(none,))) is None
    assert comparing.blind_pass_of(replace(COMPARISON, blind_pass=())) is None


def test_what_costs_nothing_on_either_side_is_left_out() -> None:
    free = replace(COMPARISON.amounts[1], baseline_mean=0.0, candidate_mean=0.0, ratio=None)
    amounts = comparing.amounts_of(replace(COMPARISON, amounts=(free, COMPARISON.amounts[0])))
    assert [a.amount for a in amounts] == ["tokens_out"]
