"""A candidate against a baseline: who is paired, what flipped and why, what the differences say."""

from __future__ import annotations

import pytest

from analysis_trials import answer, errored, many, models, trial
from swapgate.analysis.compare import compare
from swapgate.analysis.pairs import pair_up
from swapgate.errors import ErrorKind
from swapgate.records import TrialError
from swapgate.stats.paired import paired_difference


def old(case="c1", **fields):
    return trial(case, model="old", role="baseline", **fields)


def against(trials):
    return compare(pair_up(models(trials), candidate="new", baseline="old"))


def difference(comparison, measure, suite=None):
    return next(d for d in comparison.differences if (d.measure, d.suite) == (measure, suite))


def test_differences_come_overall_then_by_suite_semantic_before_structural():
    trials = [make("a", suite=s, semantic=True) for s in ("one", "two") for make in (trial, old)]
    found = [(d.suite, d.measure, d.pairs) for d in against(trials).differences]
    assert found == [
        (None, "semantic", 2),
        (None, "structural", 2),
        ("one", "semantic", 1),
        ("one", "structural", 1),
        ("two", "semantic", 1),
        ("two", "structural", 1),
    ]


def test_a_difference_is_candidate_minus_baseline_with_its_table():
    trials = [
        *many(6, 4, model="old", role="baseline"),
        *many(9, 1),
    ]
    found = difference(against(trials), "semantic")
    assert (found.both, found.only_candidate, found.only_baseline, found.neither) == (6, 3, 0, 1)
    assert found.estimate == pytest.approx(0.3)
    expected = paired_difference([i < 6 for i in range(10)], [i < 9 for i in range(10)])
    assert (found.low, found.high, found.p_value) == (expected.low, expected.high, expected.p_value)
    assert (found.confidence, found.clusters, found.deff) == (0.90, 10, 1.0)


def test_pairs_share_suite_case_and_repeat():
    trials = [
        trial("a", repeat=1, structural=False),
        trial("a", repeat=2),
        old("a", repeat=2, structural=False),
        old("a", repeat=1),
        old("a", suite="other"),
    ]
    comparison = against(trials)
    found = difference(comparison, "structural", "s")
    assert (found.only_candidate, found.only_baseline) == (1, 1)
    assert comparison.unpaired == 1
    assert "one cluster" in found.note


def test_trials_without_an_answered_partner_are_counted_and_left_out():
    trials = [
        trial("a"), old("a"),
        trial("b"), errored("b", model="old", role="baseline"),
        errored("c"), errored("c", model="old", role="baseline"),
        trial("d"),
    ]  # fmt: skip
    comparison = against(trials)
    assert difference(comparison, "structural").pairs == 1
    assert comparison.unpaired == 5


def test_a_fallbacks_answer_is_no_partner():
    error = TrialError(kind=ErrorKind.SERVER, message="503")
    fallen = trial("a", answer=answer("other", is_fallback=True), error=error)
    assert against([fallen, old("a")]).unpaired == 2


def test_meaning_that_only_one_side_has_scored_is_no_semantic_pair():
    comparison = against(
        [trial("a", semantic=True), old("a"), trial("b", semantic=True), old("b", semantic=True)]
    )
    assert difference(comparison, "semantic").pairs == 1
    assert difference(comparison, "structural").pairs == 2


def test_without_semantic_results_the_difference_is_said_to_have_no_pairs():
    found = difference(against([trial("a"), old("a")]), "semantic")
    assert (found.pairs, found.estimate, found.low, found.p_value) == (0, None, None, None)
    assert found.note == "no pairs"


def test_clusters_reach_the_difference():
    trials = [make(f"c{i}", cluster=f"d{i // 5}") for i in range(60) for make in (trial, old)]
    found = difference(against(trials), "structural")
    assert (found.pairs, found.clusters, found.deff) == (60, 12, 5)


def test_flips_name_what_failed_on_the_failing_side():
    trials = [
        trial("a", structural=False), old("a"),
        trial("b", semantic=False, reason="names the wrong file"), old("b", semantic=True),
        trial("c", semantic=True), old("c", semantic=False, reason="misses the injection"),
        trial("d", semantic=False), old("d", semantic=False),
        errored("e"), old("e"),
    ]  # fmt: skip
    comparison = against(trials)
    assert [(f.case, f.reason) for f in comparison.regressed] == [
        ("a", "json: text after the JSON object"),
        ("b", "meaning: names the wrong file"),
    ]
    assert [(f.case, f.reason) for f in comparison.fixed] == [("c", "meaning: misses the injection")]


def test_a_long_reason_is_one_short_line():
    trials = [trial("a", semantic=False, reason="much\n\ntoo long " * 60), old("a", semantic=True)]
    reason = against(trials).regressed[0].reason
    assert len(reason) == 200
    assert reason.startswith("meaning: much too long much too long")
    assert reason.endswith("…")


def test_one_model_against_itself_is_told_apart_by_role():
    trials = [trial("a", structural=False), trial("a", role="baseline")]
    comparison = compare(pair_up(models(trials), candidate="new", baseline="new"))
    assert difference(comparison, "structural").only_baseline == 1


def test_models_without_a_common_trial_have_no_pairs():
    comparison = against([trial("a")])
    assert comparison.unpaired == 1
    assert [d.pairs for d in comparison.differences] == [0, 0]
