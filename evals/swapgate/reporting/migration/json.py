"""The bill of a migration for programs."""

from __future__ import annotations

import json

from swapgate.analysis.switching import SwitchCost
from swapgate.records import Json, to_json

# Raised when a key changes its meaning or goes; keys that are added change nothing.
VERSION = 1


def as_json(cost: SwitchCost) -> dict[str, Json]:
    """Return the bill as plain values; what is not known is null, never 0."""
    found = to_json(cost)
    assert isinstance(found, dict)
    totals: dict[str, Json] = {
        "usd": cost.usd,
        "hours": cost.hours,
        "work_usd": cost.work_usd,
        "total_usd": cost.total_usd,
        "is_at_least": cost.is_at_least,
    }
    return {"version": VERSION, **found, "total": totals}


def document(cost: SwitchCost) -> str:
    """Return the text of a file."""
    return json.dumps(as_json(cost), indent=1) + "\n"
