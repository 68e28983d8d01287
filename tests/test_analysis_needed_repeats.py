"""How many repeats of today's cases would settle an open answer, and when no number of them can."""

from __future__ import annotations

import pytest

from analysis_trials import both, concluded, paired, trial
from swapgate.analysis.scopes import OVERALL
from swapgate.stats import implied_icc, repeats_for_margin, repeats_for_rate


def only(outcome, rule):
    (found,) = [d for d in outcome.gate.decisions if d.rule == rule]
    return found


def flipping(cases, repeats, *, period=10, **fields):
    """Return pairs of which each model fails every tenth in turn, other repeats of other cases."""
    return [
        one
        for i in range(cases)
        for r in range(1, repeats + 1)
        for one in both(f"c{i}", (i + 3 * r) % period > 0, (i + 7 * r + 4) % period > 0, repeat=r, **fields)
    ]


def test_repeats_that_would_settle_a_margin_are_named():
    outcome = concluded(flipping(90, 2), gate={"margin": 0.05})
    decision = only(outcome, "margin")
    found = next(d for d in outcome.comparisons[0].differences if d.scope == OVERALL)
    assert decision.answer == "inconclusive"
    expected = repeats_for_margin(
        found.estimate,
        (found.only_baseline + found.only_candidate) / found.pairs,
        0.05,
        cases=90,
        icc=implied_icc(found.deff, 2),
        confidence=0.90,
    )
    assert decision.needed_repeats == expected
    assert decision.reason.endswith(f", or {expected} repeats of each case in the place of 2")
    assert decision.needed_cases > 90


def test_that_many_repeats_of_the_same_kind_do_settle_it():
    needed = only(concluded(flipping(90, 2), gate={"margin": 0.05}), "margin").needed_repeats
    assert only(concluded(flipping(90, needed + 1), gate={"margin": 0.05}), "margin").answer == "pass"


def test_repeats_that_would_settle_a_rate_are_named():
    trials = [trial(f"c{i}", semantic=(i + 3 * r) % 10 > 0, repeat=r) for i in range(60) for r in (1, 2)]
    outcome = concluded(trials, gate={"semantic": {"min": 0.85}})
    decision, rate = only(outcome, "semantic.min"), outcome.summaries[0].semantic
    assert decision.answer == "inconclusive"
    icc = implied_icc(rate.n / rate.effective_n, 2)
    assert decision.needed_repeats == repeats_for_rate(rate.rate, 0.85, cases=60, icc=icc)
    assert f"or {decision.needed_repeats} repeats of each case in the place of 2" in decision.reason


def test_without_repeats_nothing_is_known_of_them():
    margin = only(concluded(paired((160, 5, 9, 26)), gate={"margin": 0.05}), "margin")
    assert (margin.answer, margin.needed_repeats) == ("inconclusive", None)
    rate = only(
        concluded([trial(f"c{i}", semantic=i < 89) for i in range(100)], gate={"semantic": {"min": 0.85}}),
        "semantic.min",
    )
    assert (rate.answer, rate.needed_repeats) == ("inconclusive", None)
    assert "repeats" not in margin.reason + rate.reason


def test_repeats_that_never_vary_cannot_settle_anything():
    trials = [t for r in (1, 2, 3) for t in paired((60, 4, 6, 10), repeat=r)]
    decision = only(concluded(trials, gate={"margin": 0.05}), "margin")
    assert (decision.answer, decision.needed_repeats) == ("inconclusive", None)
    assert decision.needed_cases > 80


def test_below_the_floor_only_cases_help():
    decision = only(concluded(flipping(40, 2), gate={"margin": 0.05}), "margin")
    assert "takes at least 59" in decision.reason
    assert (decision.needed_repeats, decision.needed_cases >= 59) == (None, True)


@pytest.mark.parametrize("rule", [{"margin": 0.05}, {"margin": 0.9, "semantic": {"min": 0.88}}])
def test_of_clusters_of_several_cases_the_repeats_are_not_told_apart(rule):
    trials = [
        one
        for i in range(180)
        for r in (1, 2)
        for one in both(
            f"c{i}", (i + 3 * r) % 10 > 0, (i + 7 * r + 4) % 10 > 0, repeat=r, cluster=f"d{i // 2}"
        )
    ]
    outcome = concluded(trials, gate=rule)
    open_ = [d for d in outcome.gate.decisions if d.answer == "inconclusive"]
    assert {d.needed_repeats for d in open_} <= {None}


def test_a_settled_answer_needs_nothing():
    decision = only(concluded(flipping(300, 3), gate={"margin": 0.05}), "margin")
    assert (decision.answer, decision.needed_repeats, decision.needed_cases) == ("pass", None, None)
