"""`swapgate rejudge`: a stored run's answers, judged by the judges as they are written now."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.judge.diff import DIFF_FILE, print_changes, write_markdown
from swapgate.cli.options import (
    JsonOption,
    LiveOption,
    MaxCostOption,
    ReplayOption,
    ReportOption,
    RootOption,
    VerboseOption,
    cache_mode,
    open_settings,
)
from swapgate.cli.output import live_line, print_json, shown, warn
from swapgate.errors import ExitCode, StoreError
from swapgate.records import is_stored_baseline, to_json
from swapgate.reporting.text import safe_text

if TYPE_CHECKING:
    from swapgate.analysis.judge_change import JudgeChange
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.engine.workspace import Workspace
    from swapgate.runs.rejudging import Plan


def rejudge(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="A run's id, the beginning of one, `latest`, the path of a report.json, or MODEL@RUN.",
        ),
    ],
    judges: Annotated[
        list[str] | None,
        typer.Option("--judge", metavar="NAME", help="Ask this judge only; repeat for several."),
    ] = None,
    max_cost: MaxCostOption = None,
    formats: ReportOption = None,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Ask nothing: say what the judges' calls would take and cost.")
    ] = False,
    live: LiveOption = False,
    replay: ReplayOption = False,
    verbose: VerboseOption = 0,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Score a run's stored answers with today's judges. Asks no model but the judges'; stores a new run.

    Prints what changed against the run's own verdicts, writes reports, and exits with the gate's code.
    """
    from swapgate.analysis.judge_change import judge_changes
    from swapgate.cli.reports import written_reports
    from swapgate.engine.workspace import Workspace
    from swapgate.reporting import check_formats
    from swapgate.reporting.hosting import placed
    from swapgate.runs.rejudging import open_source, plan
    from swapgate.runs.rejudging import rejudge as judge_again

    settings = open_settings(
        root, report=formats, max_cost=max_cost, cache=cache_mode(live=live, replay=replay)
    )
    check_formats(settings.formats)
    workspace = Workspace(settings)
    source, trials = open_source(run, settings)
    planned = plan(source, trials, workspace, judges=judges or ())
    if dry_run:
        return _forecast(planned, workspace, as_json=as_json)
    with live_line() as draw:
        outcome, paid_usd = judge_again(planned, workspace, draw=draw)
    folder = settings.reports_dir / outcome.run.id
    outcome = placed(outcome, settings, os.environ)
    paths = written_reports(outcome, folder, settings.formats)
    changes = judge_changes(trials, outcome.trials, run_before=source.id, run_after=outcome.run.id)
    if "md" in settings.formats and changes:
        try:
            write_markdown(changes, folder / DIFF_FILE)
            paths.append(folder / DIFF_FILE)
        except StoreError as exc:
            warn(str(exc))
    if as_json:
        _print_json(outcome, changes, paths, paid_usd)
    else:
        _print(outcome, changes, paths, paid_usd, verbose=verbose)
    return exit_code(outcome)


def _forecast(planned: Plan, workspace: Workspace, *, as_json: bool) -> int:
    """Print what the plan would take; warnings are what of the run cannot be judged."""
    from swapgate.engine.forecasting import forecast
    from swapgate.runs.forecast_lines import forecast_lines

    found = forecast(workspace, planned.jobs)
    if as_json:
        print_json(found.to_json())
        return ExitCode.OK
    for line in (*forecast_lines(found, workspace.settings), *(f"warning: {w}" for w in planned.warnings)):
        typer.echo(line.rstrip())
    return ExitCode.OK


def _print_json(
    outcome: RunOutcome, changes: Sequence[JudgeChange], paths: Sequence[Path], paid_usd: float
) -> None:
    for text in outcome.warnings:
        warn(text)
    print_json(
        {
            "run": outcome.run.id,
            "rejudges": outcome.run.rejudges,
            "paid_usd": paid_usd,
            "gate": to_json(outcome.gate),
            "summaries": [to_json(one) for one in outcome.summaries],
            "comparisons": [to_json(one) for one in outcome.comparisons],
            "judges": [to_json(one) for one in changes],
            "warnings": list(outcome.warnings),
            "reports": [str(path) for path in paths],
        }
    )


def _print(
    outcome: RunOutcome,
    changes: Sequence[JudgeChange],
    paths: Sequence[Path],
    paid_usd: float,
    *,
    verbose: int,
) -> None:
    from swapgate.reporting.format import count, money
    from swapgate.reporting.terminal.summary import summary_lines

    own = [f for f in outcome.facts if not is_stored_baseline(f)]
    head = f"run {outcome.run.id} judges run {outcome.run.rejudges} again"
    typer.echo(safe_text(f"{head}: {count(len(own), 'trial')}, {money(paid_usd)} paid for judges"))
    typer.echo("")
    print_changes(changes, verbose=verbose)
    typer.echo("")
    width = shutil.get_terminal_size().columns
    reports = [Path(shown(path)) for path in paths]
    for line in summary_lines(outcome, verbose=verbose, width=width, reports=reports):
        typer.echo(line)


def exit_code(outcome: RunOutcome) -> int:
    """Return the gate's code, or where nothing is judged what pytest's own would have been."""
    if outcome.gate.answer != "not_judged":
        return outcome.gate.exit_code
    has_failed = any(f.role == "candidate" and f.outcome != "passed" for f in outcome.facts)
    return ExitCode.FAILED if has_failed else ExitCode.OK
