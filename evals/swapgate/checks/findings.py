"""Findings that several checks share: no JSON to look into, a field that is missing or no text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any

from swapgate.checks import Subject
from swapgate.checks.json_reading import JsonReading
from swapgate.checks.wording import MISSING, an, json_type, place, quoted, resolve
from swapgate.records import CheckKind, CheckResult, Finding, Json
from swapgate.spec.pointers import pointer_of, pointer_parts


def result(
    check: str,
    findings: Sequence[Finding],
    *,
    kind: CheckKind = "structural",
    facts: dict[str, Json] | None = None,
) -> CheckResult:
    """Return the result of a check that passes when it finds nothing."""
    return CheckResult(
        check=check, kind=kind, passed=not findings, findings=tuple(findings), facts=facts or {}
    )


def of_json(reading: JsonReading, find: Callable[[Any], list[Finding]]) -> list[Finding]:
    """Return what `find` finds in the recovered value, or that there is none."""
    if reading.is_recoverable:
        return find(reading.recovered)
    message = f"The answer holds no JSON that can be looked into ({reading.kind})."
    return [Finding(message=message, wanted="a JSON value", got=reading.kind)]


def of_text(subject: Subject, pointer: str, find: Callable[[str], list[Finding]]) -> list[Finding]:
    """Return what `find` finds in the whole answer, or in the text at the pointer."""
    if not pointer:
        return find(subject.response.text)

    def in_field(answer: Any) -> list[Finding]:
        value = resolve(answer, pointer)
        if value is MISSING:
            return [missing(answer, pointer, "text")]
        if not isinstance(value, str):
            message = f"{pointer} is {an(json_type(value))}, wanted text."
            return [Finding(pointer=pointer, message=message, wanted="text", got=quoted(value))]
        return find(value)

    return of_json(subject.reading, in_field)


def missing(answer: Any, pointer: str, wanted: str) -> Finding:
    """Return the finding that nothing stands at the pointer, with the nearest key that does."""
    *parents, last = pointer_parts(pointer)
    parent = pointer_of(parents)
    holder = resolve(answer, parent)
    if holder is MISSING:
        reason = f"{parent} is missing too."
    elif isinstance(holder, dict):
        reason = keys_there(last, list(holder))
    else:
        reason = f"{place(parent)} is {an(json_type(holder))}."
    return Finding(pointer=pointer, message=f"{pointer} is missing. {reason}", wanted=wanted, got="nothing")


def keys_there(key: str, keys: list[str]) -> str:
    """Return a sentence on the key that comes nearest, or on all that are there."""
    near = get_close_matches(key, keys, n=1)
    if near:
        return f"The nearest key is {quoted(near[0])}."
    there = ", ".join(quoted(k) for k in keys[:8]) + (", ..." if len(keys) > 8 else "")
    return f"The keys there: {there}." if keys else "The object is empty."
