"""GitHub Actions: annotations with their escapes and limits, the summary of a step, the link in a comment."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reporting_outcome import HOSTILE, made_up_outcome
from swapgate.analysis.compare import Flip
from swapgate.analysis.gate import GateAnswer
from swapgate.analysis.outcome import RunOutcome
from swapgate.cli import main
from swapgate.errors import ExitCode
from swapgate.facts import facts_of
from swapgate.reporting.github.annotations import annotation_lines
from swapgate.reporting.github.publishing import publish
from swapgate.reporting.github.step_summary import MOST_BYTES, add_to_summary
from swapgate.reporting.hosting import link_to_reports
from swapgate.reporting.markdown.report import render
from workspaces import BLIND, RIGHT, recorded_workspace

BASE = made_up_outcome()
LINE = re.compile(r"::(error|warning|notice) ((?:\w+=[^,:\n\r]*,?)+)::([^\n\r]*)")
ACTIONS = {
    "GITHUB_ACTIONS": "true",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_REPOSITORY": "team/bot",
    "GITHUB_RUN_ID": "77",
}


def _lines(outcome: RunOutcome) -> list[tuple[str, dict[str, str], str]]:
    """Return the annotations as GitHub's runner takes them apart."""
    found = []
    for line in annotation_lines(outcome, near=Path("/nowhere")):
        match = LINE.fullmatch(line)
        assert match is not None, line
        properties = dict(part.split("=", 1) for part in match[2].split(","))
        found.append((match[1], {k: _read(v) for k, v in properties.items()}, _read(match[3])))
    return found


def _read(text: str) -> str:
    for escape, character in (("%0A", "\n"), ("%0D", "\r"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, character)
    return text


def _of(*misses: str, answer: GateAnswer = "fail") -> RunOutcome:
    """Return a run without a baseline, of which each text is the reason of a miss."""
    outcome = BASE
    missed = next(t for t in outcome.trials if t.suite == "code_review" and t.is_blind_pass)
    verdict = missed.verdicts[0]
    trials = [
        replace(missed, case=f"case-{n:02}", line=n + 1, verdicts=(replace(verdict, reason=reason),))
        for n, reason in enumerate(misses)
    ]
    facts = [facts_of(trial) for trial in trials]
    gate = replace(
        outcome.gate, answer=answer, exit_code=ExitCode.FAILED if answer == "fail" else ExitCode.OK
    )
    return replace(outcome, trials=trials, facts=facts, comparisons=(), gate=gate)


def test_the_gates_answer_comes_first_and_a_case_at_its_line() -> None:
    verdict, case = _lines(_of("100% wrong, twice: no"))
    assert verdict == ("error", {"title": "swapgate: FAIL"}, made_up_outcome().gate.reason)
    level, properties, text = case
    assert (level, properties["file"], properties["line"]) == ("error", "cases/code_review.yml", "1")
    assert properties["title"] == "swapgate: blind pass"
    assert text.endswith("blind pass: reviewer: 100% wrong, twice: no")


@pytest.mark.parametrize(
    ("answer", "level"), [("pass", "notice"), ("inconclusive", "warning"), ("not_judged", "notice")]
)
def test_a_job_that_does_not_fail_shows_nothing_in_red(answer: GateAnswer, level: str) -> None:
    (first, *others) = _lines(_of("wrong", "wrong", answer=answer))
    assert first[0] == level
    assert [other[0] for other in others] == ["warning", "warning"]


def test_too_many_errors_are_an_error() -> None:
    outcome = _of(answer="not_judged")
    outcome = replace(outcome, gate=replace(outcome.gate, exit_code=ExitCode.TOO_MANY_ERRORS))
    assert _lines(outcome)[0][0] == "error"


@pytest.mark.parametrize("answer", ["pass", "fail", "inconclusive"])
@pytest.mark.parametrize("misses", [0, 1, 8, 9, 10, 11, 12, 500])
def test_no_kind_has_more_than_github_shows_and_the_rest_is_counted(answer: GateAnswer, misses: int) -> None:
    lines = _lines(_of(*["wrong"] * misses, answer=answer))
    for level in ("error", "warning", "notice"):
        assert sum(line[0] == level for line in lines) <= 10
    shown = sum("file" in properties for _, properties, _ in lines)
    more = re.match(r"(\d+) more cases? in the report, of \d+ in all", lines[-1][2])
    assert shown + (int(more[1]) if more else 0) == misses


def test_regressions_are_told_where_there_is_a_baseline_and_nothing_else() -> None:
    lines = _lines(made_up_outcome())
    regressed = {(f.suite, f.case) for c in made_up_outcome().comparisons for f in c.regressed}
    told = {
        tuple(text.partition(" by ")[0].split("/")) for _, properties, text in lines if "file" in properties
    }
    assert told
    assert told <= regressed
    assert {properties["title"] for _, properties, _ in lines[1:]} <= {
        "swapgate: regression", "swapgate: regression, a blind pass", "swapgate",
    }  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(text=st.text(max_size=80) | st.text(alphabet="%:,\r\n0AD=; ", max_size=40))
def test_any_text_is_one_annotation(text: str) -> None:
    _verdict, (_level, properties, said) = _lines(_of(text))
    assert set(properties) == {"file", "line", "title"}
    assert "\x1b" not in said


def test_hostile_text_issues_no_command_of_its_own() -> None:
    lines = annotation_lines(_of(f"{HOSTILE}\n::set-output name=x::y"), near=Path())
    assert len(lines) == 2
    assert all(line.startswith("::error ") and "\n" not in line for line in lines)


# The summary of a step


def test_the_summary_is_added_to_what_the_step_has_said(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("before")
    assert add_to_summary("## swapgate\n", path) is None
    assert path.read_text() == "before\n## swapgate\n"


def test_a_full_summary_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    path.write_text("x" * (MOST_BYTES - 3))
    problem = add_to_summary("## swapgate\n", path)
    assert problem is not None
    assert "full (1 MiB)" in problem
    assert path.stat().st_size == MOST_BYTES - 3


def test_a_summary_that_cannot_be_written_is_told_and_nothing_more(tmp_path: Path) -> None:
    environ = {**ACTIONS, "GITHUB_STEP_SUMMARY": str(tmp_path / "absent" / "summary.md")}
    printed: list[str] = []
    outcome = replace(made_up_outcome(), run=replace(made_up_outcome().run, shard=None))
    (problem,) = publish(outcome, environ, printed.append, near=tmp_path)
    assert problem.endswith(
        "summary.md: the summary of this step cannot be written: No such file or directory"
    )
    assert printed


def test_nothing_is_said_elsewhere_nor_by_a_shard(tmp_path: Path) -> None:
    printed: list[str] = []
    outcome = made_up_outcome()
    assert outcome.run.shard is not None
    assert publish(outcome, ACTIONS, printed.append, near=tmp_path) == []
    whole = replace(outcome, run=replace(outcome.run, shard=None))
    assert publish(whole, {}, printed.append, near=tmp_path) == []
    assert printed == []


# In a session


@pytest.fixture
def job(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a regression, in a job of GitHub Actions; return the file of the summary."""
    answers = {"old": {"one": RIGHT, "two": RIGHT}, "new": {"one": RIGHT, "two": BLIND}}
    recorded_workspace(pytester.path, answers, gate="every-case")
    summary = pytester.path / "summary.md"
    for name, value in {**ACTIONS, "GITHUB_STEP_SUMMARY": str(summary)}.items():
        monkeypatch.setenv(name, value)
    return summary


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_a_session_annotates_the_case_and_writes_the_summary(
    pytester: pytest.Pytester, job: Path, workers: tuple[str, ...]
) -> None:
    result = pytester.runpytest("--model=new", "--baseline=old", *workers)
    line = next(
        n for n, text in enumerate(Path("cases/triage.yml").read_text().splitlines(), 1) if '"two"' in text
    )
    result.stdout.fnmatch_lines(
        [
            "::error title=swapgate%3A FAIL::*",
            f"::error file=cases/triage.yml,line={line},title=swapgate%3A regression%2C a blind pass::*",
        ]
    )
    said = job.read_text(encoding="utf-8")
    assert said.startswith("\n## swapgate: gate failed")
    assert "[here](https://github.example/team/bot/actions/runs/77#artifacts)" in said


@pytest.mark.parametrize("off", ["option", "environment", "pyproject"])
def test_it_can_be_turned_off(
    pytester: pytest.Pytester, job: Path, monkeypatch: pytest.MonkeyPatch, off: str
) -> None:
    arguments = ["--swapgate-github=off"] if off == "option" else []
    if off == "environment":
        monkeypatch.setenv("SWAPGATE_GITHUB", "off")
    if off == "pyproject":
        pytester.makepyprojecttoml('[tool.swapgate]\ngithub = "off"\n[tool.pytest]\n')
    result = pytester.runpytest("--model=new", *arguments)
    result.stdout.no_fnmatch_line("::*")
    assert not job.exists()


def test_a_summary_in_the_way_leaves_the_exit_code(pytester: pytest.Pytester, job: Path) -> None:
    job.mkdir()
    result = pytester.runpytest("--model=new", "--report=none")
    result.stdout.fnmatch_lines(
        ["swapgate: *summary.md: the summary of this step cannot be written: Is a dir*"]
    )
    assert result.ret == ExitCode.FAILED


def test_merging_shards_tells_github_once(pytester: pytest.Pytester, job: Path) -> None:
    for shard in (1, 2):
        done = pytester.runpytest("--model=new", "--baseline=old", f"--shard={shard}/2")
        done.stdout.no_fnmatch_line("::*")
    assert not job.exists()
    assert main(["merge", "reports", "--root", str(pytester.path)]) == ExitCode.FAILED
    assert job.read_text(encoding="utf-8").count("## swapgate: gate failed") == 1


# The link


def test_the_users_address_comes_first_with_the_runs_id_in_it() -> None:
    assert (
        link_to_reports("https://r.example/{run}/", ACTIONS, "20260101-x") == "https://r.example/20260101-x/"
    )


def test_services_tell_where_a_jobs_artifacts_are() -> None:
    assert link_to_reports(None, ACTIONS, "r") == "https://github.example/team/bot/actions/runs/77#artifacts"
    job = "https://gitlab.example/team/bot/-/jobs/9"
    assert link_to_reports(None, {"CI_JOB_URL": job}, "r") == f"{job}/artifacts/browse"
    assert link_to_reports(None, {"GITHUB_ACTIONS": "true"}, "r") is None
    assert link_to_reports(None, {}, "r") is None


def test_the_comment_links_to_the_full_report() -> None:
    outcome = replace(made_up_outcome(), report_url="https://r.example/7/report.html")
    assert "[here](https://r.example/7/report.html)" in render(outcome)
    assert "(report.html)" not in render(outcome)


@pytest.mark.parametrize(
    "url", ["r.example", "javascript:alert(1)", "https://r.example/a b", "https://x/)[y](z"]
)
def test_an_address_that_is_none_is_refused(pytester: pytest.Pytester, url: str) -> None:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT}})
    result = pytester.runpytest("--model=new", f"--swapgate-report-url={url}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*option 'report_url'*must be the http(s) address of the reports*"])


def test_the_regressed_case_of_another_model_is_not_flagged() -> None:
    outcome = made_up_outcome()
    first = outcome.comparisons[0]
    flip = Flip(suite="code_review", case="case-001", repeat=1, reason="wrong")
    only = replace(outcome, comparisons=(replace(first, regressed=(flip,)),))
    assert [text for _, p, text in _lines(only) if "file" in p and first.candidate not in text] == []
