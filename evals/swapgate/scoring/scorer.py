"""Scores one chunk of recorded outputs by the checks of their cases. Runs in worker processes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError
from pydantic_core import to_json

from swapgate.checks import Subject
from swapgate.checks.build import UserCheckFailed, run_checks
from swapgate.engine.workspace import ReadyCase, ReadySuite, Workspace
from swapgate.errors import nearest
from swapgate.providers.recorded import RecordedOutput, read_output, recorded_response
from swapgate.records import CheckResult, Json
from swapgate.scoring.inputs import Text
from swapgate.spec.settings import Settings

# One row a result: what the summary is made of. `key` is a hash of model, suite, case and repeat.
FACTS = np.dtype([("key", "<u8"), ("case", "<i4"), ("model", "<u2"), ("said", "u1")])
STRUCTURAL, SCORED, SEMANTIC, ERRORED = 1, 2, 4, 8
MOST_EXAMPLES = 20
_UNNAMED = "recorded"
_BOM = b"\xef\xbb\xbf"
Facts = npt.NDArray[np.void]


@dataclass(slots=True, kw_only=True)
class Trouble:
    """Lines that were not scored: how many, and the first of them with their places."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, place: str, why: str) -> None:
        """Count one more."""
        self.count += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(f"{place}: {why}")

    def merge(self, other: Trouble) -> None:
        """Add another part's."""
        self.count += other.count
        self.examples += other.examples[: MOST_EXAMPLES - len(self.examples)]


@dataclass(slots=True, kw_only=True)
class ScoredPart:
    """What became of one chunk: a line of JSON and a row of facts for each result.

    `checks` counts by `suite/check` how many results passed of how many.
    """

    lines: int = 0
    records: int = 0
    results: bytes = b""
    facts: bytes = b""
    models: list[str] = field(default_factory=list)
    checks: dict[str, list[int]] = field(default_factory=dict)
    unreadable: Trouble = field(default_factory=Trouble)
    unknown: Trouble = field(default_factory=Trouble)


@dataclass(frozen=True, slots=True)
class _Known:
    """A case with its number among all cases of the suites."""

    suite: str
    case: ReadyCase
    number: int


class Scorer:
    """The suites of a workspace, ready to score outputs with. `model` names those that carry no name."""

    def __init__(self, settings: Settings, suites: Sequence[Path], *, model: str | None) -> None:
        workspace = Workspace(settings)
        self._model = model
        self._known = _by_id([workspace.suite(path) for path in suites])

    def score(self, text: Text) -> ScoredPart:
        """Return the results of a chunk's lines."""
        part = ScoredPart()
        results: list[bytes] = []
        rows: list[tuple[int, int, int, int]] = []
        checks: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        models: dict[str, int] = {}
        for place, output in self._outputs(text, part):
            name = self._model or output.model or _UNNAMED
            for known in self._cases_of(place, output, part):
                said, passed, result = _score(known, output)
                line = {"place": place, "model": name, **result, "checks": passed}
                results.append(to_json(line) + b"\n")
                key = _key(name, known.suite, output)
                rows.append((key, known.number, models.setdefault(name, len(models)), said))
                count_checks(checks, known.suite, passed, by=1)
        part.results = b"".join(results)
        part.facts = np.array(rows, dtype=FACTS).tobytes()
        part.models, part.checks = list(models), dict(checks)
        return part

    def _outputs(self, text: Text, part: ScoredPart) -> Iterator[tuple[str, RecordedOutput]]:
        for number, raw in enumerate(text.lines.split(b"\n"), start=text.first_line):
            line = raw.removeprefix(_BOM).strip()
            if not line:
                continue
            part.records += 1
            place = f"{text.shown}:{number}"
            try:
                yield place, read_output(line)
            except ValidationError as exc:
                part.unreadable.add(place, _why(exc))
        part.lines = text.lines.count(b"\n")

    def _cases_of(self, place: str, output: RecordedOutput, part: ScoredPart) -> list[_Known]:
        """Return the cases that an output answers; without a suite's name it answers each of that id."""
        named = self._known.get(output.case, ())
        found = [known for known in named if output.suite in {None, known.suite}]
        if not found:
            asked = f"{output.suite}/{output.case}" if output.suite else output.case
            hint = "" if part.unknown.count >= MOST_EXAMPLES else self._hint(output)
            part.unknown.add(place, f"no case {asked!r} in the suites.{hint}")
        return found

    def _hint(self, output: RecordedOutput) -> str:
        if output.case in self._known:
            return f" It is a case of {', '.join(known.suite for known in self._known[output.case])}"
        return nearest(output.case, list(self._known)[:1000])


def cases_of(suites: Sequence[ReadySuite]) -> list[tuple[str, ReadyCase]]:
    """Return all cases in the order of their numbers, each with its suite's name."""
    return [(suite.name, case) for suite in suites for case in suite.cases]


def count_checks(counts: dict[str, list[int]], suite: str, said: Mapping[str, bool], *, by: int) -> None:
    """Add one result's checks to the counts, or take them out again (`by` -1)."""
    for check, passed in said.items():
        pair = counts.setdefault(f"{suite}/{check}", [0, 0])
        pair[0] += by * passed
        pair[1] += by


def _by_id(suites: Sequence[ReadySuite]) -> dict[str, tuple[_Known, ...]]:
    found: dict[str, tuple[_Known, ...]] = {}
    for number, (suite, case) in enumerate(cases_of(suites)):
        name = case.placed.case.id
        found[name] = (*found.get(name, ()), _Known(suite, case, number))
    return found


def _score(known: _Known, output: RecordedOutput) -> tuple[int, dict[str, bool], dict[str, Json]]:
    """Return the bits of a result's facts, what each check said, and the rest of its line."""
    line: dict[str, Json] = {"suite": known.suite, "case": output.case, "repeat": output.repeat}
    written = known.case.placed.case
    subject = Subject(response=recorded_response(output), expected=written.expected, variables=written.input)
    try:
        results = run_checks(known.case.checks, subject)
    except UserCheckFailed as exc:
        return ERRORED, {}, {**line, "structural": None, "semantic": None, "error": str(exc)}
    structural = all(r.passed for r in results if r.kind == "structural")
    meanings = [r.passed for r in results if r.kind == "semantic"]
    semantic = all(meanings) if meanings else None
    said = STRUCTURAL * structural + (SCORED + SEMANTIC * semantic if semantic is not None else 0)
    line |= {"structural": structural, "semantic": semantic}
    if failed := {r.check: _findings(r) for r in results if not r.passed}:
        line["findings"] = failed
    return said, {r.check: r.passed for r in results}, line


def _findings(result: CheckResult) -> Json:
    return [f"{f.pointer}: {f.message}" if f.pointer else f.message for f in result.findings]


def _key(model: str, suite: str, output: RecordedOutput) -> int:
    text = "\0".join((model, suite, output.case, str(output.repeat)))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _why(exc: ValidationError) -> str:
    first = exc.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"not a recorded output: {place + ': ' if place else ''}{first['msg']}"
