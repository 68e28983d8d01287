"""What the statistics keep of a trial, and that it comes back from the history as it went in."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_trials import answer, errored, run, trial, verdict
from swapgate.errors import ErrorKind
from swapgate.facts import Facts, facts_of, pack, unpack
from swapgate.facts.amounts import JudgeCalls
from swapgate.memory.history import History, HistoryWriter
from swapgate.records import CheckResult, Finding, Response, Trial, TrialError, Usage

JUDGE_FAILED = TrialError(kind=ErrorKind.JUDGE, message="no scores", source="judge:meaning")
CHECK_FAILED = TrialError(kind=ErrorKind.USER_CODE, message="raised", source="check:mine")
SKIPPED = verdict(None, status="skipped", samples=(), scores={}, reason="the structure failed")
TRIVIAL = verdict(False, samples=(), scores={}, reason="empty answer")


def semantic_check(*, passed: bool) -> CheckResult:
    return CheckResult(check="expected", kind="semantic", passed=passed)


def fallen_back(**fields: object) -> Trial:
    error = TrialError(kind=ErrorKind.SERVER, message="503 (the fallback other answered)")
    return trial("a", semantic=False, answer=answer("other", is_fallback=True, **fields), error=error)


def test_answered_trial_has_its_results_scores_and_amounts():
    found = facts_of(
        trial(
            "a",
            semantic=True,
            repeat=3,
            prompt="review",
            tags=("security", "python"),
            case_hash="f00",
            covariates={"files": 2.0},
        )
    )
    assert (found.suite, found.case, found.model, found.repeat, found.role) == (
        "s",
        "a",
        "new",
        3,
        "candidate",
    )
    assert (found.prompt, found.tags, found.case_hash) == ("review", ("security", "python"), "f00")
    assert (found.outcome, found.error_kind, found.reason) == ("passed", None, "")
    assert (found.structural, found.semantic, found.is_blind_pass, found.is_code_wrong) == (
        True,
        True,
        False,
        False,
    )
    assert found.checks == (("json", "structural", True),)
    assert found.verdicts == (("meaning", "0" * 64, "scored", True),)
    assert found.scores == {"meaning.accuracy": 5.0}
    assert (found.json_kind, found.is_recoverable) == ("bare", None)
    assert (found.is_answered, found.is_fallback, found.is_own, found.from_cache) == (
        True,
        False,
        True,
        False,
    )
    assert (found.latency_s, found.tokens_in, found.tokens_out) == (1.0, 100, 20)
    assert (found.cost_usd, found.paid_usd) == (0.01, 0.01)
    assert (found.judge_tokens_in, found.judge_tokens_out, found.judge_counted) == (100, 20, 1)
    assert (found.judge_cost_usd, found.judge_paid_usd) == (0.002, 0.002)
    assert found.covariates == {"files": 2.0}


def test_nothing_of_the_texts_is_kept():
    spoken = Response(text="THE ANSWER", usage=Usage(tokens_in=1, tokens_out=1))
    found = pack(facts_of(trial("a", semantic=True, answer=answer(response=spoken), expected="EXPECTED")))
    assert "THE ANSWER" not in found
    assert "EXPECTED" not in found


def test_cluster_is_the_outermost_group_within_the_suite():
    assert facts_of(trial("a", suite="one")).cluster == "one/a"
    assert facts_of(trial("a", suite="one", cluster="repo")).cluster == "one/repo"
    assert (
        facts_of(trial("a", suite="one", repeat=1)).cluster
        == facts_of(trial("a", suite="one", repeat=2)).cluster
    )


def test_blind_pass_is_a_wrong_meaning_in_a_right_structure():
    assert facts_of(trial(semantic=False)).is_blind_pass is True
    assert facts_of(trial(semantic=True)).is_blind_pass is False
    assert facts_of(trial(structural=False, semantic=False)).is_blind_pass is None
    assert facts_of(trial()).is_blind_pass is None


def test_errored_trial_knows_nothing_but_its_error():
    found = facts_of(errored("a", ErrorKind.TIMEOUT, covariates={"files": 3.0}))
    assert (found.outcome, found.error_kind, found.reason) == ("errored", "timeout", "timeout: no answer")
    assert (found.structural, found.semantic, found.is_blind_pass) == (None, None, None)
    assert (found.is_answered, found.is_own, found.is_code_wrong) == (False, False, False)
    assert (found.checks, found.scores, found.json_kind) == ((), {}, None)
    assert (found.latency_s, found.tokens_in, found.tokens_out, found.cost_usd) == (None, None, None, None)
    assert (found.paid_usd, found.judge_cost_usd, found.judge_paid_usd) == (0.0, 0.0, 0.0)
    assert found.covariates == {"files": 3.0}


def test_trial_without_answer_and_error_is_missing():
    found = facts_of(replace(trial("a"), answer=None))
    assert (found.outcome, found.error_kind) == ("errored", "missing")


def test_fallbacks_answer_leaves_only_what_was_paid_for_it():
    found = facts_of(fallen_back(cost_usd=0.5))
    assert (found.is_answered, found.is_fallback, found.is_own) == (True, True, False)
    assert (found.outcome, found.error_kind) == ("errored", "server")
    assert (found.structural, found.semantic, found.is_blind_pass) == (None, None, None)
    assert found.checks == ()
    assert (found.latency_s, found.tokens_in, found.tokens_out, found.cost_usd) == (None, None, None, None)
    assert found.paid_usd == 0.5
    assert facts_of(fallen_back(cost_usd=0.5, from_cache=True)).paid_usd == 0.0


def test_judges_failure_leaves_the_structure_known():
    failed = verdict(None, status="error", samples=(), scores={})
    found = facts_of(trial("a", verdicts=(failed,), error=JUDGE_FAILED))
    assert (found.structural, found.semantic, found.is_blind_pass) == (True, None, None)
    assert (found.outcome, found.error_kind, found.is_own) == ("errored", "judge", True)
    assert not found.is_code_wrong
    assert found.tokens_in == 100


def test_checks_failure_leaves_nothing_known():
    found = facts_of(trial("a", semantic=True, error=CHECK_FAILED))
    assert (found.structural, found.semantic, found.error_kind) == (None, None, "user_code")


def test_skipped_judge_leaves_the_meaning_wrong_by_code_alone():
    found = facts_of(trial("a", structural=False, verdicts=(SKIPPED,)))
    assert (found.structural, found.semantic, found.is_blind_pass) == (False, False, None)
    assert found.is_code_wrong
    assert found.verdicts == (("meaning", "0" * 64, "skipped", None),)
    assert (found.scores, found.judge_counted, found.judge_cost_usd) == ({}, 0, 0.0)


def test_trivial_answer_is_failed_without_a_call_and_so_by_code_alone():
    found = facts_of(trial("a", verdicts=(TRIVIAL,)))
    assert (found.structural, found.semantic, found.is_blind_pass) == (True, False, True)
    assert found.is_code_wrong
    assert found.reason == "meaning: empty answer"


def test_verdict_that_was_asked_for_is_the_judges_and_not_the_codes():
    assert not facts_of(trial("a", semantic=False)).is_code_wrong
    assert not facts_of(trial("a", semantic=True)).is_code_wrong


def test_failing_semantic_check_is_the_codes_whatever_the_judge_says():
    said = replace(trial("a", semantic=True), checks=(semantic_check(passed=False),))
    assert facts_of(said).is_code_wrong
    assert facts_of(said).semantic is False
    agreed = replace(trial("a", semantic=True), checks=(semantic_check(passed=True),))
    assert not facts_of(agreed).is_code_wrong


def test_reason_is_the_structures_before_the_meanings():
    finding = Finding(message="is 'x'", pointer="/label")
    checks = (
        replace(semantic_check(passed=False), findings=(finding,)),
        CheckResult(check="enum", kind="structural", passed=False, findings=(finding,)),
    )
    assert facts_of(trial("a", checks=checks, semantic=False)).reason == "enum at /label: is 'x'"
    assert facts_of(trial("a", checks=checks[:1], semantic=False)).reason == "expected at /label: is 'x'"
    assert facts_of(trial("a", semantic=False, reason="")).reason == "meaning: scored"


def test_recoverable_json_is_known_only_of_a_failure():
    assert facts_of(trial("a")).is_recoverable is None
    assert facts_of(trial("a", structural=False)).is_recoverable is True
    assert facts_of(trial("a", checks=())).is_recoverable is None


def test_prices_are_unknown_when_one_part_is_and_zero_when_nothing_was_used():
    unused = Response(text="", usage=Usage(tokens_in=0, tokens_out=0))
    assert facts_of(trial(answer=answer(cost_usd=None))).cost_usd is None
    assert facts_of(trial(answer=answer(cost_usd=None, response=unused))).cost_usd == 0.0
    assert facts_of(trial(answer=answer(cost_usd=None, from_cache=True))).paid_usd == 0.0
    unpriced = verdict(True)
    sample = replace(unpriced.samples[0], answer=answer("judge-model", cost_usd=None))
    found = facts_of(trial(verdicts=(verdict(True), replace(unpriced, judge="tone", samples=(sample,)))))
    assert (found.judge_cost_usd, found.judge_paid_usd, found.judge_counted) == (None, None, 2)
    assert found.scores == {"meaning.accuracy": 5.0, "tone.accuracy": 5.0}


def test_uncounted_tokens_are_unknown_and_not_zero():
    found = facts_of(trial(answer=answer(response=Response(text="x"))))
    assert (found.tokens_in, found.tokens_out, found.latency_s) == (None, None, None)


KINDS = [
    trial("a", semantic=True, tags=("x", "y"), cluster="doc", covariates={"n": 1.5}),
    trial("b", structural=False, semantic=False),
    trial("c", structural=False, verdicts=(SKIPPED,)),
    trial("d", verdicts=(TRIVIAL, verdict(True, judge="tone"))),
    trial("e", verdicts=(verdict(None, status="error", samples=()),), error=JUDGE_FAILED),
    trial("f", error=CHECK_FAILED),
    errored("g"),
    fallen_back(cost_usd=None),
    replace(trial("h"), answer=None),
]


@pytest.mark.parametrize("one", KINDS, ids=lambda one: one.case)
def test_facts_of_every_kind_of_trial_come_back_from_their_line(one):
    found = facts_of(one)
    line = pack(found)
    assert "\n" not in line
    assert unpack([line]) == [found]
    assert hash(unpack([line])[0].checks) == hash(found.checks)  # tuples again, not lists


texts = st.text(max_size=8)
names = st.text(st.characters(codec="utf-8"), max_size=8)
amounts = st.none() | st.floats(allow_nan=False, allow_infinity=False)
results = st.none() | st.booleans()
counts = st.none() | st.integers(0, 2**40)
any_judge_calls = st.builds(
    JudgeCalls,
    judge=texts,
    models=st.lists(texts, max_size=3).map(tuple),
    cost_usd=amounts,
    latencies_s=st.lists(st.floats(0, 1e6), max_size=3).map(tuple),
    escalates_to=texts,
    is_escalated=st.booleans(),
    second_usd=amounts,
)
any_facts = st.builds(
    Facts,
    suite=texts,
    case=texts,
    model=texts,
    repeat=st.integers(1, 100),
    role=st.sampled_from(["candidate", "baseline"]),
    cluster=texts,
    prompt=st.none() | texts,
    tags=st.lists(texts, max_size=3).map(tuple),
    case_hash=st.none() | texts,
    outcome=st.sampled_from(["passed", "missed", "errored", "unscored"]),
    error_kind=st.none() | texts,
    structural=results,
    semantic=results,
    is_code_wrong=st.booleans(),
    checks=st.lists(st.tuples(texts, texts, st.booleans()), max_size=3).map(tuple),
    verdicts=st.lists(st.tuples(texts, texts, texts, results), max_size=3).map(tuple),
    scores=st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    json_kind=st.none() | texts,
    is_recoverable=results,
    is_answered=st.booleans(),
    is_fallback=st.booleans(),
    from_cache=st.booleans(),
    latency_s=amounts,
    tokens_in=counts,
    tokens_out=counts,
    cost_usd=amounts,
    paid_usd=amounts,
    judge_tokens_in=st.integers(0, 2**40),
    judge_tokens_out=st.integers(0, 2**40),
    judge_counted=st.integers(0, 100),
    judge_cost_usd=amounts,
    judge_paid_usd=amounts,
    covariates=st.dictionaries(names, st.floats(allow_nan=False, allow_infinity=False), max_size=3),
    reason=texts,
    ttft_s=amounts,
    judging=st.lists(any_judge_calls, max_size=3).map(tuple),
)


def test_facts_stored_before_first_tokens_and_judges_were_timed_are_read():
    streamed = facts_of(trial("a", answer=answer(response=Response(text="", latency_s=2.0, ttft_s=0.5))))
    assert unpack([pack(streamed)])[0].ttft_s == 0.5
    known = list(Facts._fields).index("ttft_s")
    old = json.dumps(list(streamed)[:known])
    later = {name: Facts._field_defaults[name] for name in Facts._fields[known:]}
    assert unpack([old]) == [streamed._replace(**later)]


@given(any_facts)
def test_any_facts_come_back_exactly(found):
    line = pack(found)
    assert line.isascii()
    assert unpack([line]) == [found]
    assert unpack([pack(*unpack([line]))]) == [found]


# The history.

RUN = run(id="20260101-000000-aaaaaa", planned=4)
TRIALS = [
    trial("b", suite="s", semantic=True, repeat=2),
    trial("b", suite="s", semantic=False, repeat=1),
    trial("a", suite="t", model="old", role="baseline"),
    trial("a", suite="t", covariates={"n": 1.0}),
    errored("c", suite="s"),
]


def stored(path: Path, *trials: Trial) -> None:
    writer = HistoryWriter(path, RUN)
    for one in trials:
        writer.add(one)
    writer.finish(RUN)


def read(path: Path) -> tuple[list[Facts], list[Trial]]:
    with closing(History(path)) as history:
        return history.facts(RUN.id), list(history.trials(RUN.id))


def in_sqlite(path: Path, *statements: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return [row for statement in statements for row in connection.execute(statement)]


def test_facts_are_stored_beside_the_trials_and_in_their_order(tmp_path):
    path = tmp_path / "history.db"
    stored(path, *TRIALS)
    assert in_sqlite(path, "SELECT count(*) FROM facts") == [(5,)]
    found, trials = read(path)
    assert found == [facts_of(one) for one in trials]
    keys = [(f.suite, f.case, f.model, f.repeat) for f in found]
    assert keys == sorted(keys)
    assert len(keys) == len(TRIALS)


def test_facts_of_a_trial_stored_twice_are_those_of_the_second(tmp_path):
    path = tmp_path / "history.db"
    stored(path, trial("a", semantic=True), trial("a", semantic=False))
    found, _ = read(path)
    assert [f.semantic for f in found] == [False]


def test_facts_are_read_without_the_trials(tmp_path):
    path = tmp_path / "history.db"
    stored(path, *TRIALS)
    in_sqlite(path, "DELETE FROM trials")
    assert len(read(path)[0]) == 5


def test_run_without_trials_has_no_facts(tmp_path):
    path = tmp_path / "history.db"
    stored(path)
    assert read(path) == ([], [])


def test_facts_take_a_small_part_of_their_trials_space(tmp_path):
    path = tmp_path / "history.db"
    long = Response(text="word " * 2000, usage=Usage(tokens_in=1, tokens_out=1))
    stored(path, *(trial(f"c{i}", semantic=True, answer=answer(response=long)) for i in range(20)))
    ((trials, kept),) = in_sqlite(
        path,
        "SELECT sum(length(t.record)), sum(length(f.record)) FROM trials t, facts f USING (run_id, case_id)",
    )
    assert kept < trials / 10
