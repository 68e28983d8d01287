"""`swapgate history`: runs chosen, exported, brought in, pruned."""

from __future__ import annotations

import csv
import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.cli import main
from swapgate.memory.history import History, HistoryWriter
from swapgate.memory.history.pruning import what_to_prune
from swapgate.records import Answer, CheckResult, ModelIdentity, PromotedRun, Response, Run, Trial

NOW = datetime.now(UTC)


def run(number: int, *, days: float = 0, model: str = "m", **fields: Any) -> Run:
    """Return a complete run that began so many days ago."""
    at = (NOW - timedelta(days=days)).isoformat(timespec="milliseconds")
    made = Run(
        id=f"2026-{number:04d}",
        started_at=at,
        finished_at=at,
        models=(ModelIdentity(name=model, provider="p", model=model),),
        suites=("s",),
        planned=2,
        is_complete=True,
    )
    return replace(made, **fields)


def trial(case: str, *, model: str = "m", passed: bool = True, text: str = "x") -> Trial:
    return Trial(
        suite="s",
        case=case,
        model=model,
        answer=Answer(response=Response(text=text), model=model, cost_usd=0.25),
        checks=(CheckResult(check="json", kind="structural", passed=passed),),
    )


def store(root: Path, one: Run, *trials: Trial) -> None:
    writer = HistoryWriter(root / ".swapgate" / "history.db", one)
    for each in trials:
        writer.add(each)
    writer.finish(one)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four runs, the oldest 400 days old; the second is by another model, and of another suite."""
    monkeypatch.chdir(tmp_path)
    store(tmp_path, run(1, days=400), trial("a"), trial("b", passed=False, text="\x00\u202e"))
    store(tmp_path, run(2, days=40, model="n", suites=("t",)), trial("a", model="n"))
    store(tmp_path, run(3, days=4, baseline="m@2026-0001"), trial("a"), trial("c"))
    store(tmp_path, run(4, days=0.1), trial("a"))
    return tmp_path


def ids(capsys: pytest.CaptureFixture[str], *arguments: str) -> list[str]:
    assert main(["history", "list", "--json", *arguments]) == 0
    return [one["id"][-1] for one in json.loads(capsys.readouterr().out)]


def say(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main(["history", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out + captured.err


# list


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((), "4321"),
        (("--limit", "2"), "43"),
        (("--model", "m"), "431"),
        (("--model", "n"), "2"),
        (("--suite", "t"), "2"),
        (("--since", "7d"), "43"),
        (("--since", "1h"), ""),
        (("--since", (NOW - timedelta(days=41)).date().isoformat()), "432"),
        (("--since", "6w", "--model", "m", "--suite", "s", "--limit", "1"), "4"),
        (("--model", "nobody"), ""),
    ],
)
def test_list_chooses_by_model_suite_and_time(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], expected: str
) -> None:
    assert ids(capsys, *arguments) == list(expected)


def test_list_counts_what_passed_and_names_what_is_left_out(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "list", "--limit", "3").splitlines()
    assert said[0].split() == ["run", "started", "models", "baseline", "suites", "planned", "passed", "state"]
    assert [line.split()[-2] for line in said[1:4]] == ["1/1", "2/2", "1/1"]
    assert said[4] == "and 1 older: --limit 4 lists them"
    assert say(capsys, "list", "--model", "nobody") == "no such run\n"


@pytest.mark.parametrize("when", ["soon", "7", "7x", "2026-13-01", "-1d"])
def test_a_time_that_is_none_is_refused(root: Path, capsys: pytest.CaptureFixture[str], when: str) -> None:
    said = say(capsys, "list", f"--since={when}", code=4)
    assert f"--since {when!r} is no time: write a date (2026-11-01)" in said


# export and import


def test_jsonl_holds_everything_and_comes_back(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert say(capsys, "export", "all.jsonl") == "4 runs with 6 trials written to all.jsonl\n"
    said = say(capsys, "import", "all.jsonl", "--root", str(lay_empty(root)))
    assert said.endswith("4 runs brought into other/.swapgate/history.db\n")
    with (
        closing(History(root / ".swapgate/history.db")) as ours,
        closing(History(root / "other/.swapgate/history.db")) as theirs,
    ):
        assert ours.runs() == theirs.runs()
        for one in ours.runs():
            assert list(ours.trials(one.id)) == list(theirs.trials(one.id))
            assert ours.facts(one.id) == theirs.facts(one.id)


def lay_empty(root: Path) -> Path:
    (root / "other").mkdir()
    return root / "other"


def test_csv_and_parquet_have_a_row_a_trial(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pandas = pytest.importorskip("pandas")
    say(capsys, "export", "all.csv")
    say(capsys, "export", "all.parquet")
    with (root / "all.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["run"], row["case"], row["outcome"], row["cost_usd"]) for row in rows][-2:] == [
        ("2026-0001", "a", "passed", "0.25"),
        ("2026-0001", "b", "missed", "0.25"),
    ]
    assert [row["check:json"] for row in rows][-2:] == ["true", "false"]
    frame = pandas.read_parquet(root / "all.parquet")
    assert list(frame.columns) == list(rows[0])
    assert len(frame) == len(rows) == 6
    assert frame["cost_usd"].sum() == 1.5


def test_export_of_some_runs(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    say(capsys, "baseline", "set", "2026-0003")
    said = json.loads(say(capsys, "export", "some.jsonl", "latest", "@main", "--json"))
    assert said == {"file": "some.jsonl", "runs": ["2026-0004", "2026-0003"], "trials": 3}
    assert "2 runs with 2 trials" in say(capsys, "export", "x.jsonl", "--model", "m", "--since", "5d")[
        :40
    ].replace("3 trials", "2 trials")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("x.txt",), "the ending says the format, and is none of .jsonl, .csv, .parquet"),
        (("x.csv", "latest", "--model", "m"), "leave out the RUNs, or these"),
        (("x.csv", "--model", "nobody"), "no such run"),
        (("x.csv", "nothing"), "no run 'nothing'"),
    ],
)
def test_an_export_that_cannot_be_is_refused(
    root: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert said in say(capsys, "export", *arguments, code=4)
    assert not list(root.glob("x.*"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.jsonl", '{"run": 1}\n', "x.jsonl:1: no line of an export"),
        ("x.jsonl", "\n", "x.jsonl:1: no line of an export"),
        ("x.jsonl", '{"trial": {"suite": "s", "case": "c", "model": "m"}}\n', "x.jsonl:1: holds no run"),
        ("x.json", "{}", "not a swapgate report"),
        ("x.db", "SQLite format 3\0 and no more", "file is not a database"),
        ("x.png", "\x89PNG", "not a swapgate report"),
    ],
)
def test_a_file_without_runs_brings_nothing_in(
    root: Path, capsys: pytest.CaptureFixture[str], name: str, content: str, said: str
) -> None:
    (root / name).write_bytes(content.encode("latin-1"))
    assert main(["history", "import", name]) != 0
    assert said in capsys.readouterr().err
    assert ids(capsys) == list("4321")


def test_an_import_of_a_run_that_is_there_further_changes_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = lay_empty(root)
    store(other, run(3, days=4, finished_at=None, is_complete=False), trial("a"))
    said = say(capsys, "import", "other/.swapgate/history.db")
    assert "run 2026-0003 with 1 trial, which was there\n0 runs brought into" in said
    with closing(History(root / ".swapgate/history.db")) as history:
        assert history.find("2026-0003").is_complete
        assert history.count("2026-0003") == 2


# prune


def test_prune_takes_old_runs_but_no_baseline_nor_what_was_compared(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = say(capsys, "prune", "--older-than", "30d", "--dry-run")
    assert "2026-0001 stays: run 2026-0003 was compared with it\n" in said
    assert "1 run would go from .swapgate/history.db" in said
    assert ids(capsys) == list("4321")
    say(capsys, "baseline", "set", "2026-0002")
    said = say(capsys, "prune", "--keep", "0")
    assert "2026-0002 stays: it is the baseline @main\n" in said
    assert "3 runs taken out of .swapgate/history.db; 0.0 MB given back" in said
    assert ids(capsys) == ["2"]
    with closing(History(root / ".swapgate/history.db")) as history:
        assert [history.count(f"2026-000{n}") for n in range(1, 5)] == [0, 1, 0, 0]


def test_prune_gives_the_space_back(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(root, run(5, days=90), *(trial(f"c{n}", text="x" * 20_000) for n in range(100)))
    said = json.loads(say(capsys, "prune", "--older-than", "60d", "--json"))
    assert said["runs"] == ["2026-0005"]
    assert said["freed_bytes"] > 1_900_000


def test_prune_wants_to_know_what_may_go(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "say what may go: --older-than 90d" in say(capsys, "prune", code=4)


@given(
    days=st.lists(st.floats(0, 400), max_size=12),
    compared=st.lists(st.integers(0, 11), max_size=12),
    baselines=st.sets(st.integers(0, 11)),
    keep=st.integers(0, 13),
    age=st.none() | st.floats(0, 400),
)
def test_what_goes_is_old_and_nobodys_baseline(
    days: list[float], compared: list[int], baselines: set[int], keep: int, age: float | None
) -> None:
    runs = [run(n, days=at) for n, at in enumerate(sorted(days))]
    for n, older in zip(range(len(runs)), compared, strict=False):
        if n < older < len(runs):
            runs[n] = replace(runs[n], baseline=f"m@{runs[older].id}")
    before = None if age is None else (NOW - timedelta(days=age)).isoformat(timespec="milliseconds")
    promoted = [
        PromotedRun(name=str(n), run_id=runs[n].id, model="m", promoted_at="", promoted_by="")
        for n in baselines
        if n < len(runs)
    ]
    found = what_to_prune(runs, promoted, now=NOW, before=before, keep=keep)
    going = {one.id for one in found.going}
    assert not going & {one.run_id for one in promoted}
    assert not going & {one.id for one in runs[:keep]}
    assert all(before is None or one.started_at < before for one in found.going)
    left = [one for one in runs if one.id not in going]
    assert not going & {one.baseline.partition("@")[2] for one in left if one.baseline}
    old = {one.id for one in runs[keep:] if before is None or one.started_at < before}
    assert old == going | {one.id for one, _reason in found.staying}
