"""The checks `schema` and `python_model`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from checks_running import messages, mistake, run_check
from swapgate.checks.build import UserCheckFailed, build_checks, decoding_schema
from swapgate.checks.schema_shortcut import _KEYWORDS as KEYWORDS
from swapgate.checks.schema_shortcut import shortcut

SEVERITY = {"$defs": {"severity": {"enum": ["low", "high"]}}}
REVIEW = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "properties": {
        "issues": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "severity": {"$ref": "shared/severity.json#/$defs/severity"},
                    "line": {"type": ["integer", "null"], "minimum": 1},
                },
                "required": ["severity", "line"],
                "additionalProperties": False,
            },
        },
        "mail": {"type": "string", "format": "email"},
    },
    "required": ["issues", "summary"],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with a schema file that refers to another one."""
    schemas = tmp_path / "cases" / "schemas"
    (schemas / "shared").mkdir(parents=True)
    (schemas / "review.json").write_text(json.dumps(REVIEW))
    (schemas / "shared" / "severity.json").write_text(json.dumps(SEVERITY))
    return tmp_path


def test_every_violation_is_reported_sorted_by_place(root: Path) -> None:
    issues = '[{"severity": "High", "line": "3", "x": 1}, {"severity": "low", "line": 0}]'
    answer = f'{{"issues": {issues}, "mail": "me", "sumary": 1}}'
    result = run_check("schema: schemas/review.json", answer, root=root)
    assert messages(result) == [
        "/summary is missing. The nearest key is 'sumary'.",
        "/issues/0 has keys that the schema does not allow: 'x'.",
        "/issues/0/line is the string '3', wanted integer or null.",
        "/issues/0/severity is 'High', wanted one of 'low', 'high'. Only the case differs from 'high'.",
        "/issues/1/line is 0, wanted at least 1.",
        "/mail is 'me', wanted the format email.",
    ]
    assert result.facts == {"violations": 6}
    assert result.findings[0].pointer == "/summary"


def test_wrapped_json_is_checked_all_the_same_and_no_json_fails() -> None:
    assert run_check("schema: {type: array}", "Sure:\n```json\n[]\n```").passed
    result = run_check("schema: {type: array}", "Sure.")
    assert messages(result) == ["The answer holds no JSON that can be looked into (no_json)."]


def test_findings_are_capped_and_the_count_is_not() -> None:
    result = run_check("schema: {items: {type: string}}", json.dumps(list(range(50))))
    assert (len(result.findings), result.facts["violations"]) == (20, 50)


def test_the_one_alternative_of_the_values_type_is_explained() -> None:
    result = run_check("schema: {anyOf: [{enum: [low, high]}, {type: 'null'}]}", '"hgh"')
    assert messages(result) == ["The answer is 'hgh', wanted one of 'low', 'high'. The nearest is 'high'."]


def test_a_schema_may_be_yaml_beside_the_suite_or_below_the_root(root: Path) -> None:
    (root / "answer.yml").write_text("type: object\nproperties: {on: {const: yes}}\n")
    assert run_check("schema: answer.yml", '{"on": "yes"}', root=root).passed
    assert not run_check("schema: answer.yml", '{"on": "no"}', root=root).passed


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(root: Path) -> None:
    path = root / "cases" / "schemas" / "small.json"
    path.write_text('{"type": "array"}')
    os.utime(path, ns=(1, 1))
    entry = [{"schema": "schemas/small.json"}]
    first, again = (build_checks(entry, base=root / "cases", root=root)[0] for _ in range(2))
    assert first.schema is again.schema  # type: ignore[attr-defined]
    path.write_text('{"type": "object"}')
    os.utime(path, ns=(2, 2))
    assert run_check("schema: schemas/small.json", "{}", root=root).passed


def test_relative_references_count_from_the_file_whatever_its_id_says(root: Path) -> None:
    schema = {**REVIEW, "$id": "https://example.com/review.json"}
    (root / "cases" / "schemas" / "review.json").write_text(json.dumps(schema))
    result = run_check(
        "schema: schemas/review.json",
        '{"issues": [{"severity": "low", "line": 1}], "summary": ""}',
        root=root,
    )
    assert result.passed


def test_recursive_schemas_work_and_endless_ones_are_refused() -> None:
    tree = 'schema: {properties: {left: {$ref: "#"}, value: {type: integer}}}'
    assert messages(run_check(tree, '{"left": {"left": {"value": "x"}}}')) == [
        "/left/left/value is the string 'x', wanted integer."
    ]
    assert mistake('schema: {$ref: "#"}') == (
        "/schema",
        "check 'schema': the schema refers to itself without end",
    )


@pytest.mark.parametrize(
    ("written", "pointer", "said"),
    [
        ("schema: schemas/reviw.json", "/schema", "no file 'schemas/reviw.json' in "),
        ("schema: schemas/reviw.json", "/schema", "Did you mean 'review.json'?"),
        (
            "schema: {properties: {a: {type: strng}}}",
            "/schema/properties/a/type",
            "/properties/a/type is 'strng'",
        ),
        ("schema: {pattern: '('}", "/schema/pattern", "wanted the format regex"),
        (
            "schema: {$schema: 'http://example.com/mine'}",
            "/schema/$schema",
            "unknown $schema 'http://example.com/mine'",
        ),
        (
            "schema: {$ref: 'https://example.com/x.json'}",
            "/schema",
            "$ref 'https://example.com/x.json' cannot be resolved",
        ),
        ("schema: {items: {$ref: 'https://example.com/x.json'}}", "/schema", "nothing is fetched"),
        (
            "schema: {$ref: 'absent.json'}",
            "/schema",
            "$ref 'absent.json' cannot be resolved: there is no file",
        ),
        ("schema: {$ref: '#/$defs/x'}", "/schema", "$ref '#/$defs/x' cannot be resolved: it leads nowhere"),
        ("schema: 5", "/schema", "got 5"),
        ('schema: \'{"type": "object"}\'', "/schema", "write it as a mapping, without quotes"),
        ("schema", "", "its options are missing"),
    ],
)
def test_mistakes_in_a_schema_are_found_when_it_is_loaded(
    root: Path, written: str, pointer: str, said: str
) -> None:
    where, message = mistake(written, root=root)
    assert where == pointer
    assert said in message


def test_a_file_with_the_same_ending_and_another_name_is_not_suggested(root: Path) -> None:
    (root / "cases" / "bad.json").write_text("{}")
    _where, message = mistake("schema: item.json", root=root)
    assert message.endswith(f"no file 'item.json' in {root / 'cases'} or {root}.")


def test_a_broken_schema_file_says_where_it_is_broken(root: Path) -> None:
    (root / "cases" / "bad.json").write_text('{\n  "type": "object",\n}')
    assert mistake("schema: bad.json", root=root)[1] == (
        "check 'schema': bad.json:2:19: no JSON: a comma before the closing bracket"
    )


def test_a_referenced_file_that_is_no_schema_is_refused(root: Path) -> None:
    (root / "cases" / "schemas" / "shared" / "severity.json").write_text(
        '{"$defs": {"severity": {"enum": 5}}}'
    )
    assert (
        "severity.json is no JSON Schema: /$defs/severity/enum is"
        in mistake("schema: schemas/review.json", root=root)[1]
    )


def test_the_first_schema_is_what_decoding_is_held_to(root: Path) -> None:
    entries = ["json", {"schema": {"type": "object"}}, {"schema": {"type": "array"}}]
    assert decoding_schema(build_checks(entries, base=root, root=root)) == {"type": "object"}
    outside = build_checks([{"schema": "schemas/review.json"}], base=root / "cases", root=root)
    assert decoding_schema(outside) is None


MODELS = """
from typing import Literal
from pydantic import BaseModel, Field, field_validator

class Issue(BaseModel):
    severity: Literal["low", "high"]
    line: int = Field(ge=1)

class Review(BaseModel):
    issues: list[Issue]
    summary: str

class Fragile(BaseModel):
    a: int

    @field_validator("a")
    @classmethod
    def check(cls, value: int) -> int:
        raise RuntimeError("not a validation error")
"""


def test_a_pydantic_model_serves_as_the_schema(tmp_path: Path) -> None:
    (tmp_path / "models_of_review.py").write_text(MODELS)
    answer = '{"issues": [{"severity": "High", "line": 0}]}'
    result = run_check("python_model: models_of_review:Review", answer, root=tmp_path)
    assert [(f.pointer, f.got) for f in result.findings] == [
        ("/issues/0/severity", "'High'"),
        ("/issues/0/line", "0"),
        ("/summary", "nothing"),
    ]
    assert run_check(
        "python_model: models_of_review:Review", '{"issues": [], "summary": ""}', root=tmp_path
    ).passed


def test_a_models_own_exception_is_an_error_and_no_failing_check(tmp_path: Path) -> None:
    (tmp_path / "models_fragile.py").write_text(MODELS)
    with pytest.raises(
        UserCheckFailed, match=r"RuntimeError: not a validation error .*models_fragile.py:19"
    ) as caught:
        run_check("python_model: {model: models_fragile:Fragile}", '{"a": 1}', root=tmp_path)
    assert caught.value.check == "python_model"


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "models_none.py").write_text("def function(text): ...\nthing = object()\n")
    assert "is a function, not a model" in mistake("python_model: models_none:function", root=tmp_path)[1]
    assert (
        "nothing that pydantic can validate" in mistake("python_model: models_none:thing", root=tmp_path)[1]
    )


@pytest.mark.parametrize(
    ("format_name", "package", "right", "wrong"),
    [
        ("iri", "lark", "https://exämple.org/ä", "no address"),
        ("uri", "rfc3986_validator", "https://example.org/a", "no address"),
        ("duration", "arrow", "P3DT4H", "three days"),
    ],
)
def test_what_a_format_needs_is_loaded_when_one_is_checked(
    format_name: str, package: str, right: str, wrong: str
) -> None:
    script = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from swapgate.checks import Subject\n"
        "from swapgate.checks.build import build_checks, run_checks\n"
        "from swapgate.records import Response\n"
        f"at = {{'type': 'string', 'format': {format_name!r}}}\n"
        "schema = {'type': 'object', 'properties': {'at': at}}\n"
        "checks = build_checks([{'schema': schema}], base=Path(), root=Path())\n"
        f"print({package!r} in sys.modules)\n"
        f"for text in ({right!r}, {wrong!r}):\n"
        "    response = Response(text=json.dumps({'at': text}))\n"
        "    subject = Subject(response=response, expected=None, variables={}, cost_usd=None)\n"
        "    print([result.passed for result in run_checks(checks, subject)])\n"
        f"print({package!r} in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:4] == ["False", "[True]", "[False]", "True"]


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 3)
    | st.floats(-3, 3)
    | st.just(float("nan"))
    | st.sampled_from(["", "a", "b", "abc"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=6,
)
TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
SMALL = st.integers(0, 3)


def plain_schemas(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    bounds = ["minLength", "maxLength", "minItems", "maxItems"]
    limits = ["minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"]
    optional: dict[str, st.SearchStrategy[object]] = {
        "type": TYPES | st.lists(TYPES, min_size=1, max_size=3, unique=True),
        "enum": st.lists(st.sampled_from(["a", "b", None, 1, True, 0]), min_size=1, max_size=3, unique=True),
        "const": st.sampled_from(["a", "abc", None, 1]),
        "properties": st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
        "required": st.lists(st.sampled_from(["a", "b", "c"]), max_size=2, unique=True),
        "additionalProperties": st.booleans(),
        "items": inner,
        **dict.fromkeys(bounds, SMALL),
        **dict.fromkeys(limits, st.integers(-2, 2) | st.floats(-2, 2)),
    }
    return st.fixed_dictionaries({}, optional=optional)


PLAIN = plain_schemas(plain_schemas(st.just({}) | st.builds(lambda name: {"type": name}, TYPES)))


@settings(max_examples=150, deadline=None)
@given(schema=PLAIN, value=JSON_VALUES)
def test_shortcut_never_accepts_what_jsonschema_refuses(schema: dict[str, object], value: object) -> None:
    accepts = shortcut(schema)  # type: ignore[arg-type]
    if accepts is not None and accepts(value):
        assert Draft202012Validator(schema).is_valid(value)


def odd_schemas(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """What people may write for a schema, right or wrong."""
    anything = st.sampled_from(["a", "string", "a b", "https://x.org/a", "x#y", True, 1, -1, 1.5, None, []])
    named = st.lists(st.sampled_from(["a", "string", "null", 1, None, {}]), max_size=2)
    keywords = [*KEYWORDS, "$id", "$defs", "$comment", "title", "deprecated", "examples", "default", "format"]
    limit = anything | named | inner | st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2)
    return st.dictionaries(st.sampled_from(keywords), limit, max_size=3)


@settings(max_examples=300, deadline=None)
@given(schema=odd_schemas(odd_schemas(st.just({}))))
def test_a_schema_with_a_shortcut_is_a_right_one(schema: dict[str, object]) -> None:
    if shortcut(schema) is not None:  # type: ignore[arg-type]
        meta = Draft202012Validator(
            Draft202012Validator.META_SCHEMA, format_checker=Draft202012Validator.FORMAT_CHECKER
        )
        assert meta.is_valid(schema)


def test_jsonschema_waits_for_the_first_answer_that_breaks_a_plain_schema() -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from swapgate.checks import Subject\n"
        "from swapgate.checks.build import build_checks, run_checks\n"
        "from swapgate.records import Response\n"
        "schema = {'type': 'object', 'title': 'A', 'properties': {'n': {'type': 'integer', 'minimum': 1}}}\n"
        "checks = build_checks([{'schema': schema}], base=Path(), root=Path())\n"
        "for text in ('{\"n\": 1}', '{\"n\": 0}'):\n"
        "    for result in run_checks(checks, Subject(response=Response(text=text))):\n"
        "        print([finding.message for finding in result.findings], 'jsonschema' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[] False", "['/n is 0, wanted at least 1.'] True"]


def test_shortcut_knows_right_answers_to_a_plain_schema() -> None:
    issue = {
        "type": "object",
        "required": ["line", "severity"],
        "additionalProperties": False,
        "properties": {"line": {"type": "integer", "minimum": 1}, "severity": {"enum": ["minor", "major"]}},
    }
    accepts = shortcut(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {"issues": {"type": "array", "items": issue, "maxItems": 2}},
        }
    )
    assert accepts is not None
    right = {"line": 1, "severity": "minor"}
    assert accepts({"issues": [right, right]})
    wrong = [{"line": 0, "severity": "minor"}, {"line": 1}, {**right, "x": 1}, {**right, "severity": "Minor"}]
    assert not any(accepts({"issues": [one]}) for one in wrong)
    assert not accepts({"issues": [right] * 3})


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "email"},
        {"properties": {"a": {"pattern": "^a"}}},
        {"items": {"$ref": "#/$defs/x"}, "$defs": {"x": {}}},
        {"enum": [1, "a"]},
        {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"},
        True,
    ],
)
def test_shortcut_leaves_what_is_not_plain_to_jsonschema(schema: Any) -> None:
    assert shortcut(schema) is None
