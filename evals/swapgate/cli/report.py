"""`swapgate report`: the reports of a stored run, made again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.options import JsonOption, ReportOption, RootOption, open_settings
from swapgate.cli.output import print_json, shown
from swapgate.errors import StoreError, UsageError

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome


def report(
    run: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="A run's id, the beginning of one, `latest`, or the path of a report.json."
        ),
    ],
    formats: ReportOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Where to write. Default: reports/RUN.")
    ] = None,
    *,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a stored run's reports again and say what the gate decides. Exits with 0 whatever that is."""
    from swapgate.cli.stored import open_run
    from swapgate.reporting import ReportsFailed, check_formats, write_reports
    from swapgate.reporting.hosting import placed
    from swapgate.reporting.words.reasons import gate_line

    settings = open_settings(root, report=formats)
    check_formats(settings.formats)
    outcome = placed(open_run(run, settings), settings, os.environ)
    folder = out or settings.reports_dir / outcome.run.id
    _refuse_to_lose(folder, outcome)
    try:
        paths = write_reports(outcome, folder, settings.formats)
    except ReportsFailed as exc:
        _print_paths(exc.written)
        raise
    if as_json:
        gate = {
            "answer": outcome.gate.answer,
            "reason": outcome.gate.reason,
            "exit_code": int(outcome.gate.exit_code),
        }
        print_json({"run": outcome.run.id, "reports": [str(path) for path in paths], "gate": gate})
        return
    _print_paths(paths)
    typer.echo(gate_line(outcome.gate))


def _refuse_to_lose(folder: Path, outcome: RunOutcome) -> None:
    """Raise StoreError where reports of the run are there that know of its end, and the history does not.

    They were made in the run itself, whose last trials the history could not take.
    """
    from swapgate.reporting.report_json import JsonReporter, load_report

    path = folder / JsonReporter.filename
    if outcome.run.finished_at is not None or not path.is_file():
        return
    try:
        written, _trials = load_report(path)
    except UsageError:  # no report that could be better
        return
    if written.id == outcome.run.id and written.finished_at is not None:
        raise StoreError(
            f"{shown(folder)}: its reports are of the whole run, of whose {outcome.run.planned:,} trials the "
            f"history holds {len(outcome.trials):,}: they are left as they are. `--out DIR` writes what the "
            "history holds; to have all of it, run again: what the cache holds costs nothing"
        )


def _print_paths(paths: Sequence[Path]) -> None:
    for path in paths:
        typer.echo(f"report: {shown(path)}")
