"""JSON Schemas (draft 2020-12) of the files that people write, made from the models that read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from swapgate.records import Json, Message, ToolCall
from swapgate.spec.calibration import CalibrationSpec
from swapgate.spec.index import IndexFile
from swapgate.spec.judge_kinds import KINDS
from swapgate.spec.model_entries import CatalogueFile
from swapgate.spec.prompt_entries import Prompt
from swapgate.spec.shadow import ShadowConfig
from swapgate.spec.shadow_criteria import CriteriaFile
from swapgate.spec.suite import Case, Suite

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_CHECK = {"$ref": "#/$defs/Check"}


class _Untitled(GenerateJsonSchema):
    """Leave out the titles that only repeat the keys."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def json_schemas(checks: Mapping[str, Json] | None = None) -> dict[str, Json]:
    """Return the schemas of every kind of file that people write, by the names of `swapgate schema`.

    `checks` holds the schema of each check's options by the check's name; without it any name is taken.
    A schema's `$id` is `NAME.schema.json`, so that the files can lie side by side.
    """
    return {
        "suite": _finished("suite", "A suite", _with_checks(_of(Suite), checks or {})),
        "cases": _finished("cases", "Cases for cases_from", _with_checks(_case_list(), checks or {})),
        "judge": _finished("judge", "A judge", _judge()),
        "calibration": _finished("calibration", "A judge's calibration", _of(CalibrationSpec)),
        "prompt": _finished("prompt", "A prompt", _of(Prompt)),
        "models": _finished("models", "Models and tasks", _article_form(_of(CatalogueFile))),
        "shadow": _finished("shadow", "A shadow deployment", _of(ShadowConfig)),
        "promote": _finished("promote", "What decides about a candidate in shadow", _of(CriteriaFile)),
        "index": _finished("index", "A migration of a vector index", _of(IndexFile)),
    }


def _of(kind: type) -> dict[str, Any]:
    return _closed(TypeAdapter(kind).json_schema(by_alias=True, schema_generator=_Untitled))


def _judge() -> dict[str, Any]:
    """Return the schema of a judge: of one of the kinds, or of what it changes of the judge it extends."""
    kinds = {name: _of(kind) for name, kind in KINDS.items()}
    definitions = {name: d for schema in kinds.values() for name, d in schema.get("$defs", {}).items()}
    whole = {f"{name.capitalize()}Judge": _without_defs(schema) for name, schema in kinds.items()}
    refs = [{"$ref": f"#/$defs/{name}"} for name in [*whole, "ExtendingJudge"]]
    extending = _extending([schema["properties"] for schema in whole.values()])
    return {"anyOf": refs, "$defs": definitions | whole | {"ExtendingJudge": extending}}


def _extending(kinds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the schema of a judge that extends another: any key of any kind, in part or null."""
    named = {"judge": {"type": "string"}, "extends": {"type": "string"}}
    others: dict[str, Any] = {key: {} for properties in kinds for key in properties if key not in named}
    return {
        "description": "What is changed of the judge after `extends`: null takes a key away.",
        "type": "object",
        "properties": named | others,
        "required": list(named),
        "additionalProperties": False,
    }


def _case_list() -> dict[str, Any]:
    case = _of(Case)
    definitions = {**case["$defs"], "Case": _without_defs(case)}
    return {"type": "array", "items": {"$ref": "#/$defs/Case"}, "minItems": 1, "$defs": definitions}


def _without_defs(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in schema.items() if key != "$defs"}


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with unknown keys refused in messages too, as reading does."""
    for name in (Message.__name__, ToolCall.__name__):
        if name in schema.get("$defs", {}):
            schema["$defs"][name]["additionalProperties"] = False
    return schema


def _finished(name: str, title: str, schema: dict[str, Any]) -> Json:
    return {"$schema": _DIALECT, "$id": f"{name}.schema.json", **schema, "title": title}


def _with_checks(schema: dict[str, Any], checks: Mapping[str, Json]) -> dict[str, Any]:
    """Return the schema with every list of checks pointing at one definition of a check."""
    definitions = schema["$defs"]
    for owner in (schema, *definitions.values()):
        if "checks" in owner.get("properties", {}):
            owner["properties"]["checks"]["items"] = _CHECK
    return {**schema, "$defs": {**definitions, "Check": _check_schema(checks)}}


def _check_schema(checks: Mapping[str, Json]) -> dict[str, Any]:
    """Return the schema of one entry of `checks:`: a bare name, or a mapping of one name to its options."""
    description = "One check: its name, or a mapping of its name to its options."
    if not checks:
        anything = {"type": "object", "minProperties": 1, "maxProperties": 1}
        return {"description": description, "anyOf": [{"type": "string"}, anything]}
    named = [
        {
            "type": "object",
            "properties": {name: options},
            "required": [name],
            "additionalProperties": False,
        }
        for name, options in sorted(checks.items())
    ]
    return {"description": description, "oneOf": [{"enum": sorted(checks)}, *named]}


def _article_form(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of models.yml: with `models:` and `tasks:`, or a bare mapping of tasks."""
    definitions = schema["$defs"]
    parts = {**_without_defs(schema), "anyOf": [{"required": ["models"]}, {"required": ["tasks"]}]}
    tasks = {
        "description": "Production tasks by name.",
        "type": "object",
        "additionalProperties": {"$ref": "#/$defs/TaskEntry"},
        "minProperties": 1,
        "not": {"anyOf": [{"required": ["models"]}, {"required": ["tasks"]}]},
    }
    return {"oneOf": [parts, tasks], "$defs": definitions}
