"""`swapgate report`: the reports of a stored run, made again."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from swapgate.cli.options import JsonOption, ReportOption, RootOption, open_settings
from swapgate.cli.output import print_json, shown


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
    try:
        paths = write_reports(outcome, out or settings.reports_dir / outcome.run.id, settings.formats)
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


def _print_paths(paths: Sequence[Path]) -> None:
    for path in paths:
        typer.echo(f"report: {shown(path)}")
