"""The gate for parts of a run: tags, prompts, regressions, a rise of blind passes, exact intervals."""

from __future__ import annotations

import pytest

import swapgate
from analysis_trials import both, concluded, old, paired, pairs_of, trial
from swapgate.analysis.compare import compare
from swapgate.analysis.plan import PlannedCase, count_cases, plan_warnings
from swapgate.analysis.regressions import regressions_decision
from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.errors import ExitCode
from swapgate.spec.suite import OverallGate
from swapgate.stats import exact_interval, holm, mcnemar_midp, unconditional_interval, wilson_interval
from workspaces import BLIND, RIGHT, lay, recorded_workspace


def decisions(outcome, rule):
    return [d for d in outcome.gate.decisions if d.rule == rule]


def only(outcome, rule):
    (found,) = decisions(outcome, rule)
    return found


def part(table, name, **fields):
    return paired(table, prefix=f"{name}-", **fields)


# Tags and prompts.


def two_tags(good=100, bad=40, **fields):
    """Return trials that all pass but for those with the tag `bad`, of which half do."""
    return [
        *(trial(f"g{i}", semantic=True, tags=("good",), prompt="p", **fields) for i in range(good)),
        *(trial(f"b{i}", semantic=i % 2 == 0, tags=("bad",), prompt="q", **fields) for i in range(bad)),
    ]


RULE = {"semantic": {"min": 0.8}}


def test_tags_and_prompts_that_are_not_listed_do_not_gate():
    outcome = concluded(two_tags(), gate={"semantic": {"min": 0.7}})
    assert outcome.gate.answer == "pass"
    assert Scope(tag="bad") in {s.scope for s in outcome.summaries}


@pytest.mark.parametrize(("kind", "name"), [("tags", "bad"), ("prompts", "q")])
def test_listed_slice_is_judged_on_its_own_trials(kind, name):
    outcome = concluded(two_tags(), gate={"semantic": {"min": 0.7}, kind: {name: RULE}})
    assert (outcome.gate.answer, outcome.gate.exit_code) == ("fail", ExitCode.FAILED)
    decision = decisions(outcome, "semantic.min")[-1]
    bounds = wilson_interval(20, 40, confidence=0.90)
    assert (decision.value, decision.low, decision.high) == (0.5, bounds.low, bounds.high)
    assert decision.scope == (Scope(tag="bad") if kind == "tags" else Scope(prompt="q"))
    assert outcome.gate.reason.startswith(f"semantic pass rate of new on {kind[:-1]} {name} is 50.0%")


def test_rules_of_slices_alone_are_rules():
    assert concluded(two_tags(), gate={"tags": {"good": RULE}}).gate.answer == "pass"
    assert concluded(two_tags(), suite_gates={"s": {"tags": {"bad": RULE}}}).gate.answer == "fail"


def test_suites_rule_for_a_tag_is_about_the_tag_in_that_suite():
    trials = [
        *two_tags(bad=0, suite="one"),
        *(trial(f"x{i}", suite="two", tags=("good",), semantic=False) for i in range(50)),
    ]
    gates = {"one": {"tags": {"good": RULE}}}
    outcome = concluded(trials, suite_gates=gates)
    assert outcome.gate.answer == "pass"
    assert "on one, tag good is 100.0%" in outcome.gate.reason
    assert concluded(trials, gate={"tags": {"good": RULE}}).gate.answer == "fail"


def test_slice_without_a_trial_is_open():
    outcome = concluded(two_tags(), gate={"tags": {"absent": RULE}})
    assert (outcome.gate.answer, outcome.gate.reason) == (
        "inconclusive",
        "no trial of new on tag absent came back",
    )
    none_of_suite = concluded(two_tags(), suite_gates={"s": {"prompts": {"absent": RULE}}})
    assert none_of_suite.gate.reason == "no trial of new on s, prompt absent came back"


def test_margin_of_a_slice_is_judged_beside_that_of_the_whole():
    trials = [*part((300, 5, 5, 0), "a", tags=("easy",)), *part((40, 0, 20, 0), "b", tags=("hard",))]
    assert concluded(trials, gate={"margin": 0.1}).gate.answer == "pass"
    outcome = concluded(
        trials, gate={"margin": 0.1, "tags": {"hard": {"margin": 0.1}, "easy": {"margin": 0.05}}}
    )
    found = {d.scope: (d.answer, d.limit) for d in decisions(outcome, "margin")}
    assert found == {
        OVERALL: ("pass", -0.1),
        Scope(tag="hard"): ("fail", -0.1),
        Scope(tag="easy"): ("pass", -0.05),
    }
    assert "on tag hard" in outcome.gate.reason


def test_margin_of_a_slice_says_nothing_without_a_baseline():
    outcome = concluded(two_tags(), gate={"tags": {"bad": {"margin": 0.01}}})
    assert outcome.gate.answer == "not_judged"


def test_margin_of_a_slice_reaches_its_differences():
    trials = part((50, 3, 3, 4), "a", tags=("x",), prompt="p")
    outcome = concluded(trials, gate={"tags": {"x": {"margin": 0.2}}, "margin": 0.1})
    margins = {d.scope: d.margin for d in outcome.comparisons[0].differences}
    assert margins == {OVERALL: 0.1, Scope("s"): 0.1, Scope(tag="x"): 0.2, Scope(prompt="p"): 0.1}


def test_too_few_cases_of_a_slice_are_said_before_the_run():
    cases = [PlannedCase("s", f"c{i}", prompt="p", tags=("x",) if i < 10 else ()) for i in range(100)]
    entry = OverallGate.model_validate(
        {"tags": {"x": {"semantic": {"min": 0.8}}}, "prompts": {"p": {"margin": 0.01}}}
    )
    assert plan_warnings(count_cases(cases), overall=entry, suites={}, has_baseline=True) == [
        "10 cases cannot show a min 80% for the semantic pass rate on tag x, however good: "
        "at least 11 are needed",
        "100 cases on prompt p cannot pass a margin of 0.01: at least 299 are needed",
    ]


# Regressions.


def regressions(trials, kind="suite", **fields):
    return only(concluded(trials, gate={"margin": 0.9, "regressions": kind, **fields}), "regressions")


STEADY = (40, 2, 2, 0)
WORSE = (25, 1, 14, 4)


@pytest.mark.parametrize(("kind", "field"), [("suite", "suite"), ("prompt", "prompt"), ("tag", "tags")])
def test_a_part_that_got_worse_is_named(kind, field):
    def of(name):
        return {field: (name,) if kind == "tag" else name}

    trials = [*part(STEADY, "a", **of("fine")), *part(WORSE, "b", **of("broken"))]
    decision = regressions(trials, kind)
    assert decision.answer == "fail"
    p = holm([mcnemar_midp(14, 1) / 2, 0.9])[0]
    assert decision.value == pytest.approx(p)
    name = "broken" if kind == "suite" else f"{kind} broken"
    assert decision.reason == f"1 of the 2 {kind}s of new got worse than old: {name} (p {p:.3g})"
    assert decision.limit == 0.05


def test_no_part_shown_to_be_worse_passes_in_these_words():
    decision = regressions([*part(STEADY, "a", suite="one"), *part(STEADY, "b", suite="two")])
    assert decision.answer == "pass"
    assert decision.reason == "none of the 2 suites of new is shown to be worse than old"
    assert regressions(part(STEADY, "a")).reason == "none of the 1 suite of new is shown to be worse than old"


def test_a_part_that_got_better_is_no_regression():
    trials = [*part((25, 14, 1, 4), "a", suite="one"), *part(STEADY, "b", suite="two")]
    assert regressions(trials).answer == "pass"


def test_many_parts_pay_for_being_many():
    # One-sided p .0156: below .05 in a suite alone, .31 as the smallest of twenty.
    bad = part((30, 0, 5, 0), "bad", suite="bad")
    assert regressions(bad).answer == "fail"
    assert regressions(bad).value == pytest.approx(mcnemar_midp(5, 0) / 2)
    others = [t for i in range(19) for t in part(STEADY, f"q{i}", suite=f"s{i}")]
    assert regressions([*bad, *others]).answer == "pass"


def test_tags_within_suites_that_a_gate_lists_are_no_further_parts():
    trials = [*part(STEADY, "a", suite="one", tags=("x",)), *part(STEADY, "b", suite="two", tags=("x",))]
    outcome = concluded(
        trials,
        gate={"regressions": "tag"},
        suite_gates={"one": {"tags": {"x": {"margin": 0.9}}}},
    )
    assert only(outcome, "regressions").reason.startswith("none of the 1 tag of new")


def test_without_a_part_scored_on_both_sides_it_is_open():
    decision = regressions(part(STEADY, "a"), "tag")
    assert (decision.answer, decision.reason) == (
        "inconclusive",
        "no tag of new and old was scored on both sides",
    )


def test_parts_that_cannot_be_tested_leave_it_open():
    trials = [t for r in (1, 2, 3) for t in paired((0, 0, 1, 0), repeat=r)]
    decision = regressions(trials)
    assert (decision.answer, decision.reason) == (
        "inconclusive",
        "no suite of new and old has enough cases to be tested",
    )


def test_structure_regresses_where_nothing_scored_the_meaning():
    trials = [make(f"c{i}", structural=make is old or i > 15) for i in range(40) for make in (trial, old)]
    assert regressions(trials).answer == "fail"


def test_without_a_baseline_regressions_say_nothing():
    assert concluded(two_tags(), gate={"regressions": "tag"}).gate.answer == "not_judged"


def test_each_candidate_is_judged_for_regressions_by_itself():
    trials = [*part(WORSE, "a"), *(trial(f"a-{i}", model="third", semantic=True) for i in range(44))]
    found = decisions(concluded(trials, gate={"regressions": "suite"}), "regressions")
    assert [(d.model, d.answer) for d in found] == [("new", "fail"), ("third", "pass")]


def test_the_decision_is_made_from_the_comparison_alone():
    decision = regressions_decision(compare(pairs_of(part(WORSE, "a"))), "suite")
    assert (decision.answer, decision.model) == ("fail", "new")


# A rise of blind passes.


def blind(ours, theirs, cases=200, **fields):
    """Return pairs of right structure of which so many are wrong."""
    return [t for i in range(cases) for t in both(f"c{i}", i >= ours, i >= theirs, **fields)]


def rise(trials, limit=0.05, **fields):
    gate = {"margin": 0.9, "blind_pass": {"rise": limit}, **fields}
    return only(concluded(trials, gate=gate), "blind_pass.rise")


@pytest.mark.parametrize(("ours", "said"), [(21, "pass"), (30, "inconclusive"), (60, "fail")])
def test_a_rise_of_blind_passes_has_three_answers(ours, said):
    decision = rise(blind(ours, 20))
    assert decision.answer == said
    assert decision.value == pytest.approx(ours / 200 - 0.1)
    assert (decision.high < 0.05, decision.low > 0.05) == (said == "pass", said == "fail")
    assert decision.limit == 0.05


def test_the_rise_is_said_with_its_numbers():
    trials = blind(60, 20)
    decision = rise(trials)
    (change,) = [c for c in concluded(trials).comparisons[0].blind_pass if c.scope == OVERALL]
    assert (decision.low, decision.high) == (change.low, change.high)
    assert decision.reason == (
        "blind pass rate of new overall differs from its baseline's by +20.0 points "
        f"(90% interval {change.low * 100:+.1f} to {change.high * 100:+.1f}), risen by more than 5 points"
    )


def test_fewer_blind_passes_are_no_rise():
    assert rise(blind(5, 40)).answer == "pass"


def test_a_rise_is_over_the_structurally_right_of_each_side():
    trials = [
        t
        for i in range(200)
        for t in (
            trial(f"c{i}", structural=i < 100, semantic=i >= 50),
            old(f"c{i}", semantic=i >= 50),
        )
    ]
    decision = rise(trials)
    assert decision.value == pytest.approx(0.5 - 0.25)
    assert decision.answer == "fail"


def test_a_rise_in_a_tag_is_judged_where_it_is_listed():
    trials = [*blind(20, 20), *part((10, 0, 30, 0), "t", tags=("x",))]
    outcome = concluded(trials, gate={"margin": 0.9, "tags": {"x": {"blind_pass": {"rise": 0.1}}}})
    decision = only(outcome, "blind_pass.rise")
    assert (decision.answer, decision.scope) == ("fail", Scope(tag="x"))
    assert outcome.gate.answer == "fail"


def test_a_rise_beside_a_limit_is_a_rule_of_its_own():
    outcome = concluded(blind(40, 38), gate={"margin": 0.9, "blind_pass": {"max": 0.1, "rise": 0.1}})
    assert only(outcome, "blind_pass.max").answer == "fail"
    assert only(outcome, "blind_pass.rise").answer == "pass"


def test_a_rise_without_a_baseline_says_nothing():
    trials = [t for t in blind(60, 20) if t.model == "new"]
    assert concluded(trials, gate={"blind_pass": {"rise": 0.05}}).gate.answer == "not_judged"
    outcome = concluded(trials, gate={"semantic": {"min": 0.1}, "blind_pass": {"rise": 0.05}})
    assert outcome.gate.answer == "pass"
    assert decisions(outcome, "blind_pass.rise") == []


def test_a_rise_against_a_baseline_of_which_nothing_was_readable_is_open():
    trials = [
        t
        for i in range(100)
        for t in (trial(f"c{i}", semantic=True), old(f"c{i}", structural=False, semantic=False))
    ]
    decision = rise(trials)
    assert decision.answer == "inconclusive"
    assert decision.reason == "blind pass rate of new overall has no baseline's to be held against"


def test_a_rise_in_a_slice_without_a_trial_is_open():
    outcome = concluded(blind(5, 5), gate={"margin": 0.9, "tags": {"x": {"blind_pass": {"rise": 0.1}}}})
    assert outcome.gate.reason == "no trial of new on tag x came back"


# Exact intervals.

EXACT = {"interval": "exact"}


def test_exact_intervals_reach_rates_and_gate():
    trials = [trial(f"c{i}", semantic=i < 190) for i in range(200)]
    outcome = concluded(trials, gate={"semantic": {"min": 0.9}, **EXACT})
    rate = outcome.summaries[0].semantic
    shown, decided = (exact_interval(190, 200, confidence=c) for c in (0.95, 0.90))
    assert (rate.low, rate.high, rate.gate_low, rate.gate_high) == (
        shown.low,
        shown.high,
        decided.low,
        decided.high,
    )
    decision = only(outcome, "semantic.min")
    assert (decision.low, decision.high) == (decided.low, decided.high)


def test_an_exact_gate_is_slower_to_pass():
    # Wilson's lower bound of 180 of 200 lies above 85.9%, the exact one below.
    trials = [trial(f"c{i}", semantic=i < 180) for i in range(200)]
    assert (
        exact_interval(180, 200, confidence=0.9).low < 0.859 < wilson_interval(180, 200, confidence=0.9).low
    )
    gate = {"semantic": {"min": 0.859}}
    assert concluded(trials, gate=gate).gate.answer == "pass"
    assert concluded(trials, gate={**gate, **EXACT}).gate.answer == "inconclusive"


def test_exact_intervals_reach_the_margin():
    table = (80, 3, 5, 12)
    outcome = concluded(paired(table), gate={**EXACT, "margin": 0.15})
    interval = unconditional_interval(5, 3, 100, confidence=0.90)
    decision = only(outcome, "margin")
    assert (decision.low, decision.high) == (interval.low, interval.high)
    (found,) = [
        d for d in outcome.comparisons[0].differences if d.scope == OVERALL and d.measure == "semantic"
    ]
    assert found.method == "exact"
    assert (found.p_noninferior <= 0.05) == (decision.answer == "pass")


def test_repeats_have_no_exact_interval_and_that_is_said():
    trials = [t for r in (1, 2) for t in paired((40, 2, 3, 5), repeat=r)]
    (found, *_) = concluded(trials, gate={**EXACT, "margin": 0.2}).comparisons[0].differences
    plain = concluded(trials, gate={"margin": 0.2}).comparisons[0].differences[0]
    assert found.method == "score"
    assert "no exact interval" in found.note
    assert (found.low, found.high) == (plain.low, plain.high)


# From the files.

HEAD = """\
suite: triage
prompt: triage
checks: [{json: strict}, {expected: [/label]}]
"""


@pytest.fixture
def root(tmp_path):
    names = [f"case-{i:02}" for i in range(40)]
    recorded_workspace(
        tmp_path,
        {
            "new": {name: BLIND if i < 12 else RIGHT for i, name in enumerate(names)},
            "old": dict.fromkeys(names, RIGHT),
        },
        tags={name: ["hard"] if i < 20 else ["easy"] for i, name in enumerate(names)},
        head=HEAD,
        gate={"tags": {"easy": {"semantic": {"min": 0.8}}}},
    )
    lay(tmp_path, {"prompts/triage.yml": 'prompt: triage\nuser: "{{ message }}"\n'})
    return tmp_path


def gate_of(root, text):
    lay(root, {"pyproject.toml": text})


def test_gate_of_a_tag_in_a_suite_file(root):
    outcome = swapgate.run(model="new", root=root)
    assert outcome.gate.answer == "pass"
    assert "on triage, tag easy is 100.0%" in outcome.gate.reason


def test_gates_of_tags_and_prompts_in_pyproject(root):
    gate_of(root, "[tool.swapgate.gate.tags.hard]\nsemantic = {min = 0.8}\n")
    outcome = swapgate.run(model="new", root=root)
    assert (outcome.gate.answer, "on tag hard is 40.0%" in outcome.gate.reason) == ("fail", True)
    gate_of(root, "[tool.swapgate.gate.prompts.triage]\nsemantic = {min = 0.5}\n")
    outcome = swapgate.run(model="new", root=root)
    assert outcome.gate.answer == "pass"
    assert {d.scope for d in decisions(outcome, "semantic.min")} == {
        Scope(prompt="triage"),
        Scope("triage", tag="easy"),
    }


def test_regressions_rise_and_exact_intervals_in_pyproject(root):
    gate_of(
        root,
        '[tool.swapgate.gate]\nmargin = 0.9\nregressions = "tag"\ninterval = "exact"\n'
        "blind_pass = {rise = 0.5}\n",
    )
    outcome = swapgate.run(model="new", baseline="old", root=root)
    assert only(outcome, "regressions").reason.startswith(
        "1 of the 2 tags of new got worse than old: tag hard"
    )
    assert only(outcome, "blind_pass.rise").answer == "pass"
    assert only(outcome, "margin").value == pytest.approx(-0.3)
    assert {d.method for d in outcome.comparisons[0].differences} == {"exact"}
