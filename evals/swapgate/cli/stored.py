"""A stored run as commands open it."""

from __future__ import annotations

from swapgate.analysis.outcome import RunOutcome
from swapgate.cli.output import warn
from swapgate.runs.concluded import concluded
from swapgate.runs.stored import load_run
from swapgate.spec.settings import Settings


def open_run(name: str, settings: Settings) -> RunOutcome:
    """Return what a run says: by its id, the beginning of one, `latest`, or the path of a report.json."""
    run, trials = load_run(name, settings)
    return concluded(run, trials, settings, warn=warn)
