"""A command's run of the suites: pytest in a process of its own, and what it stored."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from math import fsum

from swapgate.analysis.decision import GateResult
from swapgate.analysis.outcome import conclude
from swapgate.errors import ExitCode, StoreError, UsageError
from swapgate.facts import Facts, renamed
from swapgate.memory.history import Choice, History, has_history
from swapgate.records import Run
from swapgate.runs.manifest import now
from swapgate.runs.stored import load_facts
from swapgate.spec.settings import Settings
from swapgate.values import Value

_LAST_WORDS_S = 60.0
_UNSAID = {
    ExitCode.INTERRUPTED: "it was interrupted, or a suite could not be collected",
    ExitCode.INTERNAL_ERROR: "there was an internal error, or the history could not be written",
    ExitCode.USAGE_ERROR: "an option, a setting or a file is wrong, or a key is missing",
    ExitCode.NO_TESTS_COLLECTED: "no case was found",
    ExitCode.INCONCLUSIVE: "the gate is inconclusive",
    ExitCode.TOO_MANY_ERRORS: "too many trials errored",
}


class Ran(Value):
    """What became of the suites: pytest's code, and the run that it stored with its gate, None without."""

    code: int
    run: Run | None
    gate: GateResult | None
    facts: Sequence[Facts] = ()
    is_over_time: bool = False

    @property
    def paid_usd(self) -> float:
        """What was paid as far as it is known, in US dollars."""
        return fsum((one.paid_usd or 0.0) + (one.judge_paid_usd or 0.0) for one in self.facts)


def run_pytest(
    settings: Settings,
    arguments: Sequence[str],
    *,
    is_meant: Callable[[Run], bool],
    limit_s: float | None = None,
    to_stderr: bool = False,
    environ: Mapping[str, str] = {},
) -> Ran:
    """Run the suites with these options, and return the newest run since that `is_meant`.

    After `limit_s` the process is asked to end, as by Ctrl-C, so that what it has paid for is stored.
    `environ` is added to the environment.
    """
    started = now()
    command = [sys.executable, "-m", "pytest", f"--rootdir={settings.root}", *arguments]
    process = subprocess.Popen(  # noqa: S603 - the user's own options
        command, cwd=settings.root, stdout=2 if to_stderr else None, env={**os.environ, **environ}
    )
    is_over_time = False
    try:
        code = process.wait(timeout=limit_s)
    except subprocess.TimeoutExpired:
        is_over_time = True
        code = _end(process)
    except KeyboardInterrupt:
        _end(process)
        raise
    run, facts = _stored(settings, started, is_meant)
    gate = None if run is None else conclude(run, (), facts=[*facts, *_baseline(run, facts, settings)]).gate
    return Ran(code=code, run=run, gate=gate, facts=facts, is_over_time=is_over_time)


def why_no_verdict(ran: Ran) -> list[str]:
    """Return why the suites came to no verdict, nothing where they did."""
    if ran.is_over_time:
        return ["the suites took longer than --limit allows, and were ended"]
    if ran.code in {ExitCode.OK, ExitCode.FAILED}:
        return [] if ran.run is not None else ["pytest stored no run"]
    known = _UNSAID.get(ExitCode(ran.code)) if ran.code in set(ExitCode) else None
    why = known or f"pytest ended with {ran.code}"
    reason = (
        f": {ran.gate.reason}" if ran.gate is not None and ran.code in {10, 11} else f" (exit {ran.code})"
    )
    return [f"{why}{reason}"]


def _end(process: subprocess.Popen[bytes]) -> int:
    """End a process as Ctrl-C does, and when it does not listen, for good."""
    process.send_signal(signal.CTRL_C_EVENT if os.name == "nt" else signal.SIGINT)  # type: ignore[attr-defined,unused-ignore]
    try:
        return process.wait(timeout=_LAST_WORDS_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _baseline(run: Run, facts: Sequence[Facts], settings: Settings) -> Sequence[Facts]:
    """Return the facts of a baseline that is another stored run; none where it cannot be found any more."""
    name = run.baseline or ""
    if "@" not in name or any(one.role == "baseline" for one in facts):
        return ()
    try:
        return renamed(load_facts(name, settings).facts, model=name, role="baseline")
    except UsageError:
        return ()


def _stored(
    settings: Settings, started: str, is_meant: Callable[[Run], bool]
) -> tuple[Run | None, Sequence[Facts]]:
    """Return the newest meant run that began since, with its facts."""
    try:
        return _newest(settings, started, is_meant) if has_history(settings.history) else (None, ())
    except StoreError:
        # It is told when the history is read.
        return None, ()


def _newest(
    settings: Settings, started: str, is_meant: Callable[[Run], bool]
) -> tuple[Run | None, Sequence[Facts]]:
    with contextlib.closing(History(settings.history)) as history:
        for run in history.runs(Choice(since=started)):
            if run.shard is None and is_meant(run):
                return run, history.facts(run.id)
    return None, ()
