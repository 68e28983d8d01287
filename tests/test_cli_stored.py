"""`swapgate history`, `report` and `cache`: what earlier runs left behind."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from swapgate.cli import main
from swapgate.memory.cache import ResponseCache
from swapgate.memory.history import HistoryWriter
from swapgate.records import Answer, CheckResult, ModelIdentity, Response, Run, Trial, to_json
from workspaces import lay

GATE = {"semantic": {"min": 0.5, "on": "point"}}
RUN = Run(
    id="20260101-100000-aaaaaa",
    started_at="2026-01-01T10:00:00.000+00:00",
    finished_at="2026-01-01T10:00:05.000+00:00",
    models=(ModelIdentity(name="new", provider="recorded", model="new"),),
    suites=("triage",),
    planned=3,
    is_complete=True,
    settings={"gate": GATE, "suite_gates": {}},
)
BASELINE = replace(
    RUN,
    id="20251231-090000-bbbbbb",
    started_at="2025-12-31T09:00:00.000+00:00",
    models=(ModelIdentity(name="old", provider="recorded", model="old"),),
)


def trial(case: str, *, model: str = "new", is_right: bool = True) -> Trial:
    checks = (
        CheckResult(check="json", kind="structural", passed=True),
        CheckResult(check="expected", kind="semantic", passed=is_right),
    )
    answer = Answer(response=Response(text='{"label": "bug"}'), model=model)
    return Trial(suite="triage", case=case, model=model, answer=answer, checks=checks)


def store(root: Path, run: Run, trials: Sequence[Trial]) -> None:
    writer = HistoryWriter(root / ".swapgate" / "history.db", run)
    for one in trials:
        writer.add(one)
    writer.finish(run)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a run of `new`, and one of `old` before it."""
    monkeypatch.chdir(tmp_path)
    lay(tmp_path, {"cases/.gitkeep": ""})
    store(tmp_path, BASELINE, [trial(case, model="old") for case in ("one", "two", "three")])
    store(tmp_path, RUN, [trial("one"), trial("two"), trial("three", is_right=False)])
    return tmp_path


def result_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> object:
    assert main([*arguments, "--json"]) == 0
    loaded: object = json.loads(capsys.readouterr().out)
    return loaded


@pytest.mark.usefixtures("root")
def test_history_lists_the_newest_run_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "list"]) == 0
    header, newest, oldest = capsys.readouterr().out.splitlines()
    assert header.split() == ["run", "started", "models", "baseline", "suites", "planned", "passed", "state"]
    assert newest.split() == [RUN.id, "2026-01-01T10:00:00", "new", "triage", "3", "2/3", "complete"]
    assert oldest.split()[0] == BASELINE.id
    listed = result_of(capsys, "history", "list", "--limit", "1")
    assert isinstance(listed, list)
    assert [(run["id"], run["models"], run["is_complete"]) for run in listed] == [(RUN.id, ["new"], True)]


def test_run_that_never_ended_is_listed_as_unfinished(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(
        root,
        replace(RUN, id="20260301-100000-cccccc", started_at="2026-03-01T10:00:00", finished_at=None),
        [],
    )
    assert main(["history", "list", "--limit", "1"]) == 0
    assert capsys.readouterr().out.splitlines()[1].endswith("unfinished")


def test_of_many_models_the_first_two_are_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = tuple(ModelIdentity(name=f"m-{n}", provider="recorded", model="m") for n in range(17))
    store(root, replace(RUN, id="20260102-100000-cccccc", models=models, suites=("a", "b", "c")), [])
    assert main(["history", "list", "--limit", "1"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("20260102")]
    assert "m-0, m-1, +15  " in row
    assert "a, b, +1  " in row


def test_no_history_is_said_and_none_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "list", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "no runs yet: `pytest --model=NAME` makes one\n"
    assert not (tmp_path / ".swapgate").exists()


@pytest.mark.usefixtures("root")
def test_history_shows_the_rates_and_the_gates_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["history", "show", "latest"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(
        f"run {RUN.id}, complete, started 2026-01-01T10:00:00.000+00:00, 3 trials planned\n"
    )
    assert "model new: recorded new" in said
    assert "66.7%" in said and "gate: PASS" in said
    shown = result_of(capsys, "history", "show", RUN.id)
    assert isinstance(shown, dict)
    assert (shown["run"]["id"], shown["gate"]["answer"]) == (RUN.id, "pass")


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("command", [["history", "show"], ["report"]])
def test_unknown_run_names_those_that_exist(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    assert main([*command, "20260101-100000-aaaabb"]) == 4
    assert f"Did you mean '{RUN.id}'?" in capsys.readouterr().err


def test_reports_are_written_again_with_the_gates_sentence(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", "20260101"]) == 0
    *paths, sentence = capsys.readouterr().out.splitlines()
    assert paths == [f"report: reports/{RUN.id}/report.{kind}" for kind in ("json", "md", "html")]
    assert sentence.startswith("gate: PASS  ")
    assert json.loads((root / "reports" / RUN.id / "report.json").read_text())["gate"]["answer"] == "pass"


def test_report_is_made_from_a_report_json_in_one_format(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["report", "latest", "--report", "json", "--out", "first"])
    capsys.readouterr()
    made = result_of(capsys, "report", "first/report.json", "--report", "md", "--out", "second")
    assert isinstance(made, dict)
    assert (made["run"], made["gate"]["answer"]) == (RUN.id, "pass")
    assert [path.name for path in (root / "second").iterdir()] == ["report.md"]


@pytest.mark.usefixtures("root")
def test_unknown_format_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report", "latest", "--report", "htm"]) == 4
    assert "unknown format 'htm'. Did you mean 'html'?" in capsys.readouterr().err


def test_report_compares_with_the_stored_baseline_again(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    label = f"old@{BASELINE.id}"
    compared = replace(RUN, id="20260401-100000-dddddd", started_at="2026-04-01T10:00:00", baseline=label)
    store(root, compared, [trial("one"), trial("two"), trial("three", is_right=False)])
    main(["report", compared.id, "--report", "json"])
    written = json.loads((root / "reports" / compared.id / "report.json").read_text())
    assert [(c["candidate"], c["baseline"]) for c in written["comparisons"]] == [("new", label)]
    gone = replace(compared, id="20260402-100000-eeeeee", baseline="old@20200101-000000-000000")
    store(root, gone, [trial("one"), trial("two"), trial("three")])
    capsys.readouterr()
    assert main(["report", gone.id, "--report", "md"]) == 0
    assert "without its baseline old@20200101-000000-000000" in capsys.readouterr().err


def fill_cache(root: Path, answers: Sequence[tuple[str, str, str]]) -> None:
    with closing(ResponseCache(root / ".swapgate" / "cache.db")) as cache:
        for model, suite, case in answers:
            about = {"provider": "openai", "model": model, "suite": suite, "case": case, "repeat": 1}
            cache.put(f"{model}/{suite}/{case}", Response(text=f"{case} from {model}"), about)


ANSWERS = [("a", "triage", "one"), ("a", "triage", "two"), ("a", "review", "one"), ("b", "triage", "one")]


def test_exported_bytes_do_not_depend_on_the_order_of_storing(tmp_path: Path) -> None:
    fill_cache(tmp_path / "x", ANSWERS)
    fill_cache(tmp_path / "y", ANSWERS[::-1])
    for name in ("x", "y"):
        assert main(["cache", "export", str(tmp_path / f"{name}.jsonl"), "--root", str(tmp_path / name)]) == 0
    assert (tmp_path / "x.jsonl").read_bytes() == (tmp_path / "y.jsonl").read_bytes()
    assert len((tmp_path / "x.jsonl").read_text().splitlines()) == 4


def test_export_of_one_model_and_suite_is_imported_elsewhere(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_cache(tmp_path / "x", ANSWERS)
    (tmp_path / "y").mkdir()
    file = str(tmp_path / "some.jsonl")
    main(["cache", "export", file, "--root", str(tmp_path / "x"), "--model", "a", "--suite", "triage"])
    assert "2 responses written" in capsys.readouterr().out
    for _ in range(2):
        assert main(["cache", "import", file, "--root", str(tmp_path / "y")]) == 0
        assert "2 responses read" in capsys.readouterr().out
    with closing(ResponseCache(tmp_path / "y" / ".swapgate" / "cache.db")) as cache:
        assert to_json(cache.get("a/triage/two"))["text"] == "two from a"  # type: ignore[arg-type]
    stats = result_of(capsys, "cache", "stats", "--root", str(tmp_path / "y"))
    assert isinstance(stats, dict)
    assert stats["responses"] == 2 and stats["bytes"] > 0
    assert stats["by"] == [{"model": "a", "suite": "triage", "responses": 2}]


def test_export_that_meets_a_damaged_answer_leaves_the_file_that_was_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_cache(tmp_path, ANSWERS)
    arguments = ["cache", "export", str(tmp_path / "out" / "all.jsonl"), "--root", str(tmp_path)]
    assert main(arguments) == 0
    whole = (tmp_path / "out" / "all.jsonl").read_bytes()
    with closing(sqlite3.connect(tmp_path / ".swapgate" / "cache.db")) as cache, cache:
        cache.execute("UPDATE responses SET response = '{' WHERE key = 'b/triage/one'")
    assert main(arguments) != 0
    assert "cache.db: the cache cannot be used" in capsys.readouterr().err
    assert [(file.name, file.read_bytes()) for file in (tmp_path / "out").iterdir()] == [("all.jsonl", whole)]


def test_export_of_an_unknown_model_suggests_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill_cache(tmp_path, [("gpt-x", "triage", "one")])
    arguments = ["cache", "export", str(tmp_path / "out.jsonl"), "--root", str(tmp_path), "--model", "gtp-x"]
    assert main(arguments) == 4
    assert "no response of model 'gtp-x'. Did you mean 'gpt-x'?" in capsys.readouterr().err
    assert not (tmp_path / "out.jsonl").exists()


def test_broken_recording_is_named_by_its_line_and_nothing_is_imported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = '{"key": "k", "about": {}, "response": {"text": "x"}}'
    lay(tmp_path, {"bad.jsonl": f"{good}\n{{}}\n"})
    assert main(["cache", "import", str(tmp_path / "bad.jsonl"), "--root", str(tmp_path)]) == 4
    assert "bad.jsonl:2: not a recording" in capsys.readouterr().err
    assert not (tmp_path / ".swapgate").exists()


@pytest.mark.parametrize("command", [["cache", "stats"], ["cache", "export", "x.jsonl"]])
def test_looking_at_no_cache_makes_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    code = main([*command, "--root", str(tmp_path)])
    said = capsys.readouterr()
    assert (code, ("0 responses" in said.out)) == (0, True) or (code, "no cache in" in said.err) == (4, True)
    assert not (tmp_path / ".swapgate").exists()
