"""A stored run concluded again, with the stored baseline that it was compared with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.errors import UsageError
from swapgate.facts import Facts
from swapgate.memory.history import StoredTrials, facts_of_all
from swapgate.records import Run, Trial
from swapgate.runs.stored import StoredBaseline, load_baseline
from swapgate.spec.settings import Settings
from swapgate.values import replace


def concluded(
    run: Run, trials: Sequence[Trial], settings: Settings, *, warn: Callable[[str], None]
) -> RunOutcome:
    """Return what a run says. `warn` is told when its baseline, or its own end, is not there."""
    facts = facts_of_all(trials)
    stored = len(facts)
    baseline = _baseline(run, facts, settings, warn)
    if baseline is not None:
        facts = [*facts, *baseline.facts]
        trials = _beside(trials, baseline.trials)
    outcome = conclude(run, trials, facts=facts)
    if run.finished_at is not None:
        return outcome
    lacking = (
        f"the run never ended, or its end could not be stored: {stored:,} of its {run.planned:,} trials "
        "are in the history, and this is of them alone"
    )
    warn(lacking)
    return replace(outcome, warnings=(lacking, *outcome.warnings))


def _baseline(
    run: Run, facts: Sequence[Facts], settings: Settings, warn: Callable[[str], None]
) -> StoredBaseline | None:
    """Return the baseline when it is another stored run, named `MODEL@RUN`, or the file of one."""
    if "@" not in (run.baseline or "") or any(one.role == "baseline" for one in facts):
        return None
    try:
        if run.baseline_file is not None:
            return _same_in_file(run, load_baseline(run.baseline_file, settings))
        return load_baseline(run.baseline or "", settings)
    except UsageError as exc:
        warn(f"without its baseline {run.baseline}: {exc}")
        return None


def _beside(trials: Sequence[Trial], baseline: Sequence[Trial]) -> Sequence[Trial]:
    if isinstance(trials, StoredTrials):
        return trials.with_beside(baseline)
    return [*trials, *baseline]


def _same_in_file(run: Run, found: StoredBaseline) -> StoredBaseline:
    """Return what the file holds; UsageError when that is another baseline by now."""
    if found.name != run.baseline:
        raise UsageError(f"{found.file} holds {found.name} by now")
    return found
