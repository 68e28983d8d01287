"""What a run is recorded with: all that its results may depend on, and nothing secret."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from servers import Answer, openai_completion, serving
from swapgate.cli import main
from swapgate.runs.manifest import without_secrets
from workspaces import RIGHT, case, lay, newest_run, recorded_workspace, suite

SECRET = "planted-0123456789"
HEAD = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{schema: label.json}]
judges: [meaning]
"""
JUDGE = """\
judge: meaning
model: judge
criteria:
  agrees: {ask: Does the label fit the message?}
pass: agrees
"""


def git(root: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
    subprocess.run(["git", *identity, *arguments], cwd=root, check=True, capture_output=True)


def test_models_as_served_are_stored_for_answers_and_for_judges(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pytester.path
    served = {"candidate": iter(["one", "two", "two"] * 9), "judge": iter(["judge-7"] * 99)}

    def answer(request: object) -> Answer:
        name = json.loads(request.body)["model"]  # type: ignore[attr-defined]
        text = '{"agrees": {"reason": "r", "verdict": "yes"}}' if name == "judge" else RIGHT
        body = {**openai_completion(text), "model": next(served[name]), "system_fingerprint": f"fp_{name}"}
        return Answer(body)

    with serving(answer) as server:
        shared = {"provider": "openai-compatible", "base_url": server.url}
        models = {name: {**shared, "model": name} for name in served}
        files = {
            "cases/triage.yml": suite([case(name) for name in "abc"], head=HEAD),
            "cases/label.json": '{"type": "object"}',
            "judges/meaning.yml": JUDGE,
            "config/models.yml": json.dumps({"models": models}),
        }
        lay(root, files)
        pytester.runpytest("--model=candidate", "--report=none")
    run, _trials = newest_run(root)
    found = {(one.model, one.judge): (one.ids, one.fingerprints, one.answers) for one in run.served}
    assert found["candidate", None] == (("one", "two"), ("fp_candidate",), 3)
    ids, fingerprints, answers = found["judge", "meaning"]
    assert (ids, fingerprints) == (("judge-7",), ("fp_judge",))
    assert answers >= 3
    monkeypatch.chdir(root)
    main(["history", "show", "latest"])
    said = capsys.readouterr().out
    assert "model candidate: openai-compatible candidate, served one, two, fingerprint fp_candidate\n" in said
    assert ": judge, served judge-7, fingerprint fp_judge\n" in said


def test_git_prompts_schemas_and_versions_are_stored(pytester: pytest.Pytester) -> None:
    root = pytester.path
    head = HEAD.replace("judges: [meaning]\n", "")
    recorded_workspace(root, {"new": {"a": RIGHT}, "old": {"a": RIGHT}}, head=head)
    lay(root, {"cases/label.json": '{"$ref": "part.json"}', "cases/part.json": '{"type": "object"}'})
    git(root, "init", "-q", "-b", "topic")
    git(root, "add", ".")
    git(root, "commit", "-qm", "all")
    pytester.runpytest("--model=new", "--baseline=old", "--report=none")
    run, trials = newest_run(root)
    assert (run.git_branch, run.git_dirty, len(run.git_commit or "")) == ("topic", False, 40)
    assert run.prompt_hashes == {f"{t.suite}/{t.model}": t.prompt_hash for t in trials}
    assert list(run.schema_hashes) == ["triage/label.json"]
    assert {"swapgate", "python", "pytest", "pydantic", "jsonschema"} <= set(run.versions)
    assert run.platform
    assert run.command == ("pytest", "--model=new", "--baseline=old", "--report=none", *run.command[4:])
    # One more space has the file read again within one process; what it says is the same.
    lay(root, {"cases/part.json": '{"type": "array"}', "cases/label.json": '{"$ref":  "part.json"}'})
    git(root, "checkout", "-q", "--detach")
    pytester.runpytest("--model=new", "--report=none")
    changed, _trials = newest_run(root)
    assert changed.suite_hashes == run.suite_hashes
    assert changed.schema_hashes != run.schema_hashes
    assert changed.git_dirty


def test_what_a_run_was_made_with_is_shown(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = pytester.path
    recorded_workspace(root, {"new": {"a": RIGHT}}, head=HEAD.replace("judges: [meaning]\n", ""))
    new = {"provider": "recorded", "path": "outputs/new.jsonl", "params": {"temperature": 0.3}}
    lay(root, {"config/models.yml": json.dumps({"models": {"new": new}})})
    lay(root, {"cases/label.json": '{"$ref": "part.json"}', "cases/part.json": '{"type": "object"}'})
    pytester.runpytest("--model=new", "--report=none", "--swapgate-seed=7")
    run, _trials = newest_run(root)
    monkeypatch.chdir(root)
    assert main(["history", "show", "latest"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert f"model new: recorded new, temperature 0.3, file {run.models[0].file_sha256[:12]}" in said
    hashes = (run.suite_hashes["triage"], run.prompt_hashes["triage/new"], *run.schema_hashes.values())
    suite, prompt, schema = (found[:12] for found in hashes)
    assert f"suite triage {suite}, prompt of new {prompt}, schema label.json {schema}" in said
    assert "seed 7" in said


def test_a_changed_schema_file_is_no_part_of_the_same_run(pytester: pytest.Pytester) -> None:
    root = pytester.path
    head = HEAD.replace("judges: [meaning]\n", "")
    recorded_workspace(root, {"new": {"a": RIGHT, "b": RIGHT}}, head=head)
    lay(root, {"cases/label.json": '{"type": "object"}'})
    (root / "outputs/new.jsonl").write_text('{"case": "a", "output": "{}"}\n', encoding="utf-8")
    pytester.runpytest("--model=new", "--report=none")
    lay(root, {"cases/label.json": '{"type": "array"}'})
    result = pytester.runpytest("--model=new", "--report=none", "--rerun-errors")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*something has changed: the schema triage/label.json*"])


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (
            f"--swapgate-history=postgresql://me:{SECRET}@h/db",
            "--swapgate-history=postgresql://me:[redacted]@h/db",
        ),
        (f"--header=api_key={SECRET}x", "--header=api_key=[redacted]"),
        (f"--api-token={SECRET}x", "--api-token=[redacted]"),
        (f"--x={SECRET}", "--x=[redacted]"),
        ("--model=new", "--model=new"),
        ("-k", "-k"),
        ("http://host:8080/path@x", "http://host:8080/path@x"),
    ],
)
def test_what_was_typed_is_stored_without_secrets(typed: str, stored: str) -> None:
    assert without_secrets([typed], {"SERVICE_API_KEY": SECRET, "HOME": "/root"}) == (stored,)


def test_the_value_after_an_option_that_names_a_secret_is_none() -> None:
    assert without_secrets(["--password", "hunter22", "--token", "-x"], {}) == (
        "--password",
        "[redacted]",
        "--token",
        "-x",
    )


@given(st.lists(st.text(), max_size=6), st.text(min_size=8, max_size=40))
def test_no_command_line_holds_what_a_secret_variable_holds(arguments: list[str], secret: str) -> None:
    stored = without_secrets([*arguments, f"--x={secret}"], {"MY_TOKEN": secret})
    assert len(stored) == len(arguments) + 1
    assert not any(secret in text for text in stored)
    json.dumps(stored).encode()
    "".join(stored).encode()
