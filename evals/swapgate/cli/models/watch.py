"""`swapgate models watch`: whether a floating model still behaves as it did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from swapgate.cli.drift import EveryOption, FalseAlarmsOption, SinceOption
from swapgate.cli.models.lint import read_written, today_utc
from swapgate.cli.options import (
    JsonOption,
    MaxCostOption,
    PytestArgument,
    RepeatsOption,
    RootOption,
    open_settings,
    verbose_option,
)
from swapgate.cli.output import print_json
from swapgate.errors import ExitCode, StoreError
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.analysis.alias_looks import Look
    from swapgate.analysis.alias_watch import WatchReport
    from swapgate.spec.settings import Settings

TAG = "canary"
REPEATS = 3


def watch_models(
    arguments: PytestArgument = None,
    *,
    model: Annotated[
        list[str] | None,
        typer.Option(
            "--model", metavar="NAME", help="A model to look at; repeat for several. Default: all that float."
        ),
    ] = None,
    tag: Annotated[
        str, typer.Option("--tag", metavar="TAG", help="The tag of the cases that are asked.")
    ] = TAG,
    stored: Annotated[
        bool, typer.Option("--stored", help="Ask no model: conclude from the looks that are stored.")
    ] = False,
    repeats: RepeatsOption = None,
    since: SinceOption = None,
    every: EveryOption = None,
    false_alarms: FalseAlarmsOption = None,
    max_cost: MaxCostOption = None,
    verbose: Annotated[int, verbose_option("p-value, evidence and threshold of each respect")] = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Ask floating models about a few tagged cases, and hold the answers against those of their own past.

    Exits with 12 where a model is served as another one or behaves otherwise, with 13 when it could not be
    found out, with 0 when no change is shown.
    """
    from swapgate.analysis.alias_watch import watch_report
    from swapgate.nightly.looking import look, read_looks, why_no_look
    from swapgate.runs.manifest import now

    settings = _settings(
        root,
        model,
        repeats=repeats or REPEATS,
        drift_since=since,
        night_every_h=every,
        drift_false_alarms=false_alarms,
        max_cost=max_cost,
    )
    problems: list[str] = []
    if not stored:
        problems = why_no_look(look(settings, arguments or [], tag=tag, to_stderr=as_json), tag)
    looks: dict[str, Sequence[Look]] = dict.fromkeys(settings.models, ())
    try:
        looks = read_looks(settings, settings.models)
    except StoreError as exc:
        problems.append(str(exc))
    report = watch_report(
        looks,
        at=now(),
        every_h=settings.night_every_h,
        false_alarms=settings.drift_false_alarms,
    )
    return _told(report, problems, verbose=verbose, as_json=as_json)


def _settings(root: Any, models: list[str] | None, **given: Any) -> Settings:
    from swapgate.nightly.looking import floating
    from swapgate.pins.catalogue import bundled
    from swapgate.pins.lint import declared_models

    settings = open_settings(root, **given)
    catalogue = read_written(settings)
    declared = declared_models(catalogue, bundled(), today=today_utc())
    for name in models or ():
        catalogue.resolve(name)
    return open_settings(root, **given, model=models or list(floating(declared)))


def _told(report: WatchReport, problems: list[str], *, verbose: int, as_json: bool) -> int:
    from swapgate.records import to_json
    from swapgate.reporting.words.aliases import watch_lines

    code = {"changed": ExitCode.DRIFT, "no change shown": ExitCode.OK}.get(
        report.answer, ExitCode.NOT_FOUND_OUT
    )
    if problems and code == ExitCode.OK:
        code = ExitCode.NOT_FOUND_OUT
    if as_json:
        print_json({**to_json(report), "exit_code": int(code), "problems": problems})
        return code
    *lines, last = watch_lines(report, verbose=verbose)
    for line in (*lines, *(f"no look now: {safe_text(problem)}" for problem in problems)):
        typer.echo(line)
    typer.echo(
        last
        if report.answer == "changed" or not problems
        else f"COULD NOT FIND OUT: {safe_text(problems[0])}"
    )
    return code
