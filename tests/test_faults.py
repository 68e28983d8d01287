"""Whole runs against servers that fail: ended in time, told with a remedy, nothing lost, no key told."""

from __future__ import annotations

import json
import math
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fault_server import FAULTS, FaultServer, faulty, redirecting, untrusted, well
from processes import start_pytest, wait_for
from servers import Answer, Received, openai_completion, serving
from swapgate.errors import ErrorKind
from swapgate.memory.history import History
from swapgate.records import Trial
from workspaces import case, lay, suite

KEY = "sk-planted-0123456789abcdef"
GOOD = tuple(f"good-{n}" for n in range(4))
HEAD = "suite: faults\nprompt: {user: '{{ message }}'}\nchecks: [{json: strict}]\n"
GATE = {"structural": {"min": 0.5, "on": "point"}}
# How much memory the process has had at most, in MiB.
PEAK = """\
import atexit, os, pathlib, re
def write():
    # Not getrusage: what it tells begins with the size of the process that started this one.
    peak = int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]) // 1024
    pathlib.Path(__file__).with_name(f"peak-{os.getpid()}").write_text(str(peak))
atexit.register(write)
"""
LARGEST_PEAK = 600
LONGEST_RUN_S, LONGEST_FIRST_S = 240, 90
# Within this time an endless answer is found to be one, where the machine has time for it.
TIMEOUT_S, LONG_TIMEOUT_S = 5, 40
NEVER_ENDS = ("silent", "dripping")


@dataclass(frozen=True)
class Expected:
    """The kinds of error that a fault makes of an answer in one piece and of a streamed one; what is said.

    `connection/bad_response`: either, as the bytes happen to arrive.
    """

    kind: str
    streamed: str
    told: str


_INTERFACE = "Is base_url the right address"
_AGAIN = "A rerun asks again"
EXPECTED: Mapping[str, Expected] = {
    "rate-limited": Expected("rate_limit", "rate_limit", "Lower --concurrency, or give the model `limits`"),
    "rate-limited-with-a-date": Expected("rate_limit", "rate_limit", "HTTP 429: slow down. Lower"),
    "broken-inside": Expected("server", "server", f"HTTP 500: Internal error for [redacted]. {_AGAIN}"),
    "silent": Expected("timeout", "timeout", "no answer within {} s: raise `timeout_s`, or ask for less"),
    "dripping": Expected("timeout", "timeout", "no answer within {} s: raise `timeout_s`, or ask for less"),
    "reset-in-the-body": Expected("connection", "connection", _AGAIN),
    "hanging-up": Expected("connection", "connection", _AGAIN),
    "too-short": Expected("connection", "connection", _AGAIN),
    "too-long": Expected("connection/bad_response", "connection/bad_response", ""),
    "cut-off": Expected("connection", "connection", _AGAIN),
    "endless": Expected("bad_response", "bad_response", f"answer larger than 10 MiB. {_INTERFACE}"),
    "endless-line": Expected("bad_response", "bad_response", f"answer larger than 10 MiB. {_INTERFACE}"),
    "no-json": Expected("bad_response", "bad_response", _INTERFACE),
    "error-within": Expected("server", "server", f"HTTP 503: no worker for [redacted]. {_AGAIN}"),
    "bomb": Expected("bad_response", "bad_response", f"answer larger than 10 MiB. {_INTERFACE}"),
    "nested-bomb": Expected("bad_response", "bad_response", "compressed as 'gzip, gzip'"),
    "redirect": Expected(
        "bad_request", "bad_request", "not followed so that no key goes elsewhere. Set base_url"
    ),
}
MODELS = ("candidate", "streamed")
# Models whose host cannot be had at all, and what is said of them.
DEAD: Mapping[str, str] = {
    "nowhere": "nowhere.invalid): the host's name cannot be resolved: check base_url",
    "untrusted": "no TLS connection: the certificate or the protocol was not accepted. Check base_url",
}


@dataclass(frozen=True)
class Ended:
    """A run that has ended, and the rerun after it: what was said, stored and received."""

    root: Path
    timeout_s: int
    host: str
    code: int
    output: str
    trials: Mapping[tuple[str, str], Trial]
    stored: int
    rerun_code: int
    rerun_output: str
    rerun_trials: Mapping[tuple[str, str], Trial]
    asked_again: Mapping[str, int]
    elsewhere: int


@pytest.fixture(scope="module", autouse=True)
def _key() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PLANTED_KEY", KEY)
        patch.delenv("CI", raising=False)
        yield


@contextmanager
def failing(folder: Path) -> Iterator[tuple[FaultServer, Mapping[str, str], list[Received]]]:
    """Serve every fault by the case's name; yield the models' addresses, and what came by redirects."""
    with serving(Answer(openai_completion("{}"))) as elsewhere, untrusted(folder) as tls_url:
        behaviours = {**FAULTS, "redirect": redirecting(elsewhere.url), **dict.fromkeys(GOOD, well)}
        with faulty({f'about {name}"': behave for name, behave in behaviours.items()}) as server:
            dead = {"nowhere": "http://nowhere.invalid", "untrusted": tls_url}
            yield server, dict.fromkeys(MODELS, server.url) | dead, elsewhere.requests


def lay_faults(root: Path, urls: Mapping[str, str], cases: Sequence[str]) -> None:
    shared = {"provider": "openai-compatible", "api_key_env": "PLANTED_KEY"}
    models = {
        name: {**shared, "model": name, "base_url": url, "stream": name == "streamed"}
        for name, url in urls.items()
    }
    lay(
        root,
        {
            "cases/faults.yml": suite([case(name) for name in cases], head=HEAD, gate=GATE),
            "config/models.yml": json.dumps({"models": models}),
            "pyproject.toml": "[tool.pytest.ini_options]\n",
            "conftest.py": PEAK,
        },
    )


def start(root: Path, timeout_s: int, *arguments: str) -> subprocess.Popen[str]:
    own = ("--concurrency=128", "-p", "no:cacheprovider", f"--swapgate-timeout={timeout_s}")
    return start_pytest(root, *own, *arguments)


def end(process: subprocess.Popen[str]) -> str:
    """Return the output of a run that ends in time."""
    try:
        return process.communicate(timeout=LONGEST_RUN_S)[0]
    finally:
        process.kill()


def newest_trials(root: Path) -> dict[tuple[str, str], Trial]:
    state = root / ".swapgate" / "history.db"
    run = asked(state, "SELECT run_id FROM trials ORDER BY rowid DESC LIMIT 1")
    if run is None:
        return {}
    with closing(History(state)) as history:
        return {(t.case, t.model): t for t in history.trials(run)}


def stored_responses(root: Path) -> int:
    return asked(root / ".swapgate" / "cache.db", "SELECT count(*) FROM responses") or 0


def asked(path: Path, query: str) -> Any:
    """Return the first value of a query; None from the file of one that was killed before its tables."""
    if not path.is_file():
        return None
    with closing(sqlite3.connect(path)) as connection:
        try:
            found = connection.execute(query).fetchone()
        except sqlite3.OperationalError as exc:
            assert "no such table" in str(exc)
            return None
    return None if found is None else found[0]


def assert_key_is_nowhere(root: Path, output: str) -> None:
    assert KEY not in output
    files = [path for path in root.rglob("*") if path.is_file()]
    assert len(files) >= 5
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


Interruption = Callable[[FaultServer, Path, subprocess.Popen[str]], None]


def once_all_is_asked(signal_number: int) -> Interruption:
    def interrupt(server: FaultServer, root: Path, process: subprocess.Popen[str]) -> None:
        wait_for(lambda: all(server.received(f'about {name}"') for name in (*EXPECTED, *GOOD)))
        wait_for(lambda: stored_responses(root) == len(GOOD) * len(MODELS))
        process.send_signal(signal_number)

    return interrupt


MODES: Mapping[str, tuple[tuple[str, ...], Interruption | None, int]] = {
    "plain": (("--swapgate-retries=0",), None, 11),
    "ctrl-c": (("--swapgate-retries=4",), once_all_is_asked(signal.SIGINT), 2),
    "kill -9": (("--swapgate-retries=4",), once_all_is_asked(signal.SIGKILL), -9),
    "-n 2": (("--swapgate-retries=0", "-n", "2"), None, 11),
}


def interleaved(faults: Sequence[str], good: Sequence[str]) -> list[str]:
    """Return all cases with a good one before every few faults: an endpoint that only fails is given up."""
    step = math.ceil(len(faults) / len(good))
    groups = [faults[start : start + step] for start in range(0, len(faults), step)]
    return [name for one, group in zip(good, groups, strict=True) for name in (one, *group)]


@pytest.fixture(scope="module", params=MODES)
def ended(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """Run every fault beside good cases, whole and streamed, in one process; then run it once more.

    On a machine that was too busy to send what is endless in time: again, with more of it.
    """
    found = run_through(request.param, tmp_path_factory, timeout_s=TIMEOUT_S)
    return (
        run_through(request.param, tmp_path_factory, timeout_s=LONG_TIMEOUT_S) if was_busy(found) else found
    )


def was_busy(ended: Ended) -> bool:
    """Whether an answer of something that does answer did not come in time."""
    found = (ended.trials.items(), ended.rerun_trials.items())
    return any(
        trial.error is not None and trial.error.kind is ErrorKind.TIMEOUT
        for trials in found
        for (case, model), trial in trials
        if case not in NEVER_ENDS and model in MODELS
    )


def run_through(mode: str, tmp_path_factory: pytest.TempPathFactory, *, timeout_s: int) -> Ended:
    arguments, interrupt, _code = MODES[mode]
    models = [f"--model={name}" for name in (*MODELS, *DEAD)]
    root = tmp_path_factory.mktemp("faults")
    with failing(tmp_path_factory.mktemp("tls")) as (server, urls, elsewhere):
        lay_faults(root, urls, interleaved(tuple(EXPECTED), GOOD))
        process = start(root, timeout_s, *models, *arguments)
        if interrupt is not None:
            interrupt(server, root, process)
        output = end(process)
        trials, stored = newest_trials(root), stored_responses(root)
        server.requests.clear()
        rerun = start(root, timeout_s, *models, "--swapgate-retries=0", "--report=none")
        rerun_output = end(rerun)
        return Ended(
            root=root,
            timeout_s=timeout_s,
            host=server.url.removeprefix("http://"),
            code=process.returncode,
            output=output,
            trials=trials,
            stored=stored,
            rerun_code=rerun.returncode,
            rerun_output=rerun_output,
            rerun_trials=newest_trials(root),
            asked_again={name: server.received(f'about {name}"') for name in (*EXPECTED, *GOOD)},
            elsewhere=len(elsewhere),
        )


def test_run_ends_with_its_code_and_without_a_traceback(ended: Ended, request: pytest.FixtureRequest) -> None:
    code = MODES[request.node.callspec.params["ended"]][2]
    assert (ended.code, ended.rerun_code) == (code, 11), ended.output + ended.rerun_output
    for output in (ended.output, ended.rerun_output):
        assert "Traceback" not in output
        assert "Task was destroyed" not in output
        assert "never retrieved" not in output
        assert "Unclosed" not in output


def test_bombs_and_what_has_no_end_do_not_fill_the_memory(ended: Ended) -> None:
    peaks = [int(path.read_text()) for path in ended.root.glob("peak-*")]
    assert peaks
    assert max(peaks) < LARGEST_PEAK


def test_no_key_is_told_and_none_went_elsewhere(ended: Ended) -> None:
    assert ended.elsewhere == 0
    assert_key_is_nowhere(ended.root, ended.output + ended.rerun_output)


def test_good_answers_are_stored_and_a_rerun_pays_only_for_the_rest(ended: Ended) -> None:
    assert ended.stored == len(GOOD) * len(MODELS)
    assert [ended.asked_again[name] for name in GOOD] == [0] * len(GOOD)
    assert all(ended.asked_again[name] for name in EXPECTED)
    outcomes = {ended.rerun_trials[name, model].outcome for name in GOOD for model in MODELS}
    assert outcomes == {"passed"}


@pytest.mark.parametrize("fault", EXPECTED)
def test_fault_is_an_error_of_its_trial_with_host_and_remedy(ended: Ended, fault: str) -> None:
    expected = EXPECTED[fault]
    for trials in (ended.trials, ended.rerun_trials):
        for model, kind in (("candidate", expected.kind), ("streamed", expected.streamed)):
            trial = trials.get((fault, model))
            if trial is None:
                assert ended.code not in {11, 0}  # cut off before it was over
                continue
            assert trial.error is not None, trial
            assert trial.error.kind.value in kind.split("/"), trial.error
            assert trial.error.message.startswith(f"{model} ({ended.host}): ")
            assert expected.told.format(ended.timeout_s) in trial.error.message
            assert trial.answer is None


@pytest.mark.parametrize(("model", "told"), DEAD.items())
def test_host_that_cannot_be_had_is_named_with_the_remedy(ended: Ended, model: str, told: str) -> None:
    found = [t for (_case, name), t in ended.trials.items() if name == model]
    assert found or ended.code not in {11, 0}
    assert {t.outcome for t in found} <= {"errored"}
    messages = [t.error.message for t in found if t.error is not None]
    assert not messages or any(told in message for message in messages), messages
    again = [t.error for (_case, name), t in ended.rerun_trials.items() if name == model]
    assert any(error is not None and told in error.message for error in again)


STREAMED_APART = ("dripping", "reset-in-the-body", "cut-off", "endless-line", "error-within")
FIRST = (
    *((name, "candidate") for name in EXPECTED),
    *((name, "streamed") for name in STREAMED_APART),
    *(("nothing-else", name) for name in DEAD),
)
# Many sessions in one process, for the time that it takes to import everything.
SESSIONS = """\
import json, os, sys, time
import pytest
ended = []
for root, *arguments in json.load(sys.stdin):
    os.chdir(root)
    said = os.open("said.txt", os.O_WRONLY | os.O_CREAT)
    own = os.dup(1), os.dup(2)
    os.dup2(said, 1), os.dup2(said, 2)
    started = time.monotonic()
    code = pytest.main(arguments)
    seconds = time.monotonic() - started
    os.dup2(own[0], 1), os.dup2(own[1], 2)
    ended.append([int(code), seconds])
print(json.dumps(ended))
"""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], tuple[Path, int, float]]:
    """Run each fault with -x in a session of its own, behind one good case and before others."""
    roots = {pair: tmp_path_factory.mktemp("first") for pair in FIRST}
    options = ["-x", "--concurrency=8", "--swapgate-retries=0", "--report=json"]
    with failing(tmp_path_factory.mktemp("tls")) as (server, urls, elsewhere):
        for (fault, _model), root in roots.items():
            lay_faults(root, urls, (GOOD[0], fault, *GOOD[1:]) if fault in EXPECTED else GOOD)
        sessions = [
            [str(root), f"--model={model}", *options, f"--swapgate-timeout={_limit_s(fault)}"]
            for (fault, model), root in roots.items()
        ]
        process = subprocess.run(
            [sys.executable, "-c", SESSIONS],
            input=json.dumps(sessions),
            capture_output=True,
            text=True,
            timeout=3 * LONGEST_RUN_S,
            check=False,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "evals")},
        )
        assert process.returncode == 0, process.stderr
        assert elsewhere == []
        assert max(server.received(f'about {name}"') for name in EXPECTED) <= len(MODELS)
    ends = json.loads(process.stdout)
    return {pair: (roots[pair], code, seconds) for pair, (code, seconds) in zip(FIRST, ends, strict=True)}


def _limit_s(fault: str) -> int:
    return TIMEOUT_S if fault in NEVER_ENDS else LONG_TIMEOUT_S


@pytest.mark.parametrize("pair", FIRST, ids="-".join)
def test_exit_first_stops_at_the_fault(
    pair: tuple[str, str], stopped: Mapping[tuple[str, str], tuple[Path, int, float]]
) -> None:
    fault, model = pair
    root, code, seconds = stopped[pair]
    output = (root / "said.txt").read_text(encoding="utf-8")
    assert code == 1, output
    assert seconds < LONGEST_FIRST_S
    assert "gate not judged" in output
    assert "Traceback" not in output
    trials = newest_trials(root)
    if fault in EXPECTED:
        assert f"{fault} by {model}: errored" in output
        assert trials[GOOD[0], model].outcome == "passed"
        kind = EXPECTED[fault].kind if model == "candidate" else EXPECTED[fault].streamed
        (error,) = [t.error for t in trials.values() if t.case == fault and t.error]
        assert error.kind.value in kind.split("/")
    else:
        assert DEAD[model] in output
    assert_key_is_nowhere(root, output)
