"""One state folder under stress: many processes at once, kills at random moments, a laptop that sleeps."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from processes import start_pytest, wait_for
from servers import Answer, Holding, Received, openai_completion, serving
from swapgate.engine.day_budget import UNITS
from swapgate.memory.history import History
from swapgate.memory.spending import SpendingLedger
from swapgate.spec.day import UTC_ZONE, day_at
from workspaces import JUDGE, case, lay, suite

HEAD = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{json: strict}, {expected: [/label]}]
judges: [meaning]
"""
PASS = '{"evidence": [], "reasoning": "It agrees.", "agrees": "pass"}'
IN_FLIGHT = 4
DELAY_S = 0.05


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted")


def lay_live(root: Path, url: str, *, cases: int, retries: int = 4, **more: object) -> None:
    shared = {"provider": "openai-compatible", "base_url": f"{url}/v1", "api_key_env": "PLANTED_KEY", **more}
    models = {name: {**shared, "model": name} for name in ("candidate", "judge")}
    lay(
        root,
        {
            "cases/triage.yml": suite(
                [case(f"case-{n}.") for n in range(cases)], head=HEAD, gate="every-case"
            ),
            "judges/meaning.yml": JUDGE,
            "config/models.yml": json.dumps({"models": models}),
            "pyproject.toml": f"[tool.swapgate]\nretries = {retries}\nconcurrency = {IN_FLIGHT}\n",
        },
    )


def answer(request: Received, *, delay_s: float = DELAY_S) -> Answer:
    """Answer a case with its own name, so that an answer to another case would be seen."""
    if request.json["model"] == "judge":
        return Answer(openai_completion(PASS), delay_s=delay_s)
    text = json.dumps({"label": "billing", "case": request.json["messages"][-1]["content"]})
    return Answer(openai_completion(text), delay_s=delay_s)


def asked(request: Received) -> tuple[str, str]:
    """Return what a request asks: the role, and the case that is named in it."""
    body = request.body.decode()
    start = body.index("case-")
    return request.json["model"], body[start : body.index(".", start)]


def stored_calls(root: Path) -> set[tuple[str, str]]:
    """Return what the cache holds, as `asked` would name it."""
    path = root / ".swapgate" / "cache.db"
    if not path.is_file():
        return set()
    with closing(sqlite3.connect(path)) as connection:
        rows = [json.loads(about) for (about,) in connection.execute("SELECT about FROM responses")]
    return {(row["model"], row["case"].rstrip(".")) for row in rows}


def stored_runs(root: Path) -> int:
    """Return how many runs the history holds, 0 where it is not there yet."""
    try:
        with closing(sqlite3.connect(f"file:{root}/.swapgate/history.db?mode=ro", uri=True)) as connection:
            return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])
    except sqlite3.OperationalError:
        return 0


def require_sound(root: Path) -> None:
    for name in ("cache.db", "history.db"):
        with closing(sqlite3.connect(root / ".swapgate" / name)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",), name


def test_four_processes_start_on_one_cold_state_folder(tmp_path: Path) -> None:
    with serving(answer) as server:
        lay_live(tmp_path, server.url, cases=20)
        processes = [start_pytest(tmp_path, "--model=candidate") for _number in range(4)]
        outputs = [process.communicate(timeout=180)[0] for process in processes]
        for process, output in zip(processes, outputs, strict=True):
            assert process.returncode == 0, output
            assert "20 passed" in output
            assert "locked" not in output
        paid = Counter(map(asked, server.requests))
    assert set(paid.values()) == {1}
    assert len(stored_calls(tmp_path)) == 40
    with closing(History(tmp_path / ".swapgate" / "history.db")) as history:
        runs = history.runs()
        assert len(runs) == 4
        for run in runs:
            trials = list(history.trials(run.id))
            assert (len(trials), run.is_complete) == (20, True)
            for trial in trials:
                assert trial.answer is not None
                assert json.loads(trial.answer.response.text)["case"] == f"about {trial.case}"
    require_sound(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_who_waits_for_another_run_asks_itself_when_that_one_is_killed_or_suspended(
    tmp_path: Path, how: signal.Signals
) -> None:
    handler = Holding(answer, after=0)
    with serving(handler) as server:
        lay_live(tmp_path, server.url, cases=IN_FLIGHT)
        first = start_pytest(tmp_path, "--model=candidate", "--swapgate-timeout=300")
        wait_for(lambda: len(server.requests) == IN_FLIGHT)
        handler.holds = False
        second = start_pytest(tmp_path, "--model=candidate", "--swapgate-timeout=5")
        # Its record is opened once it asks; meanwhile it waits for the first one's answers.
        wait_for(lambda: stored_runs(tmp_path) == 2)
        assert len(server.requests) == IN_FLIGHT
        first.send_signal(how)
        output = second.communicate(timeout=120)[0]
        if how is signal.SIGSTOP:
            first.kill()
        first.communicate(timeout=120)
    assert second.returncode == 0, output
    assert len(server.requests) == 3 * IN_FLIGHT


def test_kills_at_random_moments_lose_no_more_than_what_was_in_flight(pytester: pytest.Pytester) -> None:
    cases, kills, moments = 60, 0, random.Random(4)
    paid_again: list[tuple[str, str]] = []
    delays_s = [0.3]
    with serving(lambda request: answer(request, delay_s=delays_s[-1])) as server:
        lay_live(pytester.path, server.url, cases=cases)
        for attempt in range(8):
            stored, before = stored_calls(pytester.path), len(server.requests)
            process = start_pytest(pytester.path, "--model=candidate")
            wanted = before + moments.randint(2, 20)
            wait_for(lambda wanted=wanted: len(server.requests) >= wanted)  # type: ignore[misc]
            if attempt == 0:  # one of them is killed after its history has opened
                wait_for(lambda: stored_runs(pytester.path) > 0)
                delays_s.append(DELAY_S)
            time.sleep(moments.uniform(0, 0.05))
            process.kill()
            process.communicate(timeout=120)
            kills += 1
            paid_again += [call for call in map(asked, server.requests[before:]) if call in stored]
            require_sound(pytester.path)
        stored, before = stored_calls(pytester.path), len(server.requests)
        last = pytester.runpytest("--model=candidate")
        assert last.ret == 0
        last.assert_outcomes(passed=cases)
        paid_again += [call for call in map(asked, server.requests[before:]) if call in stored]
        assert paid_again == []
        # Of each kill: what was in flight, and what had arrived in the same instant.
        assert len(server.requests) <= 2 * cases + kills * 2 * IN_FLIGHT
    with closing(History(pytester.path / ".swapgate" / "history.db")) as history:
        newest, *killed = history.runs()
        # The history opens beside the first calls: what is killed before has its answers in the cache.
        assert 1 <= len(killed) <= kills
        assert all(run.finished_at is None for run in killed)
        assert len(list(history.trials(newest.id))) == cases
    require_sound(pytester.path)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_end_while_a_call_is_made_twice_loses_no_answer_and_no_money(
    tmp_path: Path, how: signal.Signals
) -> None:
    cases, straggler = 40, ("candidate", "case-0")
    holds = [True]

    def slow(request: Received) -> Answer:
        return answer(request, delay_s=600 if holds[-1] and asked(request) == straggler else DELAY_S)

    with serving(slow) as server:
        lay_live(tmp_path, server.url, cases=cases, price={"input": 1000, "output": 1000})
        budget = ("--hedge=p90", "--max-cost-per-day=100000")
        process = start_pytest(tmp_path, "--model=candidate", *budget)
        wait_for(lambda: Counter(map(asked, server.requests))[straggler] == 2)
        wait_for(lambda: len(stored_calls(tmp_path)) == 2 * cases - 2)
        process.send_signal(how)
        output = process.communicate(timeout=120)[0]
        assert "Traceback" not in output
        holds.append(False)
        before = len(server.requests)
        again = start_pytest(tmp_path, "--model=candidate", *budget)
        output = again.communicate(timeout=120)[0]
        assert again.returncode == 0, output
        assert len(server.requests) - before == 2
        cost_usd = 0.029 * len(server.requests)
    with closing(SpendingLedger(tmp_path / ".swapgate" / "spending.db")) as ledger:
        assert ledger.today(day_at(time.time(), UTC_ZONE)).counted >= cost_usd * UNITS


def test_process_that_was_asleep_for_longer_than_a_time_out_goes_on(tmp_path: Path) -> None:
    with serving(lambda request: answer(request, delay_s=0.3)) as server:
        lay_live(tmp_path, server.url, cases=16)
        process = start_pytest(tmp_path, "--model=candidate", "--swapgate-timeout=4")
        wait_for(lambda: len(server.requests) >= 10)
        process.send_signal(signal.SIGSTOP)
        time.sleep(5)
        process.send_signal(signal.SIGCONT)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 0, output
        assert "16 passed" in output
        assert len(server.requests) <= 32 + IN_FLIGHT


def test_rerun_says_what_it_does_not_pay_again(pytester: pytest.Pytester) -> None:
    handler = Holding(answer, after=12)
    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=20)
        process = start_pytest(pytester.path, "--model=candidate")
        wait_for(lambda: len(server.requests) > 12)
        process.send_signal(signal.SIGINT)
        assert "from the cache" not in process.communicate(timeout=120)[0]
        stored = sum(model == "candidate" for model, _case in stored_calls(pytester.path))
        handler.holds = False
        again = pytester.runpytest("--model=candidate")
    again.stdout.fnmatch_lines([f"*from the cache: {stored} of 20 responses*"])
