"""The checks `contains`, `not_contains` and `length`: the text of the whole answer or of one field."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pydantic import Field, model_validator

from swapgate.checks import Subject
from swapgate.checks.findings import of_text, result
from swapgate.checks.options import CheckOptions, CheckType, Folders, Pointer
from swapgate.checks.wording import excerpt, place, quoted
from swapgate.records import CheckKind, CheckResult, Finding, Json
from swapgate.values import Value


class TextCheck(Value):
    """A check of one text: `find` says what is wrong with it, given the text and its pointer."""

    name: str
    find: Callable[[str, str], list[Finding]]
    pointer: str = ""
    kind: CheckKind = "structural"

    def run(self, subject: Subject) -> CheckResult:
        """Return what is wrong with the answer's text, or with the text at the pointer."""
        return result(self.name, of_text(subject, self.pointer, lambda text: self.find(text, self.pointer)))


def unwanted(text: str, match: re.Match[str], pointer: str, wanted: str) -> Finding:
    """Return the finding that a text has what it should not have, and where."""
    where = f"at character {match.start()}: {excerpt(text, match.start(), match.end())}"
    message = f"{place(pointer)} has {quoted(match[0])} {where}."
    return Finding(
        pointer=pointer, message=message, wanted=wanted, got=f"{quoted(match[0])} at {match.start()}"
    )


class ContainsOptions(CheckOptions):
    """Pieces of text, all of them or any of them."""

    all: tuple[str, ...] = Field(default=(), description="pieces of text, taken together")
    any: tuple[str, ...] = Field(default=(), description="pieces of text, of which one is enough")
    ignore_case: bool = Field(default=False, description="whether upper and lower case are the same")
    pointer: Pointer = ""

    @model_validator(mode="after")
    def _has_pieces(self) -> ContainsOptions:
        if not self.all and not self.any:
            raise ValueError("must name the text: one piece, a list, {any: [...]} or {all: [...]}")
        if "" in (*self.all, *self.any):
            raise ValueError("must not hold an empty piece of text: every answer has it")
        return self

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take one piece, or a list of which all must be there."""
        return _pieces(written, "all")

    def search(self, text: str) -> dict[str, re.Match[str] | None]:
        """Return the first place of each piece."""
        flags = re.IGNORECASE if self.ignore_case else re.NOFLAG
        return {p: re.search(re.escape(p), text, flags) for p in (*self.all, *self.any)}


class NotContainsOptions(ContainsOptions):
    """Pieces of text that must not occur: none of them, or not all of them together."""

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take one piece, or a list of which none may be there."""
        return _pieces(written, "any")


def _pieces(written: Json, key: str) -> Json:
    if isinstance(written, str):
        return {key: [written]}
    if isinstance(written, list):
        return {key: written}
    if isinstance(written, dict):
        return {k: [v] if k in ("all", "any") and isinstance(v, str) else v for k, v in written.items()}
    return {} if written is None else written


def _build_contains(name: str, options: ContainsOptions, folders: Folders) -> TextCheck:
    def find(text: str, pointer: str) -> list[Finding]:
        places = options.search(text)
        findings = [_absent(quoted(p), text, pointer) for p in options.all if places[p] is None]
        if options.any and all(places[p] is None for p in options.any):
            findings.append(_absent(f"any of {', '.join(quoted(p) for p in options.any)}", text, pointer))
        return findings

    return TextCheck(name=name, find=find, pointer=options.pointer)


def _absent(piece: str, text: str, pointer: str) -> Finding:
    message = f"{place(pointer)} does not contain {piece}: {quoted(text.strip())}."
    return Finding(pointer=pointer, message=message, wanted=piece, got="not there")


def _build_not_contains(name: str, options: NotContainsOptions, folders: Folders) -> TextCheck:
    def find(text: str, pointer: str) -> list[Finding]:
        places = options.search(text)
        there = [p for p in options.any if places[p]]
        if options.all and all(places[p] for p in options.all):
            there += options.all
        return [unwanted(text, match, pointer, f"no {quoted(p)}") for p in there if (match := places[p])]

    return TextCheck(name=name, find=find, pointer=options.pointer)


class LengthOptions(CheckOptions):
    """Bounds on the number of characters and words; words are what white space separates."""

    min_chars: int | None = Field(default=None, ge=0, description="fewest characters (code points)")
    max_chars: int | None = Field(default=None, ge=0, description="most characters (code points)")
    min_words: int | None = Field(default=None, ge=0, description="fewest words")
    max_words: int | None = Field(default=None, ge=0, description="most words")
    pointer: Pointer = ""

    @model_validator(mode="after")
    def _has_bounds(self) -> LengthOptions:
        for unit, low, high in self.bounds():
            if low is not None and high is not None and low > high:
                raise ValueError(f"must not have min_{unit} {low} above max_{unit} {high}")
        if all(low is None and high is None for _, low, high in self.bounds()):
            raise ValueError("must have a bound: min_chars, max_chars, min_words or max_words")
        return self

    def bounds(self) -> tuple[tuple[str, int | None, int | None], ...]:
        """Return the unit, the lower and the upper bound of each measure."""
        return ("chars", self.min_chars, self.max_chars), ("words", self.min_words, self.max_words)


def _build_length(name: str, options: LengthOptions, folders: Folders) -> TextCheck:
    def find(text: str, pointer: str) -> list[Finding]:
        counts = {"chars": len(text), "words": len(text.split())}
        found = [
            _out_of_bounds(counts[unit], unit, low, high, pointer) for unit, low, high in options.bounds()
        ]
        return [finding for finding in found if finding]

    return TextCheck(name=name, find=find, pointer=options.pointer)


def _out_of_bounds(count: int, unit: str, low: int | None, high: int | None, pointer: str) -> Finding | None:
    noun = {"chars": "characters", "words": "words"}[unit]
    if low is not None and count < low:
        wanted = f"at least {low} {noun}"
    elif high is not None and count > high:
        wanted = f"at most {high} {noun}"
    else:
        return None
    message = f"{place(pointer)} has {count} {noun}, wanted {wanted.removesuffix(' ' + noun)}."
    return Finding(pointer=pointer, message=message, wanted=wanted, got=f"{count} {noun}")


_ONE_OR_SEVERAL: tuple[dict[str, Any], ...] = (
    {"type": "string"},
    {"type": "array", "items": {"type": "string"}, "minItems": 1},
)
CONTAINS = CheckType(
    name="contains",
    summary="The text contains these pieces.",
    options=ContainsOptions,
    build=_build_contains,
    short_forms=_ONE_OR_SEVERAL,
)
NOT_CONTAINS = CheckType(
    name="not_contains",
    summary="The text contains none of these pieces.",
    options=NotContainsOptions,
    build=_build_not_contains,
    short_forms=_ONE_OR_SEVERAL,
)
LENGTH = CheckType(
    name="length",
    summary="The text is no shorter and no longer than wanted.",
    options=LengthOptions,
    build=_build_length,
)
