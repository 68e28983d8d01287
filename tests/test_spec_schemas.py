"""The JSON Schemas accept what reading accepts, and refuse what it refuses."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from swapgate.checks.build import check_schemas
from swapgate.spec.schemas import json_schemas
from swapgate.spec.yaml_core import read_document

ROOT = Path(__file__).parent.parent
SUITE = """\
suite: code_review
prompt: {system: s, user: u}
checks:
  - json
  - json: strict
  - enum: {pointer: /recommendation, values: [approve, comment]}
judges: [code_review]
gate: {semantic: {min: 0.85, on: interval}, margin: 0.05}
cases:
  - id: a
    tags: [x]
    input: {diff_text: d}
    messages: [{role: user, content: hi}]
    expected: {summary: s}
cases_from: data/more.jsonl
"""
JUDGE = """\
judge: code_review
model: judge-model
criteria:
  factual_accuracy: {ask: "Right?", scale: [1, 5], anchors: {1: wrong, 5: right}}
pass: factual_accuracy >= 4
"""
PROMPT = """\
prompt: p
system: s
overrides:
  gpt-*: {user: null, params: {temperature: null}, output: json}
"""
MODELS = """\
models:
  a: {provider: openai, price: {input: 1, output: 2}, accept_unpinned: {reason: r, until: 2027-03-31}}
tasks:
  t: {model: a}
"""
ARTICLE = "t: {provider: openai, model: gpt-5.5, api_version: '2026', temperature: 0.1, max_tokens: 9}\n"


def from_yaml(text: str) -> Any:
    # Editors see every key of YAML as text.
    return json.loads(json.dumps(read_document(text)[0]))


def is_valid(name: str, text: str, **known: Any) -> bool:
    schema: Any = json_schemas(**known)[name]
    return bool(Draft202012Validator(schema).is_valid(from_yaml(text)))


@pytest.mark.parametrize("checks", [{}, check_schemas()], ids=["bare", "with checks"])
def test_every_schema_is_a_schema_with_a_name_and_a_title(checks: Any) -> None:
    schemas: Any = json_schemas(checks)
    configured = {"models", "promote", "shadow", "index"}
    assert set(schemas) == {"suite", "cases", "judge", "calibration", "prompt"} | configured
    for name, schema in schemas.items():
        Draft202012Validator.check_schema(schema)
        assert schema["$id"] == f"{name}.schema.json"
        assert schema["title"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("suite", SUITE),
        ("suite", "suite: s\ngate: every-case\ncases_from: [a.csv, b.yml]\n"),
        ("cases", "- id: a\n- {id: b, checks: [json]}\n"),
        ("judge", JUDGE),
        ("prompt", PROMPT),
        ("models", MODELS),
        ("models", ARTICLE),
    ],
)
def test_what_reading_accepts_is_valid(name: str, text: str) -> None:
    assert is_valid(name, text)
    assert is_valid(name, text, checks=check_schemas())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("suite", SUITE + "cazes: []\n"),
        ("suite", SUITE.replace("expected:", "expectd:")),
        ("suite", SUITE.replace("content: hi", "content: hi, nme: x")),
        ("suite", SUITE.replace("min: 0.85", "min: 85")),
        ("suite", SUITE.replace("id: a", "id: a/b")),
        ("suite", SUITE.replace("suite: code_review", "")),
        ("cases", "[]\n"),
        ("cases", "- id: a\n  tgs: [x]\n"),
        ("judge", JUDGE.replace("pass:", "pass_:")),
        ("judge", JUDGE.replace("[1, 5]", "[1]")),
        ("prompt", PROMPT.replace("gpt-*: {user", "gpt-*: {usr")),
        ("models", MODELS + "x: 1\n"),
        ("models", MODELS.replace("price:", "api_key: sk, price:")),
        ("models", ARTICLE.replace("api_version", "api_versoin")),
        ("models", "{}\n"),
    ],
)
def test_what_reading_refuses_is_not_valid(name: str, text: str) -> None:
    assert not is_valid(name, text)


def test_known_checks_make_unknown_names_and_options_invalid() -> None:
    checks: Any = {"json": {"enum": ["strict"]}, "enum": {"type": "object", "required": ["values"]}}
    assert is_valid("suite", SUITE, checks=checks)
    assert not is_valid("suite", SUITE.replace("- json\n", "- jsn\n"), checks=checks)
    assert not is_valid("suite", SUITE.replace("json: strict", "json: lax"), checks=checks)
    assert not is_valid("cases", "- {id: a, checks: [{enum: {}}]}\n", checks=checks)


def test_the_example_workspace_is_valid() -> None:
    files = {
        "suite": list((ROOT / "cases").glob("*.yml")),
        "cases": list((ROOT / "cases" / "code_review").glob("*.yml")),
        "judge": [*(ROOT / "judges").glob("*.yml")],
        "prompt": [*(ROOT / "prompts").glob("*.yml")],
        "models": [ROOT / "config" / "models.yml"],
    }
    for name, paths in files.items():
        schema: Any = json_schemas(check_schemas())[name]
        assert paths
        for path in paths:
            errors = list(Draft202012Validator(schema).iter_errors(from_yaml(path.read_text())))
            assert not errors, f"{path}: {errors[0].message}"
