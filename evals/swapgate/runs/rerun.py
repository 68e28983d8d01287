"""The last run made whole: what has no result in it is run again, the rest of its trials is taken over."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence, Set
from typing import TypeAlias

from swapgate.engine.workspace import Job, ReadySuite, Workspace
from swapgate.errors import UsageError
from swapgate.facts import Facts, facts_of
from swapgate.memory.history import History
from swapgate.records import Run, Trial
from swapgate.reporting.format import count
from swapgate.runs.manifest import manifest
from swapgate.runs.parts import Part, TrialKey, differing, job_key, key_of
from swapgate.runs.stored import open_history
from swapgate.spec.prompt_entries import Prompt, effective
from swapgate.spec.settings import Settings
from swapgate.values import replace

# Suite, model, and the hash of the prompt that it was asked by.
_Asked: TypeAlias = tuple[str, str, str]
_CHEAP = "what is stored of it costs nothing"


def completion(
    workspace: Workspace, suites: Sequence[ReadySuite], *, is_selection: bool, run_id: str | None = None
) -> Part:
    """Return what the last run of these models and suites still lacks, or the run of this id.

    `is_selection` says that not all cases of the suites are asked for: the run must have been such a one.
    Raises UsageError where there is none, or where anything has changed since that its results depend on.
    """
    with contextlib.closing(open_history("--rerun-errors", workspace.settings)) as history:
        run = history.find(run_id) if run_id else _last_run(history, workspace, suites, is_selection)
        carried = [
            one
            for source, taken in _sources(history, run)
            for one in history.facts(source.id)
            if one.outcome != "errored" and key_of(one) not in taken
        ]
        _refuse_changes(run, _asked(history, run, carried), workspace, suites)
    return Part(
        completes=run,
        taken_over=len(carried),
        carried=frozenset(map(key_of, carried)),
        has_missed=any(map(_counts_as_missed, carried)),
    )


def taken_over(settings: Settings, run: Run) -> Iterator[tuple[Trial, Facts]]:
    """Yield the trials that a run's completion takes over, suite by suite: all may be more than fits.

    Their facts are as they are stored: another version of swapgate completes no run.
    """
    with contextlib.closing(open_history("--rerun-errors", settings)) as history:
        for source, taken in _sources(history, run):
            for suite in sorted(source.suites):
                known = {key_of(facts): facts for facts in history.facts(source.id, suite=suite)}
                for trial in history.trials(source.id, suite=suite):
                    if trial.outcome != "errored" and key_of(trial) not in taken:
                        yield trial, known.get(key_of(trial)) or facts_of(trial)


def _sources(history: History, run: Run) -> Iterator[tuple[Run, Set[TrialKey]]]:
    """Yield a run and the results that are not to be taken from it, because a later one has them.

    A completion that was killed may not have taken over all that was there before it: that is still there.
    """
    taken: set[TrialKey] = set()
    yield run, taken
    while run.completes is not None and not run.is_complete:
        taken |= {key_of(one) for one in history.facts(run.id) if one.outcome != "errored"}
        try:
            run = history.find(run.completes)
        except UsageError:  # it was pruned
            return
        yield run, taken


def _counts_as_missed(facts: Facts) -> bool:
    is_missed = facts.outcome in {"missed", "unscored"} and not facts.is_quarantined
    return is_missed and facts.role == "candidate"


def rest_of(part: Part, jobs: Sequence[Job]) -> Part:
    """Return the part with those of the jobs whose trials its run lacks; UsageError at other cases."""
    assert part.completes is not None
    lacking = [job for job in jobs if job_key(job) not in part.carried]
    planned = count(part.completes.planned, "trial")
    if len(jobs) != part.completes.planned or len(jobs) - len(lacking) != part.taken_over:
        raise UsageError(
            f"--rerun-errors: run {part.completes.id} set out to make {planned}, and "
            f"these are {len(jobs):,}, or of other cases. Select the same ones (paths, -k, -m; no --lf), "
            f"or run them without --rerun-errors: {_CHEAP}"
        )
    return replace(part, whole=jobs, jobs=lacking)


def _last_run(
    history: History, workspace: Workspace, suites: Sequence[ReadySuite], is_selection: bool
) -> Run:
    names = {suite.name for suite in suites}
    for run in history.runs():
        is_alike = (run.planned < run.wanted) == is_selection and set(run.suites) <= names
        if is_alike and run.shard is None and run.rejudges is None and _is_of(run, workspace):
            return run
    models = ", ".join(name for name, _role in workspace.roles())
    kind = "such a selection of" if is_selection else "all cases of"
    repeats = count(workspace.settings.repeats, "repeat")
    raise UsageError(
        f"--rerun-errors: the history has no run of {models} over {kind} {', '.join(sorted(names))} with "
        f"this baseline and {repeats}. Run it without --rerun-errors: {_CHEAP}"
    )


def _is_of(run: Run, workspace: Workspace) -> bool:
    """Whether the run was of these models, with as many repeats and a baseline of the same kind."""
    has_stored = "@" in (run.baseline or "")
    wants_stored = workspace.settings.baseline is not None and workspace.baseline_model is None
    names = {name for name, _role in workspace.roles()}
    return (
        {model.name for model in run.models} == names
        and run.repeats == workspace.settings.repeats
        and has_stored == wants_stored
        and (has_stored or run.baseline == workspace.baseline_model)
    )


def require_baseline(part: Part, baseline: Sequence[Facts]) -> None:
    """Refuse a stored baseline other than the one that the run was compared with."""
    before = part.completes.baseline if part.completes is not None else None
    if before is not None and baseline and baseline[0].model != before:
        raise UsageError(
            f"--rerun-errors: the last run was compared with {before}, and the baseline is now "
            f"{baseline[0].model}. Say --baseline={before}, or run the whole without --rerun-errors: {_CHEAP}"
        )


def _refuse_changes(
    run: Run, asked: Iterable[_Asked], workspace: Workspace, suites: Sequence[ReadySuite]
) -> None:
    if run.stopping is not None:
        raise UsageError(
            f"--rerun-errors: run {run.id} might stop early, and what it left out is not wanted. "
            f"Run it again as it was: {_CHEAP}"
        )
    own = [suite for suite in suites if suite.name in run.suites]
    changed = [*_differing(run, own, workspace), *_other_prompts(asked, own, workspace)]
    if changed:
        raise UsageError(
            f"--rerun-errors: since run {run.id} something has changed: {'; '.join(changed)}. Old results "
            f"and new ones do not go together: run the whole without --rerun-errors: {_CHEAP}"
        )


def _differing(run: Run, suites: Sequence[ReadySuite], workspace: Workspace) -> list[str]:
    """Return what the run's models, judges and suites are not any more; the gate may be another one."""
    specs = workspace.models_of(case for suite in suites for case in suite.cases)
    now = manifest(workspace, suites, specs, planned=run.planned)
    known = {judge.name for judge in run.judges}
    # A run of few cases did not ask every judge. Which baseline is meant is known once it has been read.
    now = replace(now, judges=tuple(judge for judge in now.judges if judge.name in known))
    return differing(replace(run, settings={}, baseline=None), replace(now, settings={}, baseline=None))


def _asked(history: History, run: Run, carried: Iterable[Facts]) -> Iterable[_Asked]:
    """Return by which prompts the run has asked: from the run where it can be, not from all its trials."""
    answered = dict.fromkeys((one.suite, one.model) for one in carried)
    known = {f"{suite}/{model}" for suite, model in answered} <= set(run.prompt_hashes)
    asked = dict.fromkeys(
        (trial.suite, trial.model, trial.prompt_hash)
        for trial in history.trials(run.id, outcome="errored" if known else None)
        if trial.prompt_hash is not None
    )
    if known:
        asked |= dict.fromkeys((*one, run.prompt_hashes["/".join(one)]) for one in answered)
    return asked


def _other_prompts(
    asked: Iterable[_Asked], suites: Sequence[ReadySuite], workspace: Workspace
) -> Iterator[str]:
    prompts = {suite.name: suite.prompt or Prompt(prompt="") for suite in suites}
    for suite, model, before in asked:
        if effective(prompts[suite], workspace.model(model)).hash != before:
            yield f"the prompt {prompts[suite].prompt} for {model}"
