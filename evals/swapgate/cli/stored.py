"""A stored run concluded again: its trials, and those of the stored baseline that it was compared with."""

from __future__ import annotations

from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.cli.output import warn
from swapgate.errors import UsageError
from swapgate.records import Run, Trial
from swapgate.runs.stored import as_baseline, load_run
from swapgate.spec.settings import Settings


def open_run(name: str, settings: Settings) -> RunOutcome:
    """Return what a run says: by its id, the beginning of one, `latest`, or the path of a report.json."""
    run, trials = load_run(name, settings)
    return conclude(run, [*trials, *_baseline(run, trials, settings)])


def _baseline(run: Run, trials: list[Trial], settings: Settings) -> list[Trial]:
    """Return the baseline's trials when they belong to another stored run, named `MODEL@RUN`."""
    if "@" not in (run.baseline or "") or any(trial.role == "baseline" for trial in trials):
        return []
    try:
        return list(as_baseline(*load_run(run.baseline or "", settings)))
    except UsageError as exc:
        warn(f"without its baseline {run.baseline}: {exc}")
        return []
