"""One trial explained in the terminal: what went wrong, where, and what the model said."""

from __future__ import annotations

import json
from collections.abc import Iterator

from swapgate.facts.reasons import first_reason
from swapgate.records import CheckResult, Trial, Verdict
from swapgate.reporting.text import safe_text
from swapgate.reporting.words.judges import opinion_lines
from swapgate.reporting.words.reasons import Standing, standing

_TEXT_CHARS = 600
_FINDINGS = 5
_TITLES: dict[Standing, str] = {
    "passed": "passed",
    "blind": "blind pass: structurally right, semantically wrong",
    "missed": "missed",
    "errored": "errored: no result, which is not a wrong answer",
    "unscored": "unscored: the judges disagree, which is neither right nor wrong",
}


def explain_trial(trial: Trial) -> list[str]:
    """Return the lines that explain a trial; nothing in them can steer a terminal."""
    return list(_lines(trial))


def explain_shortly(trial: Trial) -> list[str]:
    """Return the trial and its reason on two lines."""
    return [_head(trial), f"  {safe_text(first_reason(trial), _TEXT_CHARS)}"]


def _head(trial: Trial) -> str:
    place = f"{trial.path}:{trial.line}" if trial.line else trial.path
    return safe_text(f"{place}: {trial.suite}::{trial.case} by {trial.model}: {_TITLES[standing(trial)]}")


def _lines(trial: Trial) -> Iterator[str]:
    yield _head(trial)
    if trial.error is not None:
        error = trial.error
        yield f"  {error.source}: {error.kind.value}: {safe_text(error.message, _TEXT_CHARS)}"
    for check in trial.checks:
        if not check.passed:
            yield from _check(check)
    told = trial.error.source if trial.error is not None else ""
    for verdict in trial.verdicts:
        if verdict.passed is True:
            continue
        if told != f"judge:{verdict.judge}":
            yield _verdict(verdict)
            if verdict.rival is not None:
                rival = verdict.rival
                yield f"  compared with {safe_text(rival.name)}: {safe_text(rival.text, _TEXT_CHARS)}"
        yield from (f"    {safe_text(line, _TEXT_CHARS)}" for line in opinion_lines(verdict))
    for suspicion in dict.fromkeys(text for verdict in trial.verdicts for text in verdict.suspicions):
        yield f"  the answer speaks to the judge: {safe_text(suspicion)}"
    if trial.expected is not None:
        yield f"  expected: {safe_text(_as_text(trial.expected), _TEXT_CHARS)}"
    if trial.answer is not None:
        yield f"  answered: {safe_text(trial.answer.response.text, _TEXT_CHARS)}"


def _check(check: CheckResult) -> Iterator[str]:
    for finding in check.findings[:_FINDINGS]:
        where = f" at {safe_text(finding.unsaid_pointer)}" if finding.unsaid_pointer else ""
        yield f"  {check.check}{where}: {safe_text(finding.message, _TEXT_CHARS)}"
    if len(check.findings) > _FINDINGS:
        yield f"  {check.check}: {len(check.findings) - _FINDINGS} more findings"
    if not check.findings:
        yield f"  {check.check}: failed"


def _verdict(verdict: Verdict) -> str:
    return f"  judge {verdict.judge} ({verdict.status}): {safe_text(verdict.reason, _TEXT_CHARS)}"


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
