"""`swapgate models lock` and `check`: models as declared, as locked, as served and as offered."""

from __future__ import annotations

import json
import os
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import swapgate
from servers import Answer, serving
from swapgate.cli import main
from swapgate.pins.compared import differences
from swapgate.pins.lock import Lock, lock_text, read_lock
from workspaces import RIGHT, lay, recorded_workspace

GOLDEN = Path(__file__).parent / "golden" / "models.lock"
MODELS = """\
models:
  old: {provider: recorded, path: outputs/old.jsonl}
  pinned: {provider: openai, model: gpt-5.5-2026-04-23}
tasks:
  triage: {model: old}
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    recorded_workspace(tmp_path, {"old": {"a": RIGHT, "b": RIGHT}})
    lay(tmp_path, {"config/models.yml": MODELS})
    answer_as(tmp_path, "model-1")
    return tmp_path


def answer_as(root: Path, served: str) -> None:
    lines = [{"case": name, "output": RIGHT, "model": served} for name in ("a", "b")]
    lay(root, {"outputs/old.jsonl": "\n".join(json.dumps(line) for line in lines)})


def findings(capsys: pytest.CaptureFixture[str], *options: str) -> dict[str, Any]:
    main(["models", "check", "--json", *options])
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_lock_holds_what_was_declared_and_what_answered(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = swapgate.run("cases/triage.yml", model="old", root=root)
    assert main(["models", "lock"]) == 0
    assert "wrote config/models.lock: 2 models, 2 changed" in capsys.readouterr().out
    lock = read_lock(root / "config" / "models.lock")
    assert lock is not None
    assert (lock.models["old"].run, lock.models["old"].served) == (outcome.run.id, ("model-1",))
    assert (lock.models["pinned"].class_, lock.models["pinned"].run) == ("pinned", None)
    assert list(lock.tasks["triage"].prompts) == ["triage"]
    assert lock_text(lock) == (root / "config" / "models.lock").read_text(encoding="utf-8")
    assert main(["models", "lock"]) == 0
    assert "2 models, 0 changed" in capsys.readouterr().out


GOLDEN_MODELS = """\
models:
  main: {provider: openai, model: gpt-5.5-2026-04-23, fallback: spare, params: {max_tokens: 400}}
  spare: {provider: anthropic, model: claude-sonnet-4-6}
  floats: {provider: openai, model: gpt-4o, accept_unpinned: {reason: watched daily, until: 2027-01-01}}
  gateway: {provider: litellm, model: openai/gpt-luna-latest, base_url: "http://localhost:4000"}
tasks:
  triage: {model: main}
  drafts: {model: spare, params: {temperature: 0.2}}
"""


def test_the_lock_is_the_golden_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swapgate.cli.models.lock.today_utc", lambda: date(2026, 11, 26))
    lay(root, {"config/models.yml": GOLDEN_MODELS})
    assert main(["models", "lock"]) == 0
    written = (root / "config" / "models.lock").read_text(encoding="utf-8")
    # Whose data the prices are is the installed package's; the catalogue's day changes with each new one.
    text = re.sub(r'^(\s*"?(?:prices|catalogue)"?: ).*$', r"\1-", written, flags=re.MULTILINE)
    if "SWAPGATE_UPDATE_GOLDEN" in os.environ:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


def test_nothing_changed_passes(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    swapgate.run("cases/triage.yml", model="old", root=root)
    main(["models", "lock"])
    assert main(["models", "check"]) == 0
    capsys.readouterr()
    assert {one["rule"] for one in findings(capsys)["findings"]} == {"not-seen"}


def test_other_id_in_the_newest_run_is_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    swapgate.run("cases/triage.yml", model="old", root=root)
    main(["models", "lock"])
    answer_as(root, "model-2")
    swapgate.run("cases/triage.yml", model="old", root=root, cache="live")
    capsys.readouterr()
    found = {one["rule"]: one for one in findings(capsys)["findings"]}
    assert "was served model-2, and model-1 when locked" in found["served-changed"]["message"]
    assert main(["models", "check"]) == 1
    assert "write the lock anew: `swapgate models lock`" in capsys.readouterr().out


def test_other_fingerprint_is_a_warning_and_another_retirement_too() -> None:
    model = {"provider": "openai", "model": "m", "class": "pinned", "rule": "dated", "run": "r"}
    head = {"format": "swapgate.models.lock", "version": "1.0.0", "catalogue": "2026-11-26", "prices": "p"}
    before = Lock.model_validate({**head, "models": {"a": {**model, "fingerprints": ["fp-1"]}}})
    after = {**model, "fingerprints": ["fp-2"], "retires_on": "2027-01-01"}
    found = differences(before, Lock.model_validate({**head, "models": {"a": after}}))
    assert [(one.rule, one.severity) for one in found] == [
        ("fingerprint-changed", "warning"),
        ("retirement-changed", "warning"),
    ]
    assert "had the fingerprint fp-2, and fp-1 when locked" in found[0].message


def test_models_that_differ_from_the_lock_are_found(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["models", "lock"])
    changed = MODELS.replace("2026-04-23", "pro-2026-04-23").replace(
        "  old:", "  new: {provider: local}\n  old:"
    )
    lay(root, {"config/models.yml": changed})
    capsys.readouterr()
    found = {(one["rule"], one["subject"]) for one in findings(capsys)["findings"]}
    assert {("changed", "pinned"), ("not-locked", "new")} <= found
    lay(root, {"config/models.yml": "models:\n  old: {provider: recorded, path: outputs/old.jsonl}\n"})
    assert ("gone", "pinned") in {(one["rule"], one["subject"]) for one in findings(capsys)["findings"]}


def test_lock_of_another_version_or_none_is_told(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "check"]) == 4
    assert "config/models.lock does not exist: `swapgate models lock` writes it" in capsys.readouterr().err
    lay(root, {"config/models.lock": "format: swapgate.models.lock\nversion: 2.0.0\nmodels: {}\n"})
    assert main(["models", "check"]) == 4
    assert "config/models.lock:2: the lock is of version 2.0.0" in capsys.readouterr().err
    lay(root, {"config/models.lock": "version: 1.0.0\nmodell: {}\n"})
    assert main(["models", "lock"]) == 4
    assert "unknown key 'modell' in the lock" in capsys.readouterr().err


def test_what_a_provider_lists_is_asked_for_and_its_key_is_never_shown(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "sk-a-secret-of-the-workspace"
    listing = {"data": [{"id": "gpt-5.5-2026-04-23"}, {"id": "gpt-6.1-sol"}]}
    main(["models", "lock"])
    with serving(lambda _request: Answer(listing)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        capsys.readouterr()
        unknown = findings(capsys, "--live")["not_found_out"]
        assert "OPENAI_API_KEY" in unknown["pinned"]
        assert "has no list of models" in unknown["old"]
        monkeypatch.setenv("OPENAI_API_KEY", key)
        told = findings(capsys, "--live")
        assert "pinned" not in told["not_found_out"]
        assert server.requests[-1].headers["authorization"] == f"Bearer {key}"
        listing["data"].pop(0)
        rules = {one["rule"] for one in findings(capsys, "--live")["findings"]}
        assert "not-offered" in rules
    with serving(Answer({"error": f"bad key {key}"}, status=401)) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        main(["models", "check", "--live", "--strict"])
        out = capsys.readouterr().out
    assert "not found out: what the provider of pinned lists: status 401" in out
    assert key not in out


@pytest.mark.usefixtures("root")
def test_what_cannot_be_found_out_fails_where_strictness_is_asked(
    capsys: pytest.CaptureFixture[str],
) -> None:
    main(["models", "lock"])
    assert main(["models", "check", "--live"]) == 0
    assert main(["models", "check", "--live", "--strict"]) == 13
    capsys.readouterr()


@pytest.mark.parametrize(
    ("row", "rule", "told"),
    [
        ({"shutdown_date": "2027-03-01"}, "retirement-changed", "openai says that it retires on 2027-03-01"),
        ({"retires_at": "2027-03-01T23:30:00-05:00"}, "retirement-changed", "it retires on 2027-03-02"),
        ({"lifecycle": "retired"}, "not-offered", "openai has retired 'gpt-5.5-2026-04-23'"),
        ({"shutdown_date": "soon"}, None, ""),
        ({"shutdown_date": None}, None, ""),
    ],
)
def test_what_a_provider_says_of_retirement_is_told(
    root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    row: dict[str, Any],
    rule: str | None,
    told: str,
) -> None:
    main(["models", "lock"])
    capsys.readouterr()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-only-for-loopback")
    with serving(Answer({"data": [{"id": "gpt-5.5-2026-04-23", **row}, "odd", {}]})) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        found = [one for one in findings(capsys, "--live")["findings"] if one["subject"] == "pinned"]
    found = [one for one in found if one["rule"] != "not-seen"]
    assert [one["rule"] for one in found] == ([rule] if rule else [])
    assert told in "".join(one["message"] for one in found)
