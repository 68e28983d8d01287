"""What a run's judges are asked before its first trial: canaries, and the answers of a stored baseline."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.baselines import open_baseline
from swapgate.engine.canaries import run_canaries, wanted_canaries
from swapgate.engine.judging_only import Draw
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.recorder import Before


def before_trials(
    workspace: Workspace, suites: Sequence[ReadySuite], *, draw: Draw = lambda _progress: None
) -> Before:
    """Return what is known before the first trial; what that costs is part of the run's budget.

    Raises UsageError where a stored baseline is none for these suites.
    """
    baseline = open_baseline(workspace, suites, draw=draw)
    found, paid_usd = run_canaries(workspace, wanted_canaries(suites), draw=draw, spent_usd=baseline.paid_usd)
    return Before(
        baseline=baseline.trials,
        canaries=found,
        notes=baseline.notes,
        paid_usd=baseline.paid_usd + paid_usd,
    )
