"""A stored run concluded again: its trials, and those of the stored baseline that it was compared with."""

from __future__ import annotations

from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.cli.output import warn
from swapgate.errors import UsageError
from swapgate.facts import facts_of
from swapgate.records import Run, Trial
from swapgate.runs.stored import StoredBaseline, load_baseline, load_run
from swapgate.spec.settings import Settings


def open_run(name: str, settings: Settings) -> RunOutcome:
    """Return what a run says: by its id, the beginning of one, `latest`, or the path of a report.json."""
    run, trials = load_run(name, settings)
    baseline = _baseline(run, trials, settings)
    if baseline is None:
        return conclude(run, trials)
    facts = [*map(facts_of, trials), *baseline.facts]
    return conclude(run, [*trials, *baseline.trials], facts=facts)


def _baseline(run: Run, trials: list[Trial], settings: Settings) -> StoredBaseline | None:
    """Return the baseline when it is another stored run, named `MODEL@RUN`, or the file of one."""
    if "@" not in (run.baseline or "") or any(trial.role == "baseline" for trial in trials):
        return None
    try:
        if run.baseline_file is not None:
            return _same_in_file(run, load_baseline(run.baseline_file, settings))
        return load_baseline(run.baseline or "", settings)
    except UsageError as exc:
        warn(f"without its baseline {run.baseline}: {exc}")
        return None


def _same_in_file(run: Run, found: StoredBaseline) -> StoredBaseline:
    """Return what the file holds; UsageError when that is another baseline by now."""
    if found.name != run.baseline:
        raise UsageError(f"{found.file} holds {found.name} by now")
    return found
