"""The main job over HTTP: model and judge on loopback, the cache, faults, interruptions, workers."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from processes import PATIENCE_S, start_pytest, wait_for
from servers import Answer, Handler, Holding, Received, Server, openai_completion, serving
from workspaces import JUDGE, case, lay, recorded_workspace, suite

KEY = "sk-planted-0123456789abcdef"
RIGHT = '{"label": "billing"}'
PASS = '{"evidence": [], "reasoning": "It agrees.", "agrees": "pass"}'
HEAD = """\
suite: triage
prompt: {user: "{{ message }}"}
checks: [{json: strict}, {enum: {pointer: /label, values: [billing, bug]}}]
judges: [meaning]
"""
GATE = {"semantic": {"min": 0.5, "on": "point"}}


def models(url: str, **more: object) -> str:
    shared = {"provider": "openai-compatible", "base_url": f"{url}/v1", "api_key_env": "PLANTED_KEY"}
    entries = {
        "candidate": {**shared, "model": "candidate-1", **more},
        "judge": {**shared, "model": "judge-1"},
    }
    return json.dumps({"models": entries})


def lay_live(root: Path, url: str, *, cases: int = 4, gate: object = GATE, **more: object) -> None:
    lay(
        root,
        {
            "cases/triage.yml": suite([case(f"case-{n}") for n in range(cases)], head=HEAD, gate=gate),
            "judges/meaning.yml": JUDGE,
            "config/models.yml": models(url, **more),
            "pyproject.toml": "[tool.swapgate]\nretries = 1\n",
        },
    )


def is_judge(request: Received) -> bool:
    return bool(request.json["model"] == "judge-1")


def well_behaved(request: Received) -> Answer:
    return Answer(openai_completion(PASS if is_judge(request) else RIGHT))


def slowly(delay_s: float) -> Handler:
    return lambda request: Answer(well_behaved(request).body, delay_s=delay_s)


def together(calls: int) -> Handler:
    """Answer nobody before so many have asked: on a busy machine workers start long after each other."""
    met, asked = asyncio.Event(), count(1)

    def answer(request: Received) -> Answer:
        if next(asked) == calls:
            met.set()
        return replace(well_behaved(request), delay_s=0.02, after=met)

    return answer


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLANTED_KEY", KEY)
    monkeypatch.delenv("CI", raising=False)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(well_behaved) as started:
        yield started


def written_files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def start(root: Path, *arguments: str) -> subprocess.Popen[str]:
    return start_pytest(root, "--model=candidate", *arguments)


def ended(pytester: pytest.Pytester, *arguments: str) -> tuple[int, str]:
    """Run pytest in this process, its workers in theirs; return the exit code and all that was printed."""
    result = pytester.runpytest("--model=candidate", *arguments)
    return int(result.ret), result.stdout.str() + result.stderr.str()


def stored_trials(root: Path) -> int:
    return _count(root / ".swapgate" / "history.db", "trials")


def stored_responses(root: Path) -> int:
    return _count(root / ".swapgate" / "cache.db", "responses")


def _count(path: Path, table: str) -> int:
    if not path.is_file():
        return 0
    connection = sqlite3.connect(path)
    try:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        connection.close()


# The cache


def test_rerun_pays_nothing_and_live_pays_again(pytester: pytest.Pytester, server: Server) -> None:
    lay_live(pytester.path, server.url)
    assert pytester.runpytest("--model=candidate").ret == 0
    # The four answers are the same, but not the questions: the judge is asked four times.
    assert len(server.requests) == 8
    assert pytester.runpytest("--model=candidate").ret == 0
    assert len(server.requests) == 8
    assert pytester.runpytest("--model=candidate", "--live").ret == 0
    assert len(server.requests) == 16
    assert stored_trials(pytester.path) == 12  # also those that ended before their run's record began


def test_rerun_loads_nothing_that_only_a_call_needs(pytester: pytest.Pytester, server: Server) -> None:
    lay_live(pytester.path, server.url)
    heavy = ["aiohttp", "httpx_aiohttp", "ray", "swapgate.engine.ray_executor", "swapgate.spec.calibration"]
    loaded = f"print('loaded', [name for name in {heavy!r} if name in sys.modules])"
    pytester.makeconftest(f"import sys\ndef pytest_unconfigure():\n    {loaded}\n")
    calling = pytester.runpytest_subprocess("--model=candidate", "-p", "no:anyio")
    assert "loaded ['aiohttp', 'httpx_aiohttp']" in calling.outlines
    rerun = pytester.runpytest_subprocess("--model=candidate", "-p", "no:anyio")
    assert "loaded []" in rerun.outlines
    assert len(server.requests) == 8


def test_certificates_that_are_not_there_are_a_mistake_told_before_any_call(
    pytester: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_live(pytester.path, server.url)
    monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/ca.pem")
    result = pytester.runpytest("--model=candidate")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*SSL_CERT_FILE names '/nowhere/ca.pem'*correct it, or unset it*"])
    monkeypatch.setenv("SSL_CERT_FILE", str(pytester.path / "config/models.yml"))
    result = pytester.runpytest("--model=candidate")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*SSL_CERT_FILE names '*models.yml', which holds no certificate*"])
    assert server.requests == []


def test_replay_never_calls_and_names_the_case_it_has_no_response_for(
    pytester: pytest.Pytester, server: Server
) -> None:
    lay_live(pytester.path, server.url)
    result = pytester.runpytest("--model=candidate", "--replay")
    assert result.ret == 11
    assert server.requests == []
    result.stdout.fnmatch_lines(["*no recorded response of candidate for triage/case-0*"])


def test_recordings_in_git_serve_a_machine_without_keys_or_network(
    pytester: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_live(pytester.path, server.url)
    pytester.runpytest("--model=candidate")
    assert pytester.run(sys.executable, "-m", "swapgate", "cache", "export", "recordings/all.jsonl").ret == 0
    server.requests.clear()
    for path in (pytester.path / ".swapgate").iterdir():
        path.unlink()
    monkeypatch.delenv("PLANTED_KEY")
    result = pytester.runpytest("--model=candidate", "--replay", "--recordings=recordings/all.jsonl")
    result.assert_outcomes(passed=4)
    assert result.ret == 0
    assert server.requests == []


def test_repeats_are_asked_apart_and_stay_apart(pytester: pytest.Pytester, server: Server) -> None:
    lay_live(pytester.path, server.url, cases=2)
    pytester.runpytest("--model=candidate", "--repeats=3")
    assert sum(not is_judge(r) for r in server.requests) == 6
    assert sum(is_judge(r) for r in server.requests) == 2  # one answer to one question is judged once


# Faults


def test_key_is_sent_and_stands_in_no_file_and_no_output(pytester: pytest.Pytester) -> None:
    def gossip(request: Received) -> Answer:
        told = request.headers["authorization"]
        if b"case-0" in request.body and not is_judge(request):
            return Answer({"error": {"message": f"Incorrect API key provided: {told}"}}, status=401)
        return Answer(openai_completion(json.dumps({"label": "billing", "told": told})))

    with serving(gossip) as server:
        lay_live(pytester.path, server.url)
        result = pytester.runpytest("--model=candidate", "-v", "--junitxml=junit.xml")
        assert all(r.headers["authorization"] == f"Bearer {KEY}" for r in server.requests)
    assert KEY not in result.stdout.str() + result.stderr.str()
    files = written_files(pytester.path)
    assert len(files) > 8
    assert [p for p in files if KEY.encode() in p.read_bytes()] == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Answer({"error": {"message": "boom"}}, status=500), "server"),
        (Answer(b"\x00\xff\xfe garbage"), "bad_response"),
        (Answer(b'{"choices": [{"message": {"content": "' + b"x" * 20_000_000 + b'"}}]}'), "bad_response"),
        (Answer({"error": {"message": "Invalid key"}}, status=401), "auth"),
        (Answer(b"", status=302, headers={"location": "http://example.invalid/"}), "bad_request"),
    ],
)
def test_one_bad_answer_is_an_error_of_its_trial_and_the_others_go_on(
    pytester: pytest.Pytester, answer: Answer, kind: str
) -> None:
    def handler(request: Received) -> Answer:
        is_bad = b"case-1" in request.body and not is_judge(request)
        return answer if is_bad else well_behaved(request)

    with serving(handler) as server:
        lay_live(pytester.path, server.url, gate={**GATE, "errors": 0.5})
        result = pytester.runpytest("--model=candidate")
    result.assert_outcomes(passed=3, errors=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["*case-1 by candidate: errored*", f"*model: {kind}: *"])


def test_model_that_answers_nothing_is_a_structural_miss(pytester: pytest.Pytester) -> None:
    def handler(request: Received) -> Answer:
        return Answer(openai_completion("")) if not is_judge(request) else well_behaved(request)

    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=1)
        result = pytester.runpytest("--model=candidate")
        assert [is_judge(r) for r in server.requests] == [False]
    assert result.parseoutcomes() == {"missed": 1}
    result.stdout.fnmatch_lines(["*json: *empty*", "*judge meaning (skipped)*"])


def test_unreachable_host_is_named_and_ends_soon(pytester: pytest.Pytester) -> None:
    lay_live(pytester.path, "http://127.0.0.1:9", cases=2)
    started = time.monotonic()
    result = pytester.runpytest("--model=candidate")
    assert result.ret == 11
    assert time.monotonic() - started < PATIENCE_S
    result.stdout.fnmatch_lines(["*model: connection: *127.0.0.1*"])


def test_judge_that_answers_prose_is_asked_once_more_and_then_an_error_never_a_zero(
    pytester: pytest.Pytester,
) -> None:
    def handler(request: Received) -> Answer:
        return Answer(openai_completion("Looks fine to me!")) if is_judge(request) else well_behaved(request)

    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=1)
        result = pytester.runpytest("--model=candidate")
        assert [is_judge(r) for r in server.requests] == [False, True, True]
    assert result.ret == 11
    result.stdout.fnmatch_lines(["*judge:meaning: judge: *"])
    (report,) = pytester.path.glob("reports/*-*/report.json")
    (trial,) = json.loads(report.read_text(encoding="utf-8"))["trials"]
    (verdict,) = trial["verdicts"]
    assert (verdict["passed"], verdict["scores"]) == (None, {})
    assert [s["raw"] for s in verdict["samples"]] == ["Looks fine to me!"] * 2


def test_rate_limit_is_waited_out_as_the_server_asks(pytester: pytest.Pytester) -> None:
    limited: list[Received] = []

    def handler(request: Received) -> Answer:
        if not is_judge(request) and not limited:
            limited.append(request)
            return Answer({"error": {"message": "slow down"}}, status=429, headers={"retry-after": "1"})
        return well_behaved(request)

    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=1)
        started = time.monotonic()
        pytester.runpytest("--model=candidate").assert_outcomes(passed=1)
        assert time.monotonic() - started >= 1
        assert len(server.requests) == 3


def test_fallbacks_answer_is_recorded_as_such_and_does_not_count(pytester: pytest.Pytester) -> None:
    def handler(request: Received) -> Answer:
        if request.json["model"] == "candidate-1":
            return Answer({"error": {"message": "overloaded"}}, status=400)
        return well_behaved(request)

    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=1, fallback="judge")
        result = pytester.runpytest("--model=candidate")
    assert result.ret == 11
    (report,) = pytester.path.glob("reports/*-*/report.json")
    document = json.loads(report.read_text(encoding="utf-8"))
    (trial,) = document["trials"]
    assert (trial["answer"]["model"], trial["answer"]["is_fallback"]) == ("judge", True)
    assert document["summaries"][0]["semantic"]["n"] == 0


def test_exit_first_runs_ahead_by_one_round_only(pytester: pytest.Pytester) -> None:
    def handler(request: Received) -> Answer:
        return Answer(openai_completion("no json"), delay_s=0.05)

    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=60)
        result = pytester.runpytest("--model=candidate", "-x", "--concurrency=4")
        assert result.ret == 1
        assert len(server.requests) <= 12


# Interruptions


def test_ctrl_c_keeps_what_was_paid_for(pytester: pytest.Pytester) -> None:
    handler = Holding(well_behaved, after=24)
    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=40)
        process = start(pytester.path, "--concurrency=4")
        wait_for(lambda: len(server.requests) > 24 and stored_trials(pytester.path) >= 3)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 2, output
        assert "Traceback" not in output
        assert "interrupted" in output
        answered = sum(not is_judge(r) for r in server.requests)
        assert stored_trials(pytester.path) >= 3
        server.requests.clear()
        handler.holds = False
        assert ended(pytester, "--concurrency=8")[1].count("40 passed") == 1
        again = sum(not is_judge(r) for r in server.requests)
        assert answered - 4 <= 40 - again <= answered


@pytest.mark.skipif(sys.platform == "win32", reason="its signals are POSIX's")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signals_of_an_end_interrupt_as_ctrl_c_does(pytester: pytest.Pytester, name: str) -> None:
    handler = Holding(well_behaved, after=24)
    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=40)
        given = signal.signal(signal.Signals[name], signal.SIG_DFL)  # nohup ignores SIGHUP for all below it
        process = start(pytester.path, "--concurrency=4")
        signal.signal(signal.Signals[name], given)
        wait_for(lambda: len(server.requests) > 24 and stored_trials(pytester.path) >= 3)
        process.send_signal(signal.Signals[name])
        output = process.communicate(timeout=120)[0]
    assert process.returncode == 2, output
    assert "Traceback" not in output
    assert f"gate not judged: the session was interrupted by {name}" in output


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is not sent to one process there")
@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_second_ctrl_c_right_after_the_first_ends_in_one_line(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    handler = Holding(well_behaved, after=24)
    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=40)
        process = start(pytester.path, "--concurrency=4", *arguments)
        wait_for(lambda: len(server.requests) > 24)
        process.send_signal(signal.SIGINT)
        time.sleep(0.05)
        process.send_signal(signal.SIGTERM)  # which is not merged with a first one that is on its way
        output = process.communicate(timeout=120)[0]
    assert process.returncode == 2, output
    assert "Traceback" not in output


@pytest.mark.skipif(sys.platform == "win32", reason="its signals are POSIX's")
@pytest.mark.parametrize("arguments", [(), ("-n", "2")])
def test_two_signals_at_once_are_no_bug_of_pytest(
    pytester: pytest.Pytester, arguments: tuple[str, ...]
) -> None:
    """A service manager may send SIGTERM and SIGHUP together, and none waits for the other."""
    handler = Holding(well_behaved, after=24)
    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=40)
        given = signal.signal(signal.SIGHUP, signal.SIG_DFL)  # nohup ignores it for all below it
        process = start(pytester.path, "--concurrency=4", *arguments)
        signal.signal(signal.SIGHUP, given)
        wait_for(lambda: len(server.requests) > 24)
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGHUP)
        output = process.communicate(timeout=120)[0]
    assert process.returncode == 2, output
    assert "Traceback" not in output


CATCHES = """
import signal
import pytest

@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGINT"])
def test_own_code_stops_when_it_is_told_to(name):
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.Signals[name])

def test_last():
    signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="its signals are POSIX's")
def test_signal_that_a_test_has_caught_keeps_none_from_a_later_one(pytester: pytest.Pytester) -> None:
    recorded_workspace(pytester.path, {"m": {"one": RIGHT}})
    pytester.makepyfile(test_own=CATCHES)
    result = pytester.runpytest_subprocess("--model=m", "cases", "test_own.py")
    result.assert_outcomes(passed=4)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["gate not judged: the session was interrupted"])
    assert "Traceback" not in result.stdout.str() + result.stderr.str()


SLOW_HISTORY = """
import time
from pathlib import Path
from swapgate.memory.history import writer

opened = writer.open_prepared

def slowly(place):
    Path("opening").touch()
    time.sleep(2)
    Path("opened").touch()
    return opened(place)

def pytest_keyboard_interrupt():
    if Path("opened").exists():
        Path("told-after").touch()

writer.open_prepared = slowly
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is not sent to one process there")
def test_ctrl_c_while_the_history_opens_is_told_once_it_is_open(pytester: pytest.Pytester) -> None:
    """pytest parses sources then, which no other thread may do at once until Python 3.11.8."""
    with serving(well_behaved) as server:
        lay_live(pytester.path, server.url, cases=40)
        lay(pytester.path, {"conftest.py": SLOW_HISTORY})
        process = start(pytester.path)
        wait_for((pytester.path / "opening").exists)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=120)[0]
    assert process.returncode == 2, output
    assert "Traceback" not in output
    assert (pytester.path / "told-after").exists()


SLOW_NUMPY = """
import sys, time
from pathlib import Path

class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy.matrixlib":  # half of numpy is loaded
            Path("loading").touch()
            time.sleep(1)

sys.meta_path.insert(0, Slow())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is not sent to one process there")
def test_ctrl_c_while_the_first_miss_is_explained_breaks_no_import(pytester: pytest.Pytester) -> None:
    """What explains it loads what decides at the end, and numpy cannot be imported a second time."""
    wrong = Holding(lambda _request: Answer(openai_completion("no JSON")), after=1)
    with serving(wrong) as server:
        lay_live(pytester.path, server.url, cases=10)
        lay(pytester.path, {"conftest.py": SLOW_NUMPY})
        process = start(pytester.path, "--concurrency=2")
        wait_for((pytester.path / "loading").exists)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=120)[0]
    assert process.returncode == 2, output
    assert "Traceback" not in output
    assert "gate not judged: the session was interrupted" in output


SLOW_CLIENT = """
import threading, time
from pathlib import Path
from swapgate.providers import http_client

loaded, ending = http_client.load, threading.Event()

def slowly():
    ending.wait(60)
    time.sleep(0.5)
    loaded()
    Path("loaded").touch()

def pytest_unconfigure():
    ending.set()

http_client.load = slowly
"""


def test_refused_run_ends_once_what_it_loads_is_loaded(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python that ends while a thread of it loads extension modules crashes now and then."""
    monkeypatch.delenv("PLANTED_KEY")
    lay_live(pytester.path, "http://127.0.0.1:9")
    lay(pytester.path, {"conftest.py": SLOW_CLIENT})
    process = start(pytester.path)
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 4, output
    assert (pytester.path / "loaded").exists()


def test_killed_run_continues_where_it_stopped(pytester: pytest.Pytester) -> None:
    handler = Holding(well_behaved, after=32)
    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=40)
        process = start(pytester.path, "--concurrency=4")
        wait_for(lambda: len(server.requests) > 32 and stored_responses(pytester.path) == 32)
        wait_for(lambda: stored_trials(pytester.path) >= 3)
        process.kill()
        process.communicate(timeout=120)
        answered = sum(not is_judge(r) for r in server.requests)
        server.requests.clear()
        handler.holds = False
        assert "40 passed" in ended(pytester, "--concurrency=8")[1]
        again = sum(not is_judge(r) for r in server.requests)
        # Four were in flight when it was killed, and as many at most on their way to the disk.
        assert answered - 8 <= 40 - again <= answered


# Several workers


def test_workers_share_the_cases_keep_the_concurrency_and_one_gate_decides(pytester: pytest.Pytester) -> None:
    with serving(together(12)) as server:
        lay_live(pytester.path, server.url, cases=48)
        code, output = ended(pytester, "-n", "2", "--concurrency=16")
        assert code == 0, output
        assert "48 passed" in output
        assert output.count("gate: PASS") == 1
        assert 12 <= server.most_at_once <= 16
        assert len(server.requests) == 96
    assert stored_trials(pytester.path) == 48


def test_workers_give_the_gates_exit_code_and_the_miss_letters(pytester: pytest.Pytester) -> None:
    def handler(request: Received) -> Answer:
        verdict = PASS.replace('"pass"', '"fail"')
        return Answer(openai_completion(verdict if is_judge(request) else RIGHT))

    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=6)
        code, output = ended(pytester, "-n", "2", "-p", "no:cacheprovider")
    assert code == 1, output
    assert "6 missed" in output
    assert "gate: FAIL" in output


def test_partial_selection_is_seen_under_workers_too(pytester: pytest.Pytester) -> None:
    with serving(well_behaved) as server:
        lay_live(pytester.path, server.url, cases=6)
        _code, output = ended(pytester, "-n", "2", "-k", "case-1 or case-2")
    assert "2 passed" in output
    assert "partial selection" in output


def test_missing_key_stops_before_the_workers_start(
    pytester: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PLANTED_KEY")
    lay_live(pytester.path, server.url)
    code, output = ended(pytester, "-n", "2")
    assert code == 4
    assert "PLANTED_KEY" in output
    assert "Traceback" not in output
    assert server.requests == []


def test_crashed_worker_loses_one_trial_and_the_run_says_so(pytester: pytest.Pytester) -> None:
    lay(
        pytester.path,
        {
            "cases/crash.yml": suite(
                [case(f"case-{n}") for n in range(30)],
                head="suite: crash\nprompt: {user: '{{ message }}'}\njudges: []\n",
                gate=GATE,
            ),
            "app.py": (
                "import os, pathlib, time\n"
                "def answer(message):\n"
                "    time.sleep(0.02)\n"
                "    marker = pathlib.Path('crashed')\n"
                "    if message == 'about case-9' and not marker.exists():\n"
                "        marker.touch()\n"
                "        time.sleep(0.5)\n"
                "        os._exit(1)\n"
                "    return 'fine'\n"
            ),
            "config/models.yml": "models: {candidate: {provider: python, model: 'app:answer'}}\n",
        },
    )
    code, output = ended(pytester, "-n", "2", "--concurrency=2")
    assert code == 1, output
    assert "crashed while running" in output
    # pytest loses the case that it waited for, or where it had just been told of one, none.
    stored = stored_trials(pytester.path)
    assert stored in {29, 30}
    assert f"1 failed, {stored} passed" in output
    assert ("1 of 30 planned trials never came back" in output) == (stored == 29)
    _code, output = ended(pytester, "--rerun-errors")
    assert ("its other 29 are taken over" if stored == 29 else "nothing errored in run") in output


def test_fallback_without_a_key_is_said_and_does_not_stop_the_run(
    pytester: pytest.Pytester, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    lay_live(pytester.path, server.url, cases=1, fallback="anthropic:claude-opus-5")
    result = pytester.runpytest("--model=candidate")
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        ["*the fallback anthropic:claude-opus-5 will not be tried*ANTHROPIC_API_KEY*"]
    )


def test_replay_and_last_failed_work_with_workers(pytester: pytest.Pytester) -> None:
    def handler(request: Received) -> Answer:
        if is_judge(request) and b"case-3" in request.body:
            return Answer(openai_completion(PASS.replace('"pass"', '"fail"')))
        return well_behaved(request)

    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=6)
        _code, first = ended(pytester, "-n", "2")
        calls = len(server.requests)
        _code, replayed = ended(pytester, "-n", "2", "--replay")
        _code, again = ended(pytester, "-n", "2", "--lf")
        assert len(server.requests) == calls
    assert "5 passed, 1 missed" in first
    assert "5 passed, 1 missed" in replayed
    assert "1 missed" in again
    assert "passed" not in again.splitlines()[-1]
    assert "gate not judged: partial selection" in again


def test_first_miss_stops_all_workers_and_nothing_is_judged(pytester: pytest.Pytester) -> None:
    with serving(lambda _request: Answer(openai_completion("no json"), delay_s=0.05)) as server:
        lay_live(pytester.path, server.url, cases=80)
        code, output = ended(pytester, "-n", "2", "-x", "--concurrency=4")
        assert len(server.requests) < 60
    assert code in {1, 2}
    assert "gate not judged" in output


def test_ctrl_c_with_workers_keeps_what_was_paid_for(pytester: pytest.Pytester) -> None:
    handler = Holding(well_behaved, after=32)
    with serving(handler) as server:
        lay_live(pytester.path, server.url, cases=60)
        process = start(pytester.path, "-n", "2", "--concurrency=4")
        wait_for(lambda: len(server.requests) > 32)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 2, output
        answered = sum(not is_judge(r) for r in server.requests)
        server.requests.clear()
        handler.holds = False
        assert "60 passed" in ended(pytester, "--concurrency=8")[1]
        again = sum(not is_judge(r) for r in server.requests)
        assert answered - 5 <= 60 - again <= answered


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is not sent to one process there")
def test_interrupted_controller_lets_its_workers_pay_for_no_more(pytester: pytest.Pytester) -> None:
    """A CI service or a parent process interrupts the controller alone."""
    with serving(slowly(0.1)) as server:
        lay_live(pytester.path, server.url, cases=120)
        process = start(pytester.path, "-n", "2", "--concurrency=4")
        wait_for(lambda: len(server.requests) > 20)
        process.send_signal(signal.SIGINT)
        output = process.communicate(timeout=120)[0]
        assert process.returncode == 2, output
        assert len(server.requests) < 200


def test_model_that_cannot_be_opened_leaves_no_run_behind(pytester: pytest.Pytester) -> None:
    lay_live(pytester.path, "http://127.0.0.1:9")
    lay(pytester.path, {"judges/meaning.yml": JUDGE.replace("model: judge", "model: candidate")})
    result = pytester.runpytest("--model=python:nosuch:function")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["*nosuch*"])
    assert not (pytester.path / "reports").exists()
    assert stored_trials(pytester.path) == 0


def test_full_disk_is_told_and_the_verdict_stands(tmp_path: Path) -> None:
    lay(
        tmp_path,
        {
            "cases/long.yml": suite(
                [case(f"case-{n}") for n in range(150)],
                head="suite: long\nprompt: {user: '{{ message }}'}\n",
                gate={"structural": {"min": 0.5, "on": "point"}},
            ),
            "app.py": "def answer(message):\n    return message * 300\n",
            "config/models.yml": "models: {candidate: {provider: python, model: 'app:answer'}}\n",
            # No file may grow beyond 200 kB: that is what a full disk looks like to a database.
            "conftest.py": "import resource, signal\nsignal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
            "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n",
        },
    )
    process = start(tmp_path, "--report=none", "-p", "no:cacheprovider")
    output = process.communicate(timeout=120)[0]
    assert process.returncode == 0, output
    assert "gate: PASS" in output
    assert "responses could not be stored" in output
    assert "Traceback" not in output


def test_other_ways_to_distribute_never_pay_twice(pytester: pytest.Pytester) -> None:
    with serving(slowly(0.02)) as server:
        lay_live(pytester.path, server.url, cases=12)
        _code, output = ended(pytester, "-n", "2", "--dist=worksteal")
        assert "12 passed" in output
        assert len(server.requests) == 24
