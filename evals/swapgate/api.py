"""The same engine from Python: `run` a suite, `compare` two runs."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from swapgate.analysis.compare import Comparison
from swapgate.analysis.compare import compare as compare_trials
from swapgate.analysis.outcome import RunOutcome
from swapgate.cache import ResponseCache
from swapgate.engine.runner import Engine
from swapgate.engine.workspace import Workspace
from swapgate.recorder import Recorder
from swapgate.spec.settings import resolve_settings

_SLICE_S = 0.5


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

    Examples
    --------
    >>> outcome = run("cases/code_review.yml", model="deepseek-v4-pro")  # doctest: +SKIP
    >>> outcome.to_frame().groupby("outcome").size()  # doctest: +SKIP
    """
    names = [model] if isinstance(model, str) else list(model)
    settings = resolve_settings(Path(root).resolve(), {**options, "model": names}, os.environ)
    workspace = Workspace(settings)
    suites = [workspace.suite(path) for path in workspace.suite_files(_paths(cases, workspace))]
    specs = workspace.models_of(suites)
    workspace.require_ready(specs)
    recorder = Recorder(workspace, suites, specs)
    jobs = [job for suite in suites for job in workspace.jobs(suite)]
    recorder.start(planned=len(jobs))
    cache = ResponseCache(settings.state_dir / "cache.db", recordings=settings.recordings)
    with contextlib.closing(cache), Engine(settings, specs, cache) as engine:
        engine.plan(jobs)
        for job in jobs:
            while (trial := engine.result(job, timeout_s=_SLICE_S)) is None:
                pass
            recorder.add(trial)
    return recorder.finish()


def compare(candidate: RunOutcome, baseline: RunOutcome) -> Comparison:
    """Compare two runs of one model each on the cases that both answered."""
    one, other = _only_model(candidate), _only_model(baseline)
    label = f"{other}@{baseline.run.id}"
    trials = [t for t in candidate.trials if t.model == one]
    trials += [replace(t, model=label, role="baseline") for t in baseline.trials if t.model == other]
    return compare_trials(trials, candidate=one, baseline=label)


def _only_model(outcome: RunOutcome) -> str:
    names = list(dict.fromkeys(t.model for t in outcome.trials if t.role == "candidate"))
    if len(names) != 1:
        raise ValueError(
            f"run {outcome.run.id} has {len(names)} models under test ({', '.join(names)}), not one"
        )
    return names[0]


def _paths(cases: str | Path | Iterable[str | Path] | None, workspace: Workspace) -> list[Path]:
    if cases is None:
        return list(workspace.settings.cases_dirs)
    given = [cases] if isinstance(cases, (str, Path)) else list(cases)
    return [(workspace.settings.root / path).resolve() for path in given]
