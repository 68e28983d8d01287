"""Reports that a command writes beside what it prints: what cannot be written keeps it from nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from swapgate.cli.output import warn

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.spec.settings import Settings


def written_reports(outcome: RunOutcome, folder: Path, formats: Sequence[str]) -> list[Path]:
    """Write the reports and return those that were written; the others are told on stderr."""
    from swapgate.reporting import ReportsFailed, write_reports

    try:
        return write_reports(outcome, folder, formats)
    except ReportsFailed as exc:
        for problem in exc.problems:
            warn(problem)
        return list(exc.written)


def tell_github(outcome: RunOutcome, settings: Settings) -> None:
    """Annotate the cases and add to the job's summary, where GitHub Actions runs the command."""
    from swapgate.reporting.github.publishing import publish

    if settings.github == "auto":
        for problem in publish(outcome, os.environ, typer.echo, near=settings.root):
            warn(problem)
