"""Unscored trials through pytest: shown, counted, limited, and never a pass, a fail or an error."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import swapgate
from html_cases import cases_of
from judge_servers import judged_over_http, judges_at
from servers import Answer
from swapgate.analysis.scopes import OVERALL
from swapgate.cli import main
from workspaces import JUDGED_SUITE, RIGHT, lay, newest_run, outputs, recorded_workspace

Pytester = pytest.Pytester
GATE = {"semantic": {"min": 0.5, "on": "point"}}
PANEL = """\
judge: meaning
model: [first, second]
criteria:
  agrees: {ask: Does the label fit the message?}
pass: agrees
"""


@pytest.fixture(autouse=True)
def _isolated(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SWAPGATE_MODEL", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def said(word: str) -> str:
    return json.dumps({"evidence": [], "reasoning": f"It is a {word}.", "agrees": word})


def lay_panel(
    root: Path, *, split: int, agreed: int, failed: int = 0, gate: object = GATE, more: Sequence[str] = ()
) -> None:
    """Lay a workspace of recorded answers whose two judges disagree on `split` of its cases."""
    verdicts = [("pass", "fail")] * split + [("pass", "pass")] * agreed + [("fail", "fail")] * failed
    names = [f"case-{number:02}" for number in range(len(verdicts))]
    votes = dict(zip(names, verdicts, strict=True))
    answers = {
        **{model: dict.fromkeys(names, RIGHT) for model in ("a", *more)},
        "first": {name: said(first) for name, (first, _) in votes.items()},
        "second": {name: said(second) for name, (_, second) in votes.items()},
    }
    recorded_workspace(root, answers, head=JUDGED_SUITE, gate=gate)
    lay(root, {"judges/meaning.yml": PANEL})


def test_an_unscored_trial_is_shown_by_a_letter_and_a_word_of_its_own(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=1, agreed=2)
    short = pytester.runpytest("--model=a")
    short.stdout.fnmatch_lines(["cases?triage.yml u..*", "*2 passed, 1 unscored*"])
    assert short.ret == 10
    long = pytester.runpytest("--model=a", "-v")
    long.stdout.fnmatch_lines(["*case-00?a?*UNSCORED*"])


def test_each_members_own_verdict_explains_it(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=1, agreed=1)
    result = pytester.runpytest("--model=a")
    result.stdout.fnmatch_lines(
        [
            "cases/triage.yml:*: triage::case-00 by a: unscored: the judges disagree*",
            "  judge meaning (unscored): the panel agrees too little: 1 pass, 1 fail, no majority*",
            "    first: pass: agrees pass (wanted agrees): It is a pass.",
            "    second: fail: agrees fail (wanted agrees): It is a fail.",
        ]
    )


def test_it_is_in_no_rate_and_has_a_column(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=1, agreed=2, failed=1)
    result = pytester.runpytest("--model=a")
    result.stdout.fnmatch_lines(["*blind pass*errored*unscored*", "a *66.7%*33.3%*0/4*1/4*"])
    _run, trials = newest_run(pytester.path)
    assert [t.outcome for t in trials] == ["unscored", "passed", "passed", "missed"]
    assert [t.semantic_passed for t in trials] == [None, True, True, False]
    assert [t.verdicts[0].status for t in trials] == ["unscored", "scored", "scored", "scored"]


@pytest.mark.parametrize(
    ("split", "agreed", "ret"), [(1, 19, 0), (2, 18, 10)], ids=["within the limit", "above it"]
)
def test_many_unscored_trials_do_not_pass_silently(
    pytester: Pytester, split: int, agreed: int, ret: int
) -> None:
    lay_panel(pytester.path, split=split, agreed=agreed)
    result = pytester.runpytest("--model=a")
    assert result.ret == ret
    if ret:
        result.stdout.fnmatch_lines(
            [
                "gate: INCONCLUSIVE  2 of 20 trials of a overall are unscored, as judges disagree (10.0%), "
                "above the limit of 5%*"
            ]
        )


def test_the_limit_can_be_set_and_a_fail_stays_a_fail(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=2, agreed=2, gate={**GATE, "unscored": 0.5})
    assert pytester.runpytest("--model=a").ret == 0
    lay_panel(pytester.path, split=2, agreed=2, failed=8)
    assert pytester.runpytest("--model=a").ret == 1


def test_where_every_case_must_pass_an_unscored_one_leaves_it_open(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=1, agreed=30, gate="every-case")
    result = pytester.runpytest("--model=a")
    assert result.ret == 10
    result.stdout.fnmatch_lines(["gate: INCONCLUSIVE *must pass*1 of 31 trials are unscored*"])


def test_without_a_rule_it_does_not_end_well(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=1, agreed=2, gate=None)
    assert pytester.runpytest("--model=a").ret == 1


def test_a_baseline_trial_that_is_unscored_is_shown_and_paired_with_nothing(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=1, agreed=2, more=["old"])
    result = pytester.runpytest("--model=a", "--baseline=old", "-v")
    result.stdout.fnmatch_lines(["*case-00?old?*BASELINE UNSCORED*"])
    outcome = swapgate.run(model="a", baseline="old", root=pytester.path)
    (semantic,) = [
        d for d in outcome.comparisons[0].differences if d.measure == "semantic" and d.scope == OVERALL
    ]
    assert semantic.pairs == 2


def test_it_travels_from_workers(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=1, agreed=2)
    result = pytester.runpytest("--model=a", "-n", "1")
    result.stdout.fnmatch_lines(["*1 unscored*"])
    assert result.ret == 10


def test_every_report_counts_it(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=1, agreed=2)
    pytester.runpytest("--model=a")
    (folder,) = pytester.path.glob("reports/*-*")
    written = {p.name: p.read_text(encoding="utf-8") for p in folder.iterdir()}
    report: dict[str, Any] = json.loads(written["report.json"])
    assert report["summaries"][0]["unscored"] == 1
    assert report["judges"][0]["unscored"] == 1
    assert [t["outcome"] for t in report["trials"]] == ["unscored", "passed", "passed"]
    opinions = report["trials"][0]["verdicts"][0]["opinions"]
    assert [(o["model"], o["passed"]) for o in opinions] == [("first", True), ("second", False)]
    assert "### Unscored (1)" in written["report.md"]
    assert "| Unscored |" in written["report.md"]
    assert [c["standing"] for c in cases_of(written["report.html"])].count("unscored") == 1
    assert ">Unscored</th>" in written["report.html"]


def test_a_stored_run_says_it_again(pytester: Pytester, capsys: pytest.CaptureFixture[str]) -> None:
    lay_panel(pytester.path, split=1, agreed=2)
    pytester.runpytest("--model=a")
    capsys.readouterr()
    assert main(["history", "show", "latest", "--root", str(pytester.path)]) == 0
    shown = capsys.readouterr().out
    assert "judge meaning (first, second): 3 verdicts, 1 unscored; 6 calls" in shown
    assert "errored  unscored" in shown
    assert main(["history", "show", "latest", "--json", "--root", str(pytester.path)]) == 0
    (use,) = json.loads(capsys.readouterr().out)["judges"]
    assert (use["judge"], use["verdicts"], use["unscored"], use["calls"]) == ("meaning", 3, 1, 6)


def test_scored_recordings_leave_it_out_of_the_semantic_rate(
    pytester: Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    lay_panel(pytester.path, split=1, agreed=2)
    arguments = ["--judges", "--out", str(pytester.path / "out"), "--root", str(pytester.path)]
    assert main(["score", str(pytester.path / "outputs/a.jsonl"), "--model", "a", "--json", *arguments]) == 0
    (scope,) = json.loads(capsys.readouterr().out)["scopes"]
    assert (scope["responses"], scope["errored"]) == (3, 0)
    assert (scope["structural"]["n"], scope["semantic"]["n"]) == (3, 2)
    written = "".join(path.read_text(encoding="utf-8") for path in (pytester.path / "out").rglob("*.jsonl"))
    assert "the panel agrees too little" in written


def test_a_run_is_completed_without_asking_the_unscored_again(pytester: Pytester) -> None:
    down = iter([True])

    def second(answer: str) -> object:
        if answer == "flaky" and next(down, False):
            return Answer({"error": {"message": "overloaded"}}, status=503)
        return answer == "flaky"

    with judges_at({"first": lambda _answer: True, "second": second}) as servers:
        judge = {"model": ["first", "second"]}
        judged_over_http(pytester.path, servers, judge, answers=("split", "flaky"))
        options = ("--model=new", "--swapgate-retries=0")
        pytester.runpytest(*options)
        before = [t.outcome for t in newest_run(pytester.path)[1]]
        pytester.runpytest(*options, "--rerun-errors")
        after = [t.outcome for t in newest_run(pytester.path)[1]]
        asked = [len(server.requests) for server in servers.values()]
    assert (before, after) == (["unscored", "errored"], ["unscored", "passed"])
    assert asked == [2, 3]


def test_a_wrong_structure_is_a_miss_whatever_the_judges_say(pytester: Pytester) -> None:
    lay_panel(pytester.path, split=1, agreed=0)
    lay(
        pytester.path,
        {
            "outputs/a.jsonl": outputs({"case-00": "no JSON"}),
            "judges/meaning.yml": f"{PANEL}when: always\n",
        },
    )
    outcome = swapgate.run(model="a", root=pytester.path)
    assert (outcome.trials[0].outcome, outcome.trials[0].verdicts[0].status) == ("missed", "unscored")
