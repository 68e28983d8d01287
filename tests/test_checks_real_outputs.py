"""The JSON reading against the recorded verdicts of a benchmark on raw outputs of 17 models.

The benchmark is M-IFEval, its instruction "the entire output in JSON".
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest

from swapgate.checks import Subject
from swapgate.checks.build import build_checks, run_checks
from swapgate.checks.json_reading import JsonReading, read_json
from swapgate.records import Response

DATA = os.environ.get("SWAPGATE_DATA")
pytestmark = pytest.mark.skipif(not DATA, reason="SWAPGATE_DATA does not name the folder of recorded outputs")


@dataclass(frozen=True)
class Output:
    """One recorded output, the benchmark's two verdicts on it, and our reading of it."""

    text: str
    strict: bool
    loose: bool
    reading: JsonReading


@pytest.fixture(scope="module")
def outputs() -> list[Output]:
    path = Path(DATA or "") / "mifeval_json" / "outputs.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [
        Output(
            text=row["raw_output"],
            strict=row["json_ok_strict"],
            loose=row["json_ok_loose"],
            reading=read_json(row["raw_output"]),
        )
        for row in rows
    ]


def benchmark_strict(text: str) -> bool:
    """The benchmark's strict verdict: json.loads, one ``` fence stripped."""
    text = text.strip()
    for opening in ("```json", "```Json", "```JSON", "```"):
        text = text.removeprefix(opening)
    try:
        json.loads(text.removesuffix("```").strip())
    except ValueError:
        return False
    return True


def benchmark_loose(text: str) -> bool:
    """The benchmark's loose verdict: strict, also without the first or last line, or asterisks."""
    lines = text.split("\n")
    variants = ["\n".join(part).strip() for part in (lines, lines[1:], lines[:-1], lines[1:-1])]
    return any(v and benchmark_strict(v) for variant in variants for v in (variant, variant.replace("*", "")))


def test_the_recorded_verdicts_are_what_the_definitions_say(outputs: list[Output]) -> None:
    assert len(outputs) == 595
    assert all(benchmark_strict(o.text) == o.strict for o in outputs)
    assert all(benchmark_loose(o.text) == o.loose for o in outputs)


def test_bare_and_fenced_are_exactly_what_the_benchmark_calls_strict(outputs: list[Output]) -> None:
    assert [o.text for o in outputs if (o.reading.kind in ("bare", "fenced")) != o.strict] == []
    assert Counter(o.reading.kind for o in outputs if o.strict) == {"bare": 153, "fenced": 235}


def test_all_that_the_benchmark_calls_loose_is_recoverable(outputs: list[Output]) -> None:
    assert [o.text for o in outputs if o.loose and not o.reading.is_recoverable] == []


def test_what_is_recoverable_beyond_loose_has_more_prose_than_one_line(outputs: list[Output]) -> None:
    beyond = [o for o in outputs if o.reading.is_recoverable and not o.loose]
    assert Counter(o.reading.kind for o in beyond) == {"prose_around": 7, "prose_after": 6, "prose_before": 1}
    for output in beyond:
        before = output.text[: output.reading.start].strip()
        after = output.text[output.reading.end :].strip()
        assert max(len(before.splitlines()), len(after.splitlines())) > 1 or (before and after)


def test_the_rest_is_broken_cut_off_or_no_json_at_all(outputs: list[Output]) -> None:
    rest = Counter(o.reading.kind for o in outputs if not o.reading.is_recoverable)
    assert rest == {"invalid": 36, "truncated": 24, "no_json": 11}
    assert all(
        o.reading.line and o.reading.problem for o in outputs if o.reading.kind in ("invalid", "truncated")
    )


def test_recovered_values_are_what_json_itself_reads(outputs: list[Output]) -> None:
    for output in outputs:
        reading = output.reading
        if reading.is_recoverable:
            body = re.sub(r"^```\w*|```$", "", output.text[reading.start : reading.end].strip())
            assert json.loads(body) == reading.recovered


def test_the_modes_of_the_check_pass_what_they_promise(outputs: list[Output]) -> None:
    checks = build_checks(["json", {"json": "fenced"}, {"json": "permissive"}], base=Path(), root=Path())
    passed = Counter(
        result.check
        for output in outputs
        for result in run_checks(checks, Subject(response=Response(text=output.text)))
        if result.passed
    )
    # Two fenced answers have duplicate keys, which only the permissive mode lets pass.
    assert passed == {"json": 153, "json#2": 388 - 2, "json#3": 388 + 136}
