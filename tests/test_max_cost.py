"""--max-cost over HTTP: the run ends before the call that could exceed it, and a rerun goes on from there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import Answer, Server, serving
from test_dry_run import EACH, VERDICT, answering, lay_priced
from workspaces import newest_run, recorded_workspace

Pytester = pytest.Pytester


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-0123456789abcdef")
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(answering) as started:
        yield started


def paid(root: Path) -> float:
    _run, trials = newest_run(root)
    models = [t.answer.cost_usd or 0 for t in trials if t.answer is not None and not t.answer.from_cache]
    judges = [
        sample.answer.cost_usd or 0
        for trial in trials
        for verdict in trial.verdicts
        for sample in verdict.samples
        if sample.answer is not None and not sample.answer.from_cache
    ]
    return sum(models) + sum(judges)


def test_a_run_ends_before_it_costs_too_much_and_a_rerun_goes_on(pytester: Pytester, server: Server) -> None:
    """A call may cost 2 cents and costs 0.2: 4 cents are enough for some ten of twenty cases."""
    lay_priced(pytester.path, server.url, cases=20)
    result = pytester.runpytest("--model=candidate", "--max-cost=0.04")
    assert result.ret == 1
    result.stdout.fnmatch_lines(
        [
            "budget: not asked: $* of --max-cost=0.04 are spent*",
            "warning: --max-cost=0.04 ended the run: *",
        ]
    )
    first = paid(pytester.path)
    assert 0.01 < first <= 0.04
    assert first == pytest.approx(
        sum(EACH if one.json["model"] == "m-1" else VERDICT for one in server.requests)
    )
    asked = len(server.requests)
    _run, trials = newest_run(pytester.path)
    cut = [trial for trial in trials if trial.error is not None]
    assert {trial.error.kind.value for trial in cut if trial.error} == {"budget"}
    answered = [trial.case for trial in trials if trial.answer is not None]
    assert answered == [f"case-{n}" for n in range(len(answered))]

    assert pytester.runpytest("--model=candidate", "--max-cost=0.5").ret == 0
    assert len(server.requests) == 40
    assert paid(pytester.path) == pytest.approx(20 * (EACH + VERDICT) - first)
    assert asked < 40


def test_too_many_trials_without_a_call_leave_nothing_to_judge(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url, cases=10)
    (pytester.path / "pyproject.toml").write_text(
        "[tool.swapgate.gate]\nsemantic = {min = 0.5, on = 'point'}\n"
    )
    result = pytester.runpytest("--model=candidate", "--max-cost=0.001")
    assert result.ret == 11
    assert server.requests == []
    result.stdout.fnmatch_lines(
        [
            "*10 of 10 planned trials*errored or are missing*most often budget (10)*",
            "warning: --max-cost=0.001 ended the run: $0.0000 were paid, and 10 of 10 trials have no result*",
        ]
    )


def test_workers_share_the_budget(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url, cases=20)
    pytester.runpytest("--model=candidate", "--max-cost=0.06", "-n2")
    assert 0 < paid(pytester.path) <= 0.06


def test_an_unknown_price_is_refused_before_the_first_call(pytester: Pytester, server: Server) -> None:
    lay_priced(pytester.path, server.url, price=None)
    result = pytester.runpytest("--model=candidate", "--max-cost=1")
    assert result.ret == 4
    assert server.requests == []
    result.stderr.fnmatch_lines(
        ["*--max-cost: nobody knows what 'candidate' costs. Write price: *models.yml*"]
    )


def test_recorded_answers_need_no_price_and_no_budget(pytester: Pytester) -> None:
    recorded_workspace(pytester.path, {"a": {"one": '{"label": "billing"}'}})
    assert pytester.runpytest("--model=a", "--max-cost=0").ret == 0


@pytest.mark.parametrize("option", ["--max-cost=0", "--max-cost-per-day=0"])
def test_nothing_that_costs_is_asked_for_nothing(pytester: Pytester, server: Server, option: str) -> None:
    lay_priced(pytester.path, server.url, cases=3)
    result = pytester.runpytest("--model=candidate", option)
    assert result.ret == 1
    assert server.requests == []
    result.stdout.fnmatch_lines([f"warning: {option} ended the run: $0* were paid, and 3 of 3 trials *"])


@pytest.mark.parametrize("value", ["-1", "nan", "inf"])
def test_a_budget_must_be_an_amount(pytester: Pytester, server: Server, value: str) -> None:
    lay_priced(pytester.path, server.url)
    assert pytester.runpytest("--model=candidate", f"--max-cost={value}").ret == 4
    assert server.requests == []


def test_a_connection_that_broke_may_be_billed_and_one_that_never_was_is_not(pytester: Pytester) -> None:
    with serving(Answer(wire=b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{")) as breaking:
        lay_priced(pytester.path, breaking.url, cases=1)
        broke = pytester.runpytest("--model=candidate", "--max-cost=0.03", "--swapgate-retries=3")
    assert len(breaking.requests) == 1  # one attempt may have cost two thirds of the budget
    broke.stdout.fnmatch_lines(["*budget: not asked: $0.02* of --max-cost=0.03 are spent*"])
    refused = pytester.runpytest("--model=candidate", "--max-cost=0.03", "--swapgate-retries=1")
    refused.stdout.fnmatch_lines(["*connection: *connection refused*"])
