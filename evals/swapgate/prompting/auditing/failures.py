"""What kind of failure an answer is, read from the findings of its checks and the verdicts of its judges."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from swapgate.judging.load import AnyJudge
from swapgate.prompting.auditing.judges import forbidden_by
from swapgate.prompting.negations import forbidding
from swapgate.records import CheckResult, Finding, Trial
from swapgate.values import Value

FailureKind = Literal[
    "format", "verbosity", "negative constraint", "omission", "refusal", "meaning", "unclassified"
]
KINDS: tuple[FailureKind, ...] = (
    "format",
    "verbosity",
    "negative constraint",
    "omission",
    "refusal",
    "meaning",
    "unclassified",
)
_FORMAT = {"json", "schema", "python_model", "enum", "required_keys", "tool_call"}
_FORBIDDEN = {"not_contains", "not_regex"}
_DEMANDED = {"contains", "regex"}
# What `schema` says of a bound on how much there is.
_TOO_MUCH = re.compile(r"at most \S+ (?:characters|items|keys|words)")
# What a prompt calls the text that stands around the JSON.
_AROUND = re.compile(
    r"\b(?:text|prose|preamble|explanations?|fences?|markdown|outside|comments?|anything)\b", re.I
)
_MESSAGE_CHARS = 300


class Failure(Value):
    """One kind of failure of one answer: what said so, and the sentence of the prompt that it breaks."""

    kind: FailureKind
    source: str
    message: str
    instruction: str = ""


def failures_of(trial: Trial, *, judges: Mapping[str, AnyJudge]) -> tuple[Failure, ...]:
    """Return the failures of one trial, at most one of each kind, in the order of `KINDS`.

    `judges` are those of the workspace by name; the verdict of one that is gone counts as meaning.
    """
    if trial.answer is None or trial.answer.is_fallback:
        return ()
    instructions = [line for message in trial.messages for line in forbidding(message.content)]
    failed = [check for check in trial.checks if not check.passed]
    # An answer that was refused, or cut off, fails other checks for that reason alone.
    ended = [check for check in failed if check.check == "finish"]
    found = [one for check in ended or failed for one in _of_check(check, instructions)]
    if not ended:
        found += _of_judges(trial, judges)
    first: dict[FailureKind, Failure] = {}
    for one in found:
        first.setdefault(one.kind, one)
    return tuple(first[kind] for kind in KINDS if kind in first)


def _of_check(check: CheckResult, instructions: Sequence[str]) -> Iterator[Failure]:
    """Yield what a failed check says, a failure a finding; text around JSON may break a prohibition too."""
    for finding in check.findings or (Finding(message="no finding was given"),):
        kind = _kind(check, finding)
        instruction = _broken(finding, instructions) if kind == "negative constraint" else ""
        yield _failure(kind, check.check, finding.message, instruction)
        if around := _forbidden_around(check, instructions):
            yield _failure("negative constraint", check.check, finding.message, around)


def _kind(check: CheckResult, finding: Finding) -> FailureKind:
    name = re.split(r"[:#]", check.check, maxsplit=1)[0]
    if name == "finish":
        return "verbosity" if finding.got == "length" else "refusal"
    if check.kind == "semantic":
        return "meaning"
    if name in _FORBIDDEN or finding.wanted == "no call" or finding.wanted.startswith("nothing that matches"):
        return "negative constraint"
    if name == "length" or (name in _FORMAT and _TOO_MUCH.fullmatch(finding.wanted)):
        return "verbosity"
    if name in _DEMANDED:
        return "omission"
    return "format" if name in _FORMAT else "unclassified"


def _forbidden_around(check: CheckResult, instructions: Sequence[str]) -> str:
    """Return the sentence of the prompt that forbids text around the JSON where there is some, or nothing."""
    kind = str(check.facts.get("json_kind", ""))
    if kind != "fenced" and not kind.startswith("prose"):
        return ""
    return next((line for line in instructions if _AROUND.search(line)), "")


def _broken(finding: Finding, instructions: Sequence[str]) -> str:
    """Return the sentence of the prompt that names what was found, or nothing: none is guessed."""
    quoted = re.search(r"'([^']+)'|\"([^\"]+)\"", finding.got or finding.wanted)
    piece = next(filter(None, quoted.groups()), "").casefold() if quoted else ""
    return next((line for line in instructions if piece and piece in line.casefold()), "")


def _of_judges(trial: Trial, judges: Mapping[str, AnyJudge]) -> Iterator[Failure]:
    for verdict in trial.verdicts:
        if verdict.status != "scored" or verdict.passed is not False:
            continue
        question = forbidden_by(verdict, judges.get(verdict.judge))
        kind: FailureKind = "negative constraint" if question else "meaning"
        yield _failure(kind, f"judge {verdict.judge}", verdict.reason or "it does not pass", question)


def _failure(kind: FailureKind, source: str, message: str, instruction: str) -> Failure:
    return Failure(kind=kind, source=source, message=message[:_MESSAGE_CHARS], instruction=instruction)
