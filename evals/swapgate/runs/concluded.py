"""A stored run concluded again, with the stored baseline that it was compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.errors import UsageError
from swapgate.facts import facts_of
from swapgate.records import Run, Trial
from swapgate.runs.stored import StoredBaseline, load_baseline
from swapgate.spec.settings import Settings
from swapgate.values import replace


def concluded(
    run: Run, trials: Sequence[Trial], settings: Settings, *, warn: Callable[[str], None]
) -> RunOutcome:
    """Return what a run says. `warn` is told when its baseline, or its own end, is not there."""
    baseline = _baseline(run, trials, settings, warn)
    if baseline is None:
        outcome = conclude(run, trials)
    else:
        facts = [*map(facts_of, trials), *baseline.facts]
        outcome = conclude(run, [*trials, *baseline.trials], facts=facts)
    if run.finished_at is not None:
        return outcome
    lacking = (
        f"the run never ended, or its end could not be stored: {len(trials):,} of its {run.planned:,} trials "
        "are in the history, and this is of them alone"
    )
    warn(lacking)
    return replace(outcome, warnings=(lacking, *outcome.warnings))


def _baseline(
    run: Run, trials: Sequence[Trial], settings: Settings, warn: Callable[[str], None]
) -> StoredBaseline | None:
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
