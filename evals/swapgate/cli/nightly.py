"""`swapgate nightly`: one command for a night: suites, anchors, drift, trend page, webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.cli.drift import (
    BranchOption,
    EveryOption,
    FalseAlarmsOption,
    NightsOption,
    SinceOption,
    no_report,
    read_report,
    tell,
    wanted,
    write_page,
)
from swapgate.cli.options import (
    JsonOption,
    MaxCostOption,
    ModelsOption,
    PytestArgument,
    RootOption,
    open_settings,
    verbose_option,
)
from swapgate.cli.output import print_json, warn
from swapgate.errors import StoreError
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.analysis.night_report import NightReport
    from swapgate.nightly.night import AnchorsAsked, Concluded
    from swapgate.nightly.reading import Wanted
    from swapgate.runs.under_pytest import Ran
    from swapgate.spec.settings import Settings


def nightly(
    arguments: PytestArgument = None,
    model: ModelsOption = None,
    baseline: Annotated[
        str | None, typer.Option("--baseline", metavar="NAME", help="What the gate compares with.")
    ] = None,
    *,
    since: SinceOption = None,
    nights: NightsOption = None,
    branch: BranchOption = None,
    every: EveryOption = None,
    false_alarms: FalseAlarmsOption = None,
    limit: Annotated[
        float | None,
        typer.Option("--limit", min=0.001, metavar="HOURS", help="End the suites after so many hours."),
    ] = None,
    max_cost: MaxCostOption = None,
    only_trouble: Annotated[
        bool, typer.Option("--only-trouble", help="Tell the webhook only when the exit code is not 0.")
    ] = False,
    verbose: Annotated[
        int, verbose_option("every series, every night that does not count, every flaky case")
    ] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run one night: the suites, the judges' anchors, drift over all nights, the trend page, the webhook.

    Every answer is asked for anew. Exits with 1 when the gate failed, with 12 at a drift, with 13 when the
    night could not be run, or nothing could be told of it, and with 0 when all that was looked at is well.
    """
    from swapgate.nightly.night import ask_judges, conclude_night, run_suites
    from swapgate.reporting.words.nights import conclusion, night_lines

    settings = open_settings(
        root,
        model=model,
        baseline=baseline,
        drift_since=since,
        night_every_h=every,
        drift_false_alarms=false_alarms,
        max_cost=max_cost,
    )
    limit_s = None if limit is None else 3600 * limit
    ran = run_suites(settings, arguments or [], limit_s=limit_s, to_stderr=as_json)
    anchors = ask_judges(settings, spent_usd=ran.paid_usd)
    report, problem = _read(settings, wanted(settings, nights=nights, branch=branch, is_any=False))
    end = conclude_night(ran, anchors, report, told=conclusion(report), problem=problem)
    said = _said(end)
    page = _page(report, settings) if not problem else None  # that of a better day stays
    if not as_json:
        *lines, _last = night_lines(report, verbose=verbose)
        for line in (*_anchor_lines(anchors), *lines, f"trend: {page or 'not written'}"):
            typer.echo(line)
    told = None
    if settings.webhook is not None and (end.exit_code or not only_trouble):
        told = tell(report, settings, answer=end.answer, gate=_gate(ran), conclusion=said)
    if as_json:
        from swapgate.reporting.night_json import report_json

        print_json(
            {
                "answer": end.answer,
                "exit_code": int(end.exit_code),
                "reasons": list(end.reasons),
                "run": ran.run.id if ran.run is not None else None,
                "gate": _gate(ran),
                "anchors": [_anchor(one) for one in anchors],
                "trend": page,
                "told": told,
                "nights": report_json(report),
            }
        )
    else:
        typer.echo(said)
    return end.exit_code


def _read(settings: Settings, chosen: Wanted) -> tuple[NightReport, str]:
    """Return what all nights come to, or none and why: whoever waits for word of the night gets it."""
    try:
        return read_report(settings, chosen), ""
    except StoreError as exc:
        return no_report(settings), str(exc)


def _page(report: NightReport, settings: Settings) -> str | None:
    try:
        return write_page(report, settings)
    except StoreError as exc:
        warn(str(exc))
        return None


def _said(end: Concluded) -> str:
    """Return the night's conclusion in one line."""
    words = {
        "gate failed": "GATE FAILED",
        "drift": "DRIFT",
        "could not find out": "COULD NOT FIND OUT",
        "no drift shown": "all well",
    }
    first, *more = (reason.removeprefix(f"{words[end.answer]}: ") for reason in end.reasons)
    also = f" (and {'; '.join(more)})" if more else ""
    return safe_text(f"night: {words[end.answer]}: {first}{also}")


def _gate(ran: Ran) -> dict[str, Any]:
    return {
        "pytest_exit_code": ran.code,
        "answer": ran.gate.answer if ran.gate is not None else None,
        "reason": ran.gate.reason if ran.gate is not None else None,
    }


def _anchor(one: AnchorsAsked) -> dict[str, Any]:
    return {
        "judge": one.judge,
        "answer": one.answer or None,
        "problem": one.problem or None,
        "paid_usd": one.paid_usd,
    }


def _anchor_lines(anchors: list[AnchorsAsked]) -> list[str]:
    return [
        safe_text(f"anchors of {one.judge or 'all judges'}: {one.problem or one.answer}") for one in anchors
    ]
