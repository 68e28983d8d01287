"""`swapgate models lint`: what it says of a workspace's models and of ids in source code."""

from __future__ import annotations

import json
import subprocess
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from swapgate.cli import main
from swapgate.cli.models import lint as models_lint
from swapgate.cli.models import outdated as models_outdated
from swapgate.pins.catalogue import bundled
from swapgate.pins.scan import MOST_BYTES, scan
from workspaces import lay

SCHEMAS = Path(__file__).parent / "schemas"
GOOD = "models:\n  a: {provider: openai, model: gpt-5.5-2026-04-23}\n"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    # What retires when is a matter of the day.
    monkeypatch.setattr(models_lint, "today_utc", lambda: date(2026, 11, 26))
    (tmp_path / "cases").mkdir()
    return tmp_path


def linted(
    root: Path, models: str, capsys: pytest.CaptureFixture[str], *options: str
) -> tuple[int, list[dict[str, Any]]]:
    lay(root, {"config/models.yml": models})
    code = main(["models", "lint", "--json", *options])
    return code, json.loads(capsys.readouterr().out)["findings"]


def test_pinned_models_leave_nothing_to_put_right(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(root, {"config/models.yml": GOOD})
    assert main(["models", "lint"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["a", "openai", "gpt-5.5-2026-04-23", "pinned", "dated"]
    assert lines[-1].startswith("1 model: nothing to put right (catalogue of ")


@pytest.mark.parametrize(
    ("entry", "line", "rule", "severity", "told"),
    [
        ("model: gpt-4o", 4, "floating", "error", "there are dated snapshots, such as gpt-4o-2024-11-20"),
        ("model: o1-preview", 4, "preview", "error", "is a preview"),
        ("model: gpt-4o-2024-08-06", 4, "retires-soon", "warning", "as its successor"),
        ("model: gpt-3.5-turbo-0301", 4, "retired", "error", "was to be retired on 2024-09-13 (by openai)"),
        ("model: gpt-6.1-soll", 4, "unlisted", "warning", "Did you mean 'gpt-6.1-sol'?"),
        ("model: gpt-5.5-2026-04-23\n    price: {input: 0, output: 0}", 5, "zero-price", "warning", "is 0"),
        (
            "model: gpt-4o\n    accept_unpinned: {reason: no other, until: 2026-01-01}",
            5,
            "acceptance-over",
            "error",
            "accepted until 2026-01-01",
        ),
        (
            "model: gpt-5.5-2026-04-23\n    accept_unpinned: {reason: x, until: 2099-01-01}",
            5,
            "accepted-needlessly",
            "note",
            "is pinned",
        ),
        (
            "model: gpt-5.5-2026-04-23\n    fallback: openai:gpt-5.5",
            5,
            "fallback-floats",
            "warning",
            "openai:gpt-5.5 is a floating id",
        ),
        (
            "model: gpt-5.5-2026-04-23\n    fallback: openai:gpt-6.1-sol",
            5,
            "fallback-shares-failure",
            "warning",
            "is served by openai too",
        ),
        (
            "model: gpt-5.5-2026-04-23\n    fallback: openai:o1-mini-2024-09-12",
            5,
            "fallback-retired",
            "error",
            "retired",
        ),
    ],
)
def test_finding_has_its_line_its_reason_and_its_severity(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    entry: str,
    line: int,
    rule: str,
    severity: str,
    told: str,
) -> None:
    code, findings = linted(root, f"models:\n  a:\n    provider: openai\n    {entry}\n", capsys)
    (found,) = [one for one in findings if one["rule"] == rule]
    assert (found["path"], found["line"], found["severity"]) == ("config/models.yml", line, severity)
    assert told in found["message"]
    assert code == (1 if any(one["severity"] == "error" for one in findings) else 0)


def test_accepted_alias_is_a_note_and_passes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    accepted = "accept_unpinned: {reason: cheap, until: 2099-01-01}"
    models = f"models:\n  a: {{provider: openai, model: gpt-4.1-nano, {accepted}}}\n"
    _code, findings = linted(root, models, capsys)
    assert ("floating", "note") in {(one["rule"], one["severity"]) for one in findings}


def test_parameter_that_a_model_rejects_is_found_unless_it_is_unset(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    entry = "models:\n  a: {provider: anthropic, model: claude-opus-5, params: {temperature: 0}%s}\n"
    assert [f["rule"] for f in linted(root, entry % "", capsys)[1]] == ["rejected-parameter"]
    assert linted(root, entry % ", unset: [temperature]", capsys)[1] == []


@pytest.mark.parametrize(
    ("model", "params", "refused"),
    [
        ("gpt-5-mini-2025-08-07", {"temperature": 0.2, "top_p": 0.9}, ["temperature", "top_p"]),
        ("gpt-5-mini-2025-08-07", {"temperature": 1}, []),
        ("gpt-5.2-2025-12-11", {"temperature": 0.2}, []),
        ("gpt-5.2-2025-12-11", {"temperature": 0.2, "reasoning_effort": "low"}, ["temperature"]),
        ("gpt-5.5-2026-04-23", {"temperature": 0.2}, ["temperature"]),
        ("gpt-5.5-2026-04-23", {"temperature": 0.2, "reasoning_effort": "none"}, []),
        ("o3-2025-04-16", {"presence_penalty": 1, "max_tokens": 9}, ["presence_penalty"]),
        ("gpt-4.1-2025-04-14", {"temperature": 0.2, "top_p": 0.9, "logprobs": True}, []),
    ],
)
def test_what_a_reasoning_model_takes_depends_on_its_effort(
    root: Path, capsys: pytest.CaptureFixture[str], model: str, params: dict[str, object], refused: list[str]
) -> None:
    entry = {"provider": "openai", "model": model, "params": params}
    _code, findings = linted(root, json.dumps({"models": {"a": entry}}), capsys)
    found = [one for one in findings if one["rule"] == "rejected-parameter"]
    assert [one["message"].split("'")[3] for one in found] == refused
    is_free_at_none = model.startswith(("gpt-5.2", "gpt-5.5"))
    assert all(("unless `reasoning_effort` is none" in one["message"]) == is_free_at_none for one in found)


def test_strict_fails_for_a_warning(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = (
        f"{GOOD.rstrip()}\n  b: {{provider: openai, model: gpt-6.1-sol, price: {{input: 0, output: 0}}}}\n"
    )
    assert linted(root, models, capsys)[0] == 0
    assert linted(root, models, capsys, "--strict")[0] == 1


def test_the_articles_form_of_the_file_has_its_lines_too(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _code, findings = linted(root, "code_review:\n  provider: openai\n  model: gpt-4o\n", capsys)
    assert {(one["rule"], one["line"]) for one in findings} >= {("floating", 3)}


def test_workspace_without_models_is_told_what_to_do(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "lint"]) == 4
    assert "config/models.yml does not exist: `swapgate init` writes one" in capsys.readouterr().err


def test_findings_are_valid_sarif_with_paths_from_the_top_of_the_repository(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    below = root / "service"
    lay(below, {"config/models.yml": "models:\n  a: {provider: openai, model: gpt-4o}\n", "cases/s.yml": ""})
    (root / ".git").mkdir()
    monkeypatch.chdir(below)
    assert main(["models", "lint", "--no-code", "--sarif", "out/models.sarif"]) == 1
    capsys.readouterr()
    log = json.loads((below / "out" / "models.sarif").read_text(encoding="utf-8"))
    schema = json.loads((SCHEMAS / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(schema).validate(log)
    (run,) = log["runs"]
    assert [one["ruleId"] for one in run["results"]] == ["swapgate/floating", "swapgate/retires-soon"]
    (place,) = run["results"][0]["locations"]
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "service/config/models.yml"
    assert place["physicalLocation"]["region"] == {"startLine": 2}


def test_outdated_names_newer_pins_retirements_and_what_nobody_knows(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models_outdated, "today_utc", lambda: date(2026, 11, 26))
    old = "  old: {provider: openai, model: gpt-4o-2024-08-06}\n"
    lay(root, {"config/models.yml": f"{GOOD}{old}  own: {{provider: python, model: 'm:f'}}\n"})
    assert main(["models", "outdated"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "gpt-4o-2024-11-20" in lines[1]
    assert "2027-01-14 (49 days)" in lines[1]
    assert lines[2].startswith("1 of 3 models have newer pins or a date")
    assert lines[3] == "not in the catalogue, so nothing is known: own"
    assert main(["models", "outdated", "--json"]) == 0
    told = {one["name"]: one for one in json.loads(capsys.readouterr().out)["models"]}
    assert (told["old"]["newer"], told["old"]["successor"]) == (["gpt-4o-2024-11-20"], "gpt-6-luna")


# Source code

CODE = {
    "app/main.py": 'MODEL = "gpt-4o"\nALSO = "anthropic/claude-sonnet-4-6"\nTEXT = "we use gpt-4o here"\n',
    "app/allowed.py": 'MODEL = "gpt-4o"  # swapgate: allow-model\n',
    "app/broken.py": 'def (:\n    x = "gpt-4o"\n',
    "web/a.ts": "const model = 'gemini-3.8-flash';\nconst other = `claude-opus-5`;\n",
    "deploy/values.yaml": "model: gpt-5.2-chat-latest\nothers:\n  - mistral-large-2512\nimage: nginx:1.27\n",
    ".env": "MODEL=deepseek-v4-pro\nPORT=8080\n",
    "node_modules/x/index.js": "var m = 'gpt-4o'\n",
    "cases/s.yml": "suite: s\nprompt: {user: x}\ncases: []\n# gpt-4o\n",
    "notes.txt": "gpt-4o\n",
}
FOUND = {
    ("app/main.py", 1),
    ("app/main.py", 2),
    ("app/broken.py", 2),
    ("web/a.ts", 1),
    ("web/a.ts", 2),
    ("deploy/values.yaml", 1),
    ("deploy/values.yaml", 3),
    (".env", 1),
}


def test_ids_in_source_code_are_found_where_they_stand(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(root, CODE)
    code, findings = linted(root, GOOD, capsys)
    assert {(one["path"], one["line"]) for one in findings} == FOUND
    assert {(one["rule"], one["severity"]) for one in findings} == {("hard-coded", "warning")}
    assert code == 0
    assert linted(root, GOOD, capsys, "--no-code") == (0, [])


def test_files_and_folders_that_may_have_ids_are_left_alone(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(root, {**CODE, "pyproject.toml": '[tool.swapgate]\ncode_ignore = ["app", "web/a.ts"]\n'})
    paths = {one["path"] for one in linted(root, GOOD, capsys)[1]}
    assert paths == {"deploy/values.yaml", ".env"}
    assert main(["models", "lint"]) == 0
    assert "`code_ignore` of [tool.swapgate]" in capsys.readouterr().out


def test_what_git_ignores_is_not_read(root: Path) -> None:
    lay(root, {**CODE, ".gitignore": "app/\n"})
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    paths = {mention.path.relative_to(root).as_posix() for mention in scan(root, bundled())}
    assert paths == {"web/a.ts", "deploy/values.yaml", ".env"}


def test_files_that_cannot_be_read_as_text_are_left_out(root: Path) -> None:
    (root / "binary.py").write_bytes(b"\xff\xfe\x00")
    (root / "huge.py").write_text(f"x = 'gpt-4o'\n{'#' * MOST_BYTES}", encoding="utf-8")
    (root / "loop.py").symlink_to(root / "loop.py")
    assert list(scan(root, bundled())) == []


def test_parameter_that_a_prompt_sends_is_found_unless_it_is_unset(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = "prompt: review\nuser: x\nparams:\n  max_tokens: 9\n  temperature: 0\n"
    lay(root, {"prompts/review.yml": prompt, "prompts/broken.yml": "prompt: [\n"})
    lay(root, {"config/models.yml": "models: {claude-opus-5: {provider: anthropic}}\n"})
    assert main(["models", "lint", "--no-code"]) == 0
    told = "prompts/review.yml:5: warning: claude-opus-5: the prompt 'review' sends 'temperature'"
    assert told in capsys.readouterr().out
    lay(root, {"config/models.yml": "models: {claude-opus-5: {provider: anthropic, unset: [temperature]}}\n"})
    main(["models", "lint", "--no-code"])
    assert "sends" not in capsys.readouterr().out
