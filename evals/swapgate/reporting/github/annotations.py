"""Annotations of GitHub Actions: lines in the log that GitHub shows at a case's file and line.

Of each kind it shows the ten first of a step, so the gate's answer comes first, then the worst cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from swapgate.analysis.decision import GateAnswer, GateResult
from swapgate.analysis.outcome import RunOutcome
from swapgate.errors import ExitCode
from swapgate.reporting.flagged import Flagged, Place, flagged_cases, places_of
from swapgate.reporting.format import count
from swapgate.reporting.text import safe_text
from swapgate.reporting.words.reasons import GATE_WORDS

Level = Literal["error", "warning", "notice"]
# GitHub drops what a step says beyond ten annotations of a kind.
MOST = 10
_REASON_CHARS = 1000
_LEVELS: Mapping[GateAnswer, Level] = {
    "pass": "notice",
    "fail": "error",
    "inconclusive": "warning",
    "not_judged": "notice",
}


def annotation_lines(outcome: RunOutcome, *, near: Path) -> list[str]:
    """Return the lines to print; `near` is a folder of the workspace.

    Cases are errors where the gate failed, else warnings: a job that passes shows nothing in red.
    """
    verdict = _verdict_level(outcome.gate)
    level: Level = "error" if verdict == "error" else "warning"
    room = MOST - (verdict == level)
    flagged = flagged_cases(outcome)
    shown = flagged[:room] if len(flagged) <= room else flagged[: room - 1]
    places = places_of(shown, outcome, near=near)
    title = f"swapgate: {GATE_WORDS[outcome.gate.answer]}"
    lines = [_line(verdict, safe_text(outcome.gate.reason, _REASON_CHARS), {"title": title})]
    lines += [_case(level, one, places.get((one.suite, one.case))) for one in shown]
    if more := len(flagged) - len(shown):
        text = f"{count(more, 'more case')} in the report, of {len(flagged):,} in all"
        lines.append(_line(level, text, {"title": "swapgate"}))
    return lines


def _verdict_level(gate: GateResult) -> Level:
    if gate.exit_code == ExitCode.TOO_MANY_ERRORS:
        return "error"
    return _LEVELS[gate.answer]


def _case(level: Level, flagged: Flagged, place: Place | None) -> str:
    where = {"file": place.path, "line": str(place.line)} if place is not None else {}
    return _line(level, flagged.text, {**where, "title": f"swapgate: {flagged.title}"})


def _line(level: Level, message: str, properties: Mapping[str, str]) -> str:
    written = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {written}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
