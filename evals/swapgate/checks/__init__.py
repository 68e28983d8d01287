"""Checks decided by code: one file per check behind one small Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from swapgate.records import CheckKind, CheckResult, Json, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a check looks at: the response, the case's expectation and variables, the cost in US dollars (None = unknown)."""

    response: Response
    expected: Json = None
    variables: Mapping[str, Json] = field(default_factory=dict)
    cost_usd: float | None = None
    parsed: Any = None


class Check(Protocol):
    """One check with its options, ready to run on any number of subjects."""

    name: str
    kind: CheckKind

    def run(self, subject: Subject) -> CheckResult:
        """Return what was found; never raise for anything that a model can answer."""
        ...
