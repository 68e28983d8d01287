"""A run that may stop early over HTTP: what is asked, counted at the server, and what is kept of it."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest

from processes import start_pytest, wait_for
from servers import Answer, Handler, Holding, Received, Server, openai_completion, serving
from swapgate.facts import facts_of
from workspaces import BLIND, JUDGE, RIGHT, SUITE, case, lay, newest_run, suite

NAMES = [f"case-{n:02}" for n in range(60)]
MARGIN = {"margin": 0.2}
RUN = ("--stop-early", "--swapgate-seed=1", "--report=none", "--concurrency=4", "-p", "no:cacheprovider")
VERDICT = '{"evidence": [], "reasoning": "It agrees.", "agrees": "pass"}'


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted")
    for name in ("SWAPGATE_MODEL", "CI", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)


def lay_live(root: Path, url: str, *, gate: object = MARGIN, head: str = SUITE) -> None:
    shared = {"provider": "openai-compatible", "base_url": f"{url}/v1", "api_key_env": "PLANTED_KEY"}
    priced = {**shared, "price": {"input": 1000, "output": 2000}}
    models = {name: {**priced, "model": name} for name in ("old", "new", "judge")}
    lay(
        root,
        {
            "cases/triage.yml": suite([case(name) for name in NAMES], head=head, gate=gate),
            "judges/meaning.yml": JUDGE,
            "config/models.yml": json.dumps({"models": models}),
            "pyproject.toml": "[tool.swapgate]\nretries = 0\n",
        },
    )


def answering(new: str = RIGHT, *, delay_s: float = 0.0) -> Handler:
    """Answer as the models do: `old` is right, `new` says always the same, the judge lets everything pass."""

    def answer(request: Received) -> Answer:
        said = {"old": RIGHT, "new": new, "judge": VERDICT}[request.json["model"]]
        return Answer(openai_completion(said), delay_s=delay_s)

    return answer


def asked(server: Server) -> Counter[tuple[str, str]]:
    """Return how often each model was asked about each case."""
    return Counter(
        (request.json["model"], request.json["messages"][-1]["content"].removeprefix("about "))
        for request in server.requests
        if request.json["model"] != "judge"
    )


@pytest.mark.parametrize("looks", ["3", "10", "every-case"])
@pytest.mark.parametrize(("new", "codes"), [(BLIND, {1, 10}), (RIGHT, {0})], ids=["worse", "equal"])
def test_once_decided_nothing_more_is_asked_and_all_that_was_asked_is_stored(
    pytester: pytest.Pytester, looks: str, new: str, codes: set[int]
) -> None:
    with serving(answering(new, delay_s=0.002)) as server:
        lay_live(pytester.path, server.url)
        result = pytester.runpytest("--model=new", "--baseline=old", f"--looks={looks}", *RUN)
        assert result.ret in codes
        assert len(server.requests) < 100
    run, trials = newest_run(pytester.path)
    assert asked(server) == Counter((trial.model, trial.case) for trial in trials)
    assert all(trial.answer is not None for trial in trials)
    assert run.stopping is not None and run.stopping.saved_trials == 120 - len(server.requests)
    assert server.most_at_once <= 4


def test_after_the_first_miss_of_every_case_only_what_is_in_flight_is_answered(
    pytester: pytest.Pytester,
) -> None:
    with serving(answering(BLIND, delay_s=0.01)) as server:
        lay_live(pytester.path, server.url, gate="every-case")
        assert pytester.runpytest("--model=new", "--looks=every-case", *RUN).ret == 1
    assert 1 <= len(server.requests) <= 5
    assert len(newest_run(pytester.path)[1]) == len(server.requests)


def test_judge_is_not_asked_for_what_is_saved_and_the_saving_counts_both_prices(
    pytester: pytest.Pytester,
) -> None:
    head = 'suite: triage\nprompt: {user: "{{ message }}"}\njudges: [meaning]\n'
    with serving(answering()) as server:
        lay_live(pytester.path, server.url, gate={"semantic": {"min": 0.5}}, head=head)
        result = pytester.runpytest("--model=new", *RUN)
    assert result.ret == 0
    run, trials = newest_run(pytester.path)
    assert len(server.requests) == 2 * len(trials) < 100
    assert run.stopping is not None and run.stopping.saved_trials == 60 - len(trials)
    facts = [facts_of(trial) for trial in trials]
    prices = [one.cost_usd + one.judge_cost_usd for one in facts if one.cost_usd and one.judge_cost_usd]
    assert len(prices) == len(trials)
    assert run.stopping.saved_usd == pytest.approx(run.stopping.saved_trials * fmean(prices))
    result.stdout.fnmatch_lines([f"note: saved {run.stopping.saved_trials} trials, about $*"])


def test_same_seed_asks_nothing_again(pytester: pytest.Pytester) -> None:
    with serving(answering()) as server:
        lay_live(pytester.path, server.url)
        assert pytester.runpytest("--model=new", "--baseline=old", *RUN).ret == 0
        first = len(server.requests)
        assert pytester.runpytest("--model=new", "--baseline=old", *RUN).ret == 0
        assert len(server.requests) == first


def test_ctrl_c_keeps_what_was_answered_and_judges_nothing(tmp_path: Path) -> None:
    with serving(Holding(answering(), after=16)) as server:
        lay_live(tmp_path, server.url)
        process = start_pytest(tmp_path, "--model=new", "--baseline=old", *RUN)
        wait_for(lambda: len(server.requests) > 16)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 2, output
        assert "gate not judged: the session was interrupted" in output
        assert "Traceback" not in output
        run, trials = newest_run(tmp_path)
        assert run.is_partial and not run.is_complete
        assert len(server.requests) - 4 <= len(trials) <= len(server.requests)
