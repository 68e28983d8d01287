"""The page about checks: every check and option is on it, and its findings are those that the code prints."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml

from checks_running import mistake
from swapgate.checks import Subject
from swapgate.checks.build import build_checks, check_schemas, finish_check, run_checks
from swapgate.checks.json_reading import JsonKind
from swapgate.records import CheckResult, Response, ToolCall

PAGE = (Path(__file__).parents[1] / "docs" / "checks.md").read_text(encoding="utf-8")
SECTIONS = {part.split("\n", 1)[0]: part for part in PAGE.split("\n## ")[1:]}
BLOCK = re.compile(r"^(`{3,})(\w+) ?(.*)\n((?:.*\n)*?)\1$", re.M)
EXAMPLES = [name for name, text in SECTIONS.items() if "```text finding" in text]


def blocks(section: str) -> dict[str, str]:
    """Return the section's blocks by what follows their language, or by the language."""
    return {what or language: body for _fence, language, what, body in BLOCK.findall(SECTIONS[section])}


def printed(results: tuple[CheckResult, ...]) -> str:
    lines = [f"{result.check}: {finding.message}" for result in results for finding in result.findings]
    return "".join(f"{line}\n" for line in lines)


def subject(section: str) -> Subject:
    """Return the subject of the section's example: an answer's text, or YAML with more of it."""
    answer: Any = blocks(section)["answer"]
    written = (
        yaml.safe_load(answer) if "```yaml answer" in SECTIONS[section] else {"text": answer.rstrip("\n")}
    )
    about = {key: written.pop(key) for key in ("expected", "variables", "cost_usd") if key in written}
    calls = tuple(ToolCall(**call) for call in written.pop("tool_calls", ()))
    return Subject(response=Response(**{"text": "", **written, "tool_calls": calls}), **about)


def findings(section: str, folder: Path) -> str:
    """Return what the section's example prints."""
    for name, source in blocks(section).items():
        if name.endswith(".py"):
            (folder / name).write_text(source)
    return printed(
        run_checks(
            build_checks(yaml.safe_load(blocks(section)["yaml"]), base=folder, root=folder), subject(section)
        )
    )


@pytest.mark.parametrize("section", EXAMPLES)
def test_the_findings_on_the_page_are_what_the_code_says(section: str, tmp_path: Path) -> None:
    assert blocks(section)["finding"] == findings(section, tmp_path)


def test_every_check_has_an_example() -> None:
    assert {name for section in EXAMPLES for name in section.split(", ")} == set(check_schemas())


def test_the_sentence_of_finish_is_on_the_page() -> None:
    cut_off = Subject(response=Response(text="", finish_reason="length"))
    assert blocks("finish")["finish length"] == printed((finish_check().run(cut_off),))


def test_the_mistakes_on_the_page_are_what_the_code_says() -> None:
    found = [
        body.split("\n", 1) for _fence, _language, what, body in BLOCK.findall(PAGE) if what == "mistake"
    ]
    assert len(found) == 2
    for written, said in found:
        assert mistake(written.removeprefix("- "))[1] == said.strip()


@pytest.mark.parametrize("name", sorted(check_schemas()))
def test_every_option_is_in_the_section_of_its_check(name: str) -> None:
    section = next(text for title, text in SECTIONS.items() if name in title.split(", "))
    schema: Any = check_schemas()[name]
    forms = schema.get("anyOf", [schema])
    options = {key for form in forms for key in form.get("properties", {})}
    assert [key for key in sorted(options) if f"`{key}`" not in section] == []


def test_every_kind_of_json_is_on_the_page() -> None:
    assert [kind for kind in get_args(JsonKind) if f"| `{kind}` |" not in PAGE] == []
