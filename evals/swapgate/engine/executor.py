"""Where models are opened and the user's checks run: in this process, or where another executor has them."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias

from swapgate.checks import Check, Subject
from swapgate.checks.build import UserCheckFailed, run_checks
from swapgate.checks.model_check import PythonModelCheck
from swapgate.checks.python_check import PythonCheck
from swapgate.daemon import in_daemon_thread
from swapgate.engine.workspace import Job, ReadyCase
from swapgate.judging.code_judge import CodeJudge
from swapgate.providers import Provider
from swapgate.providers.open import open_provider
from swapgate.records import CheckResult, Verdict
from swapgate.spec.models import Limits, ModelSpec
from swapgate.spec.settings import Settings

if TYPE_CHECKING:
    import httpx

    from swapgate.providers._wire import Heard

# What works on the machine that runs it. Other providers wait for a server: one process is enough for that.
PLACED = ("local", "python")

RunChecks: TypeAlias = Callable[[Job, Subject], Awaitable[tuple[CheckResult, ...]]]
RunJudge: TypeAlias = Callable[[Job, CodeJudge, Subject], Awaitable[Verdict]]


class Executor(Protocol):
    """What an engine leaves to others: opening models and running the user's checks.

    All else of a trial stays with the engine: cache, limits, retries, judges' prompts, records.
    """

    def open_provider(
        self, spec: ModelSpec, *, http: httpx.AsyncClient, root: Path, heard: Heard | None = None
    ) -> Provider:
        """Return the provider of a model, ready to be asked in the engine's loop."""
        ...

    def limits(self, spec: ModelSpec) -> Limits:
        """Return the limits of a model, over all that answers for it."""
        ...

    async def run_checks(self, job: Job, subject: Subject) -> tuple[CheckResult, ...]:
        """Return what a job's checks say, of which one is the user's code; raise UserCheckFailed."""
        ...

    async def run_judge(self, job: Job, judge: CodeJudge, subject: Subject) -> Verdict:
        """Return what a judge that is code says of a job's answer; raise UserCheckFailed."""
        ...

    async def close(self) -> None:
        """End what was begun in the engine's loop; all calls have ended by then."""
        ...


class ThisProcess:
    """Opens models here, and runs the user's checks in threads that may take `timeout_s` for one trial."""

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def open_provider(
        self, spec: ModelSpec, *, http: httpx.AsyncClient, root: Path, heard: Heard | None = None
    ) -> Provider:
        """Return the provider of a model."""
        return open_provider(spec, http=http, root=root, heard=heard)

    def limits(self, spec: ModelSpec) -> Limits:
        """Return the limits as they are written."""
        return spec.limits

    async def run_checks(self, job: Job, subject: Subject) -> tuple[CheckResult, ...]:
        """Return what the checks say."""
        return await checks_in_thread(job.case.checks, subject, timeout_s=self._timeout_s)

    async def run_judge(self, _job: Job, judge: CodeJudge, subject: Subject) -> Verdict:
        """Return what the judge says."""
        return await judge_in_thread(judge, subject, timeout_s=self._timeout_s)

    async def close(self) -> None:
        """Nothing is held."""


@contextlib.contextmanager
def executing(
    settings: Settings, models: Mapping[str, ModelSpec], cases: Iterable[ReadyCase]
) -> Iterator[Executor | None]:
    """Yield what runs a run's models and checks until the block ends; None: the engine's own process.

    Raises UsageError when Ray is asked for and cannot be had.
    """
    if settings.ray is None or not has_work(models.values(), cases):
        yield None
        return
    from swapgate.engine.ray_executor import on_ray

    with on_ray(settings, models) as executor:
        yield executor


def has_work(models: Iterable[ModelSpec], cases: Iterable[ReadyCase]) -> bool:
    """Whether a run has anything that Ray's workers would do."""
    return any(spec.provider in PLACED for spec in models) or any(map(has_user_code, cases))


def is_user_code(check: Check) -> bool:
    """Whether a check is code of the user's or of another package's: it may block, and may be slow."""
    return _is_of_user(type(check))


@cache
def _is_of_user(kind: type[Check]) -> bool:
    is_built_in = kind.__module__.startswith("swapgate.")
    return not is_built_in or issubclass(kind, PythonCheck | PythonModelCheck)


def has_user_code(case: ReadyCase) -> bool:
    """Whether a case is checked or judged by code that may block."""
    return any(map(is_user_code, case.checks)) or any(isinstance(j, CodeJudge) for j in case.judges)


async def checks_in_thread(
    checks: Sequence[Check], subject: Subject, *, timeout_s: float
) -> tuple[CheckResult, ...]:
    """Return what the checks say, from a thread; UserCheckFailed names the one that took too long."""
    begun = [checks[0].name]
    try:
        return await in_daemon_thread(_run_one_by_one, checks, subject, begun, timeout_s=timeout_s)
    except TimeoutError:
        raise UserCheckFailed(f"no result within {timeout_s:g} s", check=begun[-1]) from None


async def judge_in_thread(judge: CodeJudge, subject: Subject, *, timeout_s: float) -> Verdict:
    """Return what a judge that is code says, from a thread; UserCheckFailed when it takes too long."""
    try:
        return await in_daemon_thread(judge.judge, subject, timeout_s=timeout_s)
    except TimeoutError:
        name = judge.spec.judge
        raise UserCheckFailed(f"no result within {timeout_s:g} s", check=name, noun="judge") from None


def _run_one_by_one(checks: Sequence[Check], subject: Subject, begun: list[str]) -> tuple[CheckResult, ...]:
    """Run the checks; `begun` tells the loop's thread which one is running."""
    results: list[CheckResult] = []
    for check in checks:
        begun.append(check.name)
        results += run_checks([check], subject)
    return tuple(results)
