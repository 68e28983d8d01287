"""The check `expected`: the answer's meaning against the case's reference, field by field or as text."""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field, model_validator

from swapgate.checks import Subject
from swapgate.checks.comparing import is_same
from swapgate.checks.findings import missing, of_json, result
from swapgate.checks.options import CheckOptions, CheckType, Folders, Pointer
from swapgate.checks.python_check import UserCheckFailed
from swapgate.checks.wording import MISSING, place, quoted, resolve
from swapgate.records import CheckKind, CheckResult, Finding, Json
from swapgate.spec.pointers import pointer_of
from swapgate.values import Value

# The keys of an expected mapping that hold the reference for judges.
REFERENCE_KEYS: Final = ("answer", "summary")


class ExpectedOptions(CheckOptions):
    """Which fields must equal those of the case's `expected`; by default all but `answer` and `summary`."""

    pointers: tuple[Pointer, ...] = Field(
        default=(), description="JSON pointers, the same in the answer and in `expected`"
    )
    text: bool = Field(default=False, description="true: the whole answer must equal the expected text")
    ignore_case: bool = Field(default=False, description="whether upper and lower case are the same")
    tolerance: float = Field(default=0.0, ge=0, description="by how much numbers may differ")

    @model_validator(mode="after")
    def _is_one_way(self) -> ExpectedOptions:
        if self.text and self.pointers:
            raise ValueError("must have either text: true, which compares the whole answer, or pointers")
        return self

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take `text`, one pointer, or a list of pointers."""
        if written == "text":
            return {"text": True}
        if isinstance(written, str):
            return {"pointers": [written]}
        return {"pointers": written} if isinstance(written, list) else super().expand(written)

    @property
    def pointer(self) -> str:
        """The first pointer, to tell several checks apart."""
        return self.pointers[0] if self.pointers else ""


class ExpectedCheck(Value):
    """Fails where the answer differs from the reference; the wrapping of the JSON is no matter of meaning."""

    name: str
    options: ExpectedOptions
    kind: CheckKind = "semantic"

    def why_not(self, expected: Json) -> str:
        """Return why no answer can be held against a case's `expected`, an empty string when it can."""
        if expected is None:
            return "the case has no `expected`: add it, or drop the check"
        if self.options.text:
            is_text = isinstance(_text_of(expected), str)
            return "" if is_text else f"the case's `expected` is no text but {quoted(expected)}: write a text"
        pointers = self._pointers(expected)
        absent = [pointer for pointer in pointers if resolve(expected, pointer) is MISSING]
        if absent:
            return f"the case's `expected` has no {' and no '.join(absent)}: add it, or drop the check"
        if not pointers:
            return "the case's `expected` has no fields to compare: add some, or write `expected: text`"
        return ""

    def run(self, subject: Subject) -> CheckResult:
        """Return one finding for each difference.

        Raises UserCheckFailed when the case's `expected` lacks what is to be compared.
        """
        expected = subject.expected
        if why_not := self.why_not(expected):
            raise UserCheckFailed(why_not, check=self.name)
        if self.options.text:
            return result(self.name, self._of_text(subject), kind=self.kind)
        wanted = {pointer: resolve(expected, pointer) for pointer in self._pointers(expected)}
        findings = of_json(subject.reading, lambda answer: self._of_fields(wanted, answer))
        return result(self.name, findings, kind=self.kind)

    def _pointers(self, expected: Json) -> tuple[str, ...]:
        return self.options.pointers or _pointers_of(expected)

    def _of_text(self, subject: Subject) -> list[Finding]:
        wanted, got = str(_text_of(subject.expected)).strip(), subject.response.text.strip()
        if is_same(wanted, got, ignore_case=self.options.ignore_case):
            return []
        message = f"The answer is {quoted(got)}, expected {quoted(wanted)}."
        return [Finding(message=message, wanted=quoted(wanted), got=quoted(got))]

    def _of_fields(self, wanted: dict[str, Any], answer: Any) -> list[Finding]:
        found = [
            self._of_field(pointer, value, resolve(answer, pointer), answer)
            for pointer, value in wanted.items()
        ]
        return [finding for finding in found if finding]

    def _of_field(self, pointer: str, wanted: Any, got: Any, answer: Any) -> Finding | None:
        if got is MISSING:
            return missing(answer, pointer, quoted(wanted))
        if is_same(wanted, got, ignore_case=self.options.ignore_case, tolerance=self.options.tolerance):
            return None
        message = f"{place(pointer)} is {quoted(got)}, expected {quoted(wanted)}."
        return Finding(pointer=pointer, message=message, wanted=quoted(wanted), got=quoted(got))


def _text_of(expected: Json) -> Json:
    return expected.get("answer") if isinstance(expected, dict) else expected


def _pointers_of(expected: Json) -> tuple[str, ...]:
    keys = expected if isinstance(expected, dict) else {}
    return tuple(pointer_of([key]) for key in keys if key not in REFERENCE_KEYS)


def _build(name: str, options: ExpectedOptions, folders: Folders) -> ExpectedCheck:
    return ExpectedCheck(name=name, options=options)


EXPECTED = CheckType(
    name="expected",
    summary="The answer equals the case's `expected`, field by field or as text (semantic).",
    options=ExpectedOptions,
    build=_build,
    short_forms=({"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}),
)
