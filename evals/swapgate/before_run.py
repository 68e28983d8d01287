"""What is said, or refused, before a run's first call: all about it is known by then but the answers."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.analysis.plan import PlannedCase, count_cases, plan_warnings
from swapgate.engine.workspace import Job, Workspace
from swapgate.errors import UsageError


def warnings_before(workspace: Workspace, jobs: Sequence[Job]) -> list[str]:
    """Return what of a run can hardly be decided, will not be stopped early, or cannot be asked."""
    return [
        *_too_few(workspace, jobs),
        *_why_no_looks(workspace, jobs),
        *_why_no_ray(workspace, jobs),
        *workspace.unusable_fallbacks(),
    ]


def require_enough(workspace: Workspace, jobs: Sequence[Job]) -> None:
    """Raise UsageError, under strict_plan, when so few cases can hardly pass the gate."""
    if workspace.settings.strict_plan and (too_few := _too_few(workspace, jobs)):
        raise UsageError(f"--strict-plan: {'; '.join(too_few)}")


def uses_ray(workspace: Workspace, jobs: Sequence[Job]) -> bool:
    """Whether a run has worker processes on Ray."""
    if workspace.settings.ray is None:
        return False
    from swapgate.engine.ray_executor import has_work

    cases = [job.case for job in jobs]
    return has_work(workspace.models_of(cases).values(), cases)


def _too_few(workspace: Workspace, jobs: Sequence[Job]) -> list[str]:
    settings = workspace.settings
    return plan_warnings(
        count_cases({_planned(job) for job in jobs}),
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
    from swapgate.early_stop import why_not

    return [reason] if (reason := why_not(workspace, jobs)) else []


def _why_no_ray(workspace: Workspace, jobs: Sequence[Job]) -> list[str]:
    if workspace.settings.ray is None or uses_ray(workspace, jobs):
        return []
    return [
        "--ray runs local models, Python functions and your own checks, of which there are none here: "
        "the run stays in this process"
    ]
