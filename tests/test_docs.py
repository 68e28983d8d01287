"""The documentation as a whole: every option, key, name and code is in it, links and YAML are right."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel

import swapgate.plugin
from swapgate.checks.build import check_schemas
from swapgate.cli import main
from swapgate.errors import ErrorKind, ExitCode
from swapgate.providers.open import PROVIDER_NAMES
from swapgate.records import Message, ToolCall
from swapgate.spec import (
    anchors,
    calibration,
    index,
    index_answers,
    index_ramp,
    index_verify,
    judge_kinds,
    judge_models,
    judges,
    labels,
    model_entries,
    prompt_entries,
    shadow,
    shadow_criteria,
    suite,
)
from swapgate.spec.extends import library_files
from swapgate.spec.schemas import json_schemas
from swapgate.spec.settings import SettingsTable
from swapgate.spec.yaml_core import read_document

ROOT = Path(__file__).parents[1]
PAGES = {path.name: path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs").glob("*.md"))}
ALL = {**PAGES, "README.md": (ROOT / "README.md").read_text(encoding="utf-8")}
FENCE = re.compile(r"^(`{3,})(.*)\n((?:.*\n)*?)\1$", re.MULTILINE)
WRITTEN: dict[str, tuple[type[Any], ...]] = {
    "suites.md": (
        suite.Suite,
        suite.Case,
        suite.Quarantine,
        suite.Defaults,
        suite.InlinePrompt,
        Message,
        ToolCall,
    ),
    "configuration.md": (suite.OverallGate, suite.BlindPassRule, suite.Ceiling),
    "models.md": (
        model_entries.CatalogueFile,
        model_entries.ModelEntry,
        model_entries.TaskEntry,
        model_entries.Limits,
        model_entries.Price,
        model_entries.AcceptUnpinned,
    ),
    "prompts.md": (prompt_entries.Prompt, prompt_entries.Override, prompt_entries.Turn),
    "judges.md": (
        judges.RubricSpec,
        judges.Criterion,
        judge_models.Escalate,
        judge_models.Unsure,
        calibration.CalibrationSpec,
        labels.LabelledVerdict,
        labels.LabelledPair,
        labels.Draw,
        labels.Population,
        labels.Drawn,
        anchors.Anchor,
        anchors.Reading,
    ),
    "shadow.md": (
        shadow.ShadowConfig,
        shadow.Route,
        shadow.Match,
        shadow.PromptOverride,
        shadow.Upstream,
        shadow.ShadowLimits,
        shadow.Retention,
        shadow.Redaction,
    ),
    "shadow-decisions.md": (
        shadow_criteria.CriteriaFile,
        shadow_criteria.Comparing,
        shadow_criteria.Criteria,
        shadow_criteria.Slices,
        shadow_criteria.Within,
        shadow_criteria.AtMost,
        shadow_criteria.Least,
        shadow_criteria.Most,
        shadow_criteria.Preferred,
        shadow_criteria.RampPlan,
        shadow_criteria.WatchRules,
    ),
    "indexes.md": (
        index.IndexFile,
        index.IndexEntry,
        index.SqliteStore,
        index.QdrantStore,
        index.PgvectorStore,
        index.EmbedEntry,
        index.MinScore,
        index.SourceEntry,
        index.ChunkEntry,
        index.SummariseEntry,
        index.ReindexEntry,
        index.StepHours,
    ),
    "index-answers.md": (index_answers.AnswersEntry,),
    "index-verification.md": (
        index_verify.VerifyEntry,
        index_verify.SliceVerify,
        index_verify.PreferenceVerify,
    ),
    "index-ramp.md": (index_ramp.RampEntry,),
    "judge-kinds.md": (judge_kinds.Item, judge_kinds.Facts),
}
KEYS = [(page, kind) for page, kinds in WRITTEN.items() for kind in kinds]
SCHEMA_OF = {
    "suite:": "suite",
    "judge:": "judge",
    "calibration:": "calibration",
    "models:": "models",
    "tasks:": "models",
    "prompt:": "prompt",
    "routes:": "shadow",
    "compare:": "promote",
    "criteria:": "promote",
    "migration:": "index",
}


def prose(page: str) -> str:
    """Return a page without its blocks."""
    return FENCE.sub("", ALL[page])


def code(page: str) -> set[str]:
    """Return what stands in backticks on a page, outside of blocks."""
    return set(re.findall(r"`([^`\n]+)`", prose(page)))


def keys(kind: type[Any]) -> list[str]:
    """Return the keys of a model or a record as they are written in YAML."""
    if issubclass(kind, BaseModel):
        return [field.alias or name for name, field in kind.model_fields.items()]
    return [field.name for field in fields(kind)]


def rows(page: str, *, width: int) -> Iterator[list[str]]:
    """Yield the cells of every table row of a page that has this many of them."""
    for line in re.findall(r"^\|(.*)\|$", prose(page), re.MULTILINE):
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) == width:
            yield cells


class Options:
    """Takes the place of pytest's parser and keeps the names of the options."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def getgroup(self, *_words: str) -> Options:
        return self

    def addoption(self, name: str, **_settings: object) -> None:
        self.names.append(name)


def pytest_options() -> list[str]:
    parser = Options()
    swapgate.plugin.pytest_addoption(parser)  # type: ignore[arg-type]
    return parser.names


def settings_rows() -> dict[str, tuple[str, str, str]]:
    """Return option, variable and default of each key in the one table of settings."""
    found = {}
    for option, key, variable, default, _meaning in rows("configuration.md", width=5):
        if variable.startswith("`SWAPGATE_"):
            found[key.strip("`")] = option, variable.strip("`"), default.replace("`", "")
    return found


@pytest.mark.parametrize("option", pytest_options())
def test_every_option_of_pytest_is_in_the_table_of_settings(option: str) -> None:
    named = " ".join(option for option, _variable, _default in settings_rows().values())
    assert option in re.findall(r"--[\w-]+", named)


def test_the_table_of_settings_holds_every_key_with_its_variable_and_default() -> None:
    table = settings_rows()
    assert sorted(table) == sorted(SettingsTable.model_fields)
    for key, field in SettingsTable.model_fields.items():
        _option, variable, default = table[key]
        assert variable == f"SWAPGATE_{key.upper()}"
        assert default == shown(field.default), key


def shown(default: object) -> str:
    """Return a default as the table writes it."""
    if default in (None, ()):
        return "none"
    if isinstance(default, tuple):
        return ", ".join(default)
    return f"{default:g}" if isinstance(default, float) else str(default)


@pytest.mark.parametrize(("page", "kind"), KEYS, ids=[kind.__name__ for _page, kind in KEYS])
def test_every_key_that_people_write_is_on_its_page(page: str, kind: type[Any]) -> None:
    assert [key for key in keys(kind) if key not in code(page)] == []


def test_every_kind_of_judge_has_a_section_with_its_own_keys_and_scores() -> None:
    shared = set(keys(judges.RubricSpec)) - {"calls"}
    for name, kind in list(judge_kinds.KINDS.items())[1:]:  # the rubric has a page of its own
        section = PAGES["judge-kinds.md"].split(f"## `{name}`\n")[1].split("\n## ")[0]
        assert f"kind: {name}\n" in section
        assert [key for key in set(keys(kind)) - shared - {"kind"} if f"`{key}`" not in section] == []


def test_every_judge_of_the_library_has_a_row() -> None:
    named = {cells[0].strip("`") for cells in rows("judge-kinds.md", width=4)}
    assert sorted(name for name in named if name.startswith("swapgate/")) == sorted(library_files())


def test_every_check_is_in_the_documentation() -> None:
    assert sorted(set(check_schemas()) - code("checks.md")) == []


def test_every_provider_is_in_the_documentation() -> None:
    headings = set(re.findall(r"^### (\S+)$", prose("models.md"), re.MULTILINE))
    assert sorted(set(PROVIDER_NAMES) - code("models.md") - headings) == []


def test_every_provider_has_an_example_or_a_row() -> None:
    used = set(re.findall(r"provider: ([\w-]+)", PAGES["models.md"]))
    used |= {cells[0].strip("`") for cells in rows("models.md", width=3)}
    assert sorted(set(PROVIDER_NAMES) - used) == ["google"]  # said to be another name of gemini


def test_every_kind_of_error_has_a_row() -> None:
    kinds = {cells[0].strip("`") for cells in rows("models.md", width=3)}
    assert sorted({kind.value for kind in ErrorKind} - kinds) == []


def test_every_exit_code_has_a_row() -> None:
    codes = {int(cells[0]) for cells in rows("configuration.md", width=2) if cells[0].isdigit()}
    assert codes == set(ExitCode)


def test_every_page_is_in_the_index() -> None:
    linked = set(re.findall(r"\]\(([\w-]+\.md)\)", PAGES["index.md"]))
    assert linked == set(PAGES) - {"index.md"}


def links() -> list[tuple[str, str]]:
    """Return every relative link with the page that holds it."""
    found = [(page, link) for page in ALL for link in re.findall(r"\]\(([^)\s]+)\)", prose(page))]
    return [(page, link) for page, link in found if not re.match(r"[a-z]+:", link)]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a page's headings, made as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize(("page", "link"), links())
def test_every_relative_link_leads_to_a_file_and_a_heading(page: str, link: str) -> None:
    path, _, anchor = link.partition("#")
    folder = ROOT if page == "README.md" else ROOT / "docs"
    target = (folder / path) if path else folder / page
    assert target.exists()
    if anchor:
        assert anchor in anchors(target)


def yaml_blocks() -> list[tuple[str, str, str]]:
    """Return page, schema and text of every whole file in the documentation."""
    found = []
    for page, text in ALL.items():
        for _fence, language, body in FENCE.findall(text):
            kind = "cases" if body.startswith("- id:") else SCHEMA_OF.get(body.split(None, 1)[0])
            if language == "yaml" and kind is not None:
                found.append((page, kind, body))
    return found


@pytest.mark.parametrize(("page", "kind", "text"), yaml_blocks())
def test_yaml_in_the_documentation_is_right(page: str, kind: str, text: str) -> None:
    validator = Draft202012Validator(json_schemas(check_schemas())[kind])  # type: ignore[arg-type]
    written, _places = read_document(text)
    assert [f"{page}: {error.json_path}: {error.message}" for error in validator.iter_errors(written)] == []


def test_there_is_yaml_of_every_kind_in_the_documentation() -> None:
    assert {kind for _page, kind, _text in yaml_blocks()} == {*SCHEMA_OF.values(), "cases"}


def test_the_schemas_in_the_documentation_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    code = main(["schema", str(ROOT / "docs" / "schemas"), "--check"])
    assert code == 0, capsys.readouterr().out


def test_the_workflow_on_the_page_is_the_one_that_init_writes() -> None:
    laid = ROOT / "evals" / "swapgate" / "cli" / "init" / "files" / "workflow.yml"
    assert laid.read_text(encoding="utf-8") in [body for _, _, body in FENCE.findall(PAGES["ci.md"])]


def shell_blocks(page: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the first command of every block of a page, and the lines that it prints."""
    for _fence, language, body in FENCE.findall(PAGES[page]):
        command, *printed = body.splitlines()
        if language == "console":
            yield command.removeprefix("$ "), printed


# What differs from one machine or minute to the next.
MOVING = re.compile(r"^(platform |report: |\$ |\.\.\.$|[=]+ .*(passed|start)|\d$)")


@pytest.mark.parametrize(
    "command", ["pytest --model=example", "pytest --model=example-new --baseline=example"]
)
def test_the_guide_shows_what_the_first_runs_print(
    command: str, pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    assert main(["init", str(pytester.path)]) == 0
    shown = dict(shell_blocks("guide.md"))[command]
    result = pytester.runpytest(*command.split()[1:])
    printed = {line.rstrip() for line in result.outlines}
    assert [line for line in shown if not MOVING.match(line) and line.rstrip() not in printed] == []
    assert result.ret == int(shown[-1])
