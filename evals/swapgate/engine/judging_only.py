"""Answers that are at hand, judged by an engine that knows the judges' models alone: it can ask no other."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from swapgate.engine.executor import Executor, ThisProcess
from swapgate.engine.opened import open_engine
from swapgate.engine.runner import Engine, Finished, Progress
from swapgate.engine.workspace import Job, Workspace
from swapgate.facts import Facts
from swapgate.records import Trial
from swapgate.spec.models import ModelSpec
from swapgate.values import Value

Draw = Callable[[Progress], None]


class Judged(Value):
    """The trials of the jobs, in their order, and what their calls cost that were made. In US dollars."""

    finished: Sequence[Finished]
    paid_usd: float


def judge_models(workspace: Workspace, jobs: Iterable[Job]) -> dict[str, ModelSpec]:
    """Return the models that judge these jobs."""
    names = {name for job in jobs for judge in job.case.judges for name in judge.models}
    return {name: workspace.model(name) for name in sorted(names)}


@contextlib.contextmanager
def judging_engine(
    workspace: Workspace,
    models: Mapping[str, ModelSpec],
    *,
    take: Callable[[Trial, Facts, str], bool] = lambda _trial, _facts, _text: True,
    is_behind: Callable[[], bool] = lambda: False,
    executor: Executor | None = None,
    spent_usd: float = 0.0,
) -> Iterator[Engine]:
    """Yield an engine for jobs whose answers are at hand; `models` are those of their judges."""
    settings = workspace.settings
    here = executor or ThisProcess(timeout_s=settings.timeout_s)
    opening = open_engine(
        settings, models, take=take, is_behind=is_behind, executor=here, spent_usd=spent_usd
    )
    with opening as engine:
        yield engine


def judge_only(
    workspace: Workspace,
    jobs: Sequence[Job],
    *,
    take: Callable[[Trial, Facts, str], bool] = lambda _trial, _facts, _text: True,
    is_behind: Callable[[], bool] = lambda: False,
    draw: Draw = lambda _progress: None,
    spent_usd: float = 0.0,
) -> Judged:
    """Judge the jobs' stored answers; every job must have one (`again`).

    `take` gets each trial as it ends, as an engine's does. `spent_usd` of the budget are gone.
    """
    assert all(job.again is not None for job in jobs)
    models = judge_models(workspace, jobs)
    opening = judging_engine(workspace, models, take=take, is_behind=is_behind, spent_usd=spent_usd)
    with opening as engine:
        engine.plan(jobs)
        finished = [engine.wait(job, meanwhile=draw) for job in jobs]
        return Judged(finished=finished, paid_usd=engine.progress().cost_usd)
