"""`swapgate compare`: stored runs against each other, and every way to name them wrongly."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from analysis_trials import trial, verdict
from swapgate.analysis.compare import Comparison
from swapgate.analysis.decision import GateResult
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.summary import Summary
from swapgate.cli import main
from swapgate.memory.history import HistoryWriter
from swapgate.records import Json, ModelIdentity, Run, Stopping, Trial, adapter
from swapgate.reporting.report_json import report_schema
from swapgate.runs.stored import join, load_facts
from swapgate.spec.settings import resolve_settings
from workspaces import BLIND, RIGHT, lay, recorded_workspace

OLD, WORSE, SAME, BOTH = (f"2026010{n}-100000-{n * 6}" for n in ("1", "2", "3", "4"))
CASES = 80
GATE: Json = {"semantic": {"min": 0.5, "on": "point"}}
Said = pytest.CaptureFixture[str]


def passes(wrong: Callable[[int], bool] = lambda _n: False) -> list[bool]:
    return [not wrong(n) for n in range(CASES)]


RESULTS = {
    OLD: {"a": passes()},
    WORSE: {"b": passes(lambda n: n % 4 == 0)},
    SAME: {"c": passes(lambda n: n == 7)},
    BOTH: {"a": passes(), "b": passes(lambda n: n % 8 == 0)},
}


def trials_of(model: str, results: Sequence[bool], **fields: object) -> list[Trial]:
    return [
        trial(
            f"c{n}", suite="triage", model=model, semantic=passed, tags=("hard",) if n % 2 else (), **fields
        )
        for n, passed in enumerate(results)
    ]


def manifest(run_id: str, models: Iterable[str], **fields: object) -> Run:
    started = f"{run_id[:4]}-{run_id[4:6]}-{run_id[6:8]}T10:00:00.000+00:00"
    run = Run(
        id=run_id,
        started_at=started,
        finished_at=started,
        models=tuple(ModelIdentity(name=name, provider="recorded", model=name) for name in models),
        suites=("triage",),
        planned=CASES,
        is_complete=True,
        settings={"gate": GATE, "suite_gates": {}},
    )
    return replace(run, **fields)  # type: ignore[arg-type]


def store(root: Path, run: Run, trials: Iterable[Trial]) -> None:
    writer = HistoryWriter(root / ".swapgate" / "history.db", run)
    for one in trials:
        writer.add(one)
    writer.finish(run)


@pytest.fixture(scope="module")
def stored_runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stored")
    lay(folder, {"cases/.gitkeep": ""})
    for run_id, models in RESULTS.items():
        run = manifest(run_id, models, planned=CASES * len(models))
        store(folder, run, [t for model, results in models.items() for t in trials_of(model, results)])
    return folder


@pytest.fixture
def root(tmp_path: Path, stored_runs: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with four stored runs, the last of them of two models."""
    shutil.copytree(stored_runs, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


def compared(capsys: Said, *arguments: str, code: int = 0) -> str:
    assert main(["compare", *arguments]) == code
    return capsys.readouterr().out


def document(capsys: Said, *arguments: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(compared(capsys, *arguments, "--json"))
    return loaded


def joined(root: Path, *names: str) -> RunOutcome:
    settings = resolve_settings(root, {}, {})
    baseline, *candidates = (load_facts(name, settings) for name in names)
    return join(baseline, candidates)


def refused(capsys: Said, *arguments: str) -> str:
    """Return the one sentence with which a command is refused."""
    assert main(["compare", *arguments]) == 4
    said = capsys.readouterr()
    assert said.out == "" and said.err.count("\n") == 1
    return said.err.removeprefix("swapgate: error: ").removesuffix("\n")


# What is said


@pytest.mark.usefixtures("root")
def test_two_runs_are_compared_and_the_first_is_the_baseline(capsys: Said) -> None:
    said = compared(capsys, OLD, WORSE)
    assert said.splitlines()[:2] == [f"baseline: a, run {OLD}", f"candidate: b, run {WORSE}"]
    assert "a (baseline)" in said and "b against a" in said
    assert "-25.0 points" in said and "on 80 pairs" in said
    assert "regressed 20: triage/c0, triage/c12, triage/c16" in said
    assert re.search(r"^gate: FAIL .*b minus that of a ", said, re.MULTILINE)


@pytest.mark.usefixtures("root")
def test_exchanged_runs_give_the_opposite_difference(capsys: Said) -> None:
    there, back = (document(capsys, *runs)["comparisons"][0] for runs in ((OLD, WORSE), (WORSE, OLD)))
    for one, other in zip(there["differences"], back["differences"], strict=True):
        assert one["estimate"] == -other["estimate"]
        assert (one["low"], one["high"]) == pytest.approx((-other["high"], -other["low"]))
    assert there["regressed"] == back["fixed"] and back["regressed"] == []


@pytest.mark.usefixtures("root")
def test_three_runs_are_held_against_the_first_with_holm_and_ranked(capsys: Said) -> None:
    said = compared(capsys, OLD, WORSE, SAME)
    assert "b against a" in said and "c against a" in said
    assert "c against b" not in said
    assert "adjusted" in said
    (ranks,) = [line for line in said.splitlines() if line.startswith("ranking")]
    assert ranks.index(" a") < ranks.index(" c") < ranks.index(" b")


@pytest.mark.usefixtures("root")
def test_one_model_of_a_run_is_named_with_the_run(capsys: Said) -> None:
    said = compared(capsys, f"a@{BOTH}", f"b@{BOTH}")
    assert said.splitlines()[:2] == [f"baseline: a, run {BOTH}", f"candidate: b, run {BOTH}"]
    assert "b against a" in said and "-12.5 points" in said
    assert f"candidate: b, run {BOTH}" in compared(capsys, OLD, f"b@{BOTH}")


@pytest.mark.usefixtures("root")
def test_one_model_in_two_runs_is_told_apart_by_the_runs(capsys: Said) -> None:
    said = compared(capsys, OLD, f"a@{BOTH}")
    assert f"a@{BOTH} against a@{OLD}" in said


@pytest.mark.usefixtures("root")
def test_beginning_of_an_id_and_latest_name_runs(capsys: Said) -> None:
    assert compared(capsys, OLD[:8], WORSE[:8]) == compared(capsys, OLD, WORSE)
    assert f"candidate: b, run {BOTH}" in compared(capsys, OLD[:8], "b@latest")


def test_path_of_a_report_names_its_run(root: Path, capsys: Said) -> None:
    for run_id in (OLD, WORSE):
        assert main(["report", run_id, "--report", "json"]) == 0
    capsys.readouterr()
    paths = [f"reports/{run_id}/report.json" for run_id in (OLD, WORSE)]
    by_id = compared(capsys, OLD, WORSE)
    assert compared(capsys, *paths) == by_id
    (root / ".swapgate" / "history.db").unlink()
    assert compared(capsys, *paths) == by_id


def test_what_pytest_stored_is_compared_like_the_run_side_by_side(
    pytester: pytest.Pytester, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SWAPGATE_MODEL", raising=False)
    names = [f"case-{n:02}" for n in range(60)]
    worse = {name: BLIND if n % 3 == 0 else RIGHT for n, name in enumerate(names)}
    recorded_workspace(pytester.path, {"old": dict.fromkeys(names, RIGHT), "new": worse})
    beside = pytester.runpytest("--model=new", "--baseline=old", "--report=json")
    assert beside.ret == 1
    for model in ("old", "new"):
        pytester.runpytest(f"--model={model}", "--report=none")
    capsys.readouterr()
    assert main(["history", "list", "--json"]) == 0
    candidate, baseline, _together = (run["id"] for run in json.loads(capsys.readouterr().out))
    apart = document(capsys, baseline, candidate)["comparisons"][0]
    (path,) = pytester.path.glob("reports/*-*/report.json")
    together = json.loads(path.read_text())["comparisons"][0]
    for side in (apart, together):
        for one in side["differences"]:
            del one["candidate"], one["baseline"]
    assert apart["differences"] == together["differences"]
    assert apart["regressed"] == together["regressed"] != []


@pytest.mark.usefixtures("root")
def test_verbose_shows_every_decision_the_slices_and_at_twice_every_case(capsys: Said) -> None:
    plain, once, twice = (compared(capsys, OLD, WORSE, *more) for more in ([], ["-v"], ["-vv"]))
    assert "FAIL  margin" not in plain and "FAIL  margin" in once
    assert "hard" not in plain and "hard" in once
    assert "and 10 more" in plain and "triage/c76" in twice
    assert len(plain) < len(once) < len(twice)


# The gate


@pytest.mark.usefixtures("root")
def test_margin_takes_the_place_of_the_runs_own(capsys: Said) -> None:
    said = compared(capsys, OLD, SAME)
    assert "not worse by more than 5 points" in said
    said = compared(capsys, OLD, SAME, "--margin", "0.2")
    assert "not worse by more than 20 points" in said
    # The other rules stay.
    assert "semantic pass rate of c " in said


def test_margin_is_refused_where_every_case_decides(root: Path, capsys: Said) -> None:
    all_of_them = manifest("20260105-100000-6", ["d"], settings={"gate": "every-case"})
    store(root, all_of_them, trials_of("d", passes()))
    assert "every-case, which takes no margin" in refused(capsys, OLD, all_of_them.id, "--margin", "0.1")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("runs", "margin", "code"),
    [
        ([OLD, SAME], "0.2", 0),
        ([OLD, WORSE], "0.2", 10),
        ([OLD, WORSE], "0.1", 1),
        ([OLD, SAME, WORSE], "0.1", 1),
    ],
)
def test_gate_sets_the_exit_code_when_it_is_asked_for(
    capsys: Said, runs: Sequence[str], margin: str, code: int
) -> None:
    compared(capsys, *runs, "--margin", margin)
    compared(capsys, *runs, "--margin", margin, "--gate", code=code)
    compared(capsys, *runs, "--margin", margin, "--gate", "--json", code=code)


def test_rules_are_those_of_the_first_candidates_run(root: Path, capsys: Said) -> None:
    strict = manifest(
        "20260105-100000-5", ["d"], settings={"gate": {"semantic": {"min": 0.99, "on": "point"}}}
    )
    store(root, strict, trials_of("d", passes(lambda n: n == 7)))
    said = compared(capsys, OLD, strict.id, "--gate", code=1)
    assert "d overall is 98.8%, below the required 99%" in said
    assert main(["compare", OLD, SAME, strict.id, "--gate", "--margin", "0.2"]) == 0


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"finished_at": None, "is_complete": False}, "it never ended"),
        ({"is_partial": True}, "only part of its trials was run"),
        ({"is_complete": False, "planned": 160}, "only part of its trials was run"),
        (
            {
                "is_complete": False,
                "stopping": Stopping(looks=10, seed=1, planned_cases=160, cases=80, saved_trials=80),
            },
            "it stopped early",
        ),
    ],
    ids=["unfinished", "partial", "incomplete", "stopped"],
)
def test_run_that_is_not_whole_is_shown_and_not_judged(
    root: Path, capsys: Said, fields: Mapping[str, object], reason: str
) -> None:
    broken = manifest("20260106-100000-6", ["e"], **fields)
    store(root, broken, trials_of("e", passes()))
    for runs in ((OLD, broken.id), (broken.id, SAME)):
        said = compared(capsys, *runs)
        assert "on 80 pairs" in said
        assert f"gate not judged: run {broken.id} is not complete: {reason}" in said
        # Nothing lets a merge through without an answer.
        compared(capsys, *runs, "--gate", code=10)


# What is left out


def test_changed_case_is_counted_and_left_out(root: Path, capsys: Said) -> None:
    before, after = (manifest(f"2026010{n}-110000-x", [f"m{n}"]) for n in (7, 8))
    store(root, before, [replace(t, case_hash="1" * 64) for t in trials_of("m7", passes())])
    changed = [
        replace(t, case_hash=("2" if n < 10 else "1") * 64)
        for n, t in enumerate(trials_of("m8", passes(lambda n: n < 10)))
    ]
    store(root, after, changed)
    said = compared(capsys, before.id, after.id)
    assert "on 70 pairs" in said and "regressed" not in said
    assert "warning: 10 of the cases that" in said
    assert document(capsys, before.id, after.id)["comparisons"][0]["changed"] == 10


def test_changed_judge_is_counted_and_left_out(root: Path, capsys: Said) -> None:
    run = manifest("20260109-100000-9", ["f"])
    judged = [
        replace(t, verdicts=(verdict(True, definition_hash="9" * 64),)) if n < 30 else t
        for n, t in enumerate(trials_of("f", passes()))
    ]
    store(root, run, judged)
    said = compared(capsys, OLD, run.id)
    assert "on 50 pairs" in said and "warning: 30 of the cases that" in said


def test_case_that_one_run_lacks_is_counted_as_without_a_partner(root: Path, capsys: Said) -> None:
    run = manifest("20260110-100000-0", ["g"], planned=70)
    store(root, run, trials_of("g", passes())[:70])
    said = compared(capsys, OLD, run.id)
    assert "on 70 pairs" in said and "10 trials without a partner, left out" in said


def test_runs_without_a_common_case_decide_nothing(root: Path, capsys: Said) -> None:
    run = manifest("20260111-100000-0", ["h"])
    store(root, run, [replace(t, suite="other") for t in trials_of("h", passes())])
    said = compared(capsys, OLD, run.id, "--gate", code=10)
    assert "no pair of trials" in said


# For machines


def test_json_holds_the_gate_the_summaries_and_the_comparisons(root: Path, capsys: Said) -> None:
    written = document(capsys, OLD, WORSE, SAME)
    parts = ["ranking", "matrix", "spreads", "covariates", "repeatability", "judges", "warnings", "reports"]
    assert list(written) == ["gate", "summaries", "comparisons", *parts]
    outcome = joined(root, OLD, WORSE, SAME)
    assert adapter(GateResult).validate_python(written["gate"]) == outcome.gate
    assert [adapter(Summary).validate_python(s) for s in written["summaries"]] == [*outcome.summaries]
    assert [adapter(Comparison).validate_python(c) for c in written["comparisons"]] == [*outcome.comparisons]


@pytest.mark.usefixtures("root")
def test_json_is_as_the_schema_of_reports_says(capsys: Said) -> None:
    schema: dict[str, Any] = dict(report_schema())
    written = document(capsys, OLD, WORSE)
    for key in ("gate", "summaries", "comparisons"):
        part = {"$defs": schema["$defs"], **schema["properties"][key]}
        assert [error.message for error in Draft202012Validator(part).iter_errors(written[key])] == []


def test_reports_are_written_into_a_folder_of_both_names(root: Path, capsys: Said) -> None:
    said = compared(capsys, OLD, WORSE, "--report", "json", "--report", "md")
    folder = root / "reports" / f"{WORSE}-against-{OLD}"
    assert {path.name for path in folder.iterdir()} == {"report.json", "report.md"}
    assert f"report: reports/{WORSE}-against-{OLD}/report.md" in said
    assert "**FAIL**: semantic pass rate of b " in (folder / "report.md").read_text()
    report = json.loads((folder / "report.json").read_text())
    assert [error.message for error in Draft202012Validator(dict(report_schema())).iter_errors(report)] == []
    assert report["gate"] == document(capsys, OLD, WORSE)["gate"]


def test_out_says_where_and_nothing_is_written_unasked(root: Path, capsys: Said) -> None:
    compared(capsys, OLD, WORSE)
    assert not (root / "reports").exists()
    written = document(capsys, OLD, WORSE, "--report", "md", "--out", "here")
    assert [path.name for path in (root / "here").iterdir()] == ["report.md"]
    assert [Path(path).name for path in written["reports"]] == ["report.md"]
    assert not (root / "reports").exists()


# Mistakes


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([OLD], "compare takes a baseline and at least one candidate: two runs or more"),
        ([OLD, OLD], f"a@{OLD} is named twice"),
        ([OLD, WORSE, WORSE[:8]], f"b@{WORSE} is named twice"),
        ([OLD, f"a@{OLD}"], f"a@{OLD} is named twice"),
        ([OLD, BOTH], f"run {BOTH} holds 2 models, and one is wanted: name it, as a@{BOTH}, b@{BOTH}"),
        (
            [OLD, "20260102-100000-x"],
            f"no run '20260102-100000-x' in * Did you mean '{WORSE}'? Newest runs: ",
        ),
        ([OLD, "2026010"], "run '2026010' is ambiguous: "),
        ([OLD, f"bb@{BOTH}"], f"run {BOTH} has no model 'bb'. Did you mean 'b'? It holds: a, b"),
        ([OLD, "b@20990101"], "no run '20990101' in "),
        ([OLD, "reports/no.json"], "reports/no.json: the report cannot be read: No such file"),
        ([OLD, WORSE, "--margin", "1"], "Invalid value for '--margin'"),
        ([OLD, WORSE, "--margin", "-0.1"], "Invalid value for '--margin'"),
        ([OLD, WORSE, "--report", "html"], "--report 'html': a comparison is written as json or md"),
    ],
)
def test_mistake_is_one_sentence_and_exit_4(
    root: Path, capsys: Said, arguments: Sequence[str], message: str
) -> None:
    said = refused(capsys, *arguments)
    assert re.search(re.escape(message).replace(r"\*", ".*"), said), said
    assert not (root / "reports").exists()


def test_without_a_history_nothing_is_made(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = refused(capsys, "one", "two")
    assert said.startswith("'one' is neither ") and "`pytest --model=NAME` makes one" in said
    assert list(tmp_path.iterdir()) == []


def test_file_that_is_no_report_is_refused_by_its_name(root: Path, capsys: Said) -> None:
    lay(root, {"other.json": '{"a": 1}', "broken.json": "{"})
    for name in ("other.json", "broken.json"):
        assert name in refused(capsys, OLD, name)
