"""The stored run that a session is compared with: found, held to the same judges, or judged again by them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from swapgate.engine.judging_only import Draw
from swapgate.engine.workspace import Job, ReadySuite, Workspace
from swapgate.errors import UsageError, nearest
from swapgate.records import Run, Trial
from swapgate.runs.manifest import judge_hashes
from swapgate.runs.recorder import Before
from swapgate.runs.rejudged import by_today, judged_by_today
from swapgate.runs.rejudging import Plan
from swapgate.runs.stored import StoredBaseline, baseline_of, load_baseline, open_history, why_incomplete
from swapgate.values import replace


def open_baseline(
    workspace: Workspace, suites: Sequence[ReadySuite], *, draw: Draw = lambda _progress: None
) -> Before:
    """Return the stored run that `--baseline` names, judged again where its judge is another.

    Without `--rejudge` that is a UsageError: verdicts of two judges are not compared.
    """
    stored, is_by_today = _found(workspace, suites)
    if is_by_today:
        return Before(baseline=stored)
    again = judged_by_today(stored.run, _own(stored), workspace.settings, draw=draw)
    return Before(baseline=baseline_of(again.run, again.trials), paid_usd=again.paid_usd, notes=(again.told,))


def judged_first(workspace: Workspace, suites: Sequence[ReadySuite]) -> Sequence[Job]:
    """Return the trials of the baseline that `open_baseline` would have judged again; raises as that does."""
    stored, is_by_today = _found(workspace, suites)
    if is_by_today:
        return ()
    found = by_today(stored.run, _own(stored), Workspace(workspace.settings))
    return found.jobs if isinstance(found, Plan) else ()


def _found(workspace: Workspace, suites: Sequence[ReadySuite]) -> tuple[StoredBaseline, bool]:
    """Return the baseline that is named, and whether today's judges have judged it."""
    name = workspace.settings.baseline
    assert name is not None
    if name == "latest":
        name = _latest(workspace, suites)
    stored = _loaded(name, workspace)
    run = stored.run
    if reason := why_incomplete(run):
        raise UsageError(f"run {run.id} is no baseline: {reason}. Choose a complete run")
    if not (changed := _changed_judges(run, judge_hashes(suites), workspace)):
        return stored, True
    if not workspace.settings.rejudge:
        raise UsageError(
            f"run {run.id} is no baseline: the judge {changed[0]!r} has changed since, and verdicts of two "
            "judges are not compared. --rejudge judges its stored answers again and pays for the judge alone"
        )
    if not stored.trials:
        raise UsageError(
            f"{name} holds no answers that could be judged again. Name the run {run.id}, or write the file "
            "with --with-texts"
        )
    return stored, False


def _loaded(name: str, workspace: Workspace) -> StoredBaseline:
    try:
        return load_baseline(name, workspace.settings)
    except UsageError as exc:
        # What is no model is looked for among the runs: a mistyped model would be told of these alone.
        if meant := nearest(name, (*workspace.catalogue.names(), "latest")):
            raise UsageError(f"no model {name!r}.{meant} And {exc}") from exc
        raise


def _own(stored: StoredBaseline) -> list[Trial]:
    return [replace(trial, model=stored.model, role="candidate") for trial in stored.trials]


def _changed_judges(run: Run, now: Mapping[str, str], workspace: Workspace) -> list[str]:
    """Return the judges that are not as they were; under `--rejudge` also those that the run did not have."""
    known = run.judge_hashes
    is_asked = workspace.settings.rejudge
    return [name for name, found in now.items() if known.get(name, None if is_asked else found) != found]


def _latest(workspace: Workspace, suites: Sequence[ReadySuite]) -> str:
    """Return the newest complete run of one other model that covers these suites."""
    wanted = {suite.name for suite in suites}
    with contextlib.closing(open_history("latest", workspace.settings)) as history:
        for run in history.runs():
            names = {model.name for model in run.models} - {run.baseline}
            is_whole = run.is_complete and not run.is_partial and wanted <= set(run.suites)
            if is_whole and len(names) == 1 and not names & set(workspace.candidates):
                return run.id
    raise UsageError(
        f"--baseline=latest: the history has no complete run of {', '.join(sorted(wanted))} by one model "
        f"other than {', '.join(workspace.candidates)}. Name a run, or a model to run beside"
    )
