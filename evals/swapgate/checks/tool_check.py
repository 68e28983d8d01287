"""The check `tool_call`: which tools the model called, how often and with what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pydantic import Field, model_validator

from swapgate.checks import Subject
from swapgate.checks.comparing import is_same
from swapgate.checks.findings import result
from swapgate.checks.json_reading import read_json
from swapgate.checks.options import CheckOptions, CheckType, Folders
from swapgate.checks.schema_loading import LoadedSchema, load_schema
from swapgate.checks.wording import listed, pointer_shown, quoted
from swapgate.records import CheckKind, CheckResult, Finding, Json, ToolCall
from swapgate.values import Value


class ToolCallOptions(CheckOptions):
    """The tool that must be called, or that none may be."""

    name: str | None = Field(default=None, description="the tool that must be called")
    arguments: dict[str, Json] = Field(
        default_factory=dict,
        description="arguments that the call must have; it may have more, also in nested objects",
    )
    arguments_schema: str | dict[str, Json] | None = Field(
        default=None, description="JSON Schema of the arguments: the path of a file, or the schema itself"
    )
    none: bool = Field(default=False, description="true: no tool may be called")
    count: int | None = Field(
        default=None, ge=1, description="how many calls (of that name) there must be; default: at least one"
    )

    @model_validator(mode="after")
    def _is_possible(self) -> ToolCallOptions:
        others = [k for k in ("name", "arguments", "arguments_schema", "count") if getattr(self, k)]
        if self.none and others:
            raise ValueError(f"must not have none: true together with {', '.join(others)}")
        return self

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take a tool's name for `{name: ...}`."""
        return {"name": written} if isinstance(written, str) else super().expand(written)


class ToolCallCheck(Value):
    """Passes when one call of the tool, or each of `count` calls, has the wanted arguments."""

    name: str
    options: ToolCallOptions
    arguments: LoadedSchema | None = None
    kind: CheckKind = "structural"

    def run(self, subject: Subject) -> CheckResult:
        """Return what is wrong with the calls; pointers lead into /tool_calls."""
        calls = subject.response.tool_calls
        wanted = [(n, c) for n, c in enumerate(calls) if self.options.name in (None, c.name)]
        return result(self.name, self._number(calls, len(wanted)) or self._arguments(wanted))

    def _number(self, calls: Sequence[ToolCall], found: int) -> list[Finding]:
        name, count = self.options.name, self.options.count
        if self.options.none:
            is_right, wanted = not calls, "no call"
        else:
            is_right = found == count if count else found > 0
            number = "a call" if count in (None, 1) else f"{count} calls"
            wanted = f"{number} of {name!r}" if name else number
        if is_right:
            return []
        made = f"called {listed(call.name for call in calls)}" if calls else "called no tool"
        message = f"The model {made}, wanted {wanted}."
        return [Finding(pointer="/tool_calls", message=message, wanted=wanted, got=made)]

    def _arguments(self, calls: Sequence[tuple[int, ToolCall]]) -> list[Finding]:
        """Return the findings of the call that comes nearest; with a count every call must be right."""
        found = [self._of_call(number, call) for number, call in calls]
        if not found:
            return []
        return [f for each in found for f in each] if self.options.count else min(found, key=len)

    def _of_call(self, number: int, call: ToolCall) -> list[Finding]:
        path: list[str | int] = ["tool_calls", number, "arguments"]
        # Providers send an empty text for the arguments of a tool that has none.
        reading = read_json(call.arguments or "{}")
        if reading.kind != "bare" or not isinstance(reading.value, dict):
            where = f"line {reading.line}, column {reading.column}: {reading.problem}"
            reason = f" ({where})" if reading.line else ""
            message = f"The arguments of {call.name!r} are no JSON object{reason}: {quoted(call.arguments)}."
            return [
                Finding(
                    pointer=pointer_shown(path), message=message, wanted="a JSON object", got=reading.kind
                )
            ]
        found = _differences(self.options.arguments, reading.value, path)
        if self.arguments is not None:
            found += self.arguments.violations(reading.value, prefix=path)
        return found


def _differences(wanted: Any, got: Any, path: list[str | int]) -> list[Finding]:
    """Return where `got` lacks what `wanted` has; objects may have more keys."""
    if not (isinstance(wanted, dict) and isinstance(got, dict)):
        return [] if is_same(wanted, got) else [_difference(wanted, quoted(got), path)]
    found: list[Finding] = []
    for key, value in wanted.items():
        here = [*path, key]
        found += _differences(value, got[key], here) if key in got else [_difference(value, "nothing", here)]
    return found


def _difference(wanted: Any, got: str, path: list[str | int]) -> Finding:
    pointer = pointer_shown(path)
    return Finding(
        pointer=pointer,
        message=f"{pointer} is {got}, wanted {quoted(wanted)}.",
        wanted=quoted(wanted),
        got=got,
    )


def _build(name: str, options: ToolCallOptions, folders: Folders) -> ToolCallCheck:
    schema = options.arguments_schema
    loaded = None if schema is None else load_schema(schema, folders)
    return ToolCallCheck(name=name, options=options, arguments=loaded)


TOOL_CALL = CheckType(
    name="tool_call",
    summary="The model called a tool with the right arguments, or called none.",
    options=ToolCallOptions,
    build=_build,
    short_forms=({"type": "string"},),
)
