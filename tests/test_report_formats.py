"""The formats for other programs: CSV, Parquet, JUnit, SARIF, GitLab's code quality."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pandas as pd
import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from reporting_outcome import CANDIDATE, HOSTILE, made_up_outcome
from swapgate.analysis.frames import COLUMNS
from swapgate.analysis.outcome import RunOutcome
from swapgate.cli import main
from swapgate.facts import facts_of
from swapgate.records import Answer, CheckResult, Finding, Response, Trial
from swapgate.reporting import BUILT_IN, write_reports
from swapgate.reporting.flagged import from_repository
from swapgate.reporting.sarif_log import MOST_RESULTS
from swapgate.reporting.trial_table import cell
from workspaces import BLIND, RIGHT, recorded_workspace

HERE = Path(__file__).parent
BASE = made_up_outcome(cases=2)
GOLDEN = HERE / "golden" / "trials.csv"
HOSTILE_TEXTS = (
    HOSTILE,
    "\x00\x1b]8;;https://evil.example\x07click\x1b]8;;\x07",
    "\u202eabc\u2066\ud800\udc00\udfff",
    "\ufffe\uffff\U0010ffff",
    "x" * 5_000_000,
    "]]>&<!--<![CDATA[",
    "::error::%0A\r\n::warning::",
    "=cmd|' /C calc'!A0",
)


def _missed(suite: str, case: str, text: str, *, model: str = "new", line: int = 3) -> Trial:
    finding = Finding(message=text, pointer=text[:50], got=text)
    check = CheckResult(check="json", kind="structural", passed=False, findings=(finding,))
    return Trial(
        suite=suite,
        case=case,
        model=model,
        path="cases/a b.yml",
        line=line,
        cluster=text[:60],
        answer=Answer(response=Response(text=text, latency_s=1.25), model=model),
        checks=(check,),
    )


def _of(trials: Sequence[Trial]) -> RunOutcome:
    """Return an outcome of these trials, without a baseline."""
    outcome = BASE
    return replace(outcome, trials=trials, facts=[facts_of(t) for t in trials], comparisons=(), summaries=())


def _written(outcome: RunOutcome, folder: Path, name: str) -> Path:
    (path,) = write_reports(outcome, folder, [name])
    return path


def _rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_bytes().decode())))


# CSV


def test_the_csv_is_the_golden_one(tmp_path: Path) -> None:
    path = _written(made_up_outcome(cases=3), tmp_path, "csv")
    if "SWAPGATE_UPDATE_GOLDEN" in os.environ:
        GOLDEN.write_bytes(path.read_bytes())
    assert path.read_bytes() == GOLDEN.read_bytes()


def test_the_csv_holds_what_the_frame_holds(tmp_path: Path) -> None:
    outcome = made_up_outcome()
    frame = outcome.to_frame().sort_values(["suite", "case", "model", "repeat"], ignore_index=True)
    read = pd.read_csv(_written(outcome, tmp_path, "csv"), dtype=frame.dtypes.to_dict(), na_values=[""])
    pd.testing.assert_frame_equal(read, frame)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_no_cell_begins_as_a_formula(start: str) -> None:
    assert cell(f"{start}1+1").startswith(("'", "\\x0d"))


def test_numbers_below_zero_stay_numbers() -> None:
    assert [cell(value) for value in (-1.5, 0, None, True, False)] == ["-1.5", "0", "", "true", "false"]


@settings(deadline=None)
@given(text=st.text(max_size=60))
def test_any_text_is_one_cell_of_one_row(text: str) -> None:
    shown = cell(text)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    shown.encode()
    assert not set(shown) & {chr(n) for n in range(32) if n not in {9, 10}}


def test_case_names_that_begin_with_a_dash_are_marked(tmp_path: Path) -> None:
    path = _written(_of([_missed("s", "-1+1", "wrong")]), tmp_path, "csv")
    assert [row["case"] for row in _rows(path)] == ["'-1+1"]


# Parquet


def test_the_parquet_is_the_frame_with_its_types(tmp_path: Path) -> None:
    outcome = made_up_outcome()
    path = _written(outcome, tmp_path, "parquet")
    frame = outcome.to_frame().sort_values(["suite", "case", "model", "repeat"], ignore_index=True)
    read = pd.read_parquet(path, dtype_backend="numpy_nullable").astype(frame.dtypes.to_dict())
    pd.testing.assert_frame_equal(read, frame)
    assert parquet.read_schema(path).metadata[b"swapgate.run"].decode() == outcome.run.id


# JUnit


@pytest.fixture(scope="module")
def junit_schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(HERE / "schemas" / "junit-10.xsd")


def test_the_junit_file_is_valid_and_counts_right(tmp_path: Path, junit_schema: xmlschema.XMLSchema) -> None:
    outcome = made_up_outcome()
    path = _written(outcome, tmp_path, "junit")
    junit_schema.validate(path)
    root = ElementTree.parse(path).getroot()
    assert {k: root.attrib[k] for k in ("tests", "failures", "errors")} == {
        "tests": "48", "failures": "12", "errors": "4",
    }  # fmt: skip
    assert len(root.findall(".//testcase")) == 48
    assert len(root.findall(".//failure")) == 12
    assert len(root.findall(".//error")) == 4
    properties = {
        p.attrib["name"]: p.attrib["value"] for p in root.findall("testsuite[1]/properties/property")
    }
    assert (properties["swapgate_run"], properties["swapgate_gate"]) == (outcome.run.id, "fail")


def test_a_failure_says_which_kind_it_is_and_why(tmp_path: Path) -> None:
    root = ElementTree.parse(_written(made_up_outcome(), tmp_path, "junit")).getroot()
    (case,) = (c for c in root.iter("testcase") if c.attrib["name"] == f"case-001[{CANDIDATE}]"
               and "code_review" in c.attrib["classname"])  # fmt: skip
    failure = case.find("failure")
    assert failure is not None
    assert failure.attrib["type"] == "blind pass"
    assert failure.attrib["message"].startswith("reviewer: praises the query as safe, which it is not")
    assert (failure.text or "").startswith("cases/code_review.yml:15: code_review::case-001 by model-new")
    assert {error.attrib["type"] for error in root.iter("error")} == {"timeout"}


def test_junit_of_a_stored_run_names_cases_as_pytest_does(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT, "two": BLIND}})
    pytester.runpytest("--model=new", "--report=junit", "--junitxml=pytests.xml")
    assert (
        main(["report", "latest", "--report", "junit", "--out", "again", "--root", str(pytester.path)]) == 0
    )
    (live,) = pytester.path.glob("reports/20*/junit.xml")
    named = [_names(path) for path in (live, Path("again/junit.xml"), pytester.path / "pytests.xml")]
    assert named[0] == named[1] == named[2]
    assert ("cases.triage.yml", "two[new]", "failure") in named[0]
    told = [_properties(path) for path in (live, pytester.path / "pytests.xml")]
    assert told[0] == told[1]
    assert told[0]["swapgate_gate"] == "not judged"


def test_junit_tells_an_error_from_a_miss_and_one_repeat_from_another(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT}})  # whose second repeat was never recorded
    pytester.runpytest("--model=new", "--repeats=2", "--report=junit")
    (live,) = pytester.path.glob("reports/20*/junit.xml")
    found = {c.attrib["name"]: [e.tag for e in c] for c in ElementTree.parse(live).getroot().iter("testcase")}
    assert found == {"one[new#1]": [], "one[new#2]": ["error"]}


def _properties(path: Path) -> dict[str, str]:
    found = ElementTree.parse(path).getroot().findall("testsuite/properties/property")
    return {one.attrib["name"]: one.attrib["value"] for one in found}


def _names(path: Path) -> set[tuple[str, str, str]]:
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return {
        (c.attrib["classname"], c.attrib["name"], "failure" if c.find("failure") is not None else "")
        for c in cases
    }


# SARIF


@pytest.fixture(scope="module")
def sarif_schema() -> jsonschema.Draft4Validator:
    written = json.loads((HERE / "schemas" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
    return jsonschema.Draft4Validator(written)


def _sarif(path: Path) -> Any:
    (run,) = json.loads(path.read_text(encoding="utf-8"))["runs"]
    return run


def test_regressions_are_valid_sarif(tmp_path: Path, sarif_schema: jsonschema.Draft4Validator) -> None:
    path = _written(made_up_outcome(), tmp_path, "sarif")
    sarif_schema.validate(json.loads(path.read_text(encoding="utf-8")))
    results = _sarif(path)["results"]
    assert results
    assert {result["ruleId"] for result in results} == {"swapgate/regression"}
    assert {result["level"] for result in results} == {"error"}


def test_without_a_baseline_the_misses_are_told_the_blind_passes_first(tmp_path: Path) -> None:
    outcome = replace(made_up_outcome(), comparisons=())
    results = _sarif(_written(outcome, tmp_path, "sarif"))["results"]
    kinds = [result["ruleId"] for result in results]
    assert kinds == sorted(kinds)
    assert set(kinds) == {"swapgate/blind-pass", "swapgate/miss"}
    assert len(kinds) == 12


def test_places_are_seen_from_the_top_of_the_repository(tmp_path: Path) -> None:
    root = tmp_path / "with space" / "evals"
    (root / "cases").mkdir(parents=True)
    (root / "cases" / "a b.yml").write_text("")
    (tmp_path / ".git").mkdir()
    path = _written(_of([_missed("s", "one", "wrong", line=7)]), root / "reports" / "r", "sarif")
    (result,) = _sarif(path)["results"]
    (location,) = result["locations"]
    assert location["physicalLocation"] == {
        "artifactLocation": {"uri": "with%20space/evals/cases/a%20b.yml", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 7},
    }


@pytest.mark.parametrize("path", ["cases/a.yml", "../beside/a.yml"])
def test_places_are_known_wherever_the_report_is_written(tmp_path: Path, path: str) -> None:
    top, root = tmp_path / "repo", tmp_path / "repo" / "evals"
    (root / path).parent.mkdir(parents=True)
    (root / path).write_text("")
    (top / ".git").mkdir()
    outcome = replace(_of([replace(_missed("s", "one", "wrong"), path=path)]), workspace=root)
    (result,) = _sarif(_written(outcome, tmp_path / "elsewhere", "sarif"))["results"]
    (issue,) = json.loads(_written(outcome, tmp_path / "elsewhere", "codequality").read_text())
    wanted = (root / path).resolve().relative_to(top).as_posix()
    assert issue["location"]["path"] == wanted
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == wanted


def test_a_file_outside_the_repository_keeps_its_path(tmp_path: Path) -> None:
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "a.yml").write_text("")
    assert from_repository("../a.yml", tmp_path / "repo") == "../a.yml"


def test_a_fingerprint_stays_when_a_case_moves_or_is_answered_otherwise(tmp_path: Path) -> None:
    first = _sarif(_written(_of([_missed("s", "one", "wrong")]), tmp_path, "sarif"))["results"][0]
    second = _sarif(_written(_of([_missed("s", "one", "bad", line=90)]), tmp_path, "sarif"))["results"][0]
    assert first["partialFingerprints"] == second["partialFingerprints"]
    assert first["message"] != second["message"]


def test_repeats_of_a_case_are_one_result(tmp_path: Path) -> None:
    one = _missed("s", "one", "wrong")
    (result,) = _sarif(_written(_of([one, replace(one, repeat=2)]), tmp_path, "sarif"))["results"]
    assert result["message"]["text"] == "s/one by new: miss in 2 repeats: json at wrong: wrong"


def test_what_github_would_not_show_is_left_out_and_counted(tmp_path: Path) -> None:
    trials = [_missed("s", f"case-{n}", "wrong") for n in range(MOST_RESULTS + 40)]
    run = _sarif(_written(_of(trials), tmp_path, "sarif"))
    assert len(run["results"]) == MOST_RESULTS
    (_, told) = run["invocations"][0]["toolExecutionNotifications"]
    assert told["message"]["text"] == "40 results left out: the worst 5,000 are here"


# Code quality


def test_gitlab_gets_an_issue_for_each_case_with_its_place(tmp_path: Path) -> None:
    trials = [_missed("s", "one", "wrong", line=7), _missed("s", "two", "bad", line=9)]
    issues = json.loads(_written(_of(trials), tmp_path, "codequality").read_text(encoding="utf-8"))
    assert [(issue["severity"], issue["location"]) for issue in issues] == [
        ("minor", {"path": "cases/a b.yml", "lines": {"begin": 7}}),
        ("minor", {"path": "cases/a b.yml", "lines": {"begin": 9}}),
    ]
    assert len({issue["fingerprint"] for issue in issues}) == 2
    assert issues[0]["description"] == "s/one by new: miss: json at wrong: wrong"


# All of them


@pytest.mark.parametrize("text", HOSTILE_TEXTS, ids=range(len(HOSTILE_TEXTS)))
def test_no_text_breaks_a_format(
    text: str,
    tmp_path: Path,
    junit_schema: xmlschema.XMLSchema,
    sarif_schema: jsonschema.Draft4Validator,
) -> None:
    outcome = _of([_missed(f"s {text[:200]}", "one", text, model=f"m {text[:200]}")])
    written = write_reports(
        outcome, tmp_path, ["json", "md", "junit", "csv", "parquet", "sarif", "codequality"]
    )
    by_name = {path.name: path for path in written}
    junit_schema.validate(by_name["junit.xml"])
    sarif_schema.validate(json.loads(by_name["report.sarif"].read_text(encoding="utf-8")))
    assert len(_rows(by_name["trials.csv"])) == 1
    assert parquet.read_table(by_name["trials.parquet"]).num_rows == 1
    assert len(json.loads(by_name["codequality.json"].read_text(encoding="utf-8"))) == 1
    assert json.loads(by_name["report.json"].read_text(encoding="utf-8"))["trials"]
    for name in ("report.md", "junit.xml", "trials.csv", "report.sarif", "codequality.json"):
        content = by_name[name].read_text(encoding="utf-8")
        assert not set(content) & {"\x00", "\x1b", "\x07", "\u202e", "\u2066"}, name
        assert len(content) < 100_000, name


@settings(max_examples=30, deadline=None)
@given(text=st.text(max_size=80), name=st.text(min_size=1, max_size=20))
def test_any_text_makes_valid_files(
    text: str,
    name: str,
    tmp_path_factory: pytest.TempPathFactory,
    junit_schema: xmlschema.XMLSchema,
    sarif_schema: jsonschema.Draft4Validator,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    outcome = _of([_missed(name, "one", text, model=name)])
    junit, table, _parquet, sarif = write_reports(outcome, folder, ["junit", "csv", "parquet", "sarif"])
    junit_schema.validate(junit)
    sarif_schema.validate(json.loads(sarif.read_text(encoding="utf-8")))
    assert len(_rows(table)) == 1


def test_every_format_of_a_stored_run_is_made_again(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"old": {"one": RIGHT}, "new": {"one": BLIND}})
    names = ["json", "md", "html", "junit", "csv", "parquet", "sarif", "codequality"]
    asked = [f"--report={name}" for name in names]
    pytester.runpytest("--model=new", "--baseline=old", *asked)
    (live,) = pytester.path.glob("reports/20*")
    again = pytester.path / "again"
    command = ["report", "latest", *asked, "--out", str(again), "--root", str(pytester.path)]
    assert main(command) == 0
    for path in live.iterdir():
        if path.suffix not in {".json", ".html", ".md"} or path.name == "codequality.json":
            assert (again / path.name).read_bytes() == path.read_bytes(), path.name
    assert sorted(p.name for p in again.iterdir()) == sorted(p.name for p in live.iterdir())


# The documentation


def test_every_format_and_column_is_on_the_page() -> None:
    page = (HERE.parent / "docs" / "reports.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(" `") for line in page.splitlines() if line.startswith("| `")}
    assert set(BUILT_IN) <= rows
    assert [name for name in COLUMNS if f"`{name}`" not in page] == []
