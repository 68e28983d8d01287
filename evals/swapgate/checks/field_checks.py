"""The checks `enum` and `required_keys`: single fields of a JSON answer.

How the JSON is wrapped is the matter of the check `json`.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import Any

from pydantic import Field

from swapgate.checks import Subject
from swapgate.checks.comparing import is_same
from swapgate.checks.findings import missing, of_json, result
from swapgate.checks.options import CheckOptions, CheckType, Folders, Pointer
from swapgate.checks.wording import MISSING, listed, place, quoted, resolve
from swapgate.records import CheckKind, CheckResult, Finding, Json
from swapgate.spec.pointers import pointer_of
from swapgate.spec.suite import Written
from swapgate.values import Value


class EnumRule(Written):
    """One field and the values that it may have."""

    pointer: Pointer = ""
    values: tuple[Json, ...] = Field(min_length=1, description="the allowed values; case counts")


class EnumOptions(CheckOptions):
    """One rule, a list of rules, or a mapping of pointers to values."""

    rules: tuple[EnumRule, ...] = Field(min_length=1, description="one {pointer, values} for each field")

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take `{pointer, values}`, a list of them, and `{pointer: values}` for rules."""
        if isinstance(written, list):
            return {"rules": written}
        if not isinstance(written, dict) or not written or "rules" in written:
            return super().expand(written)
        if all(key.startswith("/") for key in written):
            return {"rules": [{"pointer": key, "values": values} for key, values in written.items()]}
        return {"rules": [written]}

    @property
    def pointer(self) -> str:
        """The first field's pointer, to tell several checks apart."""
        return self.rules[0].pointer


class EnumCheck(Value):
    """Fails on a field that is missing or has another value than those allowed."""

    name: str
    rules: tuple[EnumRule, ...]
    kind: CheckKind = "structural"

    def run(self, subject: Subject) -> CheckResult:
        """Return one finding for each field with a wrong value."""
        return result(self.name, of_json(subject.reading, self._findings))

    def _findings(self, answer: Any) -> list[Finding]:
        return [finding for rule in self.rules for finding in _enum_findings(rule, answer)]


def _enum_findings(rule: EnumRule, answer: Any) -> list[Finding]:
    value = resolve(answer, rule.pointer)
    wanted = f"one of {listed(rule.values)}"
    if value is MISSING:
        return [missing(answer, rule.pointer, wanted)]
    if any(is_same(value, allowed) for allowed in rule.values):
        return []
    message = (
        f"{place(rule.pointer)} is {quoted(value)}, wanted {wanted}.{nearest_allowed(value, rule.values)}"
    )
    return [Finding(pointer=rule.pointer, message=message, wanted=wanted, got=quoted(value))]


def nearest_allowed(value: Any, allowed: tuple[Any, ...]) -> str:
    """Return a sentence on the allowed text that comes nearest to the value, or an empty string."""
    if not isinstance(value, str):
        return ""
    words = {word.strip().casefold(): word for word in allowed if isinstance(word, str)}
    near = get_close_matches(value.strip().casefold(), list(words), n=1)
    if not near:
        return ""
    word = words[near[0]]
    if word.casefold() == value.casefold():
        return f" Only the case differs from {word!r}."
    if word.strip() == value.strip():
        return f" Only the space around it differs from {word!r}."
    return f" The nearest is {word!r}."


class RequiredKeysOptions(CheckOptions):
    """Keys at the top level, or JSON pointers to keys further down."""

    keys: tuple[str, ...] = Field(min_length=1, description="names of top-level keys, or JSON pointers")

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take a list, or one key, for `{keys: [...]}`."""
        if isinstance(written, str):
            return {"keys": [written]}
        return {"keys": written} if isinstance(written, list) else super().expand(written)


class RequiredKeysCheck(Value):
    """Fails on keys that the answer lacks."""

    name: str
    pointers: tuple[str, ...]
    kind: CheckKind = "structural"

    def run(self, subject: Subject) -> CheckResult:
        """Return one finding for each missing key."""
        return result(self.name, of_json(subject.reading, self._findings))

    def _findings(self, answer: Any) -> list[Finding]:
        return [missing(answer, p, "the key") for p in self.pointers if resolve(answer, p) is MISSING]


def _build_enum(name: str, options: EnumOptions, folders: Folders) -> EnumCheck:
    return EnumCheck(name=name, rules=options.rules)


def _build_required(name: str, options: RequiredKeysOptions, folders: Folders) -> RequiredKeysCheck:
    pointers = tuple(key if key.startswith("/") else pointer_of([key]) for key in options.keys)
    return RequiredKeysCheck(name=name, pointers=pointers)


ENUM = CheckType(
    name="enum",
    summary="A field has one of the allowed values.",
    options=EnumOptions,
    build=_build_enum,
    short_forms=(
        EnumRule,
        {"type": "array", "items": EnumRule},
        {"type": "object", "patternProperties": {"^/": {"type": "array"}}, "additionalProperties": False},
    ),
)
REQUIRED_KEYS = CheckType(
    name="required_keys",
    summary="The answer has these keys.",
    options=RequiredKeysOptions,
    build=_build_required,
    short_forms=({"type": "string"}, {"type": "array", "items": {"type": "string"}}),
)
