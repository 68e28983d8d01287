"""Reads the JSON in a model's answer and tells apart how it is wrapped, cut off or broken.

Never raises, and takes time in proportion to the text's length.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from swapgate.checks.json_faults import describe_fault
from swapgate.checks.json_parsing import MAX_DEPTH, Broken, Parsed, parse_at
from swapgate.checks.json_scanning import SPACE, Found, count_separate, ends, past_space, scan, whole_fence
from swapgate.records import Json
from swapgate.values import Value

JsonKind = Literal[
    "bare",
    "fenced",
    "prose_before",
    "prose_after",
    "prose_around",
    "truncated",
    "several",
    "invalid",
    "no_json",
    "empty",
]

_BOM: Final = "\ufeff"


class JsonReading(Value):
    """What JSON a text holds, and what stands in the way of a strict parser.

    `value` is the strictly parsed value (kind `bare` alone). `recovered` is what a permissive parser (fences
    stripped, prose dropped) would have taken; read it only where `is_recoverable`, for null is a value too.
    The flags speak of the recovered value: `duplicate_keys` and `non_finite` (NaN and Infinity as literals)
    hold JSON pointers. `start` and `end` bound the value with its fence; `line` and `column` (from 1) say
    where a broken text is broken or a truncated one ends, `problem` why. `count` is the number of values.
    """

    kind: JsonKind
    value: Json = None
    recovered: Json = None
    is_recoverable: bool = False
    duplicate_keys: tuple[str, ...] = ()
    non_finite: tuple[str, ...] = ()
    is_too_deep: bool = False
    has_huge_ints: bool = False
    has_lone_surrogates: bool = False
    has_bom: bool = False
    start: int | None = None
    end: int | None = None
    line: int | None = None
    column: int | None = None
    problem: str = ""
    count: int = 0

    @property
    def is_strict(self) -> bool:
        """Whether a strict JSON parser takes the text as it stands."""
        return self.kind == "bare" and not (self.duplicate_keys or self.non_finite or self.has_bom)


def read_json(text: str) -> JsonReading:
    """Return what JSON the text holds.

    Objects and arrays are found anywhere, other values only where they are all that the text, or its one
    fence, holds.
    """
    has_bom = text.startswith(_BOM)
    begin = past_space(text, len(_BOM) if has_bom else 0)
    if not text[begin:].strip():
        return JsonReading(kind="empty", has_bom=has_bom)
    first = parse_at(text, begin)
    if isinstance(first, Parsed) and ends(text, first.end):
        return _reading("bare", Found(parsed=first, start=begin, end=first.end), has_bom)
    if fenced := whole_fence(text, begin):
        return _reading("fenced", fenced, has_bom)
    found, faults = scan(text, begin, first)
    if found:
        return _among(text, begin, found, has_bom)
    return _failure(text, faults, has_bom)


def _reading(kind: JsonKind, found: Found, has_bom: bool, *, count: int = 1) -> JsonReading:
    parsed = found.parsed
    return JsonReading(
        kind=kind,
        value=parsed.value if kind == "bare" else None,
        recovered=parsed.value,
        is_recoverable=True,
        duplicate_keys=parsed.duplicate_keys,
        non_finite=parsed.non_finite,
        has_huge_ints=parsed.has_huge_ints,
        has_lone_surrogates=parsed.has_lone_surrogates,
        has_bom=has_bom,
        start=found.start,
        end=found.end,
        count=count,
    )


def _among(text: str, begin: int, found: Sequence[Found], has_bom: bool) -> JsonReading:
    """Return the reading of a text with at least one whole value and something beside it."""
    separate = count_separate(text, found)
    answer = max(found, key=lambda f: f.rank)
    if separate > 1:
        return _reading("several", answer, has_bom, count=separate)
    has_before = bool(text[begin : answer.start].strip(SPACE))
    has_after = not ends(text, answer.end)
    kind: JsonKind = (
        "prose_around" if has_before and has_after else "prose_before" if has_before else "prose_after"
    )
    return _reading(kind, answer, has_bom)


def _failure(text: str, faults: Sequence[Broken], has_bom: bool) -> JsonReading:
    """Return the reading of a text without a whole object or array."""
    cut_off = next((f for f in faults if f.is_cut_off), None)
    if cut_off is not None:
        line, column = _line_and_column(text, len(text))
        begun = _line_and_column(text, cut_off.start)
        noun = "object" if text[cut_off.start] == "{" else "array"
        problem = f"the text ends inside the {noun} that begins at line {begun[0]}, column {begun[1]}"
        return JsonReading(kind="truncated", has_bom=has_bom, line=line, column=column, problem=problem)
    if not faults:
        return JsonReading(kind="no_json", has_bom=has_bom)
    fault = faults[0]
    at, problem = fault.at, f"nested deeper than {MAX_DEPTH} levels"
    if not fault.is_too_deep:
        at, problem = describe_fault(text, fault.at)
    line, column = _line_and_column(text, at)
    return JsonReading(
        kind="invalid",
        has_bom=has_bom,
        is_too_deep=fault.is_too_deep,
        line=line,
        column=column,
        problem=problem,
    )


def _line_and_column(text: str, position: int) -> tuple[int, int]:
    return text.count("\n", 0, position) + 1, position - text.rfind("\n", 0, position)
