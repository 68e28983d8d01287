"""A run told before it: what its trials would take, and what its stored baseline takes first."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.engine.forecast import Forecast
from swapgate.engine.forecasting import forecast
from swapgate.engine.workspace import Job, Workspace


def foretell(workspace: Workspace, jobs: Sequence[Job]) -> Forecast:
    """Return what a run of these trials would take; nothing is called.

    Raises UsageError for what the run itself would refuse of its files and its baseline.
    """
    before: Sequence[Job] = ()
    if jobs and workspace.settings.baseline is not None and workspace.baseline_model is None:
        from swapgate.runs.baselines import judged_first

        before = judged_first(workspace, list({job.suite.name: job.suite for job in jobs}.values()))
    return forecast(workspace, jobs, before=before)
