"""Answers from a JSONL file: outputs that were made elsewhere, evaluated without any call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

from swapgate.errors import ErrorKind, ProviderError, SpecError, UsageError, nearest
from swapgate.providers._tools import arguments_text
from swapgate.records import FinishReason, Json, Request, Response, ToolCall, Usage
from swapgate.spec.models import ModelSpec
from swapgate.spec.source import reading
from swapgate.storable import parse_json
from swapgate.values import Value

_MOST_COMPARED = 1000
_Place = tuple[str | None, str, int]


class RecordedCall(BaseModel):
    """One recorded tool call; arguments that are not text are written as JSON."""

    name: str
    arguments: Json = ""
    id: str | None = None


class RecordedOutput(BaseModel):
    """One line of the file; unknown keys are allowed, so that exports of other tools load as they are."""

    model_config = ConfigDict(extra="ignore", coerce_numbers_to_str=True, frozen=True)
    case: str
    output: Json
    suite: str | None = None
    repeat: Annotated[int, Field(ge=1)] = 1
    finish_reason: FinishReason | None = None
    model: str | None = None
    usage: Usage | None = None
    latency_s: Annotated[float, Field(ge=0)] | None = None
    ttft_s: Annotated[float, Field(ge=0)] | None = None
    tool_calls: tuple[RecordedCall, ...] = ()

    @field_validator("usage")
    @classmethod
    def _are_counts(cls, usage: Usage | None) -> Usage | None:
        told = {} if usage is None else {f.name: getattr(usage, f.name) for f in fields(usage)}
        for name, tokens in told.items():
            if tokens is not None and tokens < 0:
                raise PydanticCustomError("count", "{name} must be 0 or more", {"name": name})
        return usage


class _Line(Value):
    number: int
    output: RecordedOutput


class RecordedProvider:
    """Looks up the output of a case. The file is read when it is opened: SpecError for a broken line."""

    is_recordable = False
    reads_cache = False
    needs_variables = False

    def __init__(self, spec: ModelSpec, *, root: Path) -> None:
        if not spec.path:
            raise UsageError(
                f"model {spec.name!r}: provider recorded needs `path`, the JSONL file of its outputs"
            )
        self._written = spec.path
        self._file = root / spec.path
        if not self._file.is_file():
            raise UsageError(f"model {spec.name!r}: path {spec.path!r} is not a file in the workspace")
        self._lines = self._read_lines()
        self.identity: Mapping[str, Json] = {"protocol": "recorded", "file": self._file.name}

    async def complete(self, request: Request) -> Response:
        """Return the output of the suite, case and repeat; a line without a suite serves any suite."""
        for suite in (request.suite, None):
            line = self._lines.get((suite, request.case, request.repeat))
            if line is not None:
                return recorded_response(line.output)
        message = f"{self._written}: {_missing(self._lines, request)}"
        raise ProviderError(message, kind=ErrorKind.MISSING_RECORDING)

    async def close(self) -> None:
        """Nothing is held."""

    def _read_lines(self) -> dict[_Place, _Line]:
        lines: dict[_Place, _Line] = {}
        for line in self._read():
            place = (line.output.suite, line.output.case, line.output.repeat)
            first = lines.setdefault(place, line)
            if first is not line:
                what = f"case {line.output.case!r}, repeat {line.output.repeat}"
                message = f"a second output for {what}: the first is in line {first.number}"
                raise SpecError(message, path=self._written, line=line.number)
        return lines

    def _read(self) -> Iterator[_Line]:
        with reading(self._written), self._file.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                text = raw.removeprefix(b"\xef\xbb\xbf").strip()
                if text:
                    yield _Line(number=number, output=self._parse(text, number))

    def _parse(self, text: bytes, number: int) -> RecordedOutput:
        try:
            return read_output(text)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            message = f"not a recorded output: {place + ': ' if place else ''}{first['msg']}. "
            fix = 'A line looks like {"case": "sql-injection", "output": "..."}'
            raise SpecError(message + fix, path=self._written, line=number) from exc


def read_output(text: bytes) -> RecordedOutput:
    """Return the output of one line; pydantic's ValidationError when it is none."""
    try:
        return RecordedOutput.model_validate_json(text)
    except ValidationError as exc:
        try:
            value = parse_json(text.decode())
        except ValueError:
            raise exc from None
        return RecordedOutput.model_validate(value)


def _missing(lines: Mapping[_Place, _Line], request: Request) -> str:
    wanted = f"no output for case {request.case!r} (suite {request.suite!r}, repeat {request.repeat})"
    repeats = sorted(r for suite, case, r in lines if case == request.case and suite in {request.suite, None})
    if repeats:
        return f"{wanted}: it has repeat {', '.join(map(str, repeats))} only"
    cases = list(dict.fromkeys(case for _suite, case, _repeat in lines))
    alike = [case for case in cases if case[:3] == request.case[:3]] or cases
    return f"{wanted}.{nearest(request.case, alike[:_MOST_COMPARED])}"


def recorded_response(line: RecordedOutput) -> Response:
    """Return a recorded output as the response that it was."""
    text = line.output if isinstance(line.output, str) else json.dumps(line.output, ensure_ascii=False)
    return Response(
        text=text,
        tool_calls=tuple(
            ToolCall(name=call.name, arguments=arguments_text(call.arguments), id=call.id)
            for call in line.tool_calls
        ),
        finish_reason=line.finish_reason or ("tool_calls" if line.tool_calls else "stop"),
        usage=line.usage or Usage(),
        model_served=line.model,
        latency_s=line.latency_s,
        ttft_s=line.ttft_s,
    )
