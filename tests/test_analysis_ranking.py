"""Several models: in order, told apart or not, and what looking at many of them costs."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from statsmodels.stats.multitest import multipletests

from analysis_trials import calibration, concluded, errored, labels, paired, trial
from swapgate.analysis.correction import Corrections
from swapgate.analysis.ranking import adjust, ranking
from swapgate.analysis.scopes import OVERALL
from swapgate.stats import mcnemar_midp, paired_difference


def models(results, *, cases=100, baseline=None, **fields):
    """Return trials of several models; `results` says of each which of the cases it passes."""
    return [
        trial(
            f"c{i}",
            model=name,
            role="baseline" if name == baseline else "candidate",
            semantic=passes(i),
            **fields,
        )
        for name, passes in results.items()
        for i in range(cases)
    ]


def first(count):
    return lambda i: i < count


def ranks(trials, **fields):
    return concluded(trials, **fields).ranking


def semantic(comparison, scope=OVERALL):
    (found,) = [d for d in comparison.differences if d.measure == "semantic" and d.scope == scope]
    return found


THREE = {"low": first(50), "high": first(92), "mid": first(90)}


def test_models_come_best_first_with_their_rates():
    found = ranks(models(THREE))
    assert [(r.place, r.model, r.rate) for r in found] == [
        (1, "high", 0.92),
        (2, "mid", 0.90),
        (3, "low", 0.50),
    ]
    assert {r.measure for r in found} == {"semantic"}


def test_each_model_is_held_against_the_next_on_the_cases_of_both():
    first_, second, last = ranks(models(THREE))
    expected = paired_difference([i < 90 for i in range(100)], [i < 92 for i in range(100)])
    assert first_.to_next == pytest.approx(0.02)
    assert (first_.low, first_.high, first_.p_value) == (expected.low, expected.high, expected.p_value)
    assert second.to_next == pytest.approx(0.40)
    assert (last.to_next, last.p_value, last.p_adjusted, last.is_separated) == (None, None, None, None)


def test_neighbours_that_cannot_be_told_apart_are_not_separated():
    assert [r.is_separated for r in ranks(models(THREE))] == [False, True, None]


def test_neighbours_pay_for_being_many():
    # Six cases of one sign: p .03 for one pair of neighbours, above .05 for four.
    steps = {f"m{k}": first(50 + 6 * k) for k in range(5)}
    found = ranks(models(steps))
    raw = [r.p_value for r in found[:-1]]
    assert raw == [mcnemar_midp(0, 6)] * 4
    assert raw[0] < 0.05
    adjusted = multipletests(raw, method="holm")[1]
    assert [r.p_adjusted for r in found[:-1]] == pytest.approx(list(adjusted))
    assert [r.is_separated for r in found[:-1]] == [False] * 4
    assert [r.is_separated for r in ranks(models({k: steps[k] for k in ("m0", "m1", "m4")}))] == [
        True,
        True,
        None,
    ]


def test_the_baseline_has_its_place_among_the_others():
    found = ranks(models(THREE, baseline="mid"))
    assert [(r.model, r.role) for r in found] == [
        ("high", "candidate"),
        ("mid", "baseline"),
        ("low", "candidate"),
    ]


def test_equal_rates_are_ordered_by_name_and_not_separated():
    found = ranks(models({"b": first(80), "a": first(80), "c": first(80)}))
    assert [r.model for r in found] == ["a", "b", "c"]
    assert [(r.to_next, r.p_value, r.is_separated) for r in found[:2]] == [(0.0, 1.0, False)] * 2


@pytest.mark.parametrize("names", [["low"], ["low", "high"]])
def test_fewer_than_three_models_are_no_ranking(names):
    assert ranks(models({name: THREE[name] for name in names})) == ()


def test_structure_is_ranked_where_some_model_has_no_scored_meaning():
    trials = [t for t in models(THREE) if t.model != "low"]
    trials += [trial(f"c{i}", model="low", structural=i < 70) for i in range(100)]
    found = ranks(trials)
    assert {r.measure for r in found} == {"structural"}
    assert found[-1].model == "low"


def test_models_without_a_case_in_common_cannot_be_told_apart():
    trials = [
        *models({"a": first(90), "b": first(80)}),
        *[replace(t, case=f"other-{t.case}") for t in models({"c": first(70)})],
    ]
    found = ranks(trials)
    assert [(r.model, r.is_separated) for r in found] == [("a", True), ("b", None), ("c", None)]
    assert (found[1].to_next, found[1].p_adjusted) == (None, None)


def test_model_that_never_answered_has_no_place():
    trials = [*models(THREE), *(errored(f"c{i}", model="silent") for i in range(100))]
    found = concluded(trials)
    assert {r.model for r in found.ranking} == {*THREE}


def test_ranking_of_no_trials_is_empty():
    assert ranking([], (), Corrections(())) == ()


def test_neighbours_are_told_apart_by_the_rates_that_order_them():
    """The judge is lenient to `a`: as judged it is the best, corrected it is not."""
    rows = [
        *labels(57, 3, 23, 17, model="a"),
        *labels(56, 4, 4, 36, model="b"),
        *labels(56, 4, 4, 36, model="c"),
    ]
    trials = models({"a": first(255), "b": first(240), "c": first(120)}, cases=300)
    found = ranks(trials, calibrations=(calibration(rows),))
    assert [r.model for r in ranks(trials)] == ["a", "b", "c"]
    assert [r.model for r in found] == ["b", "a", "c"]
    for one, other in pairwise(found):
        assert one.to_next == pytest.approx(one.rate - other.rate)
        assert one.low < one.to_next < one.high


# Several candidates against one baseline.

AGAINST = {"old": first(80), "better": first(92), "worse": lambda i: i < 78 or i > 98, "equal": first(79)}


def test_p_values_are_holms_over_the_candidates():
    found = concluded(models(AGAINST, baseline="old")).comparisons
    assert [c.candidate for c in found] == ["better", "worse", "equal"]
    raw = [semantic(c).p_value for c in found]
    adjusted = multipletests(raw, method="holm")[1]
    assert [semantic(c).p_adjusted for c in found] == pytest.approx(list(adjusted))
    assert semantic(found[0]).p_adjusted == pytest.approx(3 * raw[0])


def test_each_scope_and_measure_is_adjusted_by_itself():
    trials = [
        replace(t, suite="one" if int(t.case[1:]) % 2 else "two") for t in models(AGAINST, baseline="old")
    ]
    found = concluded(trials).comparisons
    for place, difference in enumerate(found[0].differences):
        family = [c.differences[place] for c in found]
        assert {(d.measure, d.scope) for d in family} == {(difference.measure, difference.scope)}
        adjusted = multipletests([d.p_value for d in family], method="holm")[1]
        assert [d.p_adjusted for d in family] == pytest.approx(list(adjusted))


def test_one_candidate_alone_is_not_adjusted():
    (comparison,) = concluded(paired((80, 2, 10, 8))).comparisons
    assert {d.p_adjusted for d in comparison.differences} == {None}


def test_adjusting_leaves_the_intervals_and_p_values_as_they_are():
    found = concluded(models(AGAINST, baseline="old")).comparisons
    again = adjust(found)
    assert again == found
