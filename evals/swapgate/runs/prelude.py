"""What a run's judges are asked before its first trial: canaries, and the answers of a stored baseline."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swapgate.engine.runner import Progress
from swapgate.engine.workspace import ReadyCase, ReadySuite, Workspace
from swapgate.runs.recorder import Before
from swapgate.values import replace


def before_trials(
    workspace: Workspace,
    suites: Sequence[ReadySuite],
    cases: Sequence[ReadyCase],
    *,
    draw: Callable[[Progress], None] = lambda _progress: None,
) -> Before:
    """Return what is known before the first trial of these cases; its cost is part of the run's budget.

    Raises UsageError where a stored baseline is none for these suites.
    """
    before = Before()
    # What these load takes longer than the first calls, and most runs need neither.
    if workspace.settings.baseline is not None and workspace.baseline_model is None:
        from swapgate.runs.baselines import open_baseline

        before = open_baseline(workspace, suites, draw=draw)
    if any(judge.wants_canaries for case in cases for judge in case.judges):
        from swapgate.engine.canaries import run_canaries, wanted_canaries

        spent_usd = before.paid_usd
        found, paid_usd = run_canaries(
            workspace, wanted_canaries(suites, cases), draw=draw, spent_usd=spent_usd
        )
        before = replace(before, canaries=found, paid_usd=spent_usd + paid_usd)
    return before
