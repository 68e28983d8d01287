"""One night: the suites run under pytest, every judge asked about its anchors, and what it all ends with."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import fsum
from typing import Literal

from swapgate.analysis.decision import GateResult
from swapgate.analysis.night_report import NightReport
from swapgate.analysis.outcome import conclude
from swapgate.engine.canaries import judges_of, tried
from swapgate.engine.workspace import Workspace
from swapgate.errors import ExitCode, StoreError, SwapgateError, UsageError
from swapgate.facts import Facts, renamed
from swapgate.memory.history import Choice, History, has_history
from swapgate.records import Run
from swapgate.runs.anchor_checks import check_anchors
from swapgate.runs.manifest import now
from swapgate.runs.stored import load_facts
from swapgate.spec.anchors import anchors_path
from swapgate.spec.settings import Settings

_LAST_WORDS_S = 60.0
NightAnswer = Literal["gate failed", "drift", "could not find out", "no drift shown"]
_UNSAID = {
    ExitCode.INTERRUPTED: "it was interrupted, or a suite could not be collected",
    ExitCode.INTERNAL_ERROR: "there was an internal error, or the history could not be written",
    ExitCode.USAGE_ERROR: "an option, a setting or a file is wrong, or a key is missing",
    ExitCode.NO_TESTS_COLLECTED: "no case was found",
    ExitCode.INCONCLUSIVE: "the gate is inconclusive",
    ExitCode.TOO_MANY_ERRORS: "too many trials errored",
}
_CODES = {
    "gate failed": ExitCode.FAILED,
    "drift": ExitCode.DRIFT,
    "could not find out": ExitCode.NOT_FOUND_OUT,
    "no drift shown": ExitCode.OK,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorsAsked:
    """One judge that was asked about its anchors; `problem` says why that failed, else `answer` is there.

    Without a name it is that of all judges: the suites could not be read.
    """

    judge: str
    answer: str = ""
    problem: str = ""
    paid_usd: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Concluded:
    """What the night comes to, and why, the worst first."""

    answer: NightAnswer
    reasons: tuple[str, ...]

    @property
    def exit_code(self) -> ExitCode:
        """What the command ends with."""
        return _CODES[self.answer]


def run_suites(
    settings: Settings, arguments: Sequence[str], *, limit_s: float | None = None, to_stderr: bool = False
) -> Ran:
    """Run the suites under pytest in a process of its own, and return what it stored.

    After `limit_s` it is asked to end, as by Ctrl-C, so that what it has paid for is stored.
    """
    started = now()
    command = [sys.executable, "-m", "pytest", *_options(settings, arguments), *arguments]
    process = subprocess.Popen(  # noqa: S603 - the user's own options
        command, cwd=settings.root, stdout=2 if to_stderr else None
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
    run, facts = _stored(settings, started)
    gate = None if run is None else conclude(run, (), facts=[*facts, *_baseline(run, facts, settings)]).gate
    return Ran(code=code, run=run, gate=gate, facts=facts, is_over_time=is_over_time)


def ask_judges(settings: Settings, *, spent_usd: float) -> list[AnchorsAsked]:
    """Ask every judge of the suites that has anchors about them; a failure is an answer of its own."""
    workspace = Workspace(replace(settings, cache="live"))
    try:
        suites = [workspace.suite(path) for path in workspace.suite_files(settings.cases_dirs)]
        judges = judges_of(suites)
    except SwapgateError as exc:
        return [AnchorsAsked(judge="", problem=str(exc))]
    found = []
    for name, judge in sorted(judges.items()):
        if not anchors_path(settings.judges_dir, name).is_file():
            continue
        try:
            checked = check_anchors(workspace, tried(judge), spent_usd=spent_usd)
        except SwapgateError as exc:
            found.append(AnchorsAsked(judge=name, problem=str(exc)))
            continue
        spent_usd += checked.paid_usd
        found.append(AnchorsAsked(judge=name, answer=checked.drift.answer, paid_usd=checked.paid_usd))
    return found


def conclude_night(
    ran: Ran, anchors: Sequence[AnchorsAsked], report: NightReport, *, told: str, problem: str = ""
) -> Concluded:
    """Return what a night comes to. A failed gate comes first, then a drift, then what is not known.

    `told` is what all nights come to, `problem` says why they could not be read.
    """
    failed = [f"the gate failed: {ran.gate.reason}"] if ran.code == ExitCode.FAILED and ran.gate else []
    failed += ["a test failed"] if ran.code == ExitCode.FAILED and not ran.gate else []
    unknown = _why_unknown(ran)
    unknown += [f"judge {a.judge}: {a.problem}" if a.judge else a.problem for a in anchors if a.problem]
    said = [problem or told] if report.answer != "no drift shown" else []
    answer: NightAnswer = "no drift shown"
    if failed:
        answer = "gate failed"
    elif report.answer == "drift":
        answer = "drift"
    elif unknown or said:
        answer = "could not find out"
    return Concluded(answer=answer, reasons=(*failed, *unknown, *said) or (told,))


def _why_unknown(ran: Ran) -> list[str]:
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


def _options(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Return the options that make a run a night: every answer new, and marked as such."""
    if not settings.models:
        raise UsageError("no model: name one with --model, or as `model` in [tool.swapgate]")
    own = [f"--rootdir={settings.root}", "--nightly", *(f"--model={name}" for name in settings.models)]
    is_said = settings.cache != "auto" or {"--live", "--replay"} & set(arguments)
    own += [] if is_said else ["--live"]
    own += [f"--baseline={settings.baseline}"] if settings.baseline else []
    return own + ([f"--max-cost={settings.max_cost:g}"] if settings.max_cost is not None else [])


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


def _stored(settings: Settings, started: str) -> tuple[Run | None, Sequence[Facts]]:
    """Return the newest night that began since, with its facts."""
    try:
        return _newest(settings, started) if has_history(settings.history) else (None, ())
    except StoreError:
        # It is told when the nights are read.
        return None, ()


def _newest(settings: Settings, started: str) -> tuple[Run | None, Sequence[Facts]]:
    with contextlib.closing(History(settings.history)) as history:
        for run in history.runs(Choice(since=started)):
            if run.settings.get("nightly") is True and run.shard is None:
                return run, history.facts(run.id)
    return None, ()
