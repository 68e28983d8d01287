"""Models and checks of the user's that raise anything, never return, or answer what nothing can store."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

import swapgate
from processes import PATIENCE_S
from servers import Answer, openai_completion, serving
from swapgate.daemon import in_daemon_thread
from swapgate.engine.executor import ThisProcess
from swapgate.engine.runner import Engine
from swapgate.engine.workspace import Workspace
from swapgate.errors import ErrorKind, SwapgateError, UsageError
from swapgate.memory.cache import ResponseCache
from swapgate.providers import Provider
from swapgate.records import Json, Request, Response, Trial
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import resolve_settings
from workspaces import case, lay, suite

NUMBERS = count()
RAISED = {
    "ctrl-c": "KeyboardInterrupt('pressed')",
    "exit": "SystemExit(3)",
    "cancelled": "asyncio.CancelledError()",
    "outcome": "pytest.fail.Exception('own')",
    "generator": "GeneratorExit()",
    "mute": "Mute()",
}
RAISING = f"""
import asyncio, pytest
class Mute(Exception):
    def __str__(self): raise self
def wanted(message):
    exceptions = {{{", ".join(f"'about {name}': {code}" for name, code in RAISED.items())}}}
    if message in exceptions:
        raise exceptions[message]
"""


@pytest.fixture(autouse=True)
def _own_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path])


def lay_code(root: Path, code: str, *, names: list[str], checks: str = "[]", model: str = "answer") -> str:
    """Lay a workspace whose model and checks are functions of one module; return the module's name."""
    module = f"hostile_{next(NUMBERS)}"
    head = f"suite: s\nprompt: {{user: '{{{{ message }}}}'}}\nchecks: {checks.replace('MODULE', module)}\n"
    models = {"models": {"mine": {"provider": "python", "model": f"{module}:{model}"}}}
    files = {f"{module}.py": code, "cases/s.yml": suite([case(n) for n in names], head=head)}
    lay(root, {**files, "config/models.yml": json.dumps(models)})
    return module


def evaluate(
    root: Path, *, within_s: float = 8, model: str = "mine", **options: object
) -> Mapping[str, Trial]:
    """Return the trials of a run by case; a run that hangs fails the test instead of hanging it."""
    ended: list[Mapping[str, Trial]] = []

    def run() -> None:
        outcome = swapgate.run(root=root, model=model, retries=0, **options)
        ended.append({trial.case: trial for trial in outcome.trials})

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(within_s)
    assert ended, "the run hangs"
    return ended[0]


def errors(trials: Mapping[str, Trial]) -> dict[str, tuple[ErrorKind, str, str]]:
    return {t.case: (t.error.kind, t.error.source, t.error.message) for t in trials.values() if t.error}


# Raising


@pytest.mark.parametrize("define", ["def", "async def"])
def test_whatever_a_model_raises_is_an_error_of_its_trial_alone(tmp_path: Path, define: str) -> None:
    code = f"{RAISING}\n{define} answer(message):\n    wanted(message)\n    return 'fine'\n"
    module = lay_code(tmp_path, code, names=[*RAISED, "good"])
    trials = evaluate(tmp_path)
    assert trials["good"].outcome == "passed"
    found = errors(trials)
    assert set(found) == set(RAISED)
    named = {"ctrl-c": "KeyboardInterrupt: pressed", "exit": "SystemExit: 3", "cancelled": "CancelledError"}
    for name, told in {**named, "outcome": "Failed: own"}.items():
        kind, source, message = found[name]
        assert (kind, source) == (ErrorKind.USER_CODE, "model")
        assert message == f"mine: {told} ({module}.py:8)"


def test_whatever_a_check_raises_is_an_error_of_its_trial_alone(tmp_path: Path) -> None:
    code = f"{RAISING}\ndef check(text):\n    wanted(text)\ndef answer(message):\n    return message\n"
    module = lay_code(tmp_path, code, names=[*RAISED, "good"], checks="[{python: 'MODULE:check'}]")
    trials = evaluate(tmp_path)
    assert trials["good"].outcome == "passed"
    found = errors(trials)
    assert {(kind, source) for kind, source, _ in found.values()} == {
        (ErrorKind.USER_CODE, "check:python:check")
    }
    for name, told in {"ctrl-c": "KeyboardInterrupt: pressed", "cancelled": "CancelledError"}.items():
        assert f"could not be decided: {told} (" in found[name][2]
        assert found[name][2].endswith(f"{module}.py:8)")


def test_engine_that_died_says_so_instead_of_waiting(tmp_path: Path) -> None:
    lay_code(tmp_path, "def answer(message):\n    return message\n", names=["one", "two"])
    settings = resolve_settings(tmp_path, {"model": ["mine"]}, {})
    workspace = Workspace(settings)
    jobs = workspace.jobs(workspace.suite(tmp_path / "cases/s.yml"))
    cache = ResponseCache(tmp_path / "cache.db")

    def die() -> None:
        raise KeyboardInterrupt

    engine = Engine(settings, {"mine": workspace.model("mine")}, cache)
    with engine:
        engine._loop.call_soon_threadsafe(die)
        engine._thread.join(PATIENCE_S)
        engine.plan(jobs)
        with pytest.raises(SwapgateError, match="the engine has stopped: KeyboardInterrupt"):
            engine.result(jobs[0], timeout_s=60)
    cache.close()


def test_trial_that_cannot_be_handed_on_ends_the_engine_and_says_why(tmp_path: Path) -> None:
    lay_code(tmp_path, "def answer(message):\n    return message\n", names=["one", "two"])
    settings = resolve_settings(tmp_path, {"model": ["mine"]}, {})
    workspace = Workspace(settings)
    jobs = workspace.jobs(workspace.suite(tmp_path / "cases/s.yml"))
    cache = ResponseCache(tmp_path / "cache.db")

    def refuse(*_trial: object) -> bool:
        raise OSError("no room left")

    with (
        closing(cache),
        Engine(settings, {"mine": workspace.model("mine")}, cache, take=refuse) as engine,
        pytest.raises(SwapgateError, match="the engine has stopped: OSError: no room left"),
    ):
        engine.plan(jobs)
        engine.wait(jobs[0])


class Closing(ThisProcess):
    """Opens models that tell when they are asked and closed; `broken` cannot be opened."""

    def __init__(self, on_close: Callable[[], None] = lambda: None) -> None:
        super().__init__(timeout_s=60)
        self.asked: list[str] = []
        self.closed: list[str] = []
        self._on_close = on_close

    def open_provider(self, spec: ModelSpec, **_given: object) -> Provider:
        if spec.name == "broken":
            raise UsageError("it cannot be opened")
        return Counting(spec.name, self)

    async def close(self) -> None:
        self._on_close()
        for _ in range(20):
            await asyncio.sleep(0)


class Counting:
    """A model that is closed like any other."""

    identity: Mapping[str, Json] = {}
    is_recordable = reads_cache = needs_variables = False

    def __init__(self, name: str, executor: Closing) -> None:
        self._name = name
        self._executor = executor

    async def complete(self, _request: Request) -> Response:
        self._executor.asked.append(self._name)
        return Response(text="x")

    async def close(self) -> None:
        self._executor.closed.append(self._name)


def test_nothing_is_asked_that_is_planned_while_the_engine_closes(tmp_path: Path) -> None:
    lay_code(tmp_path, "def answer(message):\n    return message\n", names=["one", "two"])
    settings = resolve_settings(tmp_path, {"model": ["mine"]}, {})
    workspace = Workspace(settings)
    jobs = workspace.jobs(workspace.suite(tmp_path / "cases/s.yml"))
    executor = Closing(on_close=lambda: engine.plan(jobs[1:]))
    with closing(ResponseCache(tmp_path / "cache.db")) as cache:
        engine = Engine(settings, {"mine": workspace.model("mine")}, cache, executor=executor)
        with engine:
            engine.plan(jobs[:1])
            engine.wait(jobs[0])
    assert (executor.asked, executor.closed) == (["mine"], ["mine"])


def test_models_are_closed_where_another_one_cannot_be_opened(tmp_path: Path) -> None:
    lay_code(tmp_path, "def answer(message):\n    return message\n", names=["one"])
    settings = resolve_settings(tmp_path, {"model": ["mine"]}, {})
    mine = Workspace(settings).model("mine")
    models = {name: mine.model_copy(update={"name": name}) for name in ("first", "broken", "last")}
    executor = Closing()
    with (
        closing(ResponseCache(tmp_path / "cache.db")) as cache,
        pytest.raises(UsageError, match="it cannot be opened"),
        Engine(settings, models, cache, executor=executor),
    ):
        pass
    assert executor.closed == ["first"]


# Hanging


def test_call_that_never_returns_does_not_keep_the_process(tmp_path: Path) -> None:
    code = "import time\ndef answer(message):\n    while True:\n        time.sleep(0.1)\n"
    lay_code(tmp_path, code, names=["one"])
    command = [sys.executable, "-m", "pytest", "-p", "swapgate.plugin", "-p", "no:cacheprovider"]
    lay(tmp_path, {"pyproject.toml": "[tool.swapgate]\ntimeout_s = 0.2\nretries = 0\n"})
    package = str(Path(swapgate.__file__).parents[1])
    done = subprocess.run(
        [*command, "--model=mine", "--report=none"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": package, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "the function gave no answer within 0.2 s" in done.stdout, done.stdout + done.stderr


def test_calls_that_were_given_up_count_against_the_threads(tmp_path: Path) -> None:
    code = (
        "import threading, time\n"
        "alive, most = 0, 0\n"
        "lock = threading.Lock()\n"
        "def answer(message):\n"
        "    global alive, most\n"
        "    with lock:\n"
        "        alive += 1\n"
        "        most = max(most, alive)\n"
        "    time.sleep(0.5)\n"
        "    with lock:\n"
        "        alive -= 1\n"
        "    return 'late'\n"
    )
    module = lay_code(tmp_path, code, names=[str(n) for n in range(6)])
    entry = {"provider": "python", "model": f"{module}:answer", "limits": {"concurrency": 2}}
    lay(tmp_path, {"config/models.yml": json.dumps({"models": {"mine": entry}})})
    assert len(errors(evaluate(tmp_path, timeout_s=0.1))) == 6
    assert sys.modules[module].most == 2


def test_slow_checks_run_side_by_side(tmp_path: Path) -> None:
    code = (
        "import threading\n"
        "all_of_them = threading.Barrier(6, timeout=60)\n"
        "def slow(text):\n    all_of_them.wait()\n"
        "def answer(message):\n    return message\n"
    )
    lay_code(tmp_path, code, names=[str(n) for n in range(6)], checks="[{python: 'MODULE:slow'}]")
    trials = evaluate(tmp_path)
    assert [t.outcome for t in trials.values()] == ["passed"] * 6


def test_check_that_never_returns_is_an_error_that_names_it(tmp_path: Path) -> None:
    code = (
        "import time\n"
        "def quick(text):\n    return True\n"
        "def stuck(text):\n    time.sleep(30 if 'bad' in text else 0)\n"
        "def answer(message):\n    return message\n"
    )
    checks = "[{python: 'MODULE:quick'}, {python: 'MODULE:stuck'}]"
    lay_code(tmp_path, code, names=["bad-1", "bad-2", "bad-3", "good"], checks=checks)
    trials = evaluate(tmp_path, timeout_s=1.0, concurrency=1)
    assert trials["good"].outcome == "passed"
    found = errors(trials)
    assert set(found) == {"bad-1", "bad-2", "bad-3"}
    message = "the check 'python:stuck' could not be decided: no result within 1 s"
    assert set(found.values()) == {(ErrorKind.USER_CODE, "check:python:stuck", message)}


def test_check_of_another_package_that_hangs_is_given_up_too(tmp_path: Path) -> None:
    package = tmp_path / "installed"
    lay(
        package,
        {
            "stuck_checks.py": (
                "import time\n"
                "from swapgate.checks.options import CheckOptions, CheckType\n"
                "class Stuck:\n"
                "    name, kind = 'stuck', 'structural'\n"
                "    def run(self, subject):\n        time.sleep(30)\n"
                "STUCK = CheckType(name='stuck', summary='Hangs.', options=CheckOptions,\n"
                "                  build=lambda name, options, folders: Stuck())\n"
            ),
            "stuck_checks-1.dist-info/METADATA": "Metadata-Version: 2.1\nName: stuck_checks\nVersion: 1\n",
            "stuck_checks-1.dist-info/entry_points.txt": "[swapgate.checks]\nstuck = stuck_checks:STUCK\n",
        },
    )
    lay_code(tmp_path, "def answer(message):\n    return message\n", names=["one"], checks="[stuck]")
    script = (
        "import swapgate\n"
        "(trial,) = swapgate.run(model='mine', timeout_s=0.2).trials\n"
        "print(trial.error.kind.value, trial.error.source)\n"
    )
    path = os.pathsep.join([str(Path(swapgate.__file__).parents[1]), str(package)])
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.stdout.split() == ["user_code", "check:stuck"], done.stderr


def test_daemon_thread_gives_what_the_function_gives() -> None:
    def stop() -> None:
        raise StopIteration

    assert asyncio.run(in_daemon_thread(divmod, 7, 2, timeout_s=5)) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(in_daemon_thread(divmod, 7, 0, timeout_s=None))
    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(in_daemon_thread(stop, timeout_s=5))
    with pytest.raises(TimeoutError):
        asyncio.run(in_daemon_thread(time.sleep, 0.3, timeout_s=0.05))


# What nothing can store


def test_lone_surrogates_of_user_code_become_replacement_characters(tmp_path: Path) -> None:
    code = (
        "from swapgate.records import CheckResult, Finding, Response, ToolCall\n"
        "def says(text):\n    return 'cut \\ud83d here'\n"
        "def shows(text):\n"
        "    return CheckResult(check='', kind='structural', passed=False, facts={'\\ud83d': ['\\ude00']},\n"
        "                       findings=[Finding(message='m', got='\\ud83d')])\n"
        "def raises(text):\n    if 'raise' in text:\n        raise ValueError('bad \\ud83d')\n"
        "def answer(message):\n"
        "    if 'fail' in message:\n        raise ValueError('bad \\ud83d')\n"
        "    call = ToolCall(name='f', arguments='\\ud83d')\n"
        "    return Response(text=message + '\\ud83d', tool_calls=(call,))\n"
    )
    checks = "[{python: 'MODULE:says'}, {python: 'MODULE:shows'}, {python: 'MODULE:raises'}]"
    lay_code(tmp_path, code, names=["one", "raise", "fail"], checks=checks)
    trials = evaluate(tmp_path)
    one = trials["one"]
    assert one.answer is not None
    assert (one.answer.response.text, one.answer.response.tool_calls[0].arguments) == ("about one�", "�")
    _, says, shows, _ = one.checks
    assert says.findings[0].message == "cut � here"
    assert (shows.findings[0].got, shows.facts) == ("�", {"�": ["�"]})
    assert "ValueError: bad � (" in errors(trials)["raise"][2]
    assert "ValueError: bad � (" in errors(trials)["fail"][2]


def test_result_that_no_file_can_hold_is_an_error_of_its_trial_alone(tmp_path: Path) -> None:
    code = (
        "from swapgate.records import CheckResult, Finding, Response\n"
        "def odd(text):\n"
        "    if 'object' in text:\n"
        "        return CheckResult(check='', kind='structural', passed=True, facts={'it': object()})\n"
        "    if 'number' in text:\n        return [Finding(message=5)]\n"
        "def answer(message):\n"
        "    return Response(text=message, finish_reason='eos' if 'reason' in message else 'stop')\n"
    )
    names = ["object", "number", "reason", "good"]
    lay_code(tmp_path, code, names=names, checks="[{python: 'MODULE:odd'}]")
    trials = evaluate(tmp_path)
    assert trials["good"].outcome == "passed"
    found = errors(trials)
    assert {kind for kind, _, _ in found.values()} == {ErrorKind.USER_CODE}
    assert "checks.1.facts.it: " in found["object"][2]
    assert "checks.1.findings.0.message: " in found["number"][2]
    assert found["reason"][2].startswith("mine: the function's Response cannot be stored: finish_reason: ")


@pytest.mark.parametrize("cut", ["a \\ud83d", "a \\ud83d b", "\\ude00", "\\ud83d\\n"])
def test_emoji_that_a_server_cut_in_two_leaves_the_answer_readable(tmp_path: Path, cut: str) -> None:
    whole = json.loads(f'"{cut}"').encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    call = {"id": "1", "function": {"name": "f", "arguments": "ARGUMENTS"}}
    body = json.dumps(openai_completion("CONTENT", tool_calls=[call]))
    body = body.replace("CONTENT", cut).replace("ARGUMENTS", cut)
    with serving(lambda _request: Answer(body.encode())) as server:
        entry = {"provider": "openai-compatible", "base_url": f"{server.url}/v1", "model": "m"}
        lay_code(tmp_path, "", names=["one"])
        lay(tmp_path, {"config/models.yml": json.dumps({"models": {"mine": entry}})})
        trial = evaluate(tmp_path)["one"]
    assert trial.answer is not None, trial.error
    assert trial.answer.response.text == whole
    assert trial.answer.response.tool_calls[0].arguments == whole


def test_refusal_with_a_cut_emoji_stays_a_refusal(tmp_path: Path) -> None:
    message = {"role": "assistant", "content": None, "refusal": "No \ud83d"}
    body = json.dumps({"choices": [{"message": message, "finish_reason": "stop"}]})
    with serving(lambda _request: Answer(body.encode())) as server:
        entry = {"provider": "openai-compatible", "base_url": f"{server.url}/v1", "model": "m"}
        lay_code(tmp_path, "", names=["one"])
        lay(tmp_path, {"config/models.yml": json.dumps({"models": {"mine": entry}})})
        trial = evaluate(tmp_path)["one"]
    assert trial.answer is not None, trial.error
    assert (trial.answer.response.text, trial.answer.response.finish_reason) == ("No �", "refusal")


def test_recorded_line_with_a_cut_emoji_is_read(tmp_path: Path) -> None:
    lay_code(tmp_path, "", names=["one"])
    call = {"name": "f", "arguments": {"x": "\ud83d"}}
    line = json.dumps({"case": "one", "output": "a \ud83d", "tool_calls": [call]})
    entry = {"provider": "recorded", "path": "outputs.jsonl"}
    lay(
        tmp_path,
        {"outputs.jsonl": line, "config/models.yml": json.dumps({"models": {"mine": entry}})},
    )
    trial = evaluate(tmp_path)["one"]
    assert trial.answer is not None, trial.error
    assert trial.answer.response.text == "a �"
    assert trial.answer.response.tool_calls[0].arguments == '{"x": "�"}'
