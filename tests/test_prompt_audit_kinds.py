"""What kind of failure an audit calls an answer's, and on what evidence."""

from __future__ import annotations

from pathlib import Path

import pytest

from swapgate.checks import Subject
from swapgate.checks.build import build_checks, finish_check, run_checks
from swapgate.judging.load import load_judges
from swapgate.prompting.auditing.failures import Failure, failures_of
from swapgate.prompting.negations import asks_whether_left, forbidding
from swapgate.records import Answer, CheckResult, Finding, Json, Message, Response, Trial, Verdict
from workspaces import lay

PROMPT = """\
Review the diff. Return a JSON object with a list of issues.

Do not include any text outside the JSON object.
- Never mention "our roadmap".
Keep it concrete, not vague.
"""


def trial(response: Response | str, *checks: Json, prompt: str = PROMPT, **more: object) -> Trial:
    """Return a trial of an answer that real checks looked at."""
    answer = Response(text=response) if isinstance(response, str) else response
    subject = Subject(response=answer, expected={"label": "bug"}, variables={})
    built = build_checks(checks, base=Path(), root=Path())  # type: ignore[arg-type]
    found = run_checks([finish_check(), *built], subject)
    return Trial(
        suite="s",
        case="c",
        model="m",
        messages=(Message(role="system", content=prompt), Message(role="user", content="x")),
        answer=Answer(response=answer, model="m"),
        checks=found,
        **more,  # type: ignore[arg-type]
    )


def kinds(one: Trial) -> list[str]:
    return [failure.kind for failure in failures_of(one, judges={})]


@pytest.mark.parametrize(
    ("answer", "check", "found"),
    [
        ('```json\n{"a": 1}\n```', {"json": "strict"}, ["format", "negative constraint"]),
        ('Sure: {"a": 1}', {"json": "strict"}, ["format", "negative constraint"]),
        ('{"a": ', {"json": "strict"}, ["format"]),
        ('{"a": 1}', {"required_keys": ["b"]}, ["format"]),
        ('{"a": 1}', {"schema": {"properties": {"a": {"type": "string"}}}}, ["format"]),
        ('{"a": "xxxx"}', {"schema": {"properties": {"a": {"maxLength": 2}}}}, ["verbosity"]),
        ('{"a": "x"}', {"schema": {"properties": {"a": {"not": {"const": "x"}}}}}, ["negative constraint"]),
        ('{"a": "no"}', {"enum": {"/a": ["yes"]}}, ["format"]),
        ("one two three", {"length": {"max_words": 2}}, ["verbosity"]),
        ("one", {"length": {"min_words": 2}}, ["verbosity"]),
        ("as in our roadmap", {"not_contains": "our roadmap"}, ["negative constraint"]),
        ("TCK-1", {"not_regex": "TCK"}, ["negative constraint"]),
        ("nothing", {"contains": "[1]"}, ["omission"]),
        ("nothing", {"regex": "[0-9]"}, ["omission"]),
        ('{"label": "feature"}', {"expected": ["/label"]}, ["meaning"]),
        ("fine", {"latency": 1}, ["unclassified"]),
        ("fine", {"contains": "fine"}, []),
        (Response(text="I can't", finish_reason="refusal"), {"json": "strict"}, ["refusal"]),
        (Response(text="{", finish_reason="length"), {"json": "strict"}, ["verbosity"]),
    ],
)
def test_kind_is_read_from_the_finding(answer: Response | str, check: Json, found: list[str]) -> None:
    assert kinds(trial(answer, check)) == found


def test_broken_instruction_is_quoted_where_it_names_what_was_found_and_never_guessed() -> None:
    def broken(answer: str, check: Json, prompt: str = PROMPT) -> str:
        found = failures_of(trial(answer, check, prompt=prompt), judges={})
        return next(one.instruction for one in found if one.kind == "negative constraint")

    assert broken('Sure: {"a": 1}', {"json": "strict"}) == "Do not include any text outside the JSON object."
    assert broken("as in our roadmap", {"not_contains": "our roadmap"}) == 'Never mention "our roadmap".'
    assert broken("as in our budget", {"not_contains": "our budget"}) == ""
    assert kinds(trial('Sure: {"a": 1}', {"json": "strict"}, prompt="Return JSON.")) == ["format"]


def test_check_of_the_users_own_is_unclassified_by_what_it_is_and_meaning_by_its_kind() -> None:
    own = CheckResult(check="tone", kind="structural", passed=False, findings=(Finding(message="rude"),))
    one = trial("x")
    unclassified = Trial(suite="s", case="c", model="m", answer=one.answer, checks=(own,))
    assert failures_of(unclassified, judges={}) == (
        Failure(kind="unclassified", source="tone", message="rude"),
    )


JUDGES = {
    "judges/rules.yml": """\
judge: rules
kind: checklist
model: m
items:
  promise: {ask: "Does it promise a date?", forbidden: true}
  polite: {ask: "Is it polite?"}
  jargon: {ask: "Is it free of jargon?"}
pass: score == 1
""",
    "judges/review.yml": """\
judge: review
model: m
criteria:
  accuracy: {ask: "Is it accurate?", scale: [1, 5]}
  restraint: {ask: "Does it leave out advice, as it was told to?", scale: [1, 5]}
  specificity: {ask: "Are claims concrete, not vague?", scale: [1, 5]}
pass: accuracy >= 4 and restraint >= 4 and specificity >= 3
""",
}


@pytest.mark.parametrize(
    ("judge", "scores", "found"),
    [
        ("rules", {"promise": 0.0, "polite": 1.0, "jargon": 1.0}, "Does it promise a date?"),
        ("rules", {"promise": 1.0, "polite": 1.0, "jargon": 0.0}, "Is it free of jargon?"),
        ("rules", {"promise": 1.0, "polite": 0.0, "jargon": 1.0}, ""),
        ("rules", {"polite": 1.0, "forbidden_1": 0.0}, "forbidden fact 1 of the case"),
        ("review", {"accuracy": 5.0, "restraint": 1.0, "specificity": 4.0}, "leave out advice"),
        # With both too low, restraint alone did not decide; what is concrete forbids nothing.
        ("review", {"accuracy": 1.0, "restraint": 1.0, "specificity": 4.0}, ""),
        ("review", {"accuracy": 5.0, "restraint": 5.0, "specificity": 1.0}, ""),
        ("gone", {"restraint": 1.0}, ""),
    ],
)
def test_judges_verdict_is_a_negative_constraint_only_where_its_question_forbids(
    tmp_path: Path, judge: str, scores: dict[str, float], found: str
) -> None:
    lay(tmp_path, JUDGES)
    judges = load_judges(["rules", "review"], judges_dir=tmp_path / "judges", root=tmp_path)
    verdict = Verdict(
        judge=judge, model="m", definition_hash="", status="scored", passed=False, scores=scores
    )
    (failure,) = failures_of(trial("x", verdicts=(verdict,)), judges=judges)
    assert failure.kind == ("negative constraint" if found else "meaning")
    assert found in failure.instruction


def test_sentences_that_forbid_are_found_and_others_are_not() -> None:
    assert forbidding(PROMPT) == [
        "Do not include any text outside the JSON object.",
        'Never mention "our roadmap".',
    ]
    assert forbidding("No preamble. Answer in one line.") == ["No preamble."]
    assert not asks_whether_left("Are claims concrete, not vague?")
    assert asks_whether_left("Does the answer avoid naming people?")
