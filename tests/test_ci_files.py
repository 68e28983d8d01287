"""The files for CI services: valid by the services' own schemas; what the comment's script does."""

from __future__ import annotations

import json
import os
import re
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[1]
WORKFLOW = ROOT / "evals" / "swapgate" / "cli" / "init" / "files" / "workflow.yml"
PAGES = [(ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("ci.md", "nightly.md")]
BLOCKS = [
    text for page in PAGES for text in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
]
WORKFLOWS = [text for text in BLOCKS if text.startswith("name: ")]
PIPELINES = [text for text in BLOCKS if re.match(r"[a-z]+:\n  image:", text)]


def _schema(name: str) -> Any:
    path = files("check_jsonschema") / "builtin_schemas" / "vendor" / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8"))


def _errors(schema: Any, text: str) -> list[str]:
    # YAML 1.1 takes the key `on` for true; the services do not.
    content = {"on" if key is True else key: value for key, value in yaml.safe_load(text).items()}
    validator = jsonschema.validators.validator_for(schema)(schema)
    return [error.message for error in validator.iter_errors(content)]


def test_the_pages_have_workflows_and_pipelines() -> None:
    assert (len(WORKFLOWS), len(PIPELINES)) == (4, 2)


@pytest.mark.parametrize("text", WORKFLOWS, ids=range(len(WORKFLOWS)))
def test_workflows_are_valid(text: str) -> None:
    assert _errors(_schema("github-workflows"), text) == []


@pytest.mark.parametrize("text", PIPELINES, ids=range(len(PIPELINES)))
def test_pipelines_are_valid(text: str) -> None:
    assert _errors(_schema("gitlab-ci"), text) == []


@pytest.mark.parametrize("text", WORKFLOWS, ids=range(len(WORKFLOWS)))
def test_workflows_may_write_nothing_but_a_comment(text: str) -> None:
    permissions = yaml.safe_load(text)["permissions"]
    assert {key for key, may in permissions.items() if may != "read"} <= {"pull-requests"}
    assert permissions["contents"] == "read"


@pytest.mark.parametrize("text", WORKFLOWS, ids=range(len(WORKFLOWS)))
def test_keys_are_given_to_the_step_that_asks_models_alone(text: str) -> None:
    steps = [step for step in _steps(text) if "secrets." in str(step)]
    assert all(re.match("pytest|swapgate nightly", step["run"]) for step in steps)
    used = re.sub(r" # .*", "", text).count("secrets.")
    assert used == sum(str(step).count("secrets.") for step in steps)


def test_one_version_of_each_action_is_named() -> None:
    named = {name for text in (*BLOCKS, WORKFLOW.read_text()) for name in re.findall(r"uses: (\S+)", text)}
    assert len({name.partition("@")[0] for name in named}) == len(named)


def _steps(text: str) -> list[dict[str, Any]]:
    content = yaml.safe_load(text)
    jobs = [{"steps": content}] if isinstance(content, list) else content.get("jobs", {}).values()
    return [step for job in jobs for step in job["steps"]]


@pytest.mark.parametrize("text", BLOCKS, ids=range(len(BLOCKS)))
def test_what_was_paid_for_is_kept_where_the_gate_fails(text: str) -> None:
    # `actions/cache` in one step, and by default a cache of GitLab, is saved by jobs that succeed alone.
    used = {step.get("uses", ""): step.get("if") for step in _steps(text)}
    assert not [name for name in used if name.startswith("actions/cache@")]
    assert all(condition == "always()" for name, condition in used.items() if "cache/save" in name)
    if text in PIPELINES:
        caches = [job["cache"] for job in yaml.safe_load(text).values() if "cache" in job]
        assert all(cache["when"] == "always" for cache in caches)


GH = """\
#!/bin/sh
echo "$@" >> calls
case "$*" in
  *--paginate*) cat comments ;;
  *body=@*) test -s "$(echo "$*" | sed 's/.*body=@//')" ;;
esac
"""


@pytest.mark.parametrize(
    ("comments", "called"),
    [
        ("", "--method POST repos/team/bot/issues/7/comments"),
        ("41\n42\n", "--method PATCH repos/team/bot/issues/comments/41"),
    ],
)
def test_the_comment_is_made_once_and_then_written_anew(tmp_path: Path, comments: str, called: str) -> None:
    (step,) = [s for s in yaml.safe_load(WORKFLOW.read_text())["jobs"]["evaluate"]["steps"] if "env" in s]
    (tmp_path / "gh").write_text(GH)
    (tmp_path / "gh").chmod(0o755)
    (tmp_path / "comments").write_text(comments)
    (tmp_path / "reports" / "latest").mkdir(parents=True)
    (tmp_path / "reports" / "latest" / "report.md").write_text("## swapgate: gate passed\n")
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "COMMENTS": "repos/team/bot/issues/7/comments",
        "GITHUB_REPOSITORY": "team/bot",
    }
    subprocess.run(["bash", "-e", "-c", step["run"]], cwd=tmp_path, env=environment, check=True)
    _listed, written = (tmp_path / "calls").read_text().splitlines()
    assert written == f"api {called} -F body=@reports/latest/report.md"
