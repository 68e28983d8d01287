"""Runs written as logs of Inspect and as lines of OpenAI's evals, and read back by the importer."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

import swapgate
from swapgate.cli import main
from swapgate.records import Answer, Message, Response, ToolCall, Trial, TrialError, Usage
from swapgate.reporting.inspect_sample import sample, scores
from swapgate.spec.read_suites import read_suite
from workspaces import BLIND, FENCED, RIGHT, judged_workspace, lay, newest_run, recorded_workspace

ANSWERS = {
    "new": {"one": RIGHT, "two": FENCED, "three": BLIND},
    "old": {"one": RIGHT, "two": RIGHT, "three": "caf\u00e9 \u202e"},
}
VERDICTS = {"one": True, "two": True, "three": False}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of two models with both exports; returns the folder of its reports."""
    monkeypatch.chdir(tmp_path)
    judged_workspace(tmp_path, ANSWERS, VERDICTS)
    for file in (tmp_path / "outputs").iterdir():
        lines = file.read_text(encoding="utf-8").splitlines()
        again = [json.dumps({**json.loads(line), "repeat": 2}) for line in lines]
        file.write_text("\n".join([*lines, *again]) + "\n", encoding="utf-8")
    swapgate.run("cases/triage.yml", model="new", baseline="old", repeats=2, root=tmp_path)
    given = ["report", "latest", "--report", "inspect", "--report", "openai-evals"]
    assert main([*given, "--out", str(tmp_path / "out")]) == 0
    return tmp_path / "out"


def log_of(path: Path) -> dict[str, Any]:
    with zipfile.ZipFile(path) as archive:
        names = sorted(name for name in archive.namelist() if name.startswith("samples/"))
        found: dict[str, Any] = json.loads(archive.read("header.json"))
        found["summaries"] = json.loads(archive.read("summaries.json"))
        found["samples"] = [json.loads(archive.read(name)) for name in names]
    return found


def test_a_log_of_inspect_holds_each_trial_and_what_was_said_of_it(folder: Path) -> None:
    assert sorted(path.name for path in (folder / "inspect").iterdir()) == [
        "triage.new.eval",
        "triage.old.eval",
    ]
    log = log_of(folder / "inspect" / "triage.new.eval")
    assert (log["version"], log["status"], log["eval"]["task"]) == (2, "success", "triage")
    assert log["eval"]["config"] == {"epochs": 2}
    found = {(one["id"], one["epoch"]): one for one in log["samples"]}
    assert set(found) == {(case, epoch) for case in VERDICTS for epoch in (1, 2)}
    assert found["one", 1]["input"] == [{"role": "user", "content": "about one"}]
    assert found["one", 1]["target"] == '{"label": "billing"}'
    values = {name: score["value"] for name, score in found["three", 1]["scores"].items()}
    assert values == {"finish": "C", "json": "C", "meaning": "I"}
    # A fenced answer is no strict JSON, and its judge was not asked: no score is made up for it.
    values = {name: score["value"] for name, score in found["two", 2]["scores"].items()}
    assert values == {"finish": "C", "json": "I"}
    assert found["two", 2]["metadata"]["not_scored"] == {"meaning": "skipped"}
    accuracy = {one["name"]: one["metrics"]["accuracy"]["value"] for one in log["results"]["scores"]}
    assert accuracy == {"finish": 1, "json": pytest.approx(2 / 3), "meaning": 0.5}
    # Recorded answers say nothing of tokens, and none are made up.
    assert log["stats"]["model_usage"] == {} and found["one", 1]["model_usage"] == {}
    assert len(log["summaries"]) == 6


def test_both_exports_come_back_as_the_cases_and_answers_that_they_were(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _run, trials = newest_run(tmp_path)
    answered = {(t.model, t.case, t.repeat): t.answer.response.text for t in trials if t.answer}
    for file, names in (("inspect/triage.new.eval", ("new",)), ("openai-evals/triage.jsonl", ("new", "old"))):
        capsys.readouterr()
        suite = file.partition("/")[0].replace("-", "_")
        assert main(["import", str(folder / file), "--suite", suite, "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["untranslated"]  # that the results stay behind is said
        cases = {
            p.case.id: p.case for p in read_suite(tmp_path / "cases" / f"{suite}.yml", root=tmp_path).cases
        }
        assert {name: one.messages for name, one in cases.items()} == {t.case: t.messages for t in trials}
        for name in names:
            lines = (tmp_path / "outputs" / f"{suite}-{name}.jsonl").read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in lines]
            got = {(name, row["case"], row.get("repeat", 1)): row["output"] for row in rows}
            assert got == {key: text for key, text in answered.items() if key[0] == name}


def test_models_whose_names_make_one_file_name_have_a_log_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    models = ["vendor/new", "vendor-new", "Vendor/new"]
    recorded_workspace(tmp_path, {model: {"one": RIGHT} for model in models})
    swapgate.run("cases/triage.yml", model=models, root=tmp_path)
    given = ["report", "latest", "--report=inspect", "--report=openai-evals", "--out", str(tmp_path / "out")]
    assert main(given) == 0
    logs = sorted((tmp_path / "out" / "inspect").iterdir())
    assert len({log.name.lower() for log in logs}) == 3
    assert {log_of(log)["eval"]["metadata"]["swapgate_model"] for log in logs} == set(models)
    # And back: both models' answers come from one file, and each gets its own.
    file = tmp_path / "out" / "openai-evals" / "triage.jsonl"
    assert main(["import", str(file), "--suite", "back"]) == 0
    assert len(list((tmp_path / "outputs").glob("back-*"))) == 3


def test_the_same_run_makes_the_same_log(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    assert main(["report", "latest", "--report=inspect", "--out", str(tmp_path / "again")]) == 0
    for first in (folder / "inspect").iterdir():
        assert (tmp_path / "again" / "inspect" / first.name).read_bytes() == first.read_bytes()


def test_a_line_of_openai_evals_is_an_item_with_its_sample(folder: Path) -> None:
    lines = (folder / "openai-evals" / "triage.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {(r["sample"]["model"], r["item"]["id"], r["sample"]["repeat"]): r for r in map(json.loads, lines)}
    assert len(rows) == 12
    row = rows["new", "three", 1]
    assert row["item"]["input"] == [{"role": "user", "content": "about three"}]
    assert row["item"]["ideal"] == {"label": "billing"}
    assert row["sample"]["output_text"] == BLIND and row["status"] == "fail"
    results = [(one["name"], one["passed"]) for one in row["results"]]
    assert results == [("finish", True), ("json", True), ("meaning", False)]


def test_errors_tools_caches_and_lone_surrogates_keep_their_place() -> None:
    call = ToolCall(name="look", arguments="{broken", id="t1")
    usage = Usage(tokens_in=100, tokens_out=7, tokens_cached_in=60)
    response = Response(text="\ud800", tool_calls=(call,), finish_reason="length", usage=usage)
    trial = Trial(
        suite="s",
        case="c",
        model="m",
        messages=(Message(role="tool", content="42", tool_call_id="t0"),),
        answer=Answer(response=response, model="m", cost_usd=0.5),
    )
    written = sample(trial, "p/m")
    choice = written["output"]["choices"][0]
    assert choice["stop_reason"] == "max_tokens"
    assert choice["message"]["tool_calls"][0]["parse_error"].endswith("{broken")
    # Inspect counts what was read from a cache apart, and the input without it.
    counted = written["model_usage"]["p/m"]
    assert (counted["input_tokens"], counted["input_tokens_cache_read"], counted["total_cost"]) == (
        40,
        60,
        0.5,
    )
    assert scores(trial) == {}
    errored = Trial(suite="s", case="c", model="m", error=TrialError(kind="timeout", message="late"))  # type: ignore[arg-type]
    assert sample(errored, "p/m")["error"]["message"] == "timeout: late"
    assert "output" not in sample(errored, "p/m")


def test_what_the_api_of_hosted_evals_lists_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form is that of the API's reference; two runs of one item are two answers to one case."""
    monkeypatch.chdir(tmp_path)
    items = [
        {
            "object": "eval.run.output_item",
            "id": f"outputitem_{model}",
            "datasource_item_id": 5,
            "datasource_item": {"ticket_text": "My screen is black.", "correct_label": "Hardware"},
            "results": [{"name": "match", "passed": True, "score": 1.0}],
            "sample": {"model": model, "output": [{"role": "assistant", "content": said}]},
            "status": "pass",
        }
        for model, said in (("gpt-4.1", "Hardware"), ("gpt-5.5", "Software"))
    ]
    definition = {
        "object": "eval",
        "testing_criteria": [
            {
                "type": "string_check",
                "name": "match",
                "input": "{{ sample.output_text }}",
                "operation": "eq",
                "reference": "{{ item.correct_label }}",
            }
        ],
    }
    lay(
        tmp_path,
        {
            "cases/README": "",
            "it.json": json.dumps({"object": "list", "data": items, "has_more": False}),
            "it.eval.json": json.dumps(definition),
        },
    )
    assert main(["import", "it.json", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["format"], told["cases"]) == ("openai-evals", 1)
    assert {one["what"] for one in told["untranslated"]} == {"results", "status"}
    (placed,) = read_suite(tmp_path / "cases" / "it.yml", root=tmp_path).cases
    assert placed.case.input == {"ticket_text": "My screen is black.", "correct_label": "Hardware"}
    assert placed.case.checks
    recorded = {path.name: path.read_text(encoding="utf-8") for path in (tmp_path / "outputs").iterdir()}
    assert set(recorded) == {"it-gpt-4.1.jsonl", "it-gpt-5.5.jsonl"}


def test_a_folder_that_cannot_be_written_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    judged_workspace(tmp_path, ANSWERS, VERDICTS)
    swapgate.run("cases/triage.yml", model="new", root=tmp_path)
    lay(tmp_path, {"out/inspect": "a file where a folder should be"})
    code = main(["report", "latest", "--report", "inspect", "--out", str(tmp_path / "out")])
    told = capsys.readouterr()
    assert code == 3 and "cannot be written" in told.err and "Traceback" not in told.err
