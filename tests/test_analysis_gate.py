"""The gate's answers: each rule at its three sides, what refuses an answer, and which answer the run gets."""

from __future__ import annotations

import pytest

from analysis_trials import answer, concluded, errored, facts, many, models, run, trial
from swapgate.analysis.compare import compare
from swapgate.analysis.correction import Corrections
from swapgate.analysis.gate import judge_gate
from swapgate.analysis.pairs import pair_up
from swapgate.analysis.summary import summarise
from swapgate.errors import ErrorKind, ExitCode
from swapgate.records import Response
from swapgate.spec.suite import GateSpec
from swapgate.stats.tango import tango_interval


def gate(trials, overall=None, suites=None, *, baseline=None, planned=None, stored=None, partial=False):
    candidates = dict.fromkeys(t.model for t in trials if t.role == "candidate")
    pairs = [pair_up(models(trials), candidate=c, baseline=baseline) for c in candidates if baseline]
    return judge_gate(
        summarise(models(trials)),
        [compare(pair) for pair in pairs],
        overall=spec(overall),
        suites={name: spec(entry) for name, entry in (suites or {}).items()},
        run=run(baseline=baseline),
        planned=len(trials) if planned is None else planned,
        stored=len(trials) if stored is None else stored,
        partial=partial,
        notes=Corrections(()).notes(facts(trials)),
    )


def spec(entry):
    return GateSpec.model_validate(entry) if isinstance(entry, dict) else entry


def semantic(**rule):
    return {"semantic": rule}


def only(result, rule):
    found = [d for d in result.decisions if d.rule == rule]
    assert len(found) == 1
    return found[0]


@pytest.mark.parametrize(
    ("passed", "missed", "said", "code"),
    [
        (190, 10, "pass", ExitCode.OK),
        (178, 22, "inconclusive", ExitCode.INCONCLUSIVE),
        (140, 60, "fail", ExitCode.FAILED),
    ],
)
def test_a_required_rate_is_judged_on_the_bounds_of_its_90_percent_interval(passed, missed, said, code):
    result = gate(many(passed, missed), semantic(min=0.85))
    assert (result.answer, result.exit_code) == (said, code)
    decision = only(result, "semantic.min")
    assert decision.value == passed / 200
    assert decision.limit == 0.85
    assert (decision.low >= 0.85, decision.high < 0.85) == (said == "pass", said == "fail")


@pytest.mark.parametrize(("passed", "said"), [(196, "pass"), (188, "inconclusive"), (150, "fail")])
def test_an_allowed_rate_is_the_mirror_image(passed, said):
    result = gate(many(passed, 200 - passed), {"blind_pass": {"max": 0.05}})
    assert result.answer == said
    required = gate(many(passed, 200 - passed), semantic(min=0.95))
    ours, mirrored = only(result, "blind_pass.max"), only(required, "semantic.min")
    assert (ours.answer, ours.needed_cases) == (mirrored.answer, mirrored.needed_cases)
    assert (ours.low, ours.high) == pytest.approx((1 - mirrored.high, 1 - mirrored.low))


def test_the_reason_is_one_sentence_with_its_numbers():
    trials = many(178, 72, suite="code_review", model="deepseek-v4-pro")
    result = gate(trials, suites={"code_review": semantic(min=0.85)})
    assert result.reason == (
        "semantic pass rate of deepseek-v4-pro on code_review is 71.2% "
        "(90% interval 66.3% to 75.7%), below the required 85%"
    )


def test_an_open_answer_names_the_cases_that_would_settle_it_and_their_cost():
    result = gate(many(89, 11), semantic(min=0.85))
    decision = only(result, "semantic.min")
    assert decision.needed_cases == 216
    # 116 more cases, each 0.01 for the candidate and 0.002 for the judge.
    assert decision.needed_cost_usd == pytest.approx(116 * 0.012)
    assert result.reason.endswith(
        "which does not settle the required 85%: about 216 independent cases would (116 more, about $1.39)"
    )
    # The same rate on more than that many cases.
    assert gate(many(267, 33), semantic(min=0.85)).answer == "pass"


def test_the_cost_of_more_cases_stays_unknown_without_prices():
    trials = [trial(f"c{i}", semantic=i < 89, answer=answer(cost_usd=None)) for i in range(100)]
    decision = only(gate(trials, semantic(min=0.85)), "semantic.min")
    assert (decision.needed_cases, decision.needed_cost_usd) == (216, None)
    assert decision.reason.endswith("about 216 independent cases would (116 more)")


def test_repeats_do_not_settle_what_their_cases_leave_open():
    once = many(57, 3)
    repeated = [trial(f"c{i}", semantic=i < 57, repeat=r) for i in range(60) for r in range(1, 6)]
    independent = many(285, 15)
    assert gate(independent, semantic(min=0.90)).answer == "pass"
    for trials in (once, repeated):
        decision = only(gate(trials, semantic(min=0.90)), "semantic.min")
        assert decision.answer == "inconclusive"
        assert decision.needed_cases == pytest.approx(98, abs=2)


def test_a_rate_at_its_limit_is_never_settled_by_more_cases():
    decision = only(gate(many(85, 15), semantic(min=0.85)), "semantic.min")
    assert (decision.answer, decision.needed_cases) == ("inconclusive", None)
    assert "more cases alone do not settle it" in decision.reason


@pytest.mark.parametrize(("passed", "said"), [(85, "pass"), (84, "fail")])
def test_a_point_rule_has_two_answers(passed, said):
    result = gate(many(passed, 100 - passed), semantic(min=0.85, on="point"))
    assert result.answer == said
    assert "interval" not in result.reason


def test_a_rate_just_below_its_limit_does_not_read_like_the_limit():
    result = gate(many(9498, 502), semantic(min=0.95, on="point"))
    assert "is 94.98%, below the required 95%" in result.reason


def test_a_rule_with_both_bounds_gives_two_decisions():
    result = gate(many(50, 50), {"structural": {"min": 0.9, "max": 0.95}})
    assert [(d.rule, d.answer) for d in result.decisions[1:]] == [
        ("structural.min", "pass"),
        ("structural.max", "fail"),
    ]


def test_a_semantic_rule_without_any_semantic_result_is_open():
    result = gate([trial(f"c{i}") for i in range(50)], semantic(min=0.85))
    assert result.answer == "inconclusive"
    assert "nothing scored the meaning" in result.reason


def test_a_single_repeated_case_is_refused_an_answer():
    trials = [trial("a", semantic=True, repeat=r) for r in range(1, 100)]
    result = gate(trials, semantic(min=0.5))
    assert result.answer == "inconclusive"
    assert "one cluster" in result.reason


@pytest.mark.parametrize(("limit", "said"), [(1.0, "pass"), (0.99, "fail")])
def test_a_cost_ceiling_has_two_answers(limit, said):
    result = gate(many(100, 0), {"cost_usd": {"max": limit}})
    assert result.answer == said
    assert result.reason.startswith("cost of new overall is $1.00")


def test_an_unknown_cost_is_open_and_says_why():
    trials = [*many(99, 0), trial("x", answer=answer(cost_usd=None))]
    result = gate(trials, {"cost_usd": {"max": 100}})
    assert result.answer == "inconclusive"
    assert "the price of an answer is not known" in result.reason


def test_a_p95_from_few_answers_is_called_a_weak_estimate():
    few = gate(many(58, 0), {"latency_p95_s": {"max": 2}})
    enough = gate(many(59, 0), {"latency_p95_s": {"max": 2}})
    assert few.answer == enough.answer == "pass"
    assert few.reason == (
        "p95 latency of new overall is 1 s, at or below the allowed 2 s "
        "(a weak estimate: 58 latencies, at least 59 are needed)"
    )
    assert "weak" not in enough.reason
    slow = [trial("a", answer=answer(response=Response(text="", latency_s=3.0)))]
    assert gate(slow, {"latency_p95_s": {"max": 2}}).answer == "fail"
    untimed = [trial("a", answer=answer(response=Response(text="")))]
    assert gate(untimed, {"latency_p95_s": {"max": 2}}).answer == "inconclusive"


def paired(both, only_new, only_old, neither, **fields):
    """Return the trials of two models whose semantic results form this table."""
    pairs = [(True, True)] * both + [(True, False)] * only_new + [(False, True)] * only_old
    pairs += [(False, False)] * neither
    return [
        one
        for i, (new, old) in enumerate(pairs)
        for one in (
            trial(f"c{i}", semantic=new, **fields),
            trial(f"c{i}", semantic=old, model="old", role="baseline", **fields),
        )
    ]


@pytest.mark.parametrize(
    ("table", "said"),
    [((180, 5, 5, 10), "pass"), ((160, 5, 9, 26), "inconclusive"), ((140, 2, 40, 18), "fail")],
)
def test_a_baseline_is_judged_by_the_default_margin_without_any_rule(table, said):
    result = gate(paired(*table), baseline="old")
    assert result.answer == said
    decision = only(result, "margin")
    interval = tango_interval(table[2], table[1], sum(table), confidence=0.90)
    assert (decision.value, decision.low, decision.high) == (interval.estimate, interval.low, interval.high)
    assert decision.limit == -0.05
    assert (decision.low > -0.05, decision.high < -0.05) == (said == "pass", said == "fail")


def test_the_margins_reason_has_its_numbers():
    result = gate(paired(140, 2, 40, 18), baseline="old")
    assert result.reason == (
        "semantic pass rate of new minus that of old overall is -19.0 points "
        "(90% interval -24.2 to -14.4, 200 pairs), worse by more than the margin of 5 points"
    )


def test_below_the_floor_a_margin_can_be_failed_but_never_passed():
    at_floor = gate(paired(59, 0, 0, 0), baseline="old")
    below = gate(paired(58, 0, 0, 0), baseline="old")
    worse = gate(paired(18, 0, 40, 0), baseline="old")
    assert at_floor.answer == "pass"
    assert below.answer == "inconclusive"
    assert worse.answer == "fail"
    assert "58 independent cases cannot settle a margin of 0.05, which takes at least 59" in below.reason
    assert only(below, "margin").needed_cases == 59
    repeated = [t for r in (1, 2) for t in paired(58, 0, 0, 0, repeat=r)]
    assert gate(repeated, baseline="old").answer == "inconclusive"


def test_an_open_margin_names_the_cases_that_would_settle_it():
    decision = only(gate(paired(160, 5, 9, 26), baseline="old"), "margin")
    assert decision.needed_cases == 253
    assert decision.needed_cost_usd == pytest.approx(53 * 0.012)
    assert gate(paired(240, 7, 13, 40), baseline="old").answer == "pass"


def test_a_margin_of_zero_asks_for_superiority():
    assert gate(paired(200, 0, 0, 0), {"margin": 0}, baseline="old").answer == "inconclusive"
    assert gate(paired(150, 30, 5, 15), {"margin": 0}, baseline="old").answer == "pass"


def test_the_structure_is_compared_only_where_nothing_scored_the_meaning():
    structural = [
        trial(f"c{i}", model=m, role=r)
        for i in range(60)
        for m, r in (("new", "candidate"), ("old", "baseline"))
    ]
    assert gate(structural, baseline="old").reason.startswith("structural pass rate of new minus")
    one_sided = [
        trial(f"c{i}", model=m, role=r, semantic=s)
        for i in range(60)
        for m, r, s in (("new", "candidate", True), ("old", "baseline", None))
    ]
    result = gate(one_sided, baseline="old")
    assert result.answer == "inconclusive"
    assert result.reason == "no pair of trials of new and old overall was scored on both sides"


def test_a_baseline_without_a_comparison_is_never_passed_in_silence():
    summaries = summarise(models(many(100, 0)))
    result = judge_gate(
        summaries,
        [],
        overall=None,
        suites={},
        run=run(baseline="old"),
        planned=100,
        stored=100,
        partial=False,
    )
    assert result.answer == "inconclusive"
    assert result.reason == "new has no trial to pair with the baseline"


def test_the_default_margin_yields_where_every_suite_names_its_own():
    trials = [*paired(90, 2, 8, 0, suite="a"), *paired(90, 2, 8, 0, suite="b")]
    both = gate(trials, suites={"a": {"margin": 0.2}, "b": {"margin": 0.2}}, baseline="old")
    one = gate(trials, suites={"a": {"margin": 0.2}}, baseline="old")
    assert [(d.suite, d.limit) for d in both.decisions if d.rule == "margin"] == [("a", -0.2), ("b", -0.2)]
    assert [(d.suite, d.limit) for d in one.decisions if d.rule == "margin"] == [(None, -0.05), ("a", -0.2)]
    assert both.answer == "pass"


def test_too_many_errors_refuse_every_other_answer():
    trials = [
        *many(0, 94),
        *(errored(f"e{i}") for i in range(4)),
        *(errored(f"f{i}", ErrorKind.AUTH) for i in range(2)),
    ]
    result = gate(trials, semantic(min=0.9))
    assert (result.answer, result.exit_code) == ("inconclusive", ExitCode.TOO_MANY_ERRORS)
    assert result.reason == (
        "6 of 100 planned trials overall errored or are missing (6.0%), "
        "above the limit of 5%: most often timeout (4)"
    )
    assert only(result, "semantic.min").answer == "fail"


def test_errors_at_the_limit_leave_the_rules_to_judge():
    trials = [*many(95, 0), *(errored(f"e{i}") for i in range(5))]
    assert gate(trials, semantic(min=0.9)).answer == "pass"
    assert gate(trials, {**semantic(min=0.9), "errors": 0.04}).exit_code == ExitCode.TOO_MANY_ERRORS
    more = [*many(60, 0), *(errored(f"e{i}") for i in range(40))]
    assert gate(more, {**semantic(min=0.9), "errors": 0.5}).answer == "pass"


def test_trials_that_never_came_back_count_as_errors():
    result = gate(many(90, 0), semantic(min=0.9), planned=100)
    assert result.exit_code == ExitCode.TOO_MANY_ERRORS
    assert "10 of 100 planned trials" in result.reason
    assert result.reason.endswith("most often missing (10)")
    nothing = gate([], semantic(min=0.9), planned=100)
    assert nothing.exit_code == ExitCode.TOO_MANY_ERRORS


def test_one_models_errors_do_not_drown_among_many_models():
    others = [t for i in range(20) for t in many(20, 0, model=f"m{i}")]
    broken = [*many(10, 0, model="broken"), *(errored(f"e{i}", model="broken") for i in range(10))]
    result = gate([*others, *broken], {"structural": {"min": 0.5}})
    assert result.exit_code == ExitCode.TOO_MANY_ERRORS
    assert "10 of 20 planned trials of broken overall" in result.reason


def test_a_suites_own_error_limit_holds_for_that_suite():
    trials = [
        *many(80, 0, suite="a"),
        *(errored(f"e{i}", suite="a") for i in range(20)),
        *many(300, 0, suite="b"),
    ]
    loose = {**semantic(min=0.5), "errors": 0.3}
    assert gate(trials, suites={"a": loose, "b": semantic(min=0.5)}).answer == "pass"
    tight = {**semantic(min=0.5), "errors": 0.1}
    assert gate(trials, suites={"a": tight}).exit_code == ExitCode.TOO_MANY_ERRORS
    assert "on a errored" in gate(trials, suites={"a": tight}).reason


def test_every_case_fails_on_any_missed_or_errored_trial():
    good = many(5, 0)
    assert gate(good, suites={"s": "every-case"}).answer == "pass"
    missed = gate([*good, trial("x", semantic=False)], suites={"s": "every-case"})
    assert missed.reason == "every case on s must pass for new: of 6 trials 1 missed"
    errors = gate([*good, errored("x")], suites={"s": "every-case"})
    assert (errors.answer, errors.exit_code) == ("fail", ExitCode.FAILED)
    assert errors.reason == "every case on s must pass for new: of 6 trials 1 errored (timeout 1)"
    assert gate([*good, errored("x")], "every-case").answer == "fail"


def test_every_case_cannot_pass_while_planned_trials_are_missing():
    result = gate(many(99, 0), "every-case", planned=100)
    assert result.answer == "inconclusive"
    assert "1 planned trials are missing" in result.reason


def test_trials_that_never_came_back_are_told_once_the_run_has_ended():
    def told(found: int, **fields: object) -> list[str]:
        warnings = concluded(many(found, 0), planned=30, **fields).warnings
        return [warning for warning in warnings if "never came back" in warning]

    ended = "2026-04-01T00:01:00Z"
    (said,) = told(29, finished_at=ended)
    assert said.startswith("1 of 30 planned trials never came back, as when a worker dies")
    assert told(30, finished_at=ended) == []
    assert told(29) == []
    assert told(29, finished_at=ended, is_partial=True) == []


def test_only_candidates_are_gated_each_by_itself_and_the_worst_wins():
    good, bad = many(100, 0, model="good"), many(20, 80, model="bad")
    open_ = many(88, 12, model="open")
    bad_baseline = many(20, 80, model="old", role="baseline")
    rule = semantic(min=0.85)
    assert gate([*good, *bad_baseline], rule).answer == "pass"
    assert gate([*good, *open_], rule).answer == "inconclusive"
    result = gate([*good, *open_, *bad], rule)
    assert result.answer == "fail"
    assert result.reason.startswith("semantic pass rate of bad")
    assert [d.model for d in result.decisions if d.rule == "semantic.min"] == ["good", "open", "bad"]


def test_further_decisions_of_the_same_answer_are_counted():
    result = gate(many(20, 80), {**semantic(min=0.85), "blind_pass": {"max": 0.1}})
    assert result.reason.endswith("below the required 85% (and 1 more rule: failed)")


def test_a_suite_without_a_gate_adds_no_rule_and_counts_overall():
    trials = [*many(100, 0, suite="good"), *many(0, 100, suite="bad")]
    assert gate(trials, suites={"good": semantic(min=0.85), "bad": None}).answer == "pass"
    assert gate(trials, semantic(min=0.85), {"good": semantic(min=0.85), "bad": None}).answer == "fail"


def test_a_gated_suite_without_trials_is_open():
    result = gate(many(100, 0, suite="a"), suites={"b": semantic(min=0.5)})
    assert result.answer == "inconclusive"
    assert result.reason == "no trial of new on b came back"


def test_inconclusive_warn_lets_the_run_pass_and_says_so():
    open_ = many(88, 12)
    result = gate(open_, {**semantic(min=0.85), "inconclusive": "warn"})
    assert (result.answer, result.exit_code) == ("inconclusive", ExitCode.OK)
    assert result.reason.endswith("this only warns (inconclusive: warn)")
    blocking = gate(open_, {"inconclusive": "warn"}, {"s": {**semantic(min=0.85), "inconclusive": "block"}})
    assert blocking.exit_code == ExitCode.INCONCLUSIVE
    errors = [*many(80, 0), *(errored(f"e{i}") for i in range(20))]
    refused = gate(errors, {**semantic(min=0.85), "inconclusive": "warn"})
    assert refused.exit_code == ExitCode.TOO_MANY_ERRORS


def test_a_partial_selection_is_not_judged():
    result = gate(many(0, 100), semantic(min=0.85), partial=True)
    assert (result.answer, result.exit_code) == ("not_judged", ExitCode.OK)
    assert result.reason == "partial selection"


@pytest.mark.parametrize("overall", [None, {}, {"margin": 0.05}, {"inconclusive": "warn"}])
def test_without_a_rule_or_a_baseline_nothing_is_judged(overall):
    result = gate(many(0, 100), overall)
    assert (result.answer, result.exit_code) == ("not_judged", ExitCode.OK)
    assert result.reason == "no gate rule: add `gate:` to the suite or [tool.swapgate.gate]"


def test_judges_without_a_calibration_are_named():
    assert gate(many(10, 0), semantic(min=0.1)).notes == ("judge uncalibrated: meaning",)
    assert gate(many(10, 0), None).notes == ("judge uncalibrated: meaning",)
    assert gate([trial("a")], {"structural": {"min": 0.1}}).notes == ()


def test_a_run_without_a_candidate_is_never_passed():
    result = gate(many(100, 0, model="old", role="baseline"), semantic(min=0.5))
    assert result.answer == "inconclusive"
    assert result.exit_code == ExitCode.INCONCLUSIVE
