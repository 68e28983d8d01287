"""`swapgate drift`: whether candidate, judge or provider changed over the stored nights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.cli.options import JsonOption, RootOption, open_settings, verbose_option
from swapgate.cli.output import print_json, shown, warn
from swapgate.errors import ExitCode, StoreError, UsageError

if TYPE_CHECKING:
    from swapgate.analysis.night_report import NightReport
    from swapgate.nightly.reading import Wanted
    from swapgate.spec.settings import Settings

SinceOption = Annotated[
    str | None,
    typer.Option("--since", metavar="DATE", help="Forget the nights before this day, such as 2026-11-01."),
]
EveryOption = Annotated[
    float | None,
    typer.Option("--every", min=0.01, metavar="HOURS", help="How often a night is due. Default: 24."),
]
FalseAlarmsOption = Annotated[
    float | None,
    typer.Option(
        "--false-alarms",
        min=0.001,
        metavar="PER_YEAR",
        help="How many a year are borne, over all series together. Default: 0.15.",
    ),
]
NightsOption = Annotated[
    int | None, typer.Option("--nights", min=1, metavar="N", help="The newest so many. Default: 180.")
]
BranchOption = Annotated[
    str | None, typer.Option("--branch", metavar="NAME", help="Only runs made on this branch of git.")
]
AllRunsOption = Annotated[
    bool,
    typer.Option("--all-runs", help="Every whole run is a night, not only those made with --nightly."),
]


def drift(
    since: SinceOption = None,
    nights: NightsOption = None,
    branch: BranchOption = None,
    every: EveryOption = None,
    false_alarms: FalseAlarmsOption = None,
    *,
    all_runs: AllRunsOption = False,
    page: Annotated[bool, typer.Option("--page", help="Write reports/trend.html too.")] = False,
    notify: Annotated[bool, typer.Option("--notify", help="Post the result to the webhook.")] = False,
    verbose: Annotated[
        int, verbose_option("every series, every night that does not count, every flaky case")
    ] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say whether the candidate, the judge or the provider drifted over the stored nights, and since when.

    Exits with 12 at a drift, with 13 when it could not be found out, with 0 when no drift is shown.
    """
    settings = open_settings(root, drift_since=since, night_every_h=every, drift_false_alarms=false_alarms)
    chosen = wanted(settings, nights=nights, branch=branch, is_any=all_runs)
    try:
        report = read_report(settings, chosen)
    except StoreError as exc:
        return _unknown(settings, f"COULD NOT FIND OUT: {exc}", notify=notify, as_json=as_json)
    if notify:
        tell(report, settings)
    path = write_page(report, settings) if page else None
    if as_json:
        from swapgate.reporting.night_json import report_json

        print_json(report_json(report))
    else:
        from swapgate.reporting.words.nights import night_lines

        *lines, last = night_lines(report, verbose=verbose)
        for line in lines:
            typer.echo(line)
        if path is not None:
            typer.echo(f"trend: {path}")
        typer.echo(last)
    return exit_code(report)


def _unknown(settings: Settings, conclusion: str, *, notify: bool, as_json: bool) -> ExitCode:
    """Tell why the nights cannot be read. The trend page of a better day stays."""
    from swapgate.reporting.night_json import report_json
    from swapgate.reporting.text import safe_text

    report = no_report(settings)
    if notify:
        tell(report, settings, conclusion=conclusion)
    if as_json:
        print_json(report_json(report))
    typer.echo(safe_text(conclusion), err=as_json)
    return exit_code(report)


def wanted(settings: Settings, *, nights: int | None, branch: str | None, is_any: bool) -> Wanted:
    """Return which runs are nights, as options and settings say."""
    from swapgate.nightly.reading import MOST_NIGHTS, Wanted

    return Wanted(since=settings.drift_since, branch=branch, most=nights or MOST_NIGHTS, is_any=is_any)


def read_report(settings: Settings, chosen: Wanted) -> NightReport:
    """Return what the stored nights come to now."""
    from swapgate.analysis.night_report import night_report
    from swapgate.nightly.reading import read_nights
    from swapgate.runs.manifest import now

    found = read_nights(settings, chosen)
    return night_report(
        found.nights,
        found.judges,
        at=now(),
        every_h=settings.night_every_h,
        false_alarms=settings.drift_false_alarms,
        left_out=found.left_out,
        since=settings.drift_since,
    )


def no_report(settings: Settings) -> NightReport:
    """Return what there is to say where the nights cannot be read: could not find out."""
    from swapgate.analysis.night_report import night_report
    from swapgate.runs.manifest import now

    return night_report((), at=now(), every_h=settings.night_every_h)


def write_page(report: NightReport, settings: Settings) -> str:
    """Write the trend page and return its path as it is shown."""
    from swapgate.reporting.html.trend import write_trend

    return shown(write_trend(report, settings.reports_dir))


def tell(report: NightReport, settings: Settings, **night: Any) -> bool:
    """Post the result to the webhook; a failure is told loudly and changes nothing.

    `night` is what `reporting.night_json.message` takes of a night that was run just now.
    """
    from swapgate.nightly.webhook import Undelivered, post
    from swapgate.reporting.night_json import message

    if settings.webhook is None:
        raise UsageError("there is no webhook: set SWAPGATE_WEBHOOK to the URL that is to be told")
    try:
        post(settings.webhook, message(report, **night))
    except Undelivered as exc:
        warn(f"NOBODY WAS TOLD: {exc}")
        return False
    return True


def exit_code(report: NightReport) -> ExitCode:
    """Return what the answer ends a process with."""
    codes = {"drift": ExitCode.DRIFT, "no drift shown": ExitCode.OK}
    return codes.get(report.answer, ExitCode.NOT_FOUND_OUT)
