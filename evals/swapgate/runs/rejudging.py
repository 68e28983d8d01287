"""A stored run judged again: its answers, by the judges as they are written now, as a run of its own."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from swapgate.engine.again import Again
from swapgate.engine.canaries import CanaryJob, run_canaries, wanted_canaries
from swapgate.engine.judging_only import Draw, judge_models, judge_only
from swapgate.engine.workspace import Job, ReadyCase, ReadySuite, Workspace, case_hash
from swapgate.errors import ErrorKind, UsageError, nearest
from swapgate.records import Run, Trial, TrialError, is_stored_baseline
from swapgate.reporting.format import count
from swapgate.runs.manifest import judge_hashes
from swapgate.runs.parts import key_of
from swapgate.runs.recorder import Before, Recorder
from swapgate.runs.stored import baseline_of, load_run, open_history, why_incomplete
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.analysis.outcome import RunOutcome
    from swapgate.spec.settings import Settings

_LISTED = 5


class Plan(Value):
    """The jobs that judge a run's answers again, and what of it cannot be judged."""

    source: Run
    suites: Sequence[ReadySuite]
    jobs: Sequence[Job]
    asked: frozenset[str]
    warnings: Sequence[str] = ()


@dataclass(slots=True)
class _Oddities:
    """Stored trials that are not simply judged again, by why."""

    gone: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    new_reference: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)


def open_source(name: str, settings: Settings) -> tuple[Run, list[Trial]]:
    """Return a stored run and all trials that it was decided from, those of a stored baseline included.

    `MODEL@RUN` leaves that model's trials alone, as those of a candidate. `latest` passes over what an
    interrupted judging again has left: the same command then goes on with it.
    """
    run, stored = load_run(_newest(settings) if name == "latest" else name, settings)
    trials = list(stored)
    models = {trial.model for trial in trials}
    if {trial.role for trial in trials} == {"baseline"}:
        trials = [replace(trial, role="candidate") for trial in trials]
    if not any(trial.role == "baseline" for trial in trials):
        is_stored = "@" in (run.baseline or "") and run.baseline_file is None
        if is_stored and len(models) == len(run.models):
            trials += baseline_of(*load_run(run.baseline or "", settings)).trials
        else:
            run = replace(run, baseline=None)
    return replace(run, models=tuple(m for m in run.models if m.name in models)), trials


def _newest(settings: Settings) -> str:
    with contextlib.closing(open_history("latest", settings)) as history:
        runs = history.runs()
    ended = (run.id for run in runs if run.rejudges is None or (run.finished_at and run.is_complete))
    return next(ended, "latest")


def plan(run: Run, trials: Iterable[Trial], workspace: Workspace, *, judges: Collection[str] = ()) -> Plan:
    """Return what judges the trials again: by the named judges, or by all of their cases'.

    Raises UsageError for mistakes in the workspace's files, for a judge that none of the cases has, and where
    nothing of the run is left to be judged.
    """
    suites = suites_of(run, workspace)
    cases = {(s.name, c.placed.case.id): (s, c) for s in suites for c in s.cases}
    known = {judge.spec.judge for _suite, case in cases.values() for judge in case.judges}
    _refuse_unknown(judges, known, run)
    odd = _Oddities()
    jobs = []
    for trial in sorted(trials, key=key_of):
        found = cases.get((trial.suite, trial.case))
        if found is None:
            odd.gone.append(_name(trial))
            continue
        stored = _again(trial, *found, judges=judges, odd=odd)
        suite, case = found
        jobs.append(
            Job(suite=suite, case=case, model=trial.model, repeat=trial.repeat, role=trial.role, again=stored)
        )
    if not jobs:
        raise UsageError(f"run {run.id} holds no trial of a case that the suites still have")
    asked = frozenset(judges or known)
    return Plan(source=run, suites=suites, jobs=jobs, asked=asked, warnings=_told(odd, run))


def rejudge(
    planned: Plan, workspace: Workspace, *, draw: Draw = lambda _progress: None, spent_usd: float = 0.0
) -> tuple[RunOutcome, float]:
    """Judge the planned answers, store that as a run, and return what it says and what was paid for it.

    No model is asked but the judges'. What ends it early loses nothing: answered calls are in the cache.
    """
    source = planned.source
    still = judge_hashes(planned.suites).keys() - planned.asked
    kept = {name: found for name, found in source.judge_hashes.items() if name in still}
    bare = Workspace(replace(workspace.settings, models=(), baseline=None, seed=source.seed))
    specs = judge_models(workspace, planned.jobs)
    workspace.require_ready(specs)
    tried, canaries_usd = run_canaries(workspace, _wanted(planned), draw=draw, spent_usd=spent_usd)
    note = f"the answers are those of run {source.id}, judged again"
    recorder = Recorder(bare, planned.suites, specs, before=Before(canaries=tried, notes=(note,)))
    own = [job for job in planned.jobs if not is_stored_baseline(job)]
    recorder.start(
        planned=len(own),
        wanted=len(own),
        warnings=planned.warnings,
        source=replace(source, judge_hashes=kept),
    )
    recorder.require_open()

    with recorder.ended_when_stopped():
        judged = judge_only(
            workspace,
            planned.jobs,
            take=recorder.take,
            is_behind=recorder.is_behind,
            draw=draw,
            spent_usd=spent_usd + canaries_usd,
        )
    why = why_incomplete(source)
    outcome = recorder.finish(why_not_judged=f"run {source.id} is not complete: {why}" if why else None)
    if recorder.problem is not None:
        raise recorder.problem
    return outcome, judged.paid_usd + canaries_usd


def _wanted(planned: Plan) -> list[CanaryJob]:
    """Return the canaries of the judges that are asked."""
    wanted = wanted_canaries(planned.suites, [job.case for job in planned.jobs])
    return [one for one in wanted if one.judge.spec.judge in planned.asked]


def suites_of(run: Run, workspace: Workspace) -> list[ReadySuite]:
    """Return the run's suites as they are now."""
    files = workspace.suite_files(workspace.settings.cases_dirs)
    suites = [suite for suite in map(workspace.suite, files) if suite.name in run.suites]
    if not suites:
        raise UsageError(
            f"run {run.id} is of {', '.join(run.suites)}, of which no suite is left in the workspace"
        )
    return suites


def _refuse_unknown(judges: Iterable[str], known: Collection[str], run: Run) -> None:
    if not known:
        raise UsageError(f"nothing to judge again: no suite of run {run.id} has a judge")
    for name in judges:
        if name not in known:
            listed = ", ".join(sorted(known))
            raise UsageError(
                f"--judge {name!r}: no suite of run {run.id} has it; they have {listed}."
                f"{nearest(name, known)} Add it to a suite's `judges`"
            )


def _again(
    trial: Trial, suite: ReadySuite, case: ReadyCase, *, judges: Collection[str], odd: _Oddities
) -> Again:
    """Return what judges a trial's answer again, or keeps its error."""
    asked = frozenset(judges) if judges else None
    if (reason := _why_no_answer(trial)) is not None:
        odd.unanswered.append(_name(trial))
        return Again(trial=trial, judges=asked, error=reason)
    if trial.case_hash in {None, case.content_hash}:
        is_judged_wrong = trial.error is not None and trial.error.source.startswith("check:")
        return Again(trial=trial, judges=asked, runs_checks=is_judged_wrong)
    if trial.case_hash == case_hash(suite.loaded, case.placed, expected=trial.expected):
        odd.new_reference.append(_name(trial))
        return Again(trial=trial, judges=None, runs_checks=True)
    odd.changed.append(_name(trial))
    message = "the case has changed since: its stored answer is one to another question"
    error = TrialError(kind=ErrorKind.MISSING_RECORDING, message=message)
    return Again(trial=trial, judges=asked, error=error)


def _why_no_answer(trial: Trial) -> TrialError | None:
    """Return why a trial has no answer of its own model, None where it has one."""
    if trial.answer is None or trial.answer.is_fallback:
        unknown = TrialError(kind=ErrorKind.MISSING_RECORDING, message="the record holds no answer")
        return trial.error or unknown
    return None


def _told(odd: _Oddities, run: Run) -> list[str]:
    """Return one sentence for each kind of trial that is not simply judged again."""
    told = {
        f"of run {run.id} belong to cases that no suite has any more, and are left out": odd.gone,
        f"of run {run.id} answered cases that have changed since: that is an error, not a miss": odd.changed,
        f"of run {run.id} belong to cases with a new reference: they are judged and checked by it": (
            odd.new_reference
        ),
        f"of run {run.id} have no answer to judge, and stay errors": odd.unanswered,
    }
    return [f"{count(len(names), 'trial')} {what}: {_listed(names)}" for what, names in told.items() if names]


def _listed(names: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(names))
    more = f" and {len(distinct) - _LISTED:,} more" if len(distinct) > _LISTED else ""
    return f"{', '.join(distinct[:_LISTED])}{more}"


def _name(trial: Trial) -> str:
    return f"{trial.suite}/{trial.case}"
