"""From what people write under `checks:` to checks with names, and running them."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import yaml

from checks_running import mistake
from swapgate.checks import Subject
from swapgate.checks import build as building
from swapgate.checks.build import CheckOptionsError, UserCheckFailed, build_checks, check_schemas, run_checks
from swapgate.errors import UsageError
from swapgate.records import Response

NAMES = (
    "json", "schema", "python_model", "enum", "required_keys", "regex", "not_regex", "contains",
    "not_contains", "length", "tool_call", "latency", "cost", "finish_reason", "python", "expected",
)  # fmt: skip
HERE = Path(__file__).parent


def names(entries: str, *, taken: tuple[str, ...] = ()) -> list[str]:
    return [check.name for check in build_checks(yaml.safe_load(entries), base=HERE, root=HERE, taken=taken)]


def test_checks_keep_their_order_and_get_distinct_names() -> None:
    enums, patterns = "enum: {/a: [1]}, enum: {/b: [1]}, enum: {/b: [2]}", "regex: x, regex: y"
    assert names(f"[json, {enums}, {patterns}, regex: {{pattern: z, pointer: /c}}]") == [
        "json",
        "enum",
        "enum:/b",
        "enum:/b#2",
        "regex",
        "regex#2",
        "regex:/c",
    ]


def test_names_of_the_suites_checks_are_not_given_to_a_cases() -> None:
    assert names("[enum: {/b: [1]}]", taken=("enum",)) == ["enum:/b"]


def test_an_unknown_check_names_the_nearest_and_its_index() -> None:
    with pytest.raises(
        CheckOptionsError, match=r"^unknown check 'contian'\. Did you mean 'contains'\?$"
    ) as caught:
        build_checks(["json", {"contian": "x"}], base=HERE, root=HERE)
    assert (caught.value.index, caught.value.pointer) == (1, "/contian")
    assert isinstance(caught.value, UsageError)


@pytest.mark.parametrize(
    ("written", "pointer", "message"),
    [
        ("finish", "", "the check 'finish' runs on every answer by itself; remove it"),
        ("{enum: , pointer: /a, values: [1]}", "/enum", "indent the options of 'enum' under it"),
        ("{json: strict, enum: {}}", "", "wanted one check for each entry of the list, got 'json', 'enum'"),
        ("{}", "", "wanted one check for each entry of the list, got nothing"),
    ],
)
def test_entries_of_the_wrong_shape_are_explained(written: str, pointer: str, message: str) -> None:
    assert mistake(written) == (pointer, message)


WRITTEN = """
json: [strict, {mode: fenced, root: object}]
schema: [schemas/a.json, {type: object, $defs: {}}]
python_model: ["a.b:C", {model: "a.b:C"}]
enum:
  - {pointer: /a, values: [1, x]}
  - [{pointer: /a, values: [x]}]
  - {/a: [x], /b: [y]}
  - {rules: [{pointer: /a, values: [x]}]}
required_keys: [a, [a, /b/c], {keys: [a]}]
regex: [x, {pattern: x, pointer: /a, flags: [ignore_case]}]
not_regex: [x]
contains: [x, [x, y], {any: [x], ignore_case: true, pointer: /a}]
not_contains: [x, {all: [x]}]
length: [{max_words: 3}]
tool_call: [search, {name: search, arguments: {q: x}, count: 1}, {none: true}]
latency: [2, {max_s: 2.5}]
cost: [0.1, {max_usd: 0.1}]
finish_reason: [stop, [stop, length], {allowed: [stop]}]
python: ["a:f", {call: "a:f", kind: semantic, args: {x: 1}}]
expected: [text, [/a], /a, {pointers: [/a], tolerance: 0.1}]
"""


def test_there_is_a_schema_with_a_description_for_every_check() -> None:
    schemas = check_schemas()
    assert set(schemas) == set(NAMES)
    written = yaml.safe_load(WRITTEN)
    assert set(written) == set(NAMES)
    for name, schema in schemas.items():
        assert isinstance(schema, dict)
        assert isinstance(schema["description"], str)
        validator = jsonschema.Draft202012Validator(schema)
        validator.check_schema(schema)
        for options in written[name]:
            validator.validate(options)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("json", "strct"),
        ("json", {"mood": "strict"}),
        ("enum", {"pointer": "/a"}),
        ("length", {"max_word": 1}),
        ("python", {"args": {}}),
        ("latency", {}),
    ],
)
def test_the_schemas_refuse_what_building_refuses(name: str, options: object) -> None:
    assert not jsonschema.Draft202012Validator(check_schemas()[name]).is_valid(options)
    with pytest.raises(CheckOptionsError):
        build_checks([{name: options}], base=HERE, root=HERE)  # type: ignore[dict-item]


PACKAGE = """
from dataclasses import dataclass

from swapgate.checks.options import CheckOptions, CheckType
from swapgate.records import CheckResult


class ShoutOptions(CheckOptions):
    marks: int = 1


@dataclass(frozen=True, kw_only=True)
class ShoutCheck:
    name: str
    marks: int
    kind: str = "structural"

    def run(self, subject):
        text = subject.response.text
        if text == "boom":
            raise LookupError("no such word")
        return CheckResult(check=self.name, kind=self.kind, passed=text.endswith("!" * self.marks))


SHOUT = CheckType(
    name="shout",
    summary="The answer is loud.",
    options=ShoutOptions,
    build=lambda name, options, folders: ShoutCheck(name=name, marks=options.marks),
)
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with a check of its own, installed for the test."""
    (tmp_path / "shouting.py").write_text(PACKAGE)
    info = tmp_path / "shouting-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: shouting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[swapgate.checks]\nshout = shouting:SHOUT\njson = shouting:SHOUT\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    building._types.cache_clear()
    yield
    building._types.cache_clear()
    sys.modules.pop("shouting", None)


@pytest.mark.usefixtures("installed")
def test_a_package_adds_a_check_and_cannot_replace_a_built_in_one() -> None:
    checks = build_checks([{"shout": {"marks": 2}}, "json"], base=HERE, root=HERE)
    results = run_checks(checks, Subject(response=Response(text="hey!!")))
    assert [(r.check, r.passed) for r in results] == [("shout", True), ("json", False)]
    assert "shout" in check_schemas()
    assert "unknown key 'mark' in the check. Did you mean 'marks'?" in mistake("shout: {mark: 1}")[1]


@pytest.mark.usefixtures("installed")
def test_an_exception_in_a_packages_check_is_an_error() -> None:
    checks = build_checks(["shout"], base=HERE, root=HERE)
    line = PACKAGE.splitlines().index('            raise LookupError("no such word")') + 1
    with pytest.raises(UserCheckFailed, match=rf"LookupError: no such word \(.*shouting.py:{line}\)"):
        run_checks(checks, Subject(response=Response(text="boom")))


def test_importing_the_checks_loads_neither_jsonschema_nor_pandas() -> None:
    heavy = "('jsonschema', 'pandas', 'referencing')"
    code = f"import sys, swapgate.checks.build; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=HERE.parent / "evals"
    )
    assert done.stdout.strip() == "[]"
