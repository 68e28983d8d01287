"""One night: the suites run under pytest, every judge asked about its anchors, and what it all ends with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from swapgate.analysis.night_report import NightReport
from swapgate.engine.canaries import judges_of, tried
from swapgate.engine.workspace import Workspace
from swapgate.errors import ExitCode, SwapgateError, UsageError
from swapgate.runs.anchor_checks import check_anchors
from swapgate.runs.under_pytest import Ran, run_pytest, why_no_verdict
from swapgate.spec.anchors import anchors_path
from swapgate.spec.settings import Settings
from swapgate.values import Value

NightAnswer = Literal["gate failed", "drift", "could not find out", "no drift shown"]
_CODES = {
    "gate failed": ExitCode.FAILED,
    "drift": ExitCode.DRIFT,
    "could not find out": ExitCode.NOT_FOUND_OUT,
    "no drift shown": ExitCode.OK,
}


class AnchorsAsked(Value):
    """One judge that was asked about its anchors; `problem` says why that failed, else `answer` is there.

    Without a name it is that of all judges: the suites could not be read.
    """

    judge: str
    answer: str = ""
    problem: str = ""
    paid_usd: float = 0.0


class Concluded(Value):
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
    """Run the suites under pytest as a night, and return what it stored."""
    return run_pytest(
        settings,
        [*_options(settings, arguments), *arguments],
        is_meant=lambda run: run.settings.get("nightly") is True,
        limit_s=limit_s,
        to_stderr=to_stderr,
    )


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
    unknown = why_no_verdict(ran)
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


def _options(settings: Settings, arguments: Sequence[str]) -> list[str]:
    """Return the options that make a run a night: every answer new, and marked as such."""
    if not settings.models:
        raise UsageError("no model: name one with --model, or as `model` in [tool.swapgate]")
    own = ["--nightly", *(f"--model={name}" for name in settings.models)]
    is_said = settings.cache != "auto" or {"--live", "--replay"} & set(arguments)
    own += [] if is_said else ["--live"]
    own += [f"--baseline={settings.baseline}"] if settings.baseline else []
    return own + ([f"--max-cost={settings.max_cost:g}"] if settings.max_cost is not None else [])
