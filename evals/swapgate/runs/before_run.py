"""What is said, or refused, before a run's first call: all about it is known by then but the answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.plan import PlannedCase, count_cases, plan_warnings
from swapgate.engine.judged import NO_BASELINE, why_inapplicable
from swapgate.engine.workspace import Job, Workspace
from swapgate.errors import UsageError
from swapgate.providers.services import has_batches
from swapgate.spec.families import are_related, family_of
from swapgate.spec.settings import Settings

_LISTED = 5


def warnings_before(workspace: Workspace, jobs: Sequence[Job]) -> list[str]:
    """Return what of a run can hardly be decided, will not be stopped early, or cannot be asked."""
    return [
        *_too_few(workspace, jobs),
        *_why_no_looks(workspace, jobs),
        *_why_no_ray(workspace, jobs),
        *workspace.unusable_fallbacks(),
        *_why_not_compared(jobs),
        *_of_one_family(workspace, jobs),
        *_called_live(workspace, jobs),
        *_out_of_quarantine(jobs),
        *_why_no_lock(workspace),
    ]


def _why_no_lock(workspace: Workspace) -> list[str]:
    """Return why nothing is held against a lock that is there."""
    from swapgate.runs.locked import lock_of

    _lock, why = lock_of(workspace)
    return [f"no answer is held against the lock: {why}"] if why else []


def _out_of_quarantine(jobs: Sequence[Job]) -> list[str]:
    """Return one sentence for the cases whose quarantine has ended."""
    cases = {f"{job.suite.name}/{job.case.placed.case.id}": job.case for job in jobs}
    ended = [
        f"{name} (until {written.until}: {written.reason})"
        for name, case in cases.items()
        if (written := case.placed.case.quarantine) is not None and case.quarantine is None
    ]
    if not ended:
        return []
    are = (
        "the quarantine of 1 case has ended, and it counts"
        if len(ended) == 1
        else (f"the quarantine of {len(ended):,} cases has ended, and they count")
    )
    more = f" and {len(ended) - _LISTED:,} more" if len(ended) > _LISTED else ""
    return [f"{are} again: {', '.join(ended[:_LISTED])}{more}. Take `quarantine` out, or renew it"]


def _why_not_compared(jobs: Sequence[Job]) -> list[str]:
    """Return one sentence for each judge that has nothing to compare with in the whole run."""
    judges = {judge.spec.judge: (job, judge) for job in jobs for judge in job.case.judges if judge.against}
    return [
        f"judge {name} is not asked: {NO_BASELINE}"
        for name, (job, judge) in sorted(judges.items())
        if why_inapplicable(job, judge) == NO_BASELINE
    ]


def require_enough(workspace: Workspace, jobs: Sequence[Job]) -> None:
    """Raise UsageError, under strict_plan, when so few cases can hardly pass the gate."""
    if workspace.settings.strict_plan and (too_few := _too_few(workspace, jobs)):
        raise UsageError(f"--strict-plan: {'; '.join(too_few)}")


def uses_ray(workspace: Workspace, jobs: Sequence[Job]) -> bool:
    """Whether a run has worker processes on Ray."""
    if workspace.settings.ray is None:
        return False
    from swapgate.engine.executor import has_work

    cases = [job.case for job in jobs]
    return has_work(workspace.models_of(cases).values(), cases)


def refuse_with_batch(settings: Settings, *, maxfail: bool = False, has_workers: bool = False) -> None:
    """Raise UsageError for what makes no sense in a run that sends all its requests at once."""
    if not settings.is_batched:
        return
    reasons = (
        (settings.stop_early, "--stop-early saves calls by looking before it asks on: leave out one of them"),
        (maxfail, "-x and --maxfail spare later calls after a miss: leave them out"),
        (has_workers, "one process keeps a batch of any size waiting: leave out -n"),
    )
    for is_given, reason in reasons:
        if is_given:
            raise UsageError(f"--batch sends all requests at once, and {reason}")


def _of_one_family(workspace: Workspace, jobs: Sequence[Job]) -> Iterator[str]:
    """Yield one sentence for each judge of which a model is of the family of a model under test."""
    judges = {judge.spec.judge: judge for job in jobs for judge in job.case.judges}
    for name, judge in judges.items():
        for model in judge.models:
            judging = workspace.model(model)
            tested = [
                "itself" if one == model else f"{one}, the baseline" if role == "baseline" else one
                for one, role in workspace.roles()
                if are_related(judging, workspace.model(one))
            ]
            if tested:
                family = f" ({known})" if (known := family_of(judging)) else ""
                yield (
                    f"judge {name}: {model} is of the same family{family} as {' and '.join(tested)}: "
                    "judges favour their own, so take one from another vendor"
                )


def _called_live(workspace: Workspace, jobs: Sequence[Job]) -> list[str]:
    """Return one sentence for the models that --batch cannot ask through a batch API."""
    if not workspace.settings.is_batched:
        return []
    specs = workspace.models_of(job.case for job in jobs)
    live = [f"{name} ({spec.provider})" for name, spec in sorted(specs.items()) if not has_batches(spec)]
    return [f"--batch: called live, for want of a batch API: {', '.join(live)}"] if live else []


def _too_few(workspace: Workspace, jobs: Sequence[Job]) -> list[str]:
    settings = workspace.settings
    return plan_warnings(
        count_cases({_planned(job) for job in jobs if job.case.quarantine is None}),
        overall=settings.gate,
        suites={job.suite.name: job.suite.loaded.suite.gate for job in jobs},
        has_baseline=settings.baseline is not None,
    )


def _planned(job: Job) -> PlannedCase:
    case = job.case.placed.case
    prompt = job.suite.prompt.prompt if job.suite.prompt else None
    return PlannedCase(job.suite.name, case.cluster or f"/{case.id}", prompt, case.tags)


def _why_no_looks(workspace: Workspace, jobs: Sequence[Job]) -> list[str]:
    if not workspace.settings.stop_early:
        return []
    # Looks need numpy, which a run without them does not load before its first call.
    from swapgate.runs.early_stop import why_not

    return [reason] if (reason := why_not(workspace, jobs)) else []


def _why_no_ray(workspace: Workspace, jobs: Sequence[Job]) -> list[str]:
    if workspace.settings.ray is None or uses_ray(workspace, jobs):
        return []
    return [
        "--ray runs local models, Python functions and your own checks, of which there are none here: "
        "the run stays in this process"
    ]
