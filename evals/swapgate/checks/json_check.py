"""The check `json`: whether a strict parser takes the answer, and what a lenient one would have hidden."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from swapgate.checks import Subject
from swapgate.checks.json_reading import JsonReading
from swapgate.checks.options import CheckOptions, CheckType, Folders
from swapgate.checks.wording import an, json_type, quoted
from swapgate.records import CheckKind, CheckResult, Finding, Json
from swapgate.values import Value

JsonMode = Literal["strict", "fenced", "permissive"]
_WANTED: Final = {
    "strict": "one bare JSON value",
    "fenced": "one JSON value, bare or in a fence",
    "permissive": "a JSON value",
}


class JsonOptions(CheckOptions):
    """How much wrapping the consumer of the answer can stand."""

    mode: JsonMode = Field(
        default="strict",
        description="strict: one bare value; fenced: a ``` fence is fine; permissive: anything recoverable",
    )
    root: Literal["object", "array"] | None = Field(default=None, description="what the value must be")

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take `json: strict` for `json: {mode: strict}`."""
        return {"mode": written} if isinstance(written, str) else super().expand(written)


class JsonCheck(Value):
    """Fails on text around the value, on what is no JSON, and on JSON that parsers read differently."""

    name: str
    mode: JsonMode = "strict"
    root: str | None = None
    kind: CheckKind = "structural"

    def run(self, subject: Subject) -> CheckResult:
        """Return one finding for each thing in the way, the kind of wrapping among the facts."""
        reading = subject.reading
        findings = [*self._wrapping(reading, subject.response.text), *self._value(reading)]
        facts: dict[str, Json] = {
            "json_kind": reading.kind,
            "recoverable": reading.is_recoverable,
            "duplicate_keys": list(reading.duplicate_keys),
        }
        if reading.non_finite:
            facts["non_finite"] = list(reading.non_finite)
        return CheckResult(
            check=self.name, kind=self.kind, passed=not findings, findings=tuple(findings), facts=facts
        )

    def _wrapping(self, reading: JsonReading, text: str) -> list[Finding]:
        allowed = {"strict": ("bare",), "fenced": ("bare", "fenced")}.get(self.mode)
        if reading.is_recoverable if allowed is None else reading.kind in allowed:
            return []
        return [
            Finding(message=wrapping_sentence(reading, text), wanted=_WANTED[self.mode], got=reading.kind)
        ]

    def _value(self, reading: JsonReading) -> list[Finding]:
        if not reading.is_recoverable:
            return []
        findings = [] if self.mode == "permissive" else dubious_findings(reading)
        found = json_type(reading.recovered)
        if self.root and found != self.root:
            message = f"The JSON is {an(found)}; wanted {an(self.root)}."
            findings.append(Finding(message=message, wanted=self.root, got=found))
        return findings


def wrapping_sentence(reading: JsonReading, text: str) -> str:
    """Return what is around the JSON, or why there is none, in one sentence."""
    if reading.kind.startswith("prose"):
        return _prose_sentence(reading, text)
    where = f"at line {reading.line}, column {reading.column}"
    return {
        "fenced": "The JSON stands in a ``` fence.",
        "several": f"The answer holds {reading.count} JSON values, not one.",
        "truncated": f"The JSON is cut off {where}: {reading.problem}.",
        "invalid": f"The JSON is broken {where}: {reading.problem}.",
        "no_json": f"The answer holds no JSON: {quoted(text.strip())}.",
        "empty": "The answer is empty.",
    }[reading.kind]


def _prose_sentence(reading: JsonReading, text: str) -> str:
    before = text[: reading.start].strip(" \t\r\n\ufeff")
    after = text[reading.end :].strip(" \t\r\n")
    parts = [
        f"{len(p)} characters {side} it: {quoted(p)}"
        for p, side in ((before, "before"), (after, "after"))
        if p
    ]
    return f"The JSON has text around it, {' and '.join(parts)}."


def dubious_findings(reading: JsonReading) -> list[Finding]:
    """Return findings for what parsers refuse or read differently: duplicate keys, NaN, a byte order mark."""
    findings = [
        Finding(
            pointer=p,
            message=f"The key {p} occurs more than once in its object.",
            wanted="unique keys",
            got="duplicate",
        )
        for p in reading.duplicate_keys
    ]
    findings += [
        Finding(
            pointer=p,
            message=f"{p or 'The answer'} is NaN or Infinity, which JSON does not have.",
            wanted="a number",
            got="NaN or Infinity",
        )
        for p in reading.non_finite
    ]
    if reading.has_bom:
        findings.append(
            Finding(
                message="The answer begins with a byte order mark.", wanted="no byte order mark", got="U+FEFF"
            )
        )
    return findings


def _build(name: str, options: JsonOptions, folders: Folders) -> JsonCheck:
    return JsonCheck(name=name, mode=options.mode, root=options.root)


JSON = CheckType(
    name="json",
    summary="The answer is JSON, wrapped no more than the consumer can stand.",
    options=JsonOptions,
    build=_build,
    short_forms=({"enum": ["strict", "fenced", "permissive"]},),
)
