"""Trials of a workspace run through the engine for a command of prompts: cache, limits, retries, budget."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace

from swapgate.engine.judging_only import Draw
from swapgate.engine.opened import open_engine
from swapgate.engine.runner import Engine
from swapgate.engine.workspace import Job, ReadyCase, Workspace
from swapgate.records import Trial


class Session:
    """An engine that is given trials as they are thought of; `paid_usd` is what they have cost so far."""

    def __init__(self, engine: Engine, draw: Draw) -> None:
        self._engine = engine
        self._draw = draw

    def run(self, jobs: Sequence[Job]) -> Iterator[Trial]:
        """Run the jobs at once, and yield their trials in order. Each job may be run once."""
        self._engine.plan(jobs)
        for job in jobs:
            finished = self._engine.wait(job, meanwhile=self._draw)
            assert finished.trial is not None
            yield finished.trial

    @property
    def paid_usd(self) -> float:
        """What was paid so far as far as it is known, in US dollars."""
        return self._engine.progress().cost_usd


@contextlib.contextmanager
def open_session(
    workspace: Workspace,
    cases: Sequence[ReadyCase],
    *,
    draw: Draw,
    also: Sequence[str] = (),
    spent_usd: float = 0.0,
) -> Iterator[Session]:
    """Open an engine for cases of the workspace's models, their judges, and the models named by `also`.

    They are asked live also where runs go in batches: whoever gave the command waits. `spent_usd` of the
    budget are gone. Raises UsageError where a model has no key, or no price under a budget; nothing was
    called then.
    """
    settings = replace(workspace.settings, batch=False)
    specs = workspace.models_of(cases, also=also)
    workspace.require_ready(specs)
    with open_engine(settings, specs, cases, spent_usd=spent_usd) as engine:
        yield Session(engine, draw)
