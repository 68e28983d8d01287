"""A stored run by the judges of today: itself, or a run that judged it again, made where there is none."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from swapgate.engine.judging_only import Draw
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.memory.history import History, has_history
from swapgate.records import Run, Trial
from swapgate.reporting.format import money
from swapgate.runs.manifest import judge_hashes
from swapgate.runs.rejudging import Plan, plan, rejudge, suites_of
from swapgate.spec.settings import Settings
from swapgate.values import Value, replace


class JudgedRun(Value):
    """A stored run by today's judges: itself, or the run that judged it again; `told` says which."""

    run: Run
    trials: Sequence[Trial]
    paid_usd: float = 0.0
    told: str = ""


def judged_by_today(
    run: Run,
    trials: Sequence[Trial],
    settings: Settings,
    *,
    draw: Draw = lambda _progress: None,
    spent_usd: float = 0.0,
) -> JudgedRun:
    """Return the run's candidates as today's judges judge them; what a stored run has of that is taken."""
    workspace = Workspace(settings)
    found = by_today(run, trials, workspace)
    if isinstance(found, JudgedRun):
        return found
    outcome, paid_usd = rejudge(found, workspace, draw=draw, spent_usd=spent_usd)
    told = f"run {run.id} was judged again by today's judges, as run {outcome.run.id}: {money(paid_usd)} paid"
    return JudgedRun(run=outcome.run, trials=list(outcome.trials), paid_usd=paid_usd, told=told)


def by_today(run: Run, trials: Sequence[Trial], workspace: Workspace) -> JudgedRun | Plan:
    """Return what is stored of the run's candidates by today's judges, else what judges them again."""
    suites = suites_of(run, workspace)
    now = judge_hashes(suites)
    if dict(run.judge_hashes) == now:
        return JudgedRun(run=run, trials=trials)
    own = [trial for trial in trials if trial.role == "candidate"]
    models = tuple(m for m in run.models if m.name in {trial.model for trial in own})
    source = replace(run, models=models, baseline=None)
    known = _judged_before(source, suites, now, workspace.settings)
    return plan(source, own, workspace) if known is None else known


def _judged_before(
    source: Run, suites: Sequence[ReadySuite], now: Mapping[str, str], settings: Settings
) -> JudgedRun | None:
    """Return the newest whole run that judged the same answers by the same judges."""
    if not has_history(settings.history):
        return None
    hashes = {suite.name: suite.loaded.content_hash for suite in suites}
    with contextlib.closing(History(settings.history)) as history:
        for run in history.runs():
            is_same = run.rejudges == source.id and dict(run.judge_hashes) == now
            if is_same and run.models == source.models and run.suite_hashes == hashes and run.is_complete:
                told = f"run {source.id} stands as run {run.id}, which judged it again by today's judges"
                return JudgedRun(run=run, trials=list(history.trials(run.id)), told=told)
    return None
