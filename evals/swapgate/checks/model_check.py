"""The check `python_model`: a pydantic model of the user's as the schema of the JSON in the answer."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticSchemaGenerationError, PydanticUserError

from swapgate.checks import Subject
from swapgate.checks.findings import of_json, result
from swapgate.checks.imports import load_object
from swapgate.checks.options import CheckOptions, CheckType, Folders, OptionError, path_within
from swapgate.checks.python_check import guarded
from swapgate.checks.wording import place, pointer_shown, printable, quoted
from swapgate.records import CheckKind, CheckResult, Finding, Json
from swapgate.values import Value

MAX_FINDINGS: Final = 20


class PythonModelOptions(CheckOptions):
    """A pydantic model, or any other type that pydantic can validate."""

    model: str = Field(
        description="the model, as package.module:Class; modules are found from the workspace root"
    )

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take `package.module:Class` for `{model: ...}`."""
        return {"model": written} if isinstance(written, str) else super().expand(written)


class PythonModelCheck(Value):
    """Fails on every error of the model, which sees the answer as JSON."""

    name: str
    adapter: TypeAdapter[Any]
    kind: CheckKind = "structural"

    def run(self, subject: Subject) -> CheckResult:
        """Return the model's errors, at most 20; raises UserCheckFailed for anything else that it raises."""
        found = of_json(subject.reading, self._findings)
        return result(self.name, found[:MAX_FINDINGS], facts={"violations": len(found)})

    def _findings(self, value: Any) -> list[Finding]:
        def errors() -> list[Any]:
            try:
                self.adapter.validate_json(json.dumps(value))
            except ValidationError as exc:
                return exc.errors(include_url=False)
            return []

        return [_model_finding(error, value) for error in guarded(self.name, errors)]


def _model_finding(error: Mapping[str, Any], value: Any) -> Finding:
    path = path_within(value, error["loc"])
    if error["type"] == "missing":
        pointer = pointer_shown([*path, error["loc"][-1]])
        return Finding(pointer=pointer, message=f"{pointer} is missing.", wanted="the key", got="nothing")
    pointer, problem = pointer_shown(path), printable(str(error["msg"]), 200)
    message = f"{place(pointer)} is {quoted(error['input'])}: {problem}."
    return Finding(pointer=pointer, message=message, wanted=problem, got=quoted(error["input"]))


def _build_model(name: str, options: PythonModelOptions, folders: Folders) -> PythonModelCheck:
    model = load_object(options.model, root=folders.root, key="model")
    if inspect.isroutine(model):
        raise OptionError(f"{options.model!r} is a function, not a model; see the check 'python'", "model")
    try:
        return PythonModelCheck(name=name, adapter=TypeAdapter(model))
    except (PydanticSchemaGenerationError, PydanticUserError) as exc:
        raise OptionError(f"{options.model!r} is nothing that pydantic can validate", "model") from exc


PYTHON_MODEL = CheckType(
    name="python_model",
    summary="The JSON in the answer is valid for a pydantic model of yours.",
    options=PythonModelOptions,
    build=_build_model,
    short_forms=({"type": "string"},),
)
