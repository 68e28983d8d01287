"""The check `schema`: the JSON in the answer against a JSON Schema, every violation reported."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from swapgate.checks import Subject
from swapgate.checks.findings import of_json, result
from swapgate.checks.options import CheckOptions, CheckType, Folders
from swapgate.checks.schema_loading import LoadedSchema, load_schema
from swapgate.records import CheckKind, CheckResult, Json
from swapgate.values import Value

MAX_FINDINGS: Final = 20


class SchemaOptions(CheckOptions):
    """A JSON Schema (draft 2020-12 unless its `$schema` says otherwise), or the path of its file."""

    source: str | bool | dict[str, Json] = Field(
        description="the path of a .json or .yml file, or the schema itself"
    )

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Take what is written for the schema: there is no longer form."""
        return {} if written is None else {"source": written}


class SchemaCheck(Value):
    """Fails on every violation of the schema. How the JSON is wrapped is the check `json`'s matter."""

    name: str
    schema: LoadedSchema
    kind: CheckKind = "structural"

    @property
    def decoding_schema(self) -> Mapping[str, Json] | None:
        """The schema as a provider can take it, None when it needs other files or is no object."""
        contents = self.schema.contents
        return contents if isinstance(contents, dict) and self.schema.is_self_contained else None

    def run(self, subject: Subject) -> CheckResult:
        """Return the violations sorted by place, at most 20 of them; the number of all is a fact."""
        found = of_json(subject.reading, self.schema.violations)
        return result(self.name, found[:MAX_FINDINGS], facts={"violations": len(found)})


def _build(name: str, options: SchemaOptions, folders: Folders) -> SchemaCheck:
    return SchemaCheck(name=name, schema=load_schema(options.source, folders))


SCHEMA = CheckType(
    name="schema",
    summary="The JSON in the answer keeps to a JSON Schema.",
    options=SchemaOptions,
    build=_build,
    short_forms=({"type": "string"}, {"type": ["object", "boolean"]}),
    has_long_form=False,
)
