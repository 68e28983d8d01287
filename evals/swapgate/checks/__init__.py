"""Checks decided by code: one file per check behind one small Protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from swapgate.checks.json_reading import JsonReading, read_json
from swapgate.records import CheckKind, CheckResult, Json, Response


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What a check looks at: the response, the case's expectation and variables, and the cost.

    `cost_usd` is in US dollars, None when unknown. `parsed` takes the place of the JSON found in the answer
    in what the user's own functions are given.
    """

    response: Response
    expected: Json = None
    variables: Mapping[str, Json] = field(default_factory=dict)
    cost_usd: float | None = None
    parsed: Any = None
    _readings: list[JsonReading] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def reading(self) -> JsonReading:
        """The JSON of the response's text, read once for all checks."""
        if not self._readings:
            self._readings.append(read_json(self.response.text))
        return self._readings[0]


class Check(Protocol):
    """One check with its options, ready to run on any number of subjects."""

    @property
    def name(self) -> str:
        """What results, records and reports call it; unique among the checks of a case."""
        ...

    @property
    def kind(self) -> CheckKind:
        """Whether it decides on structure or on meaning."""
        ...

    def run(self, subject: Subject) -> CheckResult:
        """Return what was found; never raise for anything that a model can answer."""
        ...
