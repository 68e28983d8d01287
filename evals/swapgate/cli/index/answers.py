"""`swapgate index answers`: both swaps judged by what is answered in the end, and which of them broke it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.index.options import ConfigOption, Opened, opened
from swapgate.cli.options import (
    JsonOption,
    LiveOption,
    MaxCostOption,
    PagesOption,
    RepeatsOption,
    ReplayOption,
    RootOption,
    cache_mode,
    page_formats,
    verbose_option,
)
from swapgate.cli.output import live_line, print_json, shown, warn
from swapgate.errors import ExitCode, UsageError
from swapgate.values import replace

if TYPE_CHECKING:
    from swapgate.retrieval.answering.report import JointReport
    from swapgate.runs.both_swaps import Planned
    from swapgate.spec.index_answers import AnswersEntry

_ABSENT = (
    "config/index.yml has no `answers`: write which suite holds the questions and which models answer, "
    "`answers: {suite: FILE, control: MODEL, candidate: MODEL}`"
)


def answers(
    *,
    control: Annotated[
        str | None, typer.Option("--control", metavar="NAME", help="The old model, for this run.")
    ] = None,
    candidate: Annotated[
        str | None, typer.Option("--candidate", metavar="NAME", help="The new model, for this run.")
    ] = None,
    repeats: RepeatsOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what it would call, take and cost.")
    ] = False,
    max_cost: MaxCostOption = None,
    live: LiveOption = False,
    replay: ReplayOption = False,
    worst: Annotated[
        int, typer.Option("--worst", min=0, metavar="N", help="How many of the questions that lost to show.")
    ] = 10,
    formats: PagesOption = None,
    verbose: Annotated[int, verbose_option("every slice, every effect")] = 0,
    config: ConfigOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Have the old and the new model answer from what the old and the new index find, and say what broke.

    Writes reports/answers/report.html, .md and .json. Changes nothing of the migration. Exits with 1 when
    both swaps together break something, 10 when that cannot be told, 11 when too many answers are missing.
    """
    from swapgate.runs.both_swaps import answer_all, plan

    wanted = page_formats(formats)
    given = {"max_cost": max_cost, "repeats": repeats, "cache": cache_mode(live=live, replay=replay)}
    with opened(root, config, **given) as found:
        entry = _entry(found, control, candidate)
        planned = plan(found.workspace, found.index, entry, is_dry=dry_run)
        if dry_run:
            _print_forecast(planned, as_json=as_json)
            return ExitCode.OK
        with live_line() as draw:
            report = answer_all(planned, most_worst=worst, draw=draw, command=["swapgate", *sys.argv[1:]])
    paths = _write(report, planned.workspace.settings.reports_dir / "answers", wanted)
    if as_json:
        from swapgate.reporting.answers.json import as_json as written

        print_json({**written(report), "reports": [str(path) for path in paths]})
    else:
        _print(report, paths, verbose=verbose)
    return report.joint.exit_code


def _entry(found: Opened, control: str | None, candidate: str | None) -> AnswersEntry:
    """Return what is written, with the models of the command line in their places."""
    from swapgate.spec.index_answers import AnswersEntry

    written = found.workspace.file.answers
    if written is None:
        raise UsageError(_ABSENT)
    named = {"control": control or written.control, "candidate": candidate or written.candidate}
    if named["control"] == named["candidate"]:
        raise UsageError(
            f"--control and --candidate are both {named['control']!r}: there is no swap of models to judge"
        )
    return AnswersEntry.model_validate({**written.model_dump(), **named})


def _print_forecast(planned: Planned, *, as_json: bool) -> None:
    from swapgate.engine.forecasting import forecast
    from swapgate.runs.both_swaps import jobs_of
    from swapgate.runs.forecast_lines import forecast_lines

    found = forecast(planned.workspace, jobs_of(planned))
    found = replace(found, notes=(*found.notes, *planned.retrieved.notes))
    if as_json:
        print_json(found.to_json())
        return
    for line in forecast_lines(found, planned.workspace.settings):
        typer.echo(line.rstrip())


def _write(report: JointReport, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the reports; what cannot be written is told, and keeps the verdict from nobody."""
    from swapgate.errors import StoreError
    from swapgate.reporting.answers.html import page
    from swapgate.reporting.answers.json import document
    from swapgate.reporting.answers.markdown import markdown
    from swapgate.reporting.files import write_text

    made_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    texts = {
        "json": lambda: document(report),
        "md": lambda: markdown(report),
        "html": lambda: page(report, made_at=made_at),
    }
    paths = []
    for name in formats:
        path = folder / f"report.{name}"
        try:
            write_text(path, texts[name]())
        except StoreError as exc:
            warn(str(exc))
            continue
        paths.append(path)
    return paths


def _print(report: JointReport, paths: Sequence[Path], *, verbose: int) -> None:
    from swapgate.reporting.answers.terminal import lines

    for line in lines(report, verbose=verbose):
        typer.echo(line)
    for path in paths:
        typer.echo(f"report: {shown(path)}")
