"""`swapgate check`, `schema`, `models list` and `prompt render`: the files of a workspace, without a call."""

from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from swapgate.cli import main
from workspaces import RIGHT, lay, recorded_workspace

MODELS = """\
models:
  big: {provider: openai, model: gpt-4o-2024-08-06, fallback: own}
  own: {provider: openai-compatible, base_url: "http://[::1]:1", model: m, price: {input: 1.5, output: 2}}
  out: {provider: recorded, path: outputs/out.jsonl}
"""
PROMPT = """\
prompt: label
system: Sort it.
user: "About: {{ message }}"
params: {temperature: 0.5}
overrides:
  "provider:openai-compatible": {params: {temperature: 0}, output: json}
  own: {system: Sort the text.}
"""
SUITE = """\
suite: triage
prompt: label
checks: [json]
cases:
  - {id: one, input: {message: "a \\e[31mred\\e[0m bill"}}
"""
FILES = {
    "cases/triage.yml": SUITE,
    "prompts/label.yml": PROMPT,
    "config/models.yml": MODELS,
    "outputs/out.jsonl": '{"case": "one", "output": "{}"}\n',
}

ON_LINUX = pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file that opens unread")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, FILES)
    return tmp_path


@pytest.mark.usefixtures("root")
def test_models_show_the_key_variable_and_never_its_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-value")
    assert main(["models", "list"]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[1] == "big openai gpt-4o-2024-08-06 OPENAI_API_KEY (set) own 2.5 / 10"
    assert lines[2] == "own openai-compatible m none needed 1.5 / 2"
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    assert main(["models", "list", "--json"]) == 0
    big = json.loads(capsys.readouterr().out)[0]
    assert (big["key_variable"], big["is_key_set"]) == ("OPENAI_API_KEY", False)


@pytest.mark.usefixtures("root")
def test_prompt_is_rendered_with_the_overrides_of_the_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["prompt", "render", "label", "--model", "own", "--var", "message=a=b", "--json"]) == 0
    rendered = json.loads(capsys.readouterr().out)
    said = [(message["role"], message["content"]) for message in rendered["messages"]]
    assert said == [("system", "Sort the text."), ("user", "About: a=b")]
    assert rendered["params"] == {"temperature": 0} and rendered["output"] == "json"
    assert len(rendered["overrides"]) == 2 and rendered["hash"]


@pytest.mark.usefixtures("root")
def test_prompt_is_filled_from_a_case_and_cannot_steer_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = ["prompt", "render", "label", "--model", "big", "--case", "cases/triage.yml::one"]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "--- user ---\nAbout: a \\x1b[31mred\\x1b[0m bill\n" in said
    assert "overrides: none" in said and "params:    temperature=0.5" in said
    assert main([*arguments, "--var", "message=mine"]) == 0
    assert "About: mine" in capsys.readouterr().out


def test_prompt_written_into_a_suite_is_rendered_by_the_suites_name(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(
        root,
        {"cases/own.yml": "suite: own\nprompt: {user: 'Hi {{ n }}'}\ncases: [{id: a, input: {n: Ann}}]\n"},
    )
    assert main(["prompt", "render", "own", "--model", "big", "--case", "cases/own.yml::a"]) == 0
    assert "--- user ---\nHi Ann\n" in capsys.readouterr().out


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["label", "--model", "big"], "'message' has no value"),
        (["lable", "--model", "big"], "unknown prompt 'lable'. Did you mean 'label'?"),
        (["label", "--model", "bag"], "unknown model 'bag'. Did you mean 'big'?"),
        (["label", "--model", "big", "--case", "one"], "write SUITE_FILE::CASE_ID"),
        (["label", "--model", "big", "--case", "cases/no.yml::one"], "no file 'cases/no.yml'"),
        (["label", "--model", "big", "--case", "cases/triage.yml::ones"], "Did you mean 'one'?"),
        (["label", "--model", "big", "--var", "message"], "write KEY=VALUE"),
    ],
)
def test_mistake_in_rendering_says_what_to_write(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["prompt", "render", *arguments]) == 4
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("root")
def test_check_counts_what_it_read(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0
    assert capsys.readouterr().out == "1 suite, 1 case, 1 prompt, 0 judges, 3 models: no mistakes\n"


@pytest.mark.parametrize(
    ("suite", "counted"),
    [
        (SUITE.replace("checks:", "judges: [nobody]\nchecks:"), "1 suite, 1 case"),
        ("suite: [", "1 suite, 0 cases"),
        pytest.param(None, "1 suite, 0 cases", marks=ON_LINUX),
    ],
)
def test_check_counts_suites_with_mistakes_too(
    root: Path, capsys: pytest.CaptureFixture[str], suite: str | None, counted: str
) -> None:
    if suite is None:
        (root / "cases" / "triage.yml").unlink()
        (root / "cases" / "triage.yml").symlink_to("/proc/self/mem")  # opens, and cannot be read
    else:
        lay(root, {"cases/triage.yml": suite})
    assert main(["check"]) == 4
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"{counted}, ")


@pytest.mark.parametrize("entry", ["{provider: openai, model: 3}", "[1"])
def test_mistake_in_models_is_told_once_however_many_judges_name_the_model(
    root: Path, capsys: pytest.CaptureFixture[str], entry: str
) -> None:
    judge = "judge: {0}\nmodel: big\ncriteria: {{a: {{ask: b}}}}\npass: a >= 1\n"
    judges = {f"judges/{name}.yml": judge.format(name) for name in ("j", "k")}
    suite = {"cases/triage.yml": SUITE.replace("checks:", "judges: [j, k]\nchecks:")}
    lay(root, {**judges, **suite, "config/models.yml": f"models:\n  big: {entry}\n"})
    assert main(["check"]) == 4
    mistake, last = capsys.readouterr().out.splitlines()
    assert mistake.startswith("config/models.yml:") and mistake.count("config/models.yml:") == 1
    assert last.endswith(": 1 mistake")


def test_check_reports_every_mistake_with_its_place(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(
        root,
        {
            "cases/other.yml": "suite: other\nprompt: label\nchecks: [contian]\ncases: [{id: a}]\n",
            "cases/third.yml": "suite: third\nprompt: label\ncases:\n  - id: a\n    input: {mesage: x}\n",
            "cases/twin.yml": "suite: triage\nprompt: label\ncases: [{id: a, input: {message: x}}]\n",
            "judges/j.yml": "judge: j\nmodel: nobody\ncriteria: {a: {ask: b}}\npass: a\n",
            "prompts/broken.yml": "prompt: broken\nuser: '{{ x'\n",
        },
    )
    assert main(["check"]) == 4
    *mistakes, last = capsys.readouterr().out.splitlines()
    for start in (
        "prompts/broken.yml:2: ",
        "judges/j.yml:2: unknown model 'nobody'",
        "cases/other.yml:3: unknown check 'contian'",
        "cases/twin.yml:1: the suite 'triage' is already in cases/triage.yml",
        "cases/third.yml:4: case 'a': ",
    ):
        assert any(mistake.startswith(start) for mistake in mistakes), (start, mistakes)
    assert last.endswith(f": {len(mistakes)} mistakes")


def test_every_mistake_of_one_file_is_told_and_counted_by_itself(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(
        root,
        {
            "cases/keys.yml": "suite: keys\npromt: x\nchecs: []\ncases:\n  - {idd: a}\n",
            "cases/built.yml": "suite: built\nprompt: label\nchecks:\n  - contian\n  - enum: {pointer: x}\n"
            "judges: [nope, nada]\ncases:\n  - {id: a, input: {message: x}, checks: [foo, bar]}\n"
            "  - {id: b, input: {message: x}, checks: [foo]}\n",
            "cases/lines.yml": "suite: lines\nprompt: label\ncases_from: [lines.jsonl, rows.csv]\n",
            "cases/lines.jsonl": '{"id": "a", "inputs": {}}\n' * 12 + '{"id": "a"\n',
            "cases/rows.csv": "id,message\na\nb,x\nc d,x\n",
            "config/models.yml": MODELS.replace("fallback: own", "fallback: nobody")
            + "  more: {provider: openai, model: gpt-4o-2024-08-06, fallback: noone}\n",
        },
    )
    assert main(["check", "--json"]) == 4
    found = json.loads(capsys.readouterr().out)["mistakes"]
    assert not [one for one in found if "\n" in one]
    places = Counter(":".join(one.split(":")[:2]) for one in found)
    assert places == {
        "config/models.yml:2": 1,
        "config/models.yml:5": 1,
        "cases/keys.yml:2": 1,
        "cases/keys.yml:3": 1,
        "cases/keys.yml:5": 2,
        "cases/built.yml:4": 1,
        "cases/built.yml:5": 1,
        "cases/built.yml:6": 2,
        "cases/built.yml:8": 2,
        "cases/built.yml:9": 1,
        **{f"cases/lines.jsonl:{line}": 1 for line in range(1, 14)},
        "cases/rows.csv:2": 1,
        "cases/rows.csv:4": 1,
    }
    assert main(["check"]) == 4
    *told, last = capsys.readouterr().out.splitlines()
    assert told == found and last.endswith(f": {len(found)} mistakes")


def test_file_of_another_kind_is_not_told_of_line_by_line_without_end(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(
        root,
        {
            "cases/lines.yml": "suite: lines\nprompt: label\ncases_from: lines.jsonl\n",
            "cases/lines.jsonl": "no JSON\n" * 1_500,
        },
    )
    assert main(["check", "--json"]) == 4
    assert len(json.loads(capsys.readouterr().out)["mistakes"]) == 1_000


def test_missing_prompt_variable_is_found_for_every_model_that_needs_it(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(root, {"prompts/label.yml": PROMPT.replace("Sort the text.", "'Sort {{ what }}.'")})
    assert main(["check", "--model", "big"]) == 0
    assert main(["check", "--model", "own", "--json"]) == 4
    (mistake,) = json.loads(capsys.readouterr().out.split("\n", 1)[1])["mistakes"]
    assert "'what' has no value" in mistake and "'own'" in mistake


def test_one_reason_for_many_cases_and_models_is_one_mistake(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = "".join(f"  - {{id: c{n}, input: {{mesage: x}}}}\n" for n in range(3))
    lay(root, {"cases/triage.yml": f"suite: triage\nprompt: label\ncases:\n{cases}"})
    assert main(["check"]) == 4
    mistake, last = capsys.readouterr().out.splitlines()
    assert mistake.startswith("cases/triage.yml:4: case 'c0': prompt 'label' for model 'big': ")
    assert mistake.endswith("(also for 2 more cases and 2 more models)")
    assert last.endswith(": 1 mistake")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nobody", "unknown model 'nobody'"),
        ("azuer:x", "unknown provider 'azuer'"),
        ("recorded:none.jsonl", "is not a file in the workspace"),
    ],
)
def test_model_that_cannot_be_opened_is_a_mistake(
    capsys: pytest.CaptureFixture[str], model: str, message: str
) -> None:
    assert main(["check", "--model", model]) == 4
    assert message in capsys.readouterr().out


def test_entry_that_cannot_be_opened_is_shown_by_its_line(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "outputs/out.jsonl").unlink()
    assert main(["check", "--model", "out"]) == 4
    assert "config/models.yml:4: model 'out'" in capsys.readouterr().out


def test_an_address_or_provider_mistyped_is_found_without_naming_the_model(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(
        root,
        {
            "config/models.yml": "models:\n  typo: {provider: opennai}\n"
            "  far: {provider: vllm, base_url: 'localhost:80'}\n"
            "  code: {provider: python, model: 'elsewhere:answer'}\n"
            "  file: {provider: recorded, path: elsewhere.jsonl}\n"
        },
    )
    assert main(["check"]) == 4
    provider, address, last = capsys.readouterr().out.splitlines()
    assert provider.startswith("config/models.yml:2: model 'typo': unknown provider 'opennai'. Did you mean")
    assert address.startswith("config/models.yml:3: model 'far': base_url 'localhost:80' is not an address")
    assert last.endswith(": 2 mistakes")


def test_cases_that_no_suite_reads_are_a_mistake(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    headless = "- {id: forgotten, input: {message: x}}\n"
    lay(root, {"cases/more.yml": headless, "cases/data.yml": "[1, 2]\n"})
    assert main(["check"]) == 4
    assert "cases/more.yml: no suite reads these cases: name the file in" in capsys.readouterr().out
    lay(root, {"cases/triage.yml": f"{SUITE}cases_from: more.yml\n"})
    assert main(["check"]) == 0


def test_what_is_no_file_is_no_suite(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "cases/folder.yml").mkdir()
    os.mkfifo(root / "cases/pipe.yml")
    (root / "cases/.#triage.yml").symlink_to("user@host.1234")  # the lock of an editor
    assert main(["check"]) == 0
    capsys.readouterr()
    (root / "cases/loop.yml").symlink_to("loop.yml")
    assert main(["check"]) == 4
    assert "cases/loop.yml: the link leads nowhere: no run has its cases" in capsys.readouterr().out


def test_check_of_one_path_reads_only_that(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(root, {"cases/bad.yml": "suite: 7\n"})
    assert main(["check", "cases/triage.yml"]) == 0
    capsys.readouterr()
    assert main(["check", "outputs"]) == 4
    assert "outputs: no suite there. Suites are YAML files below cases" in capsys.readouterr().out


def test_broken_models_file_does_not_hide_other_mistakes(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(
        root,
        {"config/models.yml": "models: {big: {provider: openai, modle: x}}\n", "cases/bad.yml": "suit: x\n"},
    )
    assert main(["check"]) == 4
    said = capsys.readouterr().out
    assert "config/models.yml:1: unknown key 'modle'" in said and "cases/bad.yml:1: " in said


def test_schemas_are_written_and_checked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "schemas"
    assert main(["schema", str(folder), "--check"]) == 1
    assert not folder.exists()
    assert main(["schema", str(folder)]) == 0
    assert "# yaml-language-server: $schema=" in capsys.readouterr().out
    kinds = (
        "suite",
        "cases",
        "judge",
        "calibration",
        "prompt",
        "models",
        "promote",
        "shadow",
        "index",
        "report",
    )
    assert {file.name for file in folder.iterdir()} == {f"{kind}.schema.json" for kind in kinds}
    assert main(["schema", str(folder), "--check"]) == 0
    (folder / "judge.schema.json").write_text("{}")
    capsys.readouterr()
    assert main(["schema", str(folder), "--check", "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["stale"] == ["judge.schema.json"]


def test_schemas_go_into_the_state_folder_by_default(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded_workspace(tmp_path, {"a": {"one": RIGHT}})
    monkeypatch.chdir(tmp_path)
    assert main(["schema"]) == 0
    assert (tmp_path / ".swapgate/schemas/suite.schema.json").is_file()
    assert "$schema=../.swapgate/schemas/suite.schema.json" in capsys.readouterr().out
