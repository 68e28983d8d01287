"""What repeats say: who wavers, pass@k and pass^k, and nothing where nothing was repeated."""

from __future__ import annotations

from itertools import combinations
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_trials import concluded, errored, models, old, trial
from swapgate.analysis.repeatability import repeatability
from swapgate.stats import pass_at_k, pass_hat_k


def repeated(results, **fields):
    """Return trials; `results` gives each case's repeats as text, P for a pass."""
    return [
        trial(case, semantic=mark == "P", repeat=r, **fields)
        for case, marks in results.items()
        for r, mark in enumerate(marks, start=1)
    ]


def only(trials):
    (found,) = repeatability(models(trials))
    return found


WAVERING = {"steady": "PPPP", "lost": "----", "often": "PPP-", "half": "P--P"}


def test_wavering_cases_are_named_with_their_counts_nearest_to_a_half_first():
    found = only(repeated(WAVERING))
    assert [(f.case, f.passed, f.repeats) for f in found.flaky] == [("half", 2, 4), ("often", 3, 4)]
    assert (found.repeats, found.cases, found.measure) == (4, 4, "semantic")


def test_pass_at_k_and_pass_hat_k_are_averages_over_all_ways_to_draw():
    found = only(repeated(WAVERING))
    assert [among.k for among in found.among] == [2, 4]
    two = found.among[0]
    ways = [list(combinations([mark == "P" for mark in marks], 2)) for marks in WAVERING.values()]
    assert two.at_least_one == pytest.approx(fmean(fmean(map(any, each)) for each in ways))
    assert two.all_of == pytest.approx(fmean(fmean(map(all, each)) for each in ways))
    four = found.among[1]
    assert (four.at_least_one, four.all_of) == (pytest.approx(3 / 4), pytest.approx(1 / 4))
    assert two.all_of_low < two.all_of < two.all_of_high
    assert two.at_least_one_low < two.at_least_one < two.at_least_one_high


def test_two_repeats_give_one_k():
    assert [among.k for among in only(repeated({"a": "P-", "b": "PP"})).among] == [2]


def test_cases_of_a_cluster_are_one_for_the_bounds():
    results = {f"c{i}": "PP" if i % 3 else "P-" for i in range(30)}
    trials = [
        t for i, case in enumerate(results) for t in repeated({case: results[case]}, cluster=f"d{i // 3}")
    ]
    among = only(trials).among[0]
    passes = [mark == "P" for marks in results.values() for mark in marks]
    cases = [case for case in results for _ in "ab"]
    clusters = [i // 3 for i in range(30) for _ in "ab"]
    expected = pass_hat_k(passes, cases, clusters, k=2)
    assert (among.all_of_low, among.all_of_high) == (expected.low, expected.high)
    expected = pass_at_k(passes, cases, clusters, k=2)
    assert (among.at_least_one_low, among.at_least_one_high) == (expected.low, expected.high)


def test_variance_lies_between_cases_that_never_waver_and_within_those_that_do():
    assert only(repeated({"a": "PPP", "b": "---", "c": "PPP"})).between == 1.0
    assert only(repeated({"a": "P-P-", "b": "-P-P", "c": "PP--"})).between == 0.0
    constant = only(repeated({"a": "PP", "b": "PP"}))
    assert constant.between is None
    assert constant.note


def test_without_repeats_nothing_is_said():
    assert repeatability(models(repeated({"a": "P", "b": "-"}))) == ()
    assert repeatability([]) == ()
    assert concluded(repeated({"a": "P", "b": "-"})).repeatability == ()


def test_each_model_is_by_itself():
    trials = [*repeated(WAVERING), *(old("steady", semantic=r == 1, repeat=r) for r in (1, 2, 3, 4))]
    ours, theirs = repeatability(models(trials))
    assert (ours.model, ours.role, theirs.model, theirs.role) == ("new", "candidate", "old", "baseline")
    assert [f.case for f in theirs.flaky] == ["steady"]


def test_errored_repeats_are_missing_and_make_no_case_waver():
    trials = [*repeated({"a": "PP", "b": "PP"}), *(errored(case, repeat=3) for case in "ab")]
    found = only(trials)
    assert (found.flaky, found.repeats) == ((), 2)
    assert repeatability(models([trial("a"), errored("a", repeat=2)])) == ()


def test_structure_is_repeated_where_nothing_scored_the_meaning():
    trials = [trial(c, structural=r == 1, repeat=r) for c in "ab" for r in (1, 2)]
    found = only(trials)
    assert (found.measure, [f.case for f in found.flaky]) == ("structural", ["a", "b"])


def test_cases_of_the_same_name_in_two_suites_are_two():
    trials = [t for suite in ("x", "y") for t in repeated({"a": "P-"}, suite=suite)]
    found = only(trials)
    assert found.cases == 2
    assert [(f.suite, f.case) for f in found.flaky] == [("x", "a"), ("y", "a")]


@given(st.dictionaries(st.sampled_from("abcdef"), st.text("P-", min_size=1, max_size=5), min_size=1))
def test_any_repeats_get_chances_and_never_nan(results):
    for found in repeatability(models(repeated(results))):
        assert {f.case for f in found.flaky} == {c for c, marks in results.items() if len(set(marks)) == 2}
        for among in found.among:
            if among.all_of is not None:
                assert 0 <= among.all_of <= among.at_least_one <= 1
            if among.all_of_low is not None:
                assert among.all_of_low <= among.all_of <= among.all_of_high
                assert among.all_of_low < among.all_of_high
