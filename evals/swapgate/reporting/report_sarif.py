"""report.sarif: regressions as SARIF 2.1.0, for code scanning. Without a baseline it holds the misses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import swapgate
from swapgate.reporting.files import write_text
from swapgate.reporting.flagged import KINDS, Flagged, Kind, Place, flagged_cases, places_of
from swapgate.reporting.format import count
from swapgate.reporting.text import safe_text
from swapgate.reporting.words.reasons import gate_line

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome

SCHEMA = "https://json.schemastore.org/sarif-2.1.0-rtm.5.json"
# GitHub shows 5,000 results of a file, and refuses one with more than 25,000.
MOST_RESULTS = 5_000
_RULES: Mapping[Kind, tuple[str, str, str]] = {
    "regression": (
        "error",
        "The baseline passes this case, the candidate misses it.",
        "Read both answers in report.html. Mend the prompt or the case, or do not replace the model.",
    ),
    "blind pass": (
        "warning",
        "The answer is right in structure and wrong in meaning.",
        "A check of the structure alone lets this answer through. Read it in report.html.",
    ),
    "miss": (
        "note",
        "The answer is wrong in structure.",
        "The findings of the checks are in report.html.",
    ),
}


class SarifReporter:
    """Writes report.sarif."""

    name = "sarif"
    filename = "report.sarif"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write report.sarif into the folder and return its path."""
        flagged = flagged_cases(outcome)
        shown = flagged[:MOST_RESULTS]
        places = places_of(shown, outcome, near=folder)
        path = folder / self.filename
        log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [_run(outcome, shown, places, len(flagged))]}
        write_text(path, json.dumps(log, indent=1) + "\n")
        return path


def _run(
    outcome: RunOutcome, shown: Sequence[Flagged], places: Mapping[tuple[str, str], Place], found: int
) -> dict[str, Any]:
    driver = {
        "name": "swapgate",
        "version": swapgate.__version__,
        "rules": [_rule(kind) for kind in KINDS],
    }
    return {
        "tool": {"driver": driver},
        # With the slash it names a category, in which an upload takes the place of the one before.
        "automationDetails": {"id": "swapgate/"},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": _told(outcome, found)}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, places.get((one.suite, one.case))) for one in shown],
    }


def _told(outcome: RunOutcome, found: int) -> list[dict[str, Any]]:
    """Return the gate's answer, and how many results are left out."""
    said = [gate_line(outcome.gate, 1000)]
    if found > MOST_RESULTS:
        said.append(f"{count(found - MOST_RESULTS, 'result')} left out: the worst {MOST_RESULTS:,} are here")
    return [{"level": "note", "message": {"text": text}} for text in said]


def _rule(kind: Kind) -> dict[str, Any]:
    level, what, help_text = _RULES[kind]
    return {
        "id": _id(kind),
        "name": kind.title().replace(" ", ""),
        "shortDescription": {"text": what},
        "fullDescription": {"text": what},
        "help": {"text": help_text},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["language-model"]},
    }


def _result(flagged: Flagged, place: Place | None) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": _id(flagged.kind),
        "ruleIndex": KINDS.index(flagged.kind),
        "level": _RULES[flagged.kind][0],
        "message": {"text": flagged.text},
        # By this name GitHub tells an alert that it knows, wherever the case stands by then.
        "partialFingerprints": {"primaryLocationLineHash": flagged.fingerprint},
        "properties": {"suite": safe_text(flagged.suite), "case": flagged.case, "missed": flagged.missed},
    }
    if place is not None:
        artifact = {"uri": quote(place.path), "uriBaseId": "%SRCROOT%"}
        region = {"startLine": place.line}
        result["locations"] = [{"physicalLocation": {"artifactLocation": artifact, "region": region}}]
    return result


def _id(kind: Kind) -> str:
    return f"swapgate/{kind.replace(' ', '-')}"
