"""The same engine from Python: `run` a suite, `compare` two runs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from swapgate.analysis.compare import Comparison
from swapgate.analysis.outcome import RunOutcome
from swapgate.engine.opened import open_engine
from swapgate.engine.runner import Engine
from swapgate.engine.workspace import Job, ReadySuite, Workspace
from swapgate.errors import UsageError
from swapgate.runs.before_run import refuse_with_batch, require_enough, warnings_before
from swapgate.runs.early_stop import EarlyStop, early_stop, shuffled
from swapgate.runs.locked import require_locked
from swapgate.runs.parts import Part, refuse_contradictions
from swapgate.runs.prelude import before_trials
from swapgate.runs.recorder import Recorder
from swapgate.runs.rerun import completion, require_baseline, rest_of
from swapgate.runs.shards import shard_part
from swapgate.runs.stored import join, one_model
from swapgate.spec.settings import resolve_settings


def run(
    cases: str | Path | Iterable[str | Path] | None = None,
    *,
    model: str | Sequence[str],
    root: str | Path = ".",
    **options: object,
) -> RunOutcome:
    """Run suites with a model and return what came out; nothing is printed, no report is written.

    Parameters
    ----------
    cases
        Suite files or folders; None for the workspace's cases directories.
    model
        One or more names of the catalogue, or `provider:model`.
    root
        The workspace.
    **options
        Any key of [tool.swapgate]: baseline, repeats, concurrency, cache, gate ...

    Raises
    ------
    swapgate.errors.UsageError
        When a file, a name or a key is wrong; nothing was called.
    swapgate.errors.StoreError
        When the cache cannot be used, which ends the run, or the run cannot be stored: nothing that was
        stored until then is lost.

    Examples
    --------
    >>> outcome = run("cases/code_review.yml", model="deepseek-v4-pro")  # doctest: +SKIP
    >>> outcome.to_frame().groupby("outcome").size()  # doctest: +SKIP
    """
    names = [model] if isinstance(model, str) else list(model)
    settings = resolve_settings(Path(root).resolve(), {**options, "model": names}, os.environ)
    refuse_contradictions(settings)
    if settings.dry_run:
        raise UsageError("dry_run calls nothing, so no outcome can be returned: run `swapgate estimate`")
    workspace = Workspace(settings)
    suites = [workspace.suite(path) for path in workspace.suite_files(_paths(cases, workspace))]
    if not suites or not names:
        folders = ", ".join(folder.name for folder in settings.cases_dirs)
        raise UsageError(f"nothing to run: name a model, and suites below the cases directories ({folders})")
    specs = workspace.models_of(case for suite in suites for case in suite.cases)
    require_locked(workspace, specs)
    workspace.require_ready(specs)
    refuse_with_batch(settings)
    before = before_trials(workspace, suites, [case for suite in suites for case in suite.cases])
    recorder = Recorder(workspace, suites, specs, before=before)
    jobs = [job for suite in suites for job in workspace.jobs(suite)]
    if settings.stop_early:
        jobs = shuffled(jobs, lambda job: job, seed=workspace.seed)
    require_enough(workspace, jobs)
    wanted, warnings = len(jobs), warnings_before(workspace, jobs)
    if (part := _part(workspace, suites, jobs, recorder)) is not None:
        jobs = list(part.jobs)

    cases_asked = [job.case for job in jobs]
    opening = open_engine(
        settings,
        specs,
        cases_asked,
        take=recorder.take,
        is_behind=recorder.is_behind,
        spent_usd=before.paid_usd,
    )
    with opening as engine:
        recorder.start(planned=len(jobs), wanted=wanted, warnings=warnings, part=part)
        recorder.require_open()
        early = early_stop(workspace, jobs, recorder.baseline)
        with recorder.ended_when_stopped():
            _run_all(engine, jobs, early)
        stopping = early.conclude() if early is not None else None
        outcome = recorder.finish(stopping=stopping)  # before the cache closes, which may fail on a full disk
    if recorder.problem is not None:
        raise recorder.problem
    return outcome


def _part(
    workspace: Workspace, suites: Sequence[ReadySuite], jobs: Sequence[Job], recorder: Recorder
) -> Part | None:
    """Return the shard, or what the last run lacks, where one of them is asked for."""
    settings = workspace.settings
    if settings.shard is not None:
        number, count = settings.shard
        return shard_part(jobs, number=number, count=count)
    if not settings.rerun_errors:
        return None
    part = rest_of(completion(workspace, suites, is_selection=False), jobs)
    require_baseline(part, recorder.baseline)
    return part


def _run_all(engine: Engine, jobs: Sequence[Job], early: EarlyStop | None) -> None:
    """Run the jobs in order, without those that are not wanted any more."""
    if early is None:
        engine.plan(jobs)
    for place, job in enumerate(jobs):
        if early is not None:
            admitted = early.admit(place)
            if admitted is None:
                continue
            engine.plan(jobs[one] for one in admitted)
        finished = engine.wait(job)
        if early is not None:
            early.add(finished.facts)


def compare(candidate: RunOutcome, baseline: RunOutcome) -> Comparison:
    """Compare two runs of one model each on the cases that both answered."""
    ours = one_model(candidate.run, candidate.facts)
    theirs = one_model(baseline.run, baseline.facts)
    (comparison,) = join(theirs, [ours]).comparisons
    return comparison


def _paths(cases: str | Path | Iterable[str | Path] | None, workspace: Workspace) -> list[Path]:
    if cases is None:
        return list(workspace.settings.cases_dirs)
    given = [cases] if isinstance(cases, (str, Path)) else list(cases)
    paths = [(workspace.settings.root / path).resolve() for path in given]
    if absent := [str(name) for name, path in zip(given, paths, strict=True) if not path.exists()]:
        raise UsageError(f"no such suite or folder in {workspace.settings.root}: {', '.join(absent)}")
    return paths
