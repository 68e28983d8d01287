"""Says in words why a text is not JSON where a parser gave up, and whether it was merely cut off."""

from __future__ import annotations

import re
from typing import Final

LITERALS: Final = ("true", "false", "null", "NaN", "Infinity", "-Infinity")
_UNCLOSED_STRING: Final = re.compile(r'"(?:[^"\\]++|\\.?)*+\Z', re.S)
_WORD_TO_END: Final = re.compile(r"(-?[A-Za-z]*+)\s*+\Z")
_NUMBER_TAIL: Final = re.compile(r"(?:\.|[eE][+-]?)\s*+\Z")
_ESCAPE_TAIL: Final = re.compile(r"\\(?:u[0-9a-fA-F]{0,4})?\Z")
_LONGEST_ESCAPE: Final = len("\\u0000")
_COMMA_THEN_CLOSE: Final = re.compile(r",\s*([}\]])")
_UNQUOTED_KEY: Final = re.compile(r"[\w$][\w$-]*+\s*+:")
_FOREIGN_LITERAL: Final = re.compile(r"(True|False|None|undefined)\b")
_OPENINGS: Final = (
    (("//", "/*", "#"), "a comment, which JSON does not have"),
    (("...", "…"), "an ellipsis in place of content"),
    (("```",), "the fence, closed before the value is"),
    (("'",), "single quotes where JSON wants double quotes"),
    (("“", "”", "‘", "’", "«", "»"), "typographic quotes where JSON wants plain ones"),
)
_CONTROL_NAMES: Final = {"\n": "line break", "\r": "line break", "\t": "tab"}


def is_cut_off(text: str, at: int) -> bool:
    """Whether what stands at the parser's error is the beginning of something valid."""
    if _UNCLOSED_STRING.match(text, at):
        return True
    near_end = max(0, len(text) - _LONGEST_ESCAPE)
    if at >= near_end and _ESCAPE_TAIL.search(text, near_end):
        return True
    if at and text[at - 1].isdigit() and _NUMBER_TAIL.match(text, at):
        return True
    word = _WORD_TO_END.match(text, at)
    return word is not None and any(literal.startswith(word[1]) for literal in LITERALS)


def describe_fault(text: str, at: int) -> tuple[int, str]:
    """Return where the fault is and what it is, as a phrase; `at` is where the parser gave up."""
    comma = _trailing_comma(text, at)
    if comma is not None:
        return comma, "a comma before the closing bracket"
    return at, _phrase(text, at)


def _trailing_comma(text: str, at: int) -> int | None:
    """Return the place of a trailing comma. Python 3.13 points at the comma, older ones at the bracket."""
    before = text[max(0, at - 500) : at].rstrip()
    if text[at : at + 1] in ("}", "]") and before.endswith(","):
        return text.rindex(",", 0, at)
    return at if _COMMA_THEN_CLOSE.match(text, at) else None


def _phrase(text: str, at: int) -> str:
    rest = text[at : at + 40]
    for openings, phrase in _OPENINGS:
        if rest.startswith(openings):
            return phrase
    if foreign := _FOREIGN_LITERAL.match(rest):
        return f"{foreign[1]}, which JSON does not have"
    if _UNQUOTED_KEY.match(rest):
        return "a key without quotes"
    if rest[:1] and rest[0] < " ":
        return f"a raw {_CONTROL_NAMES.get(rest[0], 'control character')} inside a string"
    return _phrase_in_context(text, at, rest[:1])


def _phrase_in_context(text: str, at: int, first: str) -> str:
    before = text[max(0, at - 500) : at].rstrip()[-1:]
    if first == "\\":
        return f"the escape {text[at : at + 2]!r}, which JSON does not have"
    if first.isdigit() and text[at - 1 : at] == "0":
        return "a number with a leading zero"
    if before == '"' and first not in ("", "}", "]", ":", ","):
        return "a missing comma or colon, or a quotation mark inside a string that is not escaped"
    if first in ('"', "{", "[") and before not in ("{", "[", ",", ":"):
        return "a missing comma"
    return f"an unexpected {first!r}"
