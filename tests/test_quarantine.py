"""Quarantine: a case that is run and reported, and not counted until its last day has passed."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pytest

from swapgate.analysis.gate import GateResult
from swapgate.analysis.outcome import conclude
from swapgate.analysis.quarantine import quarantined_names, without_quarantined
from swapgate.cli import main
from swapgate.facts import facts_of
from swapgate.records import Answer, CheckResult, Quarantined, Response, Run, Trial
from swapgate.spec.quarantine import MOST_DAYS, Quarantine, today
from swapgate.spec.read_suites import read_suite
from workspaces import BLIND, RIGHT, lay, newest_run, recorded_workspace

ANSWERS = {f"c{i}": RIGHT for i in range(4)} | {"bad": BLIND}
GATE = {"semantic": {"min": 0.9, "on": "point"}}
Said = pytest.CaptureFixture[str]


def day(days: int) -> str:
    return (today() + datetime.timedelta(days=days)).isoformat()


def quarantine(root: Path, *, until: str, gate: object = GATE, **models: dict[str, str]) -> None:
    """Lay a workspace whose case `bad` is in quarantine."""
    recorded_workspace(root, models or {"new": ANSWERS}, gate=gate)
    suite = root / "cases" / "triage.yml"
    written = {"reason": "the label is disputed", "until": until, "by": "kim"}
    lines = suite.read_text(encoding="utf-8").replace(
        '"id": "bad"', f'"id": "bad", "quarantine": {json.dumps(written)}'
    )
    suite.write_text(lines, encoding="utf-8")


def test_a_miss_in_quarantine_is_shown_and_not_counted(pytester: pytest.Pytester) -> None:
    quarantine(pytester.path, until=day(10))
    result = pytester.runpytest("--model=new", "-v")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*bad?new? QUARANTINED MISS *",
            "*bad by new: blind pass*",
            "gate: PASS  semantic pass rate of new on triage is 100.0%*",
            "note: 1 case is in quarantine and not counted (triage/bad): 0 of 1 trials passed; if it counted "
            "the gate would say fail: semantic pass rate of new on triage is 80.0%*",
            "*4 passed, 1 quarantined*",
        ]
    )
    report = json.loads(next(pytester.path.glob("reports/2*/report.json")).read_text(encoding="utf-8"))
    assert report["quarantine"]["cases"] == [{"suite": "triage", "case": "bad", "passed": 0, "trials": 1}]
    assert report["quarantine"]["gate"] == "fail"
    (bad,) = [trial for trial in report["trials"] if trial["case"] == "bad"]
    assert bad["quarantine"] == {"reason": "the label is disputed", "until": day(10), "by": "kim"}


def test_every_report_says_what_is_in_quarantine(pytester: pytest.Pytester) -> None:
    quarantine(pytester.path, until=day(10))
    pytester.runpytest("--model=new", "-q")
    (folder,) = pytester.path.glob("reports/2*")
    for name in ("report.md", "report.html"):
        assert "1 case is in quarantine and not counted" in (folder / name).read_text(encoding="utf-8")


def test_without_a_gate_a_miss_in_quarantine_fails_nothing(pytester: pytest.Pytester) -> None:
    quarantine(pytester.path, until=day(0), gate=None)
    assert pytester.runpytest("--model=new", "-q").ret == 0


def test_where_every_case_must_pass_one_in_quarantine_need_not(pytester: pytest.Pytester) -> None:
    quarantine(pytester.path, until=day(0), gate="every-case")
    result = pytester.runpytest("--model=new", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["gate: PASS*"])


def test_an_expired_quarantine_counts_again_and_is_said(pytester: pytest.Pytester) -> None:
    quarantine(pytester.path, until=day(-1))
    result = pytester.runpytest("--model=new", "-q")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["gate: FAIL*80.0%*"])
    said = "\n".join([*result.outlines, *result.errlines])
    assert f"the quarantine of 1 case has ended, and it counts again: triage/bad (until {day(-1)}" in said


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_a_baseline_is_compared_without_the_cases_in_quarantine(
    pytester: pytest.Pytester, workers: list[str]
) -> None:
    names = [f"c{i}" for i in range(30)]
    old, new = {**dict.fromkeys(names, RIGHT), "bad": RIGHT}, {**dict.fromkeys(names, RIGHT), "bad": BLIND}
    quarantine(pytester.path, until=day(10), gate={"margin": 0.2}, new=new, old=old)
    result = pytester.runpytest("--model=new", "--baseline=old", "-q", *workers)
    assert result.ret == 0
    report = json.loads(next(pytester.path.glob("reports/2*/report.json")).read_text(encoding="utf-8"))
    (difference, *_) = [d for d in report["comparisons"][0]["differences"] if d["measure"] == "semantic"]
    assert (difference["pairs"], difference["only_baseline"]) == (30, 0)


def test_a_stored_baselines_own_quarantine_is_of_no_account(pytester: pytest.Pytester) -> None:
    """The case counts today, so it counts on both sides, whatever it was when the baseline ran."""
    quarantine(pytester.path, until=day(10), gate={"margin": 0.2}, old=ANSWERS)
    pytester.runpytest("--model=old", "-q")
    run, trials = newest_run(pytester.path)
    assert [trial.case for trial in trials if trial.quarantine] == ["bad"]
    recorded_workspace(pytester.path, {"old": ANSWERS, "new": ANSWERS}, gate={"margin": 0.2})
    pytester.runpytest("--model=new", f"--baseline={run.id}", "-q")
    newest = pytester.path / "reports" / "latest" / "report.json"
    report = json.loads(newest.read_text(encoding="utf-8"))
    assert report["quarantine"] is None
    assert report["comparisons"][0]["differences"][0]["pairs"] == 5


def test_a_run_that_stops_early_does_not_look_at_cases_in_quarantine(pytester: pytest.Pytester) -> None:
    names = [f"c{i}" for i in range(60)]
    quarantine(
        pytester.path, until=day(10), gate="every-case", new={**dict.fromkeys(names, RIGHT), "bad": BLIND}
    )
    result = pytester.runpytest("--model=new", "--stop-early", "--swapgate-seed=3", "-q")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["gate: PASS*", "*60 passed, 1 quarantined*"])


def test_a_case_in_quarantine_is_the_same_case_of_the_same_suite(tmp_path: Path) -> None:
    quarantine(tmp_path, until=day(10))
    before = read_suite(tmp_path / "cases" / "triage.yml", root=tmp_path).content_hash
    recorded_workspace(tmp_path, {"new": ANSWERS}, gate=GATE)
    assert read_suite(tmp_path / "cases" / "triage.yml", root=tmp_path).content_hash == before


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ({"reason": "r", "by": "kim"}, "until"),
        ({"until": "2026-12-01", "by": "kim"}, "reason"),
        ({"reason": "r", "until": "2026-12-01"}, "by"),
        ({"reason": "r", "until": "soon", "by": "kim"}, "date"),
        ({"reason": "", "until": "2026-12-01", "by": "kim"}, "reason"),
        ({"reason": "r", "until": "2026-12-01", "by": "kim", "why": "x"}, "why"),
    ],
)
def test_a_quarantine_says_why_until_when_and_who(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch, written: dict[str, Any], said: str
) -> None:
    recorded_workspace(tmp_path, {"new": ANSWERS})
    text = json.dumps(
        {"suite": "more", "prompt": {"user": "x"}, "cases": [{"id": "a", "quarantine": written}]}
    )
    lay(tmp_path, {"cases/more.yml": text})
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 4
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("cases/more.yml:1: ")]
    assert said in line


def test_a_quarantine_that_hardly_ends_is_refused_with_the_day_that_is_not(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    quarantine(tmp_path, until=day(MOST_DAYS + 1))
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 4
    said = capsys.readouterr().out
    assert "case 'bad': its quarantine ends on" in said
    assert f"Write a day up to {day(MOST_DAYS)}" in said
    quarantine(tmp_path, until=day(MOST_DAYS))
    assert main(["check"]) == 0


def test_check_lists_who_is_in_quarantine_and_whose_has_ended(
    tmp_path: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    quarantine(tmp_path, until=day(3))
    assert main(["check"]) == 0
    assert (
        f"case 'bad' is in quarantine until {day(3)} (kim: the label is disputed)" in capsys.readouterr().out
    )
    quarantine(tmp_path, until=day(-3))
    main(["check", "--json"])
    (line,) = json.loads(capsys.readouterr().out)["quarantine"]
    assert f"counts again: its quarantine ended on {day(-3)}" in line


def test_the_last_day_is_still_a_day_of_quarantine() -> None:
    written = Quarantine(reason="r", until=datetime.date(2026, 12, 31), by="kim")
    assert written.holds_on(datetime.date(2026, 12, 31))
    assert not written.holds_on(datetime.date(2027, 1, 1))


def trial(
    case: str, *, passed: bool = True, role: str = "candidate", model: str = "new", held: bool = False
) -> Trial:
    return Trial(
        suite="triage",
        case=case,
        model=model,
        role="baseline" if role == "baseline" else "candidate",
        answer=Answer(response=Response(text=""), model=model),
        checks=(CheckResult(check="expected", kind="semantic", passed=passed),),
        quarantine=Quarantined(reason="r", until="2026-12-31", by="kim") if held else None,
    )


def judged(trials: list[Trial]) -> GateResult:
    gates = {"triage": {"semantic": {"min": 0.9, "on": "point"}}}
    own = sum("@" not in one.model for one in trials)
    run = Run(id="r", started_at="2026-11-26T00:00:00+00:00", models=(), planned=own,
              settings={"suite_gates": gates})  # fmt: skip
    return conclude(run, trials).gate


def test_trials_in_quarantine_are_not_missing() -> None:
    """With most of the cases in quarantine the others would else be too few of those planned."""
    gate = judged([trial("a"), *(trial(f"q{i}", passed=False, held=True) for i in range(9))])
    assert gate.answer == "pass"
    assert "9 cases are in quarantine" in gate.notes[0]


def test_all_cases_in_quarantine_decide_nothing() -> None:
    assert judged([trial("a", held=True)]).answer == "inconclusive"


def test_a_case_counts_on_both_sides_or_on_none() -> None:
    facts = [
        facts_of(one)
        for one in (
            trial("a", held=True),
            trial("a", role="baseline", model="old"),
            trial("b"),
            trial("b", role="baseline", model="old", held=True),
        )
    ]
    assert quarantined_names(facts) == {("triage", "a")}
    assert [(one.case, one.model) for one in without_quarantined(facts)] == [("b", "new"), ("b", "old")]
