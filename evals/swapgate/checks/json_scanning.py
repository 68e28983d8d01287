"""Finds the objects and arrays in a text, and what each is wrapped in, in linear time."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from swapgate.checks.json_faults import LITERALS
from swapgate.checks.json_parsing import Broken, Parsed, parse_at
from swapgate.values import Value

_BOM: Final = "\ufeff"
SPACE: Final = " \t\r\n"
_TO_VALUE: Final = re.compile(r"[ \t\r\n]*+")
_TO_END: Final = re.compile(r"[ \t\r\n]*+\Z")
_OPENING: Final = re.compile(r"`{3,}+[ \t]*+[\w+#.-]*+[ \t\r\n]*+")
_OPENING_BEFORE: Final = re.compile(r"`{3,}+[ \t]*+[\w+#.-]*+\s*+\Z")
_CLOSING: Final = re.compile(r"[ \t\r\n]*+`{3,}+")
_FENCE_LINE: Final = re.compile(r"^[ \t]*`{3,}", re.M)
_REST_OF_LINE_BLANK: Final = re.compile(r"[ \t]*+,?[ \t]*+(?:\r?\n|\Z)")
_CUT_LITERAL: Final = "|".join(word[:end] for word in LITERALS for end in range(1, len(word)))
# What may begin an object or array, well-formed or not: quotes, a bare key, a comment, a bracket, the end.
_START: Final = re.compile(
    r"""
    \{ (?= \s*+ (?: \Z | \} | (?: \{ \s*+ )? ["'“] | // | /\* | [A-Za-z_$][\w$-]*+ \s*+ : ) )
    | \[
      (?! [ ]\] )                                  # a Markdown check box
      (?! \d{1,3} \] [ \t,.;:)]*+ [^\s,.;:)] )     # a citation: [1] and text
      (?= \s*+ (?: \Z | (?: CUT | -?\d[\d.eE+-]*+ ) \Z | ["'“\[\]{] | // | /\*
                  | -?\d++ (?: \.\d++ )? (?: [eE][+-]?\d++ )? \s*+ (?: [,\]] | \Z )
                  | -?Infinity | true | false | null | NaN | True | False | None ) )
    """.replace("CUT", _CUT_LITERAL),
    re.X,
)
_BRACKET_OR_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]', re.S)
_MAX_VALUES: Final = 1000
_MAX_FAULTS: Final = 200
_MAX_BRACKETS: Final = 200_000
_LOOK_BACK: Final = 200


class Found(Value):
    """A value, its bounds with its fence if it has one, and whether it has its lines to itself."""

    parsed: Parsed
    start: int
    end: int
    is_fenced: bool = False
    is_alone: bool = False

    @property
    def rank(self) -> tuple[bool, bool, bool]:
        """What makes a value more likely to be the answer."""
        return self.is_fenced, self.is_alone, isinstance(self.parsed.value, dict)


def past_space(text: str, position: int) -> int:
    """Return the position of the next character that is no white space."""
    match = _TO_VALUE.match(text, position)
    return match.end() if match else position


def ends(text: str, position: int) -> bool:
    """Whether nothing but white space follows."""
    return _TO_END.match(text, position) is not None


def whole_fence(text: str, begin: int) -> Found | None:
    """Return the value that fills the one fence that the text is; a fence left open ends with the text."""
    opening = _OPENING.match(text, begin)
    if opening is None:
        return None
    parsed = parse_at(text, opening.end())
    if isinstance(parsed, Broken):
        return None
    closing = _CLOSING.match(text, parsed.end)
    end = closing.end() if closing else parsed.end
    if not ends(text, end):
        return None
    return Found(parsed=parsed, start=begin, end=end, is_fenced=True, is_alone=True)


def scan(text: str, begin: int, first: Parsed | Broken) -> tuple[list[Found], list[Broken]]:
    """Return the objects and arrays from left to right, none inside another, and the broken ones."""
    found: list[Found] = []
    faults: list[Broken] = []
    fences: list[int] | None = None
    position: int | None = begin
    while position is not None and len(found) < _MAX_VALUES and len(faults) < _MAX_FAULTS:
        start = _START.search(text, position)
        if start is None:
            break
        attempt = first if start.start() == begin else parse_at(text, start.start())
        if isinstance(attempt, Parsed):
            found.append(_in_place(text, attempt))
            position = attempt.end
        else:
            faults.append(attempt)
            if fences is None:
                fences = [line.end() for line in _FENCE_LINE.finditer(text, attempt.at)]
            position = _past_broken(text, attempt, fences)
    return found, faults


def _in_place(text: str, parsed: Parsed) -> Found:
    before = text[max(0, parsed.start - _LOOK_BACK) : parsed.start]
    opening = _OPENING_BEFORE.search(before)
    closing = _CLOSING.match(text, parsed.end)
    line_before = before.rstrip(" \t" + _BOM)
    begins_line = line_before.endswith("\n") or (not line_before and parsed.start <= _LOOK_BACK)
    if opening and (closing or ends(text, parsed.end)):
        start = parsed.start - len(before) + opening.start()
        end = closing.end() if closing else parsed.end
        return Found(parsed=parsed, start=start, end=end, is_fenced=True, is_alone=True)
    return Found(
        parsed=parsed,
        start=parsed.start,
        end=parsed.end,
        is_fenced=False,
        is_alone=begins_line and _REST_OF_LINE_BLANK.match(text, parsed.end) is not None,
    )


def _past_broken(text: str, fault: Broken, fences: Sequence[int]) -> int | None:
    """Return where to look on after a broken value; None when it has no end.

    What stands inside a broken object is a part of it, and no answer of its own. It ends with its closing
    bracket, or else before the next of the fences: so no part of the text is looked at twice.
    """
    if fault.is_cut_off or fault.is_too_deep:
        return None
    number = bisect_right(fences, fault.at)
    fence = fences[number] if number < len(fences) else None
    close = _matching_bracket(text, fault.start, len(text) if fence is None else fence)
    return fence if close is None else close


def _matching_bracket(text: str, start: int, end: int) -> int | None:
    """Return the position after the bracket that closes the one at `start`, strings left out of account."""
    depth = 0
    for number, token in enumerate(_BRACKET_OR_STRING.finditer(text, start, end)):
        bracket = token[0]
        if bracket in ("{", "["):
            depth += 1
        elif bracket in ("}", "]"):
            depth -= 1
        if depth == 0:
            return token.end()
        if number > _MAX_BRACKETS:
            return None
    return None


def count_separate(text: str, found: Sequence[Found]) -> int:
    """Count the values in a fence, alone on their lines, or with only white space to the next one."""
    adjacent = [past_space(text, left.end) == right.start for left, right in pairwise(found)]
    return sum(
        value.is_fenced or value.is_alone or after or before
        for value, before, after in zip(found, [False, *adjacent], [*adjacent, False], strict=True)
    )
