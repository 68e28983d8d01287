"""`swapgate merge`: shards become one run with the numbers of one run; strangers and gaps are refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from swapgate.cli import main
from swapgate.reporting.report_json import load_report
from workspaces import (
    BLIND,
    FENCED,
    RIGHT,
    calibration,
    judged_workspace,
    lay,
    newest_run,
    outputs,
    recorded_workspace,
)

NAMES = [f"case-{number}" for number in range(24)]
CLUSTERS = {name: f"repo-{number % 9}" for number, name in enumerate(NAMES)}
GATE = {"semantic": {"min": 0.5}, "margin": 0.3}
SEED = "--swapgate-seed=7"
# What tells two runs of the same trials apart, and no more.
OWN = ("id", "command", "started_at", "finished_at", "merged", "shard")


def answers(wrong: int, *, fenced: int = 0) -> dict[str, str]:
    found = dict.fromkeys(NAMES, RIGHT)
    found |= dict.fromkeys(NAMES[:wrong], BLIND)
    return found | dict.fromkeys(NAMES[-fenced:] if fenced else [], FENCED)


def lay_suite(root: Path, *, wrong: int = 4, gate: object = GATE) -> None:
    models = {"new": answers(wrong, fenced=2), "old": answers(1)}
    recorded_workspace(root, models, gate=gate, clusters=CLUSTERS)


def run_shards(pytester: pytest.Pytester, *arguments: str, count: int = 3) -> list[Path]:
    """Run every shard as a job of its own would, and return where each report is kept."""
    kept = []
    for number in range(1, count + 1):
        result = pytester.runpytest("--model=new", SEED, f"--shard={number}/{count}", *arguments)
        assert result.ret == 0, result.stdout.str()
        target = pytester.path / "artifacts" / f"shard-{number}" / "report.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(pytester.path / "reports" / newest_run(pytester.path)[0].id / "report.json", target)
        kept.append(target)
    return kept


def report_of(root: Path) -> dict[str, Any]:
    path = root / "reports" / newest_run(root)[0].id / "report.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def without_names(report: Mapping[str, Any]) -> dict[str, Any]:
    """Return a report without what no two runs have in common."""
    run = {name: value for name, value in report["run"].items() if name not in OWN}
    return {**report, "run": run}


# One run


@pytest.mark.parametrize(
    "arguments", [(), ("--baseline=old",), ("--baseline=old", "--repeats=2"), ("-k", "not case-1")]
)
def test_merged_shards_say_what_the_whole_run_says(
    pytester: pytest.Pytester, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    code = pytester.runpytest("--model=new", SEED, *arguments).ret
    whole = report_of(pytester.path)
    run_shards(pytester, *arguments)
    assert main(["merge", "artifacts"]) == code
    merged = report_of(pytester.path)
    assert len(merged["run"]["merged"]) == 3
    assert merged["gate"] == whole["gate"]
    assert without_names(merged) == without_names(whole)


def test_calibrated_judge_and_stored_baseline_go_with_the_shards(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    verdicts = {name: number % 6 > 0 for number, name in enumerate(NAMES)}
    judged_workspace(pytester.path, {"new": answers(4), "old": answers(1)}, verdicts, gate=GATE)
    rows = [(True, True)] * 40 + [(True, False)] * 4 + [(False, False)] * 30 + [(False, True)] * 3
    lay(pytester.path, {"judges/meaning.calibration.yml": calibration(rows)})
    pytester.runpytest("--model=old")
    pytester.runpytest("--model=new", SEED, "--baseline=latest")
    whole = report_of(pytester.path)
    shards = run_shards(pytester, "--baseline=latest")
    # The machine that merges has the files alone: no history, no cache, no cases.
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, {"pyproject.toml": "[tool.swapgate]\n"})
    main(["merge", *map(str, shards)])
    merged = report_of(tmp_path)
    assert merged["gate"]["decisions"]
    assert any("old@" in comparison["baseline"] for comparison in merged["comparisons"])
    assert len(merged["run"]["calibrations"][0]["labels"]) == 77
    assert without_names(merged) == without_names(whole)
    assert main(["report", "latest"]) == 0
    assert without_names(report_of(tmp_path)) == without_names(whole)


def test_merged_run_is_a_run_like_any_other(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    run_shards(pytester)
    main(["merge", ".swapgate/history.db", "--report=none"])
    run, trials = newest_run(pytester.path)
    assert (len(trials), run.planned, run.is_complete, run.is_partial) == (24, 24, True, False)
    assert all(trial.messages and trial.answer and trial.answer.response.text for trial in trials)
    capsys.readouterr()
    main(["history", "show", "latest"])
    assert f"merged from the shards {', '.join(run.merged)}" in capsys.readouterr().out
    pytester.runpytest("--model=old", f"--baseline={run.id}").stdout.fnmatch_lines([f"*new@{run.id}*"])


def test_folders_globs_and_ids_name_shards_and_other_runs_among_them_are_passed_over(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    pytester.runpytest("--model=new")
    run_shards(pytester)
    ids = list(report_of_merge(capsys, "reports")["shards"])
    assert len(ids) == 3
    for names in (ids, ["artifacts/*/report.json"], ["artifacts/shard-[12]", "artifacts/shard-3"]):
        assert report_of_merge(capsys, *names)["shards"] == ids


def report_of_merge(capsys: pytest.CaptureFixture[str], *names: str) -> dict[str, Any]:
    capsys.readouterr()
    main(["merge", *names, "--json"])
    loaded: dict[str, Any] = json.loads(capsys.readouterr().out)
    return loaded


@pytest.mark.parametrize(("wrong", "code"), [(0, 0), (24, 1)])
def test_without_a_rule_the_merge_ends_as_pytest_would(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, wrong: int, code: int
) -> None:
    recorded_workspace(pytester.path, {"new": answers(wrong)})
    monkeypatch.chdir(pytester.path)
    run_shards(pytester, count=2)
    assert main(["merge", "artifacts"]) == code


# What is refused


def refused(capsys: pytest.CaptureFixture[str], *names: str) -> str:
    capsys.readouterr()
    assert main(["merge", *names]) == 4
    return capsys.readouterr().err


def test_missing_shards_are_named_and_may_be_allowed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    first, _second, third = run_shards(pytester)
    assert "not all shards are there: 2/3. Run them" in refused(capsys, str(first), str(third))
    assert main(["merge", str(first), str(third), "--allow-missing"]) == 10
    assert "gate not judged: shards are missing: 2/3" in capsys.readouterr().out
    run, trials = newest_run(pytester.path)
    assert (run.planned, run.is_complete, run.is_partial) == (24, False, True)
    assert 0 < len(trials) < 24


def test_shard_that_was_stopped_is_a_missing_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path, wrong=24)
    monkeypatch.chdir(pytester.path)
    run_shards(pytester, count=2)
    pytester.runpytest("--model=new", "--shard=2/2", "-x")
    stopped = pytester.path / "reports" / newest_run(pytester.path)[0].id
    shutil.copytree(stopped, pytester.path / "artifacts" / "stopped")
    message = refused(capsys, "artifacts/shard-1", "artifacts/stopped")
    assert "not all shards are there: 2/2 (the session stopped early" in message
    assert main(["merge", "artifacts"]) == 1  # its whole run is there too


def test_one_shard_twice_is_taken_once_and_other_answers_are_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    first, *_others = run_shards(pytester)
    copy = pytester.path / "artifacts" / "again" / "report.json"
    copy.parent.mkdir()
    shutil.copy(first, copy)
    assert main(["merge", "artifacts"]) == 0
    report = json.loads(copy.read_text(encoding="utf-8"))
    report["trials"][0]["checks"][1]["passed"] = False
    copy.write_text(json.dumps(report), encoding="utf-8")
    message = refused(capsys, "artifacts")
    assert "shard 1/3" in message
    assert f"disagree, first on triage/{report['trials'][0]['case']} by new" in message


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"outputs/new.jsonl": outputs(answers(9))}, "file_sha256 of the model new"),
        ({"pyproject.toml": "[tool.swapgate.gate]\nsemantic = {min = 0.4}\n"}, "the setting gate"),
        ({"cases/triage.yml": None}, "the suite triage"),
    ],
)
def test_shards_of_other_models_settings_or_suites_are_refused_by_name(
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    changed: Mapping[str, str | None],
    said: str,
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    first, _second = run_shards(pytester, count=2)
    suite = pytester.path / "cases/triage.yml"
    edited = suite.read_text(encoding="utf-8").replace("about case-3", "of case-3")
    lay(pytester.path, {name: text or edited for name, text in changed.items()})
    pytester.runpytest("--model=new", SEED, "--shard=2/2")
    message = refused(capsys, str(first), newest_run(pytester.path)[0].id)
    assert "are not of one run: they differ in" in message
    assert said in message


def test_shards_of_other_selections_and_numbers_are_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    first, _second = run_shards(pytester, count=2)
    pytester.runpytest("--model=new", SEED, "--shard=2/2", "-k", "not case-5")
    message = refused(capsys, str(first), newest_run(pytester.path)[0].id)
    assert "the selection of cases (paths, -k, -m)" in message
    pytester.runpytest("--model=new", SEED, "--shard=2/3")
    assert "the number of shards (2 and 3)" in refused(capsys, str(first), newest_run(pytester.path)[0].id)


def test_shards_of_another_commit_or_prompt_are_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    _first, second = run_shards(pytester, count=2)
    kept = second.read_text(encoding="utf-8")
    report = json.loads(kept)
    report["run"]["git_commit"] = "deadbeef"
    second.write_text(json.dumps(report), encoding="utf-8")
    assert "the commit (None and deadbeef)" in refused(capsys, "artifacts")
    report = json.loads(kept)
    for trial in report["trials"]:
        trial["prompt_hash"] = "another"
    second.write_text(json.dumps(report), encoding="utf-8")
    assert "they differ in the prompt of triage for new" in refused(capsys, "artifacts")


def test_run_that_is_no_shard_and_nothing_at_all_are_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    pytester.runpytest("--model=new")
    assert "was made without --shard" in refused(capsys, "latest")
    assert "'reports' holds no shard" in refused(capsys, "reports")
    assert "no-such.json: the report cannot be read" in refused(capsys, "no-such.json")


def test_shard_alone_is_no_baseline_and_no_side_of_a_comparison(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    path, *_others = run_shards(pytester)
    result = pytester.runpytest("--model=old", f"--baseline={load_report(path)[0].id}")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*is no baseline: it is shard 1/3*swapgate merge*"])
    main(["history", "list"])
    assert "shard 1/3" in capsys.readouterr().out


def test_shard_that_died_before_it_knew_the_plan_is_a_missing_one(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_suite(pytester.path)
    monkeypatch.chdir(pytester.path)
    first, second = run_shards(pytester, count=2)
    report = json.loads(first.read_text(encoding="utf-8"))
    report["run"]["shard"] |= {"plan": "", "sizes": []}
    report["run"]["finished_at"] = None
    first.write_text(json.dumps({**report, "trials": []}), encoding="utf-8")
    assert "not all shards are there: 1/2 (it never ended)" in refused(capsys, "artifacts")
    assert "never began, nor did another" in refused(capsys, str(first))
    assert main(["merge", str(first), str(second), "--allow-missing"]) == 10
    assert newest_run(pytester.path)[0].planned == 24
