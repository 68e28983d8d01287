"""The report on a candidate in shadow for machines. No word of an answer is in it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import isfinite

from swapgate.records import Json, to_json
from swapgate.shadow.deciding.evidence import RouteReport

# Raised when a key changes its meaning or goes; keys that are added change nothing.
VERSION = 1


def as_json(reports: Sequence[RouteReport]) -> dict[str, Json]:
    """Return the reports as plain values; what has no end (a timeout's latency) is null."""
    return {"version": VERSION, "routes": [finite(to_json(one)) for one in reports]}


def document(reports: Sequence[RouteReport]) -> str:
    """Return the text of report.json."""
    return json.dumps(as_json(reports), indent=1) + "\n"


def finite(value: Json) -> Json:
    """Return the value with null in place of numbers that JSON has no form for."""
    if isinstance(value, float):
        return value if isfinite(value) else None
    if isinstance(value, list):
        return [finite(item) for item in value]
    if isinstance(value, dict):
        return {name: finite(item) for name, item in value.items()}
    return value
