"""A calibrated judge: rates and differences move to the truth, or are refused and say why."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import swapgate
from analysis_trials import calibration, concluded, errored, labels, old, paired, trial, verdict
from swapgate.analysis.correction import CODE_TOO, SEVERAL
from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.errors import ExitCode
from swapgate.judging.load import load_judges
from swapgate.records import CheckResult
from swapgate.stats import Labels, corrected_difference, corrected_rate
from swapgate.stats.judge_labels import AT_CHANCE
from workspaces import RIGHT, judged_workspace, lay
from workspaces import calibration as calibration_file

# It passes 80 of 100 answers of which 60 are right: nearly all of these, and more than half of the others.
LENIENT = (57, 3, 23, 17)
FAIR = (56, 4, 4, 36)
BLIND = (30, 30, 20, 20)
SKIPPED = verdict(None, status="skipped", samples=(), scores={})


def judged(passed, missed, *, prefix="c", **fields):
    return [trial(f"{prefix}{i}", semantic=i < passed, **fields) for i in range(passed + missed)]


def as_labels(rows, design="random"):
    return Labels(
        verdicts=[row.verdict for row in rows],
        truths=[row.truth for row in rows],
        design=design,
        clusters=[row.cluster for row in rows],
    )


def overall(outcome, model="new"):
    return next(s for s in outcome.summaries if s.model == model and s.scope == OVERALL)


def bounds(rate):
    return rate.rate, rate.low, rate.high, rate.gate_low, rate.gate_high


def difference(outcome, measure="semantic"):
    return next(d for d in outcome.comparisons[0].differences if d.measure == measure and d.scope == OVERALL)


def only(outcome, rule):
    (found,) = [d for d in outcome.gate.decisions if d.rule == rule]
    return found


# Rates.


def test_a_rate_and_its_gate_bounds_move_to_the_truth():
    rows = labels(*LENIENT)
    trials = judged(320, 80)
    rate = overall(concluded(trials, calibrations=(calibration(rows),))).semantic
    shown, decided = (
        corrected_rate([i < 320 for i in range(400)], as_labels(rows), confidence=c) for c in (0.95, 0.90)
    )
    assert bounds(rate) == (shown.estimate, shown.low, shown.high, decided.low, decided.high)
    assert rate.rate == pytest.approx(0.60, abs=0.01)
    assert rate.low < rate.gate_low < 0.6 < rate.gate_high < rate.high
    assert (rate.raw_rate, rate.passed, rate.n) == (0.8, 320, 400)
    assert rate.correction == "100 labels of judge meaning"


def test_a_corrected_interval_is_wider_than_that_of_the_verdicts():
    trials = judged(320, 80)
    raw, corrected = (
        overall(concluded(trials, calibrations=found)).semantic
        for found in ((), (calibration(labels(*LENIENT)),))
    )
    assert corrected.high - corrected.low > 1.5 * (raw.high - raw.low)
    assert (raw.raw_rate, raw.correction) == (None, "")


def test_the_gate_decides_with_the_corrected_numbers_and_says_so():
    trials = judged(320, 80)
    rule = {"semantic": {"min": 0.7}}
    assert concluded(trials, gate=rule).gate.answer == "pass"
    outcome = concluded(trials, gate=rule, calibrations=(calibration(labels(*LENIENT)),))
    assert (outcome.gate.answer, outcome.gate.exit_code) == ("fail", ExitCode.FAILED)
    assert outcome.gate.reason.startswith(
        "semantic pass rate of new overall, corrected for the judge's errors, is 60."
    )
    point = concluded(
        trials, gate={"semantic": {"min": 0.7, "on": "point"}}, calibrations=(calibration(labels(*LENIENT)),)
    )
    assert point.gate.answer == "fail"


def test_more_cases_are_not_promised_to_settle_what_the_labels_leave_open():
    rule = {"semantic": {"min": 0.62}}
    decision = only(
        concluded(judged(320, 80), gate=rule, calibrations=(calibration(labels(*LENIENT)),)), "semantic.min"
    )
    assert decision.answer == "inconclusive"
    assert (decision.needed_cases, decision.needed_cost_usd, decision.needed_repeats) == (None, None, None)


@pytest.mark.parametrize("design", ["by_verdict", "by_label"])
def test_the_files_design_decides_the_method(design):
    rows = labels(*FAIR)
    rate = overall(concluded(judged(300, 100), calibrations=(calibration(rows, design=design),))).semantic
    expected = corrected_rate([i < 300 for i in range(400)], as_labels(rows, design))
    assert (rate.rate, rate.low, rate.high) == (expected.estimate, expected.low, expected.high)


def test_clusters_of_trials_reach_the_correction():
    rows = labels(*FAIR)
    trials = [replace(t, cluster=f"doc{i // 4}") for i, t in enumerate(judged(300, 100))]
    rate = overall(concluded(trials, calibrations=(calibration(rows),))).semantic
    expected = corrected_rate(
        [i < 300 for i in range(400)], as_labels(rows), clusters=[i // 4 for i in range(400)]
    )
    assert (rate.low, rate.high) == (expected.low, expected.high)


def test_every_slice_is_corrected_by_itself():
    trials = [
        *judged(50, 10, suite="one", tags=("x",)),
        *judged(30, 30, suite="two", prompt="p"),
    ]
    outcome = concluded(trials, calibrations=(calibration(labels(*FAIR)),))
    by_scope = {s.scope: s.semantic for s in outcome.summaries}
    for scope, passed in (
        (Scope("one"), 50),
        (Scope(tag="x"), 50),
        (Scope("two"), 30),
        (Scope(prompt="p"), 30),
    ):
        expected = corrected_rate([i < passed for i in range(60)], as_labels(labels(*FAIR)))
        assert (by_scope[scope].rate, by_scope[scope].low) == (expected.estimate, expected.low)


def test_the_structure_and_the_counts_stay_as_they_are():
    trials = judged(320, 80)
    plain = overall(concluded(trials))
    corrected = overall(concluded(trials, calibrations=(calibration(labels(*LENIENT)),)))
    assert replace(corrected, semantic=plain.semantic, blind_pass=plain.blind_pass) == plain


def test_a_model_with_labels_of_its_own_is_corrected_by_these():
    rows = [*labels(*LENIENT, model="new"), *labels(*FAIR, model="other")]
    trials = [*judged(320, 80), *judged(320, 80, model="other"), *judged(320, 80, model="third")]
    outcome = concluded(trials, calibrations=(calibration(rows),))
    expected = {"new": rows[:100], "other": rows[100:], "third": rows}
    for model, own in expected.items():
        found = corrected_rate([i < 320 for i in range(400)], as_labels(own))
        assert overall(outcome, model).semantic.rate == found.estimate
        assert overall(outcome, model).semantic.correction == f"{len(own)} labels of judge meaning"


def test_labels_of_a_model_are_found_under_its_name_in_a_stored_run():
    rows = [*labels(*LENIENT, model="new"), *labels(*FAIR, model="old")]
    trials = [
        replace(t, model=f"{t.model}@run-{'7' if t.role == 'candidate' else '3'}")
        for t in paired((300, 20, 10, 70))
    ]
    outcome = concluded(trials, calibrations=(calibration(rows),))
    rate = overall(outcome, "new@run-7").semantic
    assert rate.rate == corrected_rate([i < 320 for i in range(400)], as_labels(rows[:100])).estimate
    assert difference(outcome).correction == "labels of judge meaning on both models"


# What code decides.


def test_what_code_found_wrong_is_wrong_and_needs_no_label():
    failed = CheckResult(check="expected", kind="semantic", passed=False)
    known = [
        *(trial(f"s{i}", structural=False, verdicts=(SKIPPED,)) for i in range(20)),
        *(trial(f"e{i}", verdicts=(verdict(False, samples=(), scores={}),)) for i in range(20)),
        *(replace(trial(f"x{i}", semantic=True), checks=(failed,)) for i in range(20)),
    ]
    rows = labels(*FAIR)
    rate = overall(concluded([*judged(240, 100), *known], calibrations=(calibration(rows),))).semantic
    said = [True] * 240 + [False] * 100 + [None] * 60
    expected = corrected_rate(said, as_labels(rows))
    assert (rate.rate, rate.low, rate.high) == (expected.estimate, expected.low, expected.high)
    alone = overall(concluded(known, calibrations=(calibration(rows),))).semantic
    assert (alone.rate, alone.low) == (0.0, 0.0)


def test_what_code_found_right_is_not_put_down_to_the_judge():
    right = CheckResult(check="expected", kind="semantic", passed=True)
    by_code = [trial(f"x{i}", suite="exact", checks=(right,)) for i in range(100)]
    outcome = concluded(
        [*judged(80, 20, suite="judged"), *by_code], calibrations=(calibration(labels(*FAIR)),)
    )
    found = {s.scope: s.semantic for s in outcome.summaries}
    assert found[Scope("judged")].correction
    assert (found[Scope("exact")].correction, found[Scope("exact")].rate) == ("", 1.0)
    assert found[Scope("exact")].note == ""
    assert (found[OVERALL].rate, found[OVERALL].correction) == (0.9, "")
    assert found[OVERALL].note == f"not corrected for the judge's errors: {CODE_TOO}"


def test_a_trial_that_the_judge_could_not_score_is_left_out():
    failed = verdict(None, status="error", samples=(), scores={})
    lost = [replace(errored(f"e{i}"), verdicts=(failed,)) for i in range(5)]
    rows = labels(*FAIR)
    rate = overall(concluded([*judged(80, 20), *lost], calibrations=(calibration(rows),))).semantic
    assert (rate.n, rate.rate) == (
        100,
        corrected_rate([i < 80 for i in range(100)], as_labels(rows)).estimate,
    )


# Blind passes.


def test_blind_passes_are_corrected_over_the_structurally_right():
    rows = labels(*LENIENT)
    unreadable = [trial(f"u{i}", structural=False, verdicts=(SKIPPED,)) for i in range(50)]
    summary = overall(concluded([*judged(160, 40), *unreadable], calibrations=(calibration(rows),)))
    shown, decided = (
        corrected_rate([i < 160 for i in range(200)], as_labels(rows), confidence=c) for c in (0.95, 0.90)
    )
    blind = summary.blind_pass
    assert bounds(blind) == (
        1 - shown.estimate,
        1 - shown.high,
        1 - shown.low,
        1 - decided.high,
        1 - decided.low,
    )
    assert (blind.passed, blind.n, blind.raw_rate) == (40, 200, pytest.approx(0.2))
    assert blind.rate > 0.35
    # Over all trials the unreadable ones are wrong too.
    assert summary.semantic.rate == pytest.approx(0.8 * (1 - blind.rate), abs=1e-9)


def test_the_gate_on_blind_passes_uses_the_corrected_rate():
    trials, rule = judged(370, 30), {"blind_pass": {"max": 0.15}}
    assert concluded(trials, gate=rule).gate.answer == "pass"
    corrected = concluded(trials, gate=rule, calibrations=(calibration(labels(*LENIENT)),))
    assert corrected.gate.answer == "fail"
    assert "corrected for the judge's errors" in corrected.gate.reason


def test_a_blind_pass_rate_that_was_not_corrected_keeps_its_last_digit():
    # Labels drawn by their truth that do not show enough: no correction, and the gate goes on.
    weak = calibration(labels(7, 3, 6, 4), design="by_label")
    outcome = concluded(
        judged(95, 5), gate={"blind_pass": {"max": 0.05, "on": "point"}}, calibrations=(weak,)
    )
    blind = overall(outcome).blind_pass
    assert (blind.rate, blind.correction) == (0.05, "")
    assert "not shown to be better than chance" in blind.note
    assert outcome.gate.answer == "pass"


# Differences.


def favoured():
    """Return labels by which the judge is fair to the baseline and lenient to the candidate."""
    return [*labels(*LENIENT, model="new"), *labels(*FAIR, model="old")]


def test_a_difference_is_corrected_by_labels_of_both_models():
    trials = paired((250, 70, 50, 30))
    rows = favoured()
    outcome = concluded(trials, calibrations=(calibration(rows),))
    found = difference(outcome)
    table = [(True, True)] * 250 + [(False, True)] * 70 + [(True, False)] * 50 + [(False, False)] * 30
    expected = corrected_difference(
        [b for b, _ in table],
        [c for _, c in table],
        baseline_labels=as_labels(rows[100:]),
        candidate_labels=as_labels(rows[:100]),
        confidence=0.90,
    )
    assert (found.estimate, found.low, found.high) == (expected.estimate, expected.low, expected.high)
    assert (found.raw_estimate, found.estimate < -0.08) == (0.05, True)
    assert found.correction == "labels of judge meaning on both models"
    assert (found.both, found.only_candidate, found.only_baseline) == (250, 70, 50)
    assert 0 < found.p_value < 0.05
    assert difference(outcome, "structural") == difference(concluded(trials), "structural")


def test_the_margin_is_judged_by_the_corrected_difference():
    trials = paired((250, 70, 50, 30))
    assert concluded(trials).gate.answer == "pass"
    outcome = concluded(trials, calibrations=(calibration(favoured()),))
    decision = only(outcome, "margin")
    assert decision.answer != "pass"
    assert decision.value == difference(outcome).estimate
    assert decision.reason.startswith(
        "semantic pass rate of new minus that of old overall, corrected for the judge errors, is -1"
    )
    assert (decision.needed_cases, decision.needed_repeats) == (None, None)


def test_p_values_agree_with_the_corrected_interval():
    outcome = concluded(paired((250, 70, 50, 30)), calibrations=(calibration(favoured()),))
    found = difference(outcome)
    assert (found.p_value < 0.10) == (not found.low <= 0 <= found.high)
    assert (found.p_noninferior < 0.05) == (found.low > -found.margin)


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        (labels(*FAIR), "a judge may favour one of two models"),
        (labels(*FAIR, model="new"), "no labels of the baseline"),
        ([*labels(*FAIR), *labels(*FAIR, model="old")], "no labels of the candidate"),
        (
            [*labels(*FAIR, model="new"), *labels(2, 0, 0, 2, model="old")],
            "baseline: 4 labels: fewer than 20",
        ),
    ],
    ids=["pooled", "candidate", "baseline", "few"],
)
def test_pooled_labels_correct_a_rate_and_never_a_difference(rows, why):
    trials = paired((250, 70, 50, 30))
    outcome = concluded(trials, calibrations=(calibration(rows),))
    found, plain = difference(outcome), difference(concluded(trials))
    assert overall(outcome).semantic.correction
    assert replace(found, note="") == plain
    assert found.note.startswith(f"not corrected for the judge's errors: {why}")


# What stands as it is.


def test_several_judges_are_not_corrected_and_that_is_said():
    verdicts = [(verdict(i % 5 > 0), verdict(i % 7 > 0, judge="tone")) for i in range(100)]
    trials = [
        t
        for i, said in enumerate(verdicts)
        for t in (trial(f"c{i}", verdicts=said), old(f"c{i}", verdicts=said))
    ]
    rows = [*labels(*FAIR, model="new"), *labels(*FAIR, model="old")]
    for calibrations in (
        (calibration(rows),),
        (calibration(rows), calibration(rows, judge="tone")),
    ):
        outcome = concluded(trials, calibrations=calibrations)
        plain = concluded(trials)
        said = f"not corrected for the judge's errors: {SEVERAL}"
        for part in ("semantic", "blind_pass"):
            rate = getattr(overall(outcome), part)
            assert rate == replace(getattr(overall(plain), part), note=said)
        assert difference(outcome) == replace(difference(plain), note=said)


def test_several_judges_of_which_none_is_calibrated_are_not_said_to_be_uncorrected():
    trials = [trial("a", verdicts=(verdict(True), verdict(True, judge="tone")))]
    assert (
        overall(concluded(trials, calibrations=(calibration(labels(*FAIR), judge="other"),))).semantic.note
        == ""
    )


def test_each_suite_with_one_judge_is_corrected_beside_a_suite_of_two():
    two = [
        trial(f"x{i}", suite="two", verdicts=(verdict(True), verdict(True, judge="tone"))) for i in range(30)
    ]
    outcome = concluded([*judged(80, 20, suite="one"), *two], calibrations=(calibration(labels(*FAIR)),))
    corrected = {s.scope: bool(s.semantic.correction) for s in outcome.summaries}
    assert corrected == {OVERALL: False, Scope("one"): True, Scope("two"): False}


def test_labels_of_another_definition_correct_nothing_and_are_warned_of():
    stale = calibration(labels(*LENIENT), warning="labels verdicts of another definition")
    trials = judged(320, 80)
    outcome = concluded(trials, gate={"semantic": {"min": 0.7}}, calibrations=(stale,))
    assert outcome.summaries == concluded(trials).summaries
    assert outcome.gate.answer == "pass"
    assert outcome.gate.notes == ("judge uncalibrated: meaning: labels verdicts of another definition",)


def test_labels_of_another_judge_change_nothing():
    trials = judged(320, 80)
    outcome = concluded(trials, calibrations=(calibration(labels(*LENIENT), judge="other"),))
    assert outcome.summaries == concluded(trials).summaries


def test_the_judges_quality_is_noted():
    outcome = concluded(
        judged(320, 80), gate={"semantic": {"min": 0.5}}, calibrations=(calibration(labels(*LENIENT)),)
    )
    assert outcome.gate.notes == (
        "judge calibrated: meaning: 100 labels (random), sensitivity 95.0%, specificity 42.5%",
    )


# Judges that cannot gate.

MEND = "Mend the judge, or label its verdicts anew"
MORE = "Label more of these responses: `swapgate judge label`"
REFUSED = [
    ((30, 30, 30, 10), "at or below chance", MEND),
    (BLIND, "at or below chance", MEND),
    ((50, 50, 0, 0), "no label says that a response is truly wrong", MORE),
    ((50, 0, 50, 0), "no label stands beside a failing verdict", MORE),
    ((5, 0, 0, 5), "10 labels: fewer than 20", MORE),
]


@pytest.mark.parametrize(("rows", "why", "remedy"), REFUSED)
def test_a_judge_that_is_no_better_than_chance_stops_the_gate(rows, why, remedy):
    outcome = concluded(
        judged(400, 0), gate={"semantic": {"min": 0.5}}, calibrations=(calibration(labels(*rows)),)
    )
    assert (outcome.gate.answer, outcome.gate.exit_code) == ("inconclusive", ExitCode.INCONCLUSIVE)
    assert outcome.gate.reason.startswith("the judge meaning cannot gate: ")
    assert why in outcome.gate.reason
    assert outcome.gate.reason.endswith(f". {remedy}")


@pytest.mark.parametrize(
    ("trials", "gate"),
    [
        (judged(400, 0), {"structural": {"min": 0.5}}),
        (judged(0, 400), {"semantic": {"min": 0.5}}),
        (judged(0, 400), {"structural": {"min": 1, "max": 0.5, "on": "point"}}),
        (judged(400, 0), {"semantic": {"min": 0.5}, "inconclusive": "warn"}),
        (judged(400, 0), "every-case"),
        (judged(399, 1), "every-case"),
        (paired((400, 0, 0, 0)), None),
    ],
    ids=["passing", "failing", "structure fails", "warn", "every case", "a case missed", "baseline"],
)
def test_it_stops_the_gate_whatever_else_holds(trials, gate):
    for one in (calibration(labels(*BLIND)), calibration(labels(*BLIND, model="new"))):
        outcome = concluded(trials, gate=gate, calibrations=(one,))
        assert (outcome.gate.answer, outcome.gate.exit_code) == ("inconclusive", ExitCode.INCONCLUSIVE)
        assert AT_CHANCE in outcome.gate.reason
    warning = concluded(trials, gate=gate, suite_gates={"s": {"inconclusive": "warn"}}, calibrations=(one,))
    assert warning.gate.exit_code == ExitCode.INCONCLUSIVE


def test_too_many_errors_are_said_before_the_judge():
    trials = [*judged(80, 0), *(errored(f"e{i}") for i in range(20))]
    outcome = concluded(trials, gate={"semantic": {"min": 0.5}}, calibrations=(calibration(labels(*BLIND)),))
    assert outcome.gate.exit_code == ExitCode.TOO_MANY_ERRORS


def test_a_refused_judge_leaves_the_verdicts_as_they_are_and_nothing_to_gate_on():
    trials = judged(300, 100)
    rate = overall(concluded(trials, calibrations=(calibration(labels(*BLIND)),))).semantic
    plain = overall(concluded(trials)).semantic
    note = f"not corrected for the judge's errors: {AT_CHANCE}"
    assert rate == replace(plain, gate_low=None, gate_high=None, note=note)


def test_a_judge_that_guesses_about_one_model_is_named_with_it():
    rows = [*labels(*FAIR, model="other"), *labels(*FAIR), *labels(*BLIND, model="new")]
    trials = [*judged(380, 20), *judged(380, 20, model="other")]
    outcome = concluded(trials, gate={"semantic": {"min": 0.5}}, calibrations=(calibration(rows),))
    assert outcome.gate.exit_code == ExitCode.INCONCLUSIVE
    assert outcome.gate.reason.startswith("the judge meaning cannot gate on new: ")


def test_a_judge_that_guesses_about_the_baseline_stops_the_gate_too():
    rows = [*labels(*FAIR, model="new"), *labels(*BLIND, model="old"), *labels(*FAIR)]
    outcome = concluded(paired((280, 10, 10, 30)), calibrations=(calibration(rows),))
    assert outcome.gate.exit_code == ExitCode.INCONCLUSIVE
    assert outcome.gate.reason.startswith(
        "the judge meaning cannot gate on old: the judge is at or below chance"
    )


NEVER_WRONG = (50, 10, 0, 0)


def test_a_baseline_that_is_never_wrong_hides_no_failure_of_the_candidate():
    rows = [*labels(*FAIR, model="new"), *labels(*NEVER_WRONG, model="old"), *labels(*FAIR)]
    trials = paired((200, 0, 180, 20))
    for gate in ({"semantic": {"min": 0.9}}, {"blind_pass": {"max": 0.1}}):
        outcome = concluded(trials, gate=gate, calibrations=(calibration(rows),))
        assert (outcome.gate.answer, outcome.gate.exit_code) == ("fail", ExitCode.FAILED)
        assert ", corrected for the judge's errors, is " in outcome.gate.reason
        assert "cannot gate on old" in "".join(d.reason for d in outcome.gate.decisions)


@pytest.mark.parametrize(
    "gate",
    [{"semantic": {"min": 0.5}}, "every-case", {"blind_pass": {"rise": 0.01}}, None],
    ids=["held", "as judged", "a change", "the difference"],
)
def test_what_it_leaves_unknown_stays_undecided(gate):
    rows = [*labels(*FAIR, model="new"), *labels(*NEVER_WRONG, model="old"), *labels(*FAIR)]
    outcome = concluded(paired((200, 0, 180, 20)), gate=gate, calibrations=(calibration(rows),))
    assert outcome.gate.exit_code == ExitCode.INCONCLUSIVE


def test_a_few_labels_of_a_model_do_not_stand_in_the_place_of_many():
    rows = [*labels(*FAIR, model="other"), *labels(4, 0, 0, 1, model="new")]
    outcome = concluded(judged(300, 100), gate={"semantic": {"min": 0.5}}, calibrations=(calibration(rows),))
    assert outcome.gate.answer == "pass"
    assert overall(outcome).semantic.correction == "105 labels of judge meaning"


def test_a_partial_run_is_not_judged_by_its_judge_either():
    outcome = concluded(
        judged(400, 0),
        gate={"semantic": {"min": 0.5}},
        is_partial=True,
        calibrations=(calibration(labels(*BLIND)),),
    )
    assert outcome.gate.answer == "not_judged"


def test_a_judge_that_nothing_asked_stops_nothing():
    trials = [trial(f"c{i}") for i in range(100)]
    outcome = concluded(
        trials, gate={"structural": {"min": 0.5}}, calibrations=(calibration(labels(*BLIND)),)
    )
    assert outcome.gate.answer == "pass"


@given(
    st.tuples(*[st.integers(0, 40)] * 4),
    st.integers(0, 60),
    st.integers(0, 60),
    st.sampled_from(["random", "by_verdict", "by_label"]),
)
def test_any_labels_correct_or_say_why_not(rows, passed, missed, design):
    outcome = concluded(judged(passed, missed), calibrations=(calibration(labels(*rows), design=design),))
    for summary in outcome.summaries:
        for rate in (summary.semantic, summary.blind_pass):
            if rate.correction:
                assert 0 <= rate.low <= rate.gate_low <= rate.gate_high <= rate.high <= 1
                assert rate.low <= rate.rate <= rate.high
                assert rate.low < rate.high
            elif rate.n:
                assert "not corrected" in rate.note


# From the files.

CASES = [f"case-{i:02}" for i in range(60)]
ROWS = [(row.verdict, row.truth) for row in labels(*LENIENT)]


@pytest.fixture
def root(tmp_path):
    judged_workspace(
        tmp_path,
        {"new": dict.fromkeys(CASES, RIGHT)},
        {name: i < 48 for i, name in enumerate(CASES)},
        gate={"semantic": {"min": 0.5}},
    )
    return tmp_path


def calibrate(root, **head):
    lay(root, {"judges/meaning.calibration.yml": calibration_file(ROWS, **head)})


def test_a_calibration_file_corrects_a_run(root):
    assert swapgate.run(model="new", root=root).gate.notes == ("judge uncalibrated: meaning",)
    calibrate(root)
    outcome = swapgate.run(model="new", root=root)
    rate = overall(outcome).semantic
    assert (rate.raw_rate, rate.correction) == (0.8, "100 labels of judge meaning")
    assert rate.rate == pytest.approx(0.6, abs=0.01)
    assert outcome.gate.notes[0].startswith("judge calibrated: meaning: 100 labels (random)")


def test_the_hash_of_todays_definition_is_accepted_and_a_stale_one_warned_of(root):
    today = load_judges(["meaning"], judges_dir=root / "judges")["meaning"].definition_hash
    calibrate(root, judge_hash=today[:12])
    assert overall(swapgate.run(model="new", root=root)).semantic.correction
    calibrate(root, judge_hash="abcdef012345")
    outcome = swapgate.run(model="new", root=root)
    rate = overall(outcome).semantic
    assert (rate.rate, rate.correction) == (0.8, "")
    (note,) = outcome.gate.notes
    assert note.startswith("judge uncalibrated: meaning: meaning.calibration.yml labels verdicts of another")
    assert "(abcdef01, now " in note


def test_a_stored_run_keeps_the_labels_that_it_was_judged_with(root):
    calibrate(root)
    first = swapgate.run(model="new", root=root)
    (root / "judges/meaning.calibration.yml").unlink()
    second = swapgate.run(model="new", root=root, baseline=first.run.id)
    assert second.run.calibrations == ()
    assert len(first.run.calibrations[0].labels) == 100


def test_labels_of_other_models_are_said_to_stand_in():
    rows = [*labels(*FAIR, model="a"), *labels(*LENIENT, model="b")]
    rate = overall(concluded(judged(320, 80), calibrations=(calibration(rows),))).semantic
    assert rate.correction == "200 labels of judge meaning"
    assert re.fullmatch(
        r"new is corrected by labels of other models \(a, b\), "
        r"for which the judge errs unlike \(p 0\.00\d\): "
        "label 20 responses of its own",
        rate.note,
    )
    alike = [*labels(*FAIR, model="a"), *labels(*FAIR, model="b")]
    note = overall(concluded(judged(320, 80), calibrations=(calibration(alike),))).semantic.note
    assert note == "new is corrected by labels of other models (a, b): label 20 responses of its own"


def test_labels_of_its_own_or_of_nobody_in_particular_need_no_word():
    for rows in (labels(*FAIR, model="new"), labels(*FAIR)):
        assert overall(concluded(judged(320, 80), calibrations=(calibration(rows),))).semantic.note == ""
