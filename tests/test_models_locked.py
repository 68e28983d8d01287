"""A run held to the lock: what answered otherwise is a finding in every report, and fails `--locked`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import swapgate
from servers import Answer, Received, serving
from swapgate.cli import main
from swapgate.errors import UsageError
from workspaces import JUDGE, RIGHT, lay, recorded_workspace

NAMES = ("a", "b", "c", "d")


def answer_as(root: Path, served: str, *, model: str = "old") -> None:
    lines = [{"case": name, "output": RIGHT, "model": served} for name in NAMES]
    lay(root, {f"outputs/{model}.jsonl": "\n".join(json.dumps(line) for line in lines)})


@pytest.fixture
def root(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose model is locked as `model-1`."""
    folder = pytester.path
    monkeypatch.setenv("PYTHONPATH", str(Path(swapgate.__file__).parents[1]))
    lay(
        folder,
        {"pyproject.toml": "[tool.pytest.ini_options]\naddopts = '-p no:cacheprovider'\n[tool.swapgate]\n"},
    )
    recorded_workspace(
        folder, {"old": dict.fromkeys(NAMES, RIGHT)}, gate={"structural": {"min": 0.5, "on": "point"}}
    )
    answer_as(folder, "model-1")
    swapgate.run(model="old", root=folder)
    assert main(["models", "lock"]) == 0
    return folder


def report(root: Path, name: str) -> str:
    return (root / "reports" / "latest" / name).read_text(encoding="utf-8")


def test_same_model_passes_locked(root: Path, pytester: pytest.Pytester) -> None:
    ran = pytester.runpytest("--model=old", "--locked", "--live")
    assert ran.ret == 0
    assert "lock" not in "".join(line for line in ran.outlines if line.startswith("warning"))
    assert json.loads(report(root, "report.json"))["identity"] == []


def test_another_served_id_is_a_finding_in_every_report(root: Path, pytester: pytest.Pytester) -> None:
    answer_as(root, "model-2")
    ran = pytester.runpytest("--model=old", "--live")
    assert ran.ret == 0
    ran.stdout.fnmatch_lines(
        ["warning: old: it was served model-2, and model-1 when locked. If that is meant*"]
    )
    written = json.loads(report(root, "report.json"))
    (found,) = written["identity"]
    assert (found["rule"], found["severity"], found["model"]) == ("served-changed", "error", "old")
    for name in ("report.md", "report.html"):
        assert "was served model-2" in report(root, name).replace("\\-", "-")


def test_another_served_id_fails_locked(root: Path, pytester: pytest.Pytester) -> None:
    answer_as(root, "model-2")
    ran = pytester.runpytest("--model=old", "--live", "--locked")
    assert ran.ret == 1
    ran.stdout.fnmatch_lines(["gate: FAIL *--locked: old: it was served model-2, and model-1 when locked*"])
    gate = json.loads(report(root, "report.json"))["gate"]
    assert gate["decisions"][0]["rule"] == "locked"


def test_a_selection_fails_locked_too(root: Path, pytester: pytest.Pytester) -> None:
    answer_as(root, "model-2")
    assert pytester.runpytest("--model=old", "--live", "--locked", "-k", "a").ret == 1
    assert pytester.runpytest("--model=old", "--live", "-k", "a").ret == 0


def test_a_replay_tells_what_answered_when_it_was_recorded(root: Path, pytester: pytest.Pytester) -> None:
    assert pytester.runpytest("--model=old", "--replay", "--locked").ret == 0
    locked = (root / "config" / "models.lock").read_text(encoding="utf-8")
    lay(root, {"config/models.lock": locked.replace("- model-1", "- model-0")})
    assert pytester.runpytest("--model=old", "--replay", "--locked").ret == 1


def test_shards_and_their_merge_fail_locked(root: Path, pytester: pytest.Pytester) -> None:
    answer_as(root, "model-2")
    for number in (1, 2):
        ran = pytester.runpytest(
            "--model=old", "--live", "--locked", f"--shard={number}/2", f"--swapgate-reports=s{number}"
        )
        assert ran.ret == 1
    assert main(["merge", "s1", "s2"]) == 1
    assert [one["rule"] for one in json.loads(report(root, "report.json"))["identity"]] == ["served-changed"]


def test_workers_of_xdist_are_held_to_the_lock(root: Path, pytester: pytest.Pytester) -> None:
    answer_as(root, "model-2")
    ran = pytester.runpytest("--model=old", "--live", "--locked", "-n", "2", "-p", "xdist")
    assert ran.ret == 1
    ran.stdout.fnmatch_lines(["gate: FAIL *--locked: old: *"])


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda root: (root / "config" / "models.lock").unlink(),
            "config/models.lock does not exist: `swapgate models lock`",
        ),
        (lambda root: lay(root, {"config/models.lock": "version: 2.0.0\n"}), "the lock is of version 2.0.0"),
        (
            lambda root: lay(root, {"config/models.yml": "models: {old: {provider: python, model: 'm:f'}}"}),
            "old: it is python 'm:f', and locked as recorded 'old'",
        ),
        (
            lambda root: lay(
                root,
                {"config/models.lock": (root / "config" / "models.lock").read_text().split("    served:")[0]},
            ),
            "knows of no answer of old",
        ),
    ],
    ids=["no lock", "other version", "declared otherwise", "never seen"],
)
def test_locked_refuses_before_anything_is_asked(
    root: Path, pytester: pytest.Pytester, change: Callable[[Path], object], told: str
) -> None:
    change(root)
    (root / "outputs" / "old.jsonl").write_text("not to be read")
    ran = pytester.runpytest("--model=old", "--locked")
    assert ran.ret == 4
    assert "--locked: " in str(ran.stderr) and told in str(ran.stderr)
    with pytest.raises(UsageError, match="--locked"):
        swapgate.run(model="old", root=root, locked=True)


def test_a_lock_that_cannot_be_read_is_told_without_locked(root: Path, pytester: pytest.Pytester) -> None:
    lay(root, {"config/models.lock": "version: 2.0.0\n"})
    ran = pytester.runpytest("--model=old")
    assert ran.ret == 0
    ran.stdout.fnmatch_lines(
        ["*no answer is held against the lock: config/models.lock:1: the lock is of version*"]
    )


def test_a_judge_and_its_fingerprint_are_held_to_the_lock(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, said = pytester.path, {"model": "judge-1", "system_fingerprint": "fp_1"}

    def reply(_request: Received) -> Answer:
        content = json.dumps({"evidence": [], "reasoning": "So it is.", "agrees": "pass"})
        message = {"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
        return Answer({"choices": [message], **said})

    recorded_workspace(
        root,
        {"old": dict.fromkeys(NAMES, RIGHT)},
        head="suite: triage\nprompt: {user: x}\njudges: [meaning]\n",
    )
    lay(
        root,
        {
            "judges/meaning.yml": JUDGE,
            "config/models.yml": json.dumps(
                {
                    "models": {
                        "old": {"provider": "recorded", "path": "outputs/old.jsonl"},
                        "judge": {"provider": "openai"},
                    }
                }
            ),
        },
    )
    monkeypatch.setenv("OPENAI_API_KEY", "sk-only-for-loopback")
    with serving(reply) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        swapgate.run(model="old", root=root)
        assert main(["models", "lock"]) == 0
        assert "judge-1" in (root / "config" / "models.lock").read_text(encoding="utf-8")
        said["system_fingerprint"] = "fp_2"
        outcome = swapgate.run(model="old", root=root, cache="live", locked=True)
    assert [(one.rule, one.model) for one in outcome.identity] == [("fingerprint-changed", "judge")]
    assert (outcome.gate.answer, outcome.gate.exit_code) == ("fail", 1)


def test_tasks_of_their_own_and_bare_fallbacks_are_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    article = """\
code_review: {provider: openai, model: gpt-5.4-nano-2026-03-15, fallback: claude-sonnet-4-6-2026-05-12}
"""
    lay(tmp_path, {"config/models.yml": article, "cases/.keep": ""})
    assert main(["models", "lock"]) == 0
    written = (tmp_path / "config" / "models.lock").read_text(encoding="utf-8")
    assert "  code_review:\n    provider: openai\n    model: gpt-5.4-nano-2026-03-15\n" in written
    assert "  anthropic:claude-sonnet-4-6-2026-05-12:\n" in written
    lay(tmp_path, {"config/models.yml": article.replace("03-15", "05-12")})
    assert main(["models", "check"]) == 1
    assert "code_review: it is openai 'gpt-5.4-nano-2026-05-12', and locked as" in capsys.readouterr().out


def test_a_run_of_another_model_under_the_same_name_tells_nothing(root: Path) -> None:
    """After a change of models.yml the older runs are those of another model."""
    lay(
        root,
        {"config/models.yml": "models: {old: {provider: recorded, model: other, path: outputs/old.jsonl}}"},
    )
    assert main(["models", "lock"]) == 0
    assert "served" not in (root / "config" / "models.lock").read_text(encoding="utf-8")


def test_a_task_is_held_to_the_lock_of_the_model_that_it_names(root: Path) -> None:
    written: dict[str, dict[str, dict[str, str]]] = {
        "models": {"old": {"provider": "recorded", "path": "outputs/old.jsonl"}},
        "tasks": {"triage": {"model": "old"}},
    }
    lay(root, {"config/models.yml": json.dumps(written)})
    assert swapgate.run(model="triage", root=root, locked=True).identity == ()
    answer_as(root, "model-2")
    found = swapgate.run(model="triage", root=root, cache="live", locked=True)
    assert [(one.rule, one.model) for one in found.identity] == [("served-changed", "old")]
    assert main(["models", "lock"]) == 0
    assert "- model-2" in (root / "config" / "models.lock").read_text(encoding="utf-8")
    written["models"]["old"]["model"] = "another"
    lay(root, {"config/models.yml": json.dumps(written)})
    assert main(["models", "lock"]) == 0
    assert "served" not in (root / "config" / "models.lock").read_text(encoding="utf-8")
