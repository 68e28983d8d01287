"""SARIF 2.1.0, as code scanning reads it: rules, results at a file and line, what is left out."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any
from urllib.parse import quote

import swapgate
from swapgate.errors import Severity
from swapgate.records import Json
from swapgate.reporting.format import count
from swapgate.values import Value

SCHEMA = "https://json.schemastore.org/sarif-2.1.0-rtm.5.json"
# GitHub shows 5,000 results of a file, and refuses one with more than 25,000.
MOST_RESULTS = 5_000


class SarifRule(Value):
    """One rule: `what` a result of it says in general, and what to do about it."""

    id: str
    level: Severity
    what: str
    help_text: str = ""


class SarifResult(Value):
    """One result. `fingerprint` stays the same while it is the same; `path` is that in the repository."""

    rule: str
    level: Severity
    text: str
    fingerprint: str
    path: str | None = None
    line: int = 1
    properties: Mapping[str, Json] = field(default_factory=dict)


def sarif_text(
    rules: Sequence[SarifRule], results: Sequence[SarifResult], *, category: str, said: Sequence[str] = ()
) -> str:
    """Return the log: the worst first are kept where there are more than GitHub shows.

    `category` tells an upload from those of other tools of swapgate; `said` are notes about the whole.
    """
    shown = results[:MOST_RESULTS]
    notes = [*said]
    if len(results) > MOST_RESULTS:
        left = count(len(results) - MOST_RESULTS, "result")
        notes.append(f"{left} left out: the worst {MOST_RESULTS:,} are here")
    places = {rule.id: number for number, rule in enumerate(rules)}
    told = [{"level": "note", "message": {"text": text}} for text in notes]
    run = {
        "tool": {
            "driver": {
                "name": "swapgate",
                "version": swapgate.__version__,
                "rules": [_rule(rule) for rule in rules],
            }
        },
        # With the slash it names a category, in which an upload takes the place of the one before.
        "automationDetails": {"id": f"{category}/"},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": told}],
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, places[one.rule]) for one in shown],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=1) + "\n"


def _rule(rule: SarifRule) -> dict[str, Any]:
    written: dict[str, Any] = {
        "id": f"swapgate/{rule.id}",
        "name": rule.id.title().replace("-", ""),
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.what},
        "defaultConfiguration": {"level": rule.level},
        "properties": {"tags": ["language-model"]},
    }
    return {**written, "help": {"text": rule.help_text}} if rule.help_text else written


def _result(one: SarifResult, place: int) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": f"swapgate/{one.rule}",
        "ruleIndex": place,
        "level": one.level,
        "message": {"text": one.text},
        # By this name GitHub tells an alert that it knows, wherever it stands by then.
        "partialFingerprints": {"primaryLocationLineHash": one.fingerprint},
        "properties": dict(one.properties),
    }
    if one.path is not None:
        artifact = {"uri": quote(one.path), "uriBaseId": "%SRCROOT%"}
        region = {"startLine": one.line}
        result["locations"] = [{"physicalLocation": {"artifactLocation": artifact, "region": region}}]
    return result
