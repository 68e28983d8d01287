"""report.json: what it holds, its schema, reading it back."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reporting_outcome import CANDIDATE, HOSTILE, made_up_outcome
from swapgate.errors import UsageError
from swapgate.reporting import write_reports
from swapgate.reporting.report_json import load_report, report_schema
from swapgate.reporting.words.reasons import in_order

GOLDEN = Path(__file__).parent / "golden" / "report.json"


@pytest.fixture
def report(tmp_path: Path) -> Path:
    (path,) = write_reports(made_up_outcome(), tmp_path, ["json"])
    return path


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_report_is_the_golden_one(tmp_path: Path) -> None:
    (path,) = write_reports(made_up_outcome(cases=2), tmp_path, ["json"])
    if "SWAPGATE_UPDATE_GOLDEN" in os.environ:
        GOLDEN.write_bytes(path.read_bytes())
    assert path.read_text(encoding="utf-8") == GOLDEN.read_text(encoding="utf-8")


def test_the_report_validates_against_its_schema(report: Path) -> None:
    schema = report_schema()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.Draft202012Validator(schema).validate(_read(report))


def test_the_schema_refuses_what_is_no_report(report: Path) -> None:
    broken = _read(report)
    broken["trials"][0]["outcome"] = "maybe"
    del broken["gate"]
    errors = jsonschema.Draft202012Validator(report_schema()).iter_errors(broken)
    assert len(list(errors)) == 2


def test_keys_stand_in_a_fixed_order_and_trials_are_sorted(report: Path) -> None:
    content = _read(report)
    assert list(content) == [
        "format",
        "version",
        "run",
        "gate",
        "summaries",
        "comparisons",
        "ranking",
        "matrix",
        "spreads",
        "covariates",
        "repeatability",
        "judges",
        "warnings",
        "quarantine",
        "identity",
        "trials",
    ]
    keys = [(t["suite"], t["case"], t["model"], t["repeat"]) for t in content["trials"]]
    assert keys == sorted(keys)


def test_a_trial_says_how_it_ended(report: Path) -> None:
    found = {
        t["case"]: (t["outcome"], t["is_blind_pass"])
        for t in _read(report)["trials"]
        if t["model"] == CANDIDATE
    }
    assert found["case-000"] == ("passed", False)
    assert found["case-001"] == ("missed", True)
    assert found["case-002"] == ("missed", False)
    assert found["case-004"] == ("errored", False)


def test_every_statistic_of_the_run_is_there(report: Path) -> None:
    content = _read(report)
    assert content["version"] == "1.6.0"
    assert [rank["is_separated"] for rank in content["ranking"]] == [True, False, None]
    assert {cell["standing"] for cell in content["matrix"]} >= {"worse", "better", "not separated", "too few"}
    assert content["spreads"][0]["comparison"]["candidate"]["counts"][8] == 4
    assert content["covariates"][0]["above"]["estimate"] == 0.148
    assert content["repeatability"][0]["flaky"][0] == {
        "suite": "code_review", "case": "case-003", "passed": 3, "repeats": 5,
    }  # fmt: skip
    comparison = content["comparisons"][0]
    assert comparison["blind_pass"][0]["p_value"] == 0.041
    assert comparison["scores"][0]["candidate_counts"] == [1, 5, 2, 2, 4]
    assert comparison["amounts"][0]["amount"] == "tokens_out"
    assert content["quarantine"]["cases"][0]["case"] == "case-004"
    assert content["run"]["seed"] == 7
    assert content["run"]["stopping"]["rules"][0]["answer"] == "fail"
    assert len(content["run"]["calibrations"][0]["labels"]) == 13


def test_a_report_of_the_first_version_is_read(report: Path, tmp_path: Path) -> None:
    content = _read(report)
    content["version"] = "1.0.0"
    for added in ("ranking", "matrix", "spreads", "covariates", "repeatability"):
        del content[added]
    for added in ("seed", "calibrations", "stopping", "wanted", "shard", "merged", "completes"):
        del content["run"][added]
    older = tmp_path / "older.json"
    older.write_text(json.dumps(content))
    run, trials = load_report(older)
    assert (run.seed, run.calibrations, run.stopping, len(trials)) == (0, (), None, 48)
    assert (run.wanted, run.shard, run.merged, run.completes) == (0, None, (), None)


def test_the_gates_answer_and_exit_code_are_machine_readable(report: Path) -> None:
    gate = _read(report)["gate"]
    assert (gate["answer"], gate["exit_code"]) == ("fail", 1)


def test_what_is_written_is_read_back(report: Path) -> None:
    outcome = made_up_outcome()
    run, trials = load_report(report)
    assert run == outcome.run
    clean = [t for t in in_order(outcome.trials) if "\ud800" not in repr(t) and "\\ud800" not in repr(t)]
    assert len(clean) > 20
    assert [t for t in trials if t in clean] == clean
    assert len(trials) == len(outcome.trials)


def test_hostile_text_survives_but_for_lone_surrogates(report: Path) -> None:
    _, trials = load_report(report)
    texts = [t.answer.response.text for t in trials if t.answer]
    assert HOSTILE.replace("\ud800", "\ufffd") in texts


def test_a_report_of_a_newer_minor_version_is_read(report: Path, tmp_path: Path) -> None:
    content = _read(report)
    content["version"] = "1.7.0"
    content["trials"][0]["added_later"] = True
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps(content))
    assert len(load_report(newer)[1]) == 48


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": "2.0.0"}, r"version '2\.0\.0' cannot be read: this swapgate reads 1\.x"),
        ({"format": "junit"}, r"not a swapgate report: its format is 'junit'"),
        ({"run": {"id": 7}}, r"not a swapgate report: .* at /run/id"),
    ],
)
def test_what_cannot_be_read_is_said(
    report: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps({**_read(report), **change}))
    with pytest.raises(UsageError, match=rf"other\.json: .*{message}"):
        load_report(other)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_report_is_recognised(report: Path, tmp_path: Path, share: float) -> None:
    content = report.read_bytes()
    cut = tmp_path / "cut.json"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(UsageError, match=r"cut\.json: the report is cut off before its end"):
        load_report(cut)


def test_text_that_is_no_json_and_a_missing_file_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "notes.json").write_text("# notes")
    with pytest.raises(UsageError, match=r"notes\.json: not a swapgate report"):
        load_report(tmp_path / "notes.json")
    with pytest.raises(UsageError, match=r"absent\.json: the report cannot be read: No such file"):
        load_report(tmp_path / "absent.json")


def test_an_empty_run_is_a_valid_report(tmp_path: Path) -> None:
    outcome = replace(made_up_outcome(), trials=(), summaries=(), comparisons=(), warnings=())
    paths = write_reports(outcome, tmp_path, ["json", "md", "html"])
    jsonschema.Draft202012Validator(report_schema()).validate(_read(paths[0]))
    assert load_report(paths[0])[1] == []


def test_a_long_run_is_written_without_a_copy_in_memory(tmp_path: Path) -> None:
    outcome = made_up_outcome(cases=100, long_text=2000)
    write_reports(outcome, tmp_path, ["json"])
    tracemalloc.start()
    (path,) = write_reports(outcome, tmp_path, ["json"])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < path.stat().st_size / 5


def test_a_thousand_trials_are_reported_quickly(tmp_path: Path) -> None:
    outcome = made_up_outcome(cases=170)
    assert len(outcome.trials) > 1000
    start = time.process_time()
    write_reports(outcome, tmp_path, ["json", "md", "html"])
    assert time.process_time() - start < 1.5
