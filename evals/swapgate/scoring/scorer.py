"""Scores one chunk of recorded outputs by the checks of their cases. Runs in worker processes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from swapgate.values import Value

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

    `checks` counts by `suite/check` how many results passed of how many. `judge_cost_usd` is what the judges'
    answers cost at list price, None when a price is unknown.
    """

    lines: int = 0
    records: int = 0
    results: bytes = b""
    facts: bytes = b""
    models: list[str] = field(default_factory=list)
    checks: dict[str, list[int]] = field(default_factory=dict)
    unreadable: Trouble = field(default_factory=Trouble)
    unknown: Trouble = field(default_factory=Trouble)
    judge_cost_usd: float | None = 0.0


class Known(Value, kw_only=False):
    """A case with its number among all cases of the suites."""

    suite: ReadySuite
    case: ReadyCase
    number: int


class Found(Value, kw_only=False):
    """An output and a case that it answers; `place` is `file:line`."""

    place: str
    model: str
    output: RecordedOutput
    known: Known


class Said(Value):
    """What is said of one answer: whether each check passed, what the failed ones found, or the error."""

    structural: bool | None = None
    semantic: bool | None = None
    checks: Mapping[str, bool] = field(default_factory=dict)
    findings: Mapping[str, Json] = field(default_factory=dict)
    error: str | None = None


class Scorer:
    """The suites of a workspace, ready to score outputs with. `model` names those that carry no name."""

    def __init__(self, workspace: Workspace, suites: Sequence[Path], *, model: str | None) -> None:
        self._model = model
        self._known = _by_id([workspace.suite(path) for path in suites])

    def score(self, text: Text) -> ScoredPart:
        """Return the results of a chunk's lines."""
        part = ScoredPart()
        found = self.find(text, part)
        return filled(part, ((one, by_checks(one)) for one in found))

    def find(self, text: Text, part: ScoredPart) -> Iterator[Found]:
        """Yield each output with each case that it answers; count in the part what is none."""
        for place, output in self._outputs(text, part):
            name = self._model or output.model or _UNNAMED
            for known in self._cases_of(place, output, part):
                yield Found(place, name, output, known)

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

    def _cases_of(self, place: str, output: RecordedOutput, part: ScoredPart) -> list[Known]:
        """Return the cases that an output answers; without a suite's name it answers each of that id."""
        named = self._known.get(output.case, ())
        found = [known for known in named if output.suite in {None, known.suite.name}]
        if not found:
            asked = f"{output.suite}/{output.case}" if output.suite else output.case
            hint = "" if part.unknown.count >= MOST_EXAMPLES else self._hint(output)
            part.unknown.add(place, f"no case {asked!r} in the suites.{hint}")
        return found

    def _hint(self, output: RecordedOutput) -> str:
        if output.case in self._known:
            return f" It is a case of {', '.join(known.suite.name for known in self._known[output.case])}"
        return nearest(output.case, list(self._known)[:1000])


def filled(part: ScoredPart, results: Iterable[tuple[Found, Said]]) -> ScoredPart:
    """Return the part with its results written and counted."""
    lines: list[bytes] = []
    rows: list[tuple[int, int, int, int]] = []
    models: dict[str, int] = {}
    for found, said in results:
        lines.append(to_json(_line(found, said)) + b"\n")
        number = models.setdefault(found.model, len(models))
        rows.append((_key(found), found.known.number, number, _bits(said)))
        count_checks(part.checks, found.known.suite.name, said.checks, by=1)
    part.results = b"".join(lines)
    part.facts = np.array(rows, dtype=FACTS).tobytes()
    part.models = list(models)
    return part


def by_checks(found: Found) -> Said:
    """Return what the checks of its case say of an output."""
    written = found.known.case.placed.case
    subject = Subject(
        response=recorded_response(found.output), expected=written.expected, variables=written.input
    )
    try:
        results = run_checks(found.known.case.checks, subject)
    except UserCheckFailed as exc:
        return Said(error=str(exc))
    meanings = [r.passed for r in results if r.kind == "semantic"]
    return Said(
        structural=all(r.passed for r in results if r.kind == "structural"),
        semantic=all(meanings) if meanings else None,
        checks={r.check: r.passed for r in results},
        findings={r.check: findings_of(r) for r in results if not r.passed},
    )


def findings_of(result: CheckResult) -> Json:
    """Return what a check found, one text each."""
    return [finding.placed_message for finding in result.findings]


def count_checks(counts: dict[str, list[int]], suite: str, said: Mapping[str, bool], *, by: int) -> None:
    """Add one result's checks to the counts, or take them out again (`by` -1)."""
    for check, passed in said.items():
        pair = counts.setdefault(f"{suite}/{check}", [0, 0])
        pair[0] += by * passed
        pair[1] += by


def _by_id(suites: Sequence[ReadySuite]) -> dict[str, tuple[Known, ...]]:
    found: dict[str, tuple[Known, ...]] = {}
    pairs = [(suite, case) for suite in suites for case in suite.cases]
    for number, (suite, case) in enumerate(pairs):
        name = case.placed.case.id
        found[name] = (*found.get(name, ()), Known(suite, case, number))
    return found


def _line(found: Found, said: Said) -> dict[str, object]:
    line: dict[str, object] = {
        "place": found.place,
        "model": found.model,
        "suite": found.known.suite.name,
        "case": found.output.case,
        "repeat": found.output.repeat,
        "structural": said.structural,
        "semantic": said.semantic,
        "checks": said.checks,
    }
    more = {"findings": said.findings, "error": said.error}
    return line | {name: value for name, value in more.items() if value}


def _bits(said: Said) -> int:
    if said.error is not None:
        return ERRORED
    scored = 0 if said.semantic is None else SCORED + SEMANTIC * said.semantic
    return STRUCTURAL * bool(said.structural) + scored


def _key(found: Found) -> int:
    text = "\0".join((found.model, found.known.suite.name, found.output.case, str(found.output.repeat)))
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest())


def _why(exc: ValidationError) -> str:
    first = exc.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"not a recorded output: {place + ': ' if place else ''}{first['msg']}"
