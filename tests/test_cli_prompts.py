"""`swapgate prompt lint` and `prompt diff`: prompts looked at as files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.cli import main
from swapgate.prompting.wording import promised, wanted
from swapgate.spec.templates import used_names
from workspaces import lay

MODELS = """\
models:
  old: {provider: openai, model: gpt-5.5-2026-04-23}
  new: {provider: deepseek, model: deepseek-v4-pro, params: {max_tokens: 99}}
"""
SCHEMA = {
    "type": "object",
    "properties": {"label": {"enum": ["billing", "bug"]}, "why": {"type": "string"}},
    "required": ["label", "why"],
    "additionalProperties": False,
}
SUITE = f"""\
suite: triage
prompt: label
checks:
  - schema: {json.dumps(SCHEMA)}
cases:
  - {{id: one, input: {{message: "x"}}}}
"""
GOOD = """\
prompt: label
system: |
  Answer with {"label": "billing" | "bug", "why": "one sentence"}.
user: |
  <message>
  {{ message }}
  </message>
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, {"config/models.yml": MODELS, "cases/triage.yml": SUITE, "prompts/label.yml": GOOD})
    return tmp_path


def findings(root: Path, prompt: str, capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    lay(root, {"prompts/label.yml": prompt})
    main(["prompt", "lint", "--json"])
    found: list[dict[str, Any]] = json.loads(capsys.readouterr().out)["findings"]
    return found


@pytest.mark.usefixtures("root")
def test_good_prompt_leaves_nothing_to_put_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompt", "lint", "--strict"]) == 0
    assert capsys.readouterr().out == "1 prompt: nothing to put right\n"


@pytest.mark.parametrize(
    ("prompt", "rule", "severity", "line", "told"),
    [
        (GOOD.replace("Answer", "Use sk-abcdefghijklmnop1234. Answer"), "secret", "error", 2, "like a key"),
        (GOOD.replace("{{ message }}", "nothing"), "unused-input", "warning", 1, "'message' of suite triage"),
        (f"{GOOD}blocks: {{tone: Be kind.}}\n", "unused-block", "warning", 8, "{{ blocks.tone }}"),
        (f"{GOOD}overrides:\n  gone: {{user: x}}\n", "override-unmatched", "warning", 9, "never exercised"),
        (
            f"{GOOD}overrides:\n  old: {{params: {{}}}}\n",
            "override-without-effect",
            "warning",
            9,
            "changes nothing for old",
        ),
        (GOOD.replace('"why"', '"reason"'), "key-not-allowed", "error", 1, "the base asks for 'reason'"),
        (GOOD.replace('"why"', '"reason"'), "key-not-told", "warning", 1, "never says 'why'"),
        (GOOD.replace('"bug"', '"defect"'), "value-not-allowed", "error", 1, "offers 'defect' for 'label'"),
        (GOOD.replace('"bug"', '"defect"'), "value-not-told", "warning", 1, "never says 'bug'"),
        (
            f'{GOOD}overrides:\n  "deepseek-*": {{system: "Say {{\\"label\\": \\"billing|bug|why\\"}}"}}\n',
            "value-not-allowed",
            "error",
            1,
            "the override deepseek-* offers 'why'",
        ),
        (
            GOOD.replace(
                "user: |\n  <message>\n  {{ message }}\n  </message>", 'user: "About {{ message }}"'
            ),
            "slot-unmarked",
            "note",
            4,
            "between tags or fences",
        ),
        (
            GOOD.replace('sentence"}.', 'sentence"}. {{ message }}'),
            "slot-in-system",
            "warning",
            2,
            "system turn",
        ),
    ],
)
def test_finding_says_what_is_wrong_and_where(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    prompt: str,
    rule: str,
    severity: str,
    line: int,
    told: str,
) -> None:
    found = [one for one in findings(root, prompt, capsys) if one["rule"] == rule]
    assert found, f"no {rule}"
    assert {(one["severity"], one["path"]) for one in found} == {(severity, "prompts/label.yml")}
    assert line in {one["line"] for one in found}
    assert any(told in one["message"] for one in found)


def test_key_in_a_prompt_is_found_and_not_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(root, {"prompts/label.yml": GOOD.replace("Answer", "Use sk-abcdefghijklmnop1234. Answer")})
    assert main(["prompt", "lint"]) == 1
    told = capsys.readouterr()
    assert "sk-abcdef" not in told.out + told.err


def test_contradiction_fails_and_a_warning_only_where_it_is_asked(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(root, {"prompts/label.yml": GOOD.replace('"bug"', '"defect"')})
    assert main(["prompt", "lint"]) == 1
    lay(root, {"prompts/label.yml": f"{GOOD}blocks: {{tone: Be kind.}}\n"})
    assert main(["prompt", "lint", "label"]) == 0
    assert main(["prompt", "lint", "label", "--strict"]) == 1
    capsys.readouterr()


def test_a_provider_that_is_given_the_schema_needs_no_words_about_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert findings(root, 'prompt: label\nuser: "{{ message }}"\noutput: schema\n', capsys) == []


def test_prompt_of_a_suite_is_looked_at_in_its_file(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = SUITE.replace("prompt: label", 'prompt:\n  system: "{{ message }} bug, billing, label, why"')
    lay(root, {"cases/triage.yml": own})
    (root / "prompts" / "label.yml").unlink()
    assert main(["prompt", "lint", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert (found["path"], found["line"], found["rule"]) == ("cases/triage.yml", 3, "slot-in-system")


@pytest.mark.usefixtures("root")
def test_unknown_prompt_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompt", "lint", "lable"]) == 4
    assert "unknown prompt 'lable'. Did you mean 'label'?" in capsys.readouterr().err


def test_unused_prompt_is_told_once_no_suite_names_it(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(root, {"prompts/spare.txt": "Hello"})
    main(["prompt", "lint", "spare"])
    assert "prompts/spare.txt:1: warning: spare: no suite uses this prompt" in capsys.readouterr().out


# Differences


def test_difference_shows_text_parameters_and_tokens(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    override = 'overrides:\n  "deepseek-*": {system: "ONLY JSON."}\n'
    lay(root, {"prompts/label.yml": f"{GOOD}{override}"})
    assert main(["prompt", "diff", "label", "old", "new"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "+ONLY JSON." in lines
    assert '-Answer with {"label": "billing" | "bug", "why": "one sentence"}.' in lines
    assert any(line.startswith("new: about ") and "max_tokens=99" in line for line in lines)
    assert lines[-1].startswith("text: -")
    assert main(["prompt", "diff", "label", "old", "new", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["is_same"], told["after"]["overrides"]) == (False, ["deepseek-*"])


@pytest.mark.usefixtures("root")
def test_the_same_prompt_for_both_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    main(["prompt", "diff", "label", "old", "old"])
    assert capsys.readouterr().out.startswith("label is the same for both")
    main(["prompt", "diff", "label", "old", "new"])
    assert "the text is the same" in capsys.readouterr().out
    assert main(["prompt", "diff", "label", "old", "nwe"]) == 4


# What texts promise


def test_what_a_text_promises_of_the_answer() -> None:
    told = promised('{"a": 1, "b": "x|y", "c": "p" | "q" | "r", note: 3}')
    assert told.keys == {"a", "b", "c"}
    assert told.choices == {"b": {"x", "y"}, "c": {"p", "q", "r"}}


@given(st.text(max_size=400))
def test_any_text_can_be_looked_at(text: str) -> None:
    told = promised(text)
    assert told.choices.keys() <= told.keys


def test_what_a_schema_wants_is_found_at_any_depth() -> None:
    inner = {"type": "object", "properties": {"severity": {"enum": ["low", "high"]}}}
    want = wanted({"properties": {"issues": {"type": "array", "items": inner}}, "required": ["issues"]})
    assert want.keys == {"issues", "severity"}
    assert want.values == {"severity": ("low", "high")}
    assert (want.required, want.is_closed) == (("issues",), False)


def test_names_that_a_template_reads() -> None:
    read = used_names("{% for x in xs %}{{ x }}{% endfor %}{{ blocks.a }}{{ blocks['b'] }}{{ range(3) }}")
    assert read.variables == {"xs"}
    assert read.blocks == {"a", "b"}
