"""`--rerun-errors`: only what has no result is run again, and the whole is judged."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from processes import MARK, PATIENCE_S, marked, start_pytest, wait_for
from servers import Answer, Holding, Received, Server, openai_completion, serving
from swapgate.cli import main
from swapgate.memory.history import History
from swapgate.records import Trial
from workspaces import BLIND, RIGHT, case, lay, newest_run, recorded_workspace, suite

HEAD = "suite: triage\nprompt: {user: '{{ message }}'}\nchecks: [{json: strict}, {expected: [/label]}]\n"
GATE = {"semantic": {"min": 0.8, "on": "point"}}
BROKEN = {"case-1", "case-4"}


class Model:
    """A model that fails on some cases until it is mended."""

    def __init__(self) -> None:
        self.broken = set(BROKEN)
        self.delay_s = 0.0

    def __call__(self, request: Received) -> Answer:
        name = case_of(request)
        if name in self.broken:
            return Answer({"error": {"message": "no"}}, status=400)
        text = BLIND if name == "case-0" else RIGHT
        return Answer(openai_completion(text), delay_s=self.delay_s)


def case_of(request: Received) -> str:
    return str(request.json["messages"][-1]["content"]).removeprefix("about ")


@pytest.fixture
def model() -> Model:
    return Model()


@pytest.fixture
def server(model: Callable[[Received], Answer]) -> Iterator[Server]:
    with serving(model) as started:
        yield started


def lay_live(root: Path, server: Server, *, gate: object = GATE, cases: int = 10) -> None:
    shared = {"provider": "openai-compatible", "base_url": f"{server.url}/v1"}
    models = {name: {**shared, "model": name} for name in ("new", "old")}
    lay(
        root,
        {
            "cases/triage.yml": suite([case(f"case-{n}") for n in range(cases)], head=HEAD, gate=gate),
            "config/models.yml": json.dumps({"models": models}),
            "pyproject.toml": "[tool.swapgate]\nretries = 0\n",
        },
    )


def asked(server: Server) -> list[str]:
    """Return the cases that were asked for since the last time."""
    names = sorted(map(case_of, server.requests))
    server.requests.clear()
    return names


def stored_trials(root: Path) -> int:
    path = root / ".swapgate" / "history.db"
    if not path.is_file():
        return 0
    with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.OperationalError):
        return int(connection.execute("SELECT count(*) FROM trials").fetchone()[0])
    return 0


def stored_answers(root: Path) -> set[str]:
    """Return the cases whose answers are in the cache."""
    path = root / ".swapgate" / "cache.db"
    if not path.is_file():
        return set()
    with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.OperationalError):
        return {json.loads(about)["case"] for (about,) in connection.execute("SELECT about FROM responses")}
    return set()


def start_with_workers(root: Path) -> subprocess.Popen[str]:
    """Start a run of two workers, two calls in flight each, whose processes are marked."""
    return start_pytest(
        root, "--model=new", "--concurrency=4", "-n", "2", "--swapgate-timeout=600", **{MARK: str(root)}
    )


def outcomes(trials: list[Trial]) -> dict[str, str]:
    return {trial.case: trial.outcome for trial in trials}


def test_errored_trials_are_run_again_and_the_whole_is_judged(
    pytester: pytest.Pytester, server: Server, model: Model
) -> None:
    lay_live(pytester.path, server)
    assert pytester.runpytest("--model=new").ret == 11
    first, _trials = newest_run(pytester.path)
    asked(server)
    model.broken = {"case-4"}
    assert pytester.runpytest("--model=new", "--rerun-errors").ret == 11
    assert asked(server) == sorted(BROKEN)
    model.broken = set()
    result = pytester.runpytest("--model=new", "--rerun-errors")
    result.assert_outcomes(passed=1, deselected=9)
    assert result.ret == 0
    assert asked(server) == ["case-4"]
    result.stdout.fnmatch_lines(
        ["swapgate: what run * has no result of; its other 9 are taken over", "gate: PASS * 90.0%*"]
    )
    run, trials = newest_run(pytester.path)
    assert outcomes(trials) == {f"case-{n}": "passed" for n in range(10)} | {"case-0": "missed"}
    assert (run.planned, run.is_complete, run.is_partial) == (10, True, False)
    with closing(History(pytester.path / ".swapgate/history.db")) as history:
        assert history.find(run.completes or "").completes == first.id
    report = json.loads((pytester.path / "reports" / run.id / "report.json").read_text(encoding="utf-8"))
    assert len(report["trials"]) == 10
    assert report["run"]["completes"] == run.completes


def test_baselines_errors_are_run_again_too(pytester: pytest.Pytester, server: Server, model: Model) -> None:
    lay_live(pytester.path, server, gate=None)
    pytester.runpytest("--model=new", "--baseline=old")
    asked(server)
    model.broken = set()
    result = pytester.runpytest("--model=new", "--baseline=old", "--rerun-errors")
    assert asked(server) == sorted([*BROKEN, *BROKEN])
    result.stdout.fnmatch_lines(["*on 10 pairs*"])


def test_where_nothing_errored_nothing_is_run(
    pytester: pytest.Pytester, server: Server, model: Model
) -> None:
    model.broken = set()
    lay_live(pytester.path, server)
    pytester.runpytest("--model=new")
    before, _trials = newest_run(pytester.path)
    asked(server)
    pytester.makepyfile(test_other="def test_fails():\n    assert False\n")
    result = pytester.runpytest("--model=new", "--rerun-errors", "cases", "test_other.py")
    assert result.ret == 0
    result.stdout.fnmatch_lines([f"swapgate: nothing errored in run {before.id}, so nothing is run again"])
    assert asked(server) == []
    assert newest_run(pytester.path)[0] == before


def test_killed_run_is_completed_and_pays_for_the_rest_alone(pytester: pytest.Pytester, model: Model) -> None:
    model.broken = set()
    handler = Holding(model, after=12)
    with serving(handler) as server:
        lay_live(pytester.path, server, cases=40)
        process = start_pytest(pytester.path, "--model=new", "--concurrency=4")
        wait_for(lambda: stored_trials(pytester.path) >= 4)
        process.kill()
        process.communicate(timeout=120)
        handler.holds = False
        stored, paid = stored_trials(pytester.path), len(asked(server))
        assert stored < 40
        again = pytester.runpytest("--model=new", "--rerun-errors", "--concurrency=16")
        assert again.ret == 0
        again.stdout.fnmatch_lines([f"*its other {stored} are taken over*"])
        assert 40 - paid <= len(asked(server)) <= 40 - paid + 2 * 4
    run, trials = newest_run(pytester.path)
    assert (len(trials), run.is_complete, run.is_partial) == (40, True, False)


def test_killed_completion_loses_nothing_of_what_it_had_still_to_take_over(
    pytester: pytest.Pytester, model: Model
) -> None:
    """Nor where the cache is not read, as in a night: there a result is in the history alone."""
    handler = Holding(model, after=10)
    with serving(handler) as server:
        lay_live(pytester.path, server)
        pytester.runpytest("--model=new", "--live")
        first, _trials = newest_run(pytester.path)
        process = start_pytest(pytester.path, "--model=new", "--live", "--rerun-errors", "--concurrency=2")
        wait_for(lambda: stored_trials(pytester.path) >= 18)
        process.kill()
        process.communicate(timeout=PATIENCE_S)
        killed, taken_over = newest_run(pytester.path)
        assert killed.completes == first.id
        with closing(sqlite3.connect(pytester.path / ".swapgate" / "history.db")) as connection, connection:
            for table in ("trials", "facts"):
                late = [(killed.id, trial.case) for trial in taken_over[3:]]  # killed a moment sooner
                connection.executemany(f"DELETE FROM {table} WHERE run_id = ? AND case_id = ?", late)
        asked(server)
        handler.holds, model.broken = False, set()
        result = pytester.runpytest("--model=new", "--live", "--rerun-errors")
        assert asked(server) == sorted(BROKEN)
    result.stdout.fnmatch_lines([f"*run {killed.id} has no result of; its other 8 are taken over"])
    run, trials = newest_run(pytester.path)
    assert outcomes(trials) == {f"case-{n}": "passed" for n in range(10)} | {"case-0": "missed"}
    assert (run.is_complete, run.completes) == (True, killed.id)


def test_killed_run_of_workers_is_in_the_history_and_completed(
    pytester: pytest.Pytester, model: Model, capsys: pytest.CaptureFixture[str]
) -> None:
    model.broken = set()
    handler = Holding(model, after=16)
    state, kept = pytester.path / ".swapgate", pytester.path / "kept"
    with serving(handler) as server:
        lay_live(pytester.path, server, cases=24)
        process = start_with_workers(pytester.path)
        wait_for(lambda: len(stored_answers(pytester.path)) == 16)
        wait_for(lambda: stored_trials(pytester.path) >= 8)
        for one in marked(pytester.path):
            with suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        process.communicate(timeout=PATIENCE_S)
        handler.holds = False
        shutil.copytree(state, kept)
        assert main(["history", "list"]) == 0
        assert re.search(r" 24 .* unfinished$", capsys.readouterr().out, re.MULTILINE)
        missing = sorted({f"case-{n}" for n in range(24)} - stored_answers(pytester.path))
        assert len(missing) == 8
        for option, said in (
            ("--rerun-errors", f"*its other {stored_trials(pytester.path)} are taken over*"),
            ("-v", "*from the cache: 16 of 24 responses*"),
        ):
            server.requests.clear()
            again = pytester.runpytest("--model=new", option)
            assert again.ret == 0
            again.stdout.fnmatch_lines([said])
            assert asked(server) == missing
            run, trials = newest_run(pytester.path)
            assert (len(trials), run.is_complete, run.is_partial) == (24, True, False)
            shutil.rmtree(state)
            shutil.copytree(kept, state)


def test_interrupted_run_is_completed_with_workers(pytester: pytest.Pytester, model: Model) -> None:
    handler = Holding(model, after=16)
    with serving(handler) as server:
        lay_live(pytester.path, server, cases=30)
        process = start_pytest(pytester.path, "--model=new", "--concurrency=4")
        wait_for(lambda: len(server.requests) > 16)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)
        handler.holds = False
        model.broken = set()
        for said in ("are taken over", "nothing errored in run"):
            again = pytester.runpytest("--model=new", "--rerun-errors", "-n", "2")
            assert again.ret == 0
            assert said in again.stdout.str() + again.stderr.str()
    run, trials = newest_run(pytester.path)
    assert (len(trials), run.is_complete, run.is_partial) == (30, True, False)
    assert {trial.outcome for trial in trials} == {"passed", "missed"}


def test_workers_refuse_another_selection(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT, "two": RIGHT, "three": RIGHT}}, gate=GATE)
    pytester.runpytest("--model=new", "-k", "one")
    result = pytester.runpytest("--model=new", "-k", "one or two", "--rerun-errors", "-n", "2")
    output = result.stdout.str() + result.stderr.str()
    assert result.ret == 4
    assert "set out to make 1 trial, and these are 2" in output
    assert "Traceback" not in output
    assert "nothing errored" not in output


def test_selection_is_completed_by_the_same_selection_and_stays_partial(
    pytester: pytest.Pytester, server: Server, model: Model
) -> None:
    lay_live(pytester.path, server)
    pytester.runpytest("--model=new")
    pytester.runpytest("--model=new", "-k", "case-1 or case-2")
    other = pytester.runpytest("--model=new", "--rerun-errors", "-k", "case-1 or case-2 or case-3")
    assert other.ret == 4
    other.stderr.fnmatch_lines(["*set out to make 2 trials, and these are 3*Select the same ones*"])
    model.broken = set()
    result = pytester.runpytest("--model=new", "--rerun-errors", "-k", "case-1 or case-2")
    result.assert_outcomes(passed=1, deselected=9)
    result.stdout.fnmatch_lines(["gate not judged: partial selection"])
    assert outcomes(newest_run(pytester.path)[1]) == {"case-1": "passed", "case-2": "passed"}
    asked(server)
    # The last run of all cases is another one than the last run.
    pytester.runpytest("--model=new", "--rerun-errors").assert_outcomes(passed=2, deselected=8)


def test_merged_run_is_completed_like_any_other(
    pytester: pytest.Pytester, server: Server, model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_live(pytester.path, server)
    monkeypatch.chdir(pytester.path)
    for number in (1, 2):
        assert pytester.runpytest("--model=new", f"--shard={number}/2").ret == 0
    assert main(["merge", "reports"]) == 11
    merged, _trials = newest_run(pytester.path)
    asked(server)
    model.broken = set()
    assert pytester.runpytest("--model=new", "--rerun-errors").ret == 0
    assert asked(server) == sorted(BROKEN)
    run, trials = newest_run(pytester.path)
    assert (run.completes, len(trials)) == (merged.id, 10)


def test_history_that_cannot_be_read_is_told(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT}}, gate=GATE)
    lay(pytester.path, {".swapgate/history.db": "no database, but long enough to be taken for one" * 9})
    assert "the history cannot be used" in refused(pytester)


def test_without_a_gate_the_misses_that_are_taken_over_count(
    pytester: pytest.Pytester, server: Server, model: Model
) -> None:
    lay_live(pytester.path, server, gate=None)
    assert pytester.runpytest("--model=new").ret == 1
    model.broken = set()
    assert pytester.runpytest("--model=new", "--rerun-errors").ret == 1


# What is refused


def refused(pytester: pytest.Pytester, *arguments: str) -> str:
    result = pytester.runpytest("--model=new", "--rerun-errors", *arguments)
    assert result.ret == 4
    return result.stderr.str()


def test_first_run_and_other_models_have_nothing_to_complete(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT}, "old": {"one": RIGHT}}, gate=GATE)
    assert "--rerun-errors: there is no history yet" in refused(pytester)
    pytester.runpytest("--model=old")
    assert "the history has no run of new over all cases of triage" in refused(pytester)
    pytester.runpytest("--model=new")
    assert "and 2 repeats" in refused(pytester, "--repeats=2")
    assert "no run of old, new" in refused(pytester, "--baseline=old")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"outputs/new.jsonl": '{"case": "one", "output": "{}"}\n'}, "file_sha256 of the model new"),
        (
            {"prompts/triage.yml": "prompt: triage\nuser: 'Please: {{ message }}'\n"},
            "the prompt triage for new",
        ),
    ],
)
def test_what_has_changed_is_named(pytester: pytest.Pytester, changed: dict[str, str], said: str) -> None:
    head = HEAD.replace("{user: '{{ message }}'}", "triage")
    recorded_workspace(pytester.path, {"new": {"one": RIGHT, "two": RIGHT}}, gate=GATE, head=head)
    lay(pytester.path, {"prompts/triage.yml": "prompt: triage\nuser: '{{ message }}'\n"})
    pytester.runpytest("--model=new")
    lay(pytester.path, changed)
    message = refused(pytester)
    assert "something has changed" in message
    assert said in message


def test_changed_suite_and_another_stored_baseline_are_named(pytester: pytest.Pytester) -> None:
    both = {"one": RIGHT, "two": RIGHT}
    recorded_workspace(pytester.path, {"new": {"one": RIGHT}, "old": both}, gate=GATE)
    pytester.runpytest("--model=old")
    old, _trials = newest_run(pytester.path)
    pytester.runpytest("--model=new", f"--baseline={old.id}")
    pytester.runpytest("--model=old", "--live")
    newer = newest_run(pytester.path)[0]
    message = refused(pytester, "--baseline=latest")
    assert f"compared with old@{old.id}, and the baseline is now old@{newer.id}" in message
    lay(pytester.path, {"cases/triage.yml": suite([case("one", label="bug")], head=HEAD, gate=GATE)})
    assert "the suite triage" in refused(pytester, f"--baseline={old.id}")


def test_part_of_a_part_and_early_stops_are_refused(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT}}, gate=GATE)
    assert "swapgate merge" in refused(pytester, "--shard=1/2")
    assert "--stop-early may leave out its rest" in refused(pytester, "--stop-early")


def test_shard_is_no_last_run(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"new": {"one": RIGHT, "two": RIGHT}}, gate=GATE)
    pytester.runpytest("--model=new", "--shard=1/2")
    assert "the history has no run of new" in refused(pytester)
