"""Local models, the user's functions and checks on Ray's workers; all else stays with the engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.checks import Subject
from swapgate.checks.build import UserCheckFailed
from swapgate.engine.executor import PLACED, is_user_code
from swapgate.engine.ray_cluster import Cluster, connected
from swapgate.engine.ray_lanes import Lanes, WorkerLost
from swapgate.engine.ray_worker import Failure, UndecidedCheck, Worker
from swapgate.engine.workspace import Job
from swapgate.errors import ErrorKind, ProviderError
from swapgate.judging.code_judge import CodeJudge
from swapgate.providers import Provider
from swapgate.providers.open import open_provider
from swapgate.records import CheckResult, Request, Response, Verdict
from swapgate.spec.models import Limits, ModelSpec
from swapgate.spec.settings import HISTORY_FILE, Settings

if TYPE_CHECKING:
    import httpx

    from swapgate.providers._wire import Heard


@contextlib.contextmanager
def on_ray(
    settings: Settings,
    models: Mapping[str, ModelSpec],
    *,
    worker: type[Worker] = Worker,
    more: tuple[object, ...] = (),
    without: Sequence[Path] = (),
    uses_gpus: bool = True,
) -> Iterator[RayExecutor]:
    """Yield the workers of the settings' cluster until the block ends; `more` is what their class takes.

    `without` are files and folders that no worker needs, beside those that a run leaves. There is a worker
    for each free GPU, or CPU where there is none or it is of no use. Raises UsageError when Ray cannot be
    had.
    """
    assert settings.ray is not None
    left = (settings.state_dir, settings.reports_dir, *without)
    with connected(settings.ray, root=settings.root, without=left) as cluster:
        asked = cluster if uses_gpus else replace(cluster, gpus=0)
        executor = RayExecutor(asked, settings, models, worker=worker, more=more)
        try:
            executor.lanes.start()
            yield executor
        finally:
            executor.lanes.stop()


class RayExecutor:
    """Opens models on workers and has the user's checks run there; `lanes` are the workers."""

    def __init__(
        self,
        cluster: Cluster,
        settings: Settings,
        models: Mapping[str, ModelSpec],
        *,
        worker: type[Worker] = Worker,
        more: tuple[object, ...] = (),
    ) -> None:
        # What no worker opens is none of its business: neither a model's headers nor the history's URL,
        # which may hold a password.
        placed = {name: spec for name, spec in models.items() if spec.provider in PLACED}
        settings = replace(settings, history=settings.state_dir / HISTORY_FILE, webhook=None)
        threads = max([1, *(_threads(spec) for spec in placed.values())])
        if not cluster.gpus:
            placed = {name: _with_threads(spec, threads) for name, spec in placed.items()}
        self.lanes = Lanes(cluster, worker, (settings, placed, cluster.root, *more), threads=threads)

    def open_provider(
        self, spec: ModelSpec, *, http: httpx.AsyncClient, root: Path, heard: Heard | None = None
    ) -> Provider:
        """Return the provider of a model: one that asks the workers where it works on its own machine."""
        provider = open_provider(spec, http=http, root=root, heard=heard)
        return RayProvider(spec.name, provider, self.lanes) if spec.provider in PLACED else provider

    def limits(self, spec: ModelSpec) -> Limits:
        """Return the limits of a model: a local one may have as many calls at once on every worker."""
        if spec.provider != "local":
            return spec.limits
        return spec.limits.model_copy(
            update={"concurrency": (spec.limits.concurrency or 1) * self.lanes.workers}
        )

    async def run_checks(self, job: Job, subject: Subject) -> tuple[CheckResult, ...]:
        """Return what a job's checks say on a worker."""
        case = job.case.placed.case.id
        try:
            said = await self.lanes.call("run_checks", _suite(job), case, subject.response, subject.cost_usd)
        except WorkerLost as exc:
            raise UserCheckFailed(str(exc), check=_users_check(job)) from exc
        _raise_undecided(said)
        results: tuple[CheckResult, ...] = said
        return results

    async def run_judge(self, job: Job, judge: CodeJudge, subject: Subject) -> Verdict:
        """Return what a judge that is code says on a worker."""
        name, case = judge.spec.judge, job.case.placed.case.id
        try:
            said = await self.lanes.call(
                "run_judge", _suite(job), case, name, subject.response, subject.cost_usd
            )
        except WorkerLost as exc:
            raise UserCheckFailed(str(exc), check=name, noun="judge") from exc
        _raise_undecided(said)
        verdict: Verdict = said
        return verdict

    async def close(self) -> None:
        """Give up the workers that are still to come."""
        await self.lanes.close()


class RayProvider:
    """A model that is asked on the workers; what is known without asking is said by its own provider."""

    def __init__(self, name: str, provider: Provider, lanes: Lanes) -> None:
        self._name = name
        self._provider = provider
        self._lanes = lanes
        self.identity = provider.identity
        self.is_recordable = provider.is_recordable
        self.reads_cache = provider.reads_cache
        self.needs_variables = provider.needs_variables

    async def complete(self, request: Request) -> Response:
        """Return the response of a worker's model."""
        try:
            said = await self._lanes.call("complete", self._name, request)
        except WorkerLost as exc:
            raise ProviderError(f"{self._name}: {exc}", kind=ErrorKind.INTERNAL) from exc
        if isinstance(said, Failure):
            raise ProviderError(
                said.message, kind=said.kind, status=said.status, retry_after_s=said.retry_after_s
            )
        response: Response = said
        return response

    async def close(self) -> None:
        """Release what the provider here holds; the workers end with their executor."""
        await self._provider.close()


def _suite(job: Job) -> str:
    """Return the path of a job's suite as a worker finds it."""
    suite = job.suite.loaded.path
    return str(suite.relative_to(job.suite.root) if suite.is_relative_to(job.suite.root) else suite)


def _raise_undecided(said: object) -> None:
    """Raise what a worker could not decide as it would have been raised here."""
    if isinstance(said, UndecidedCheck):
        raise UserCheckFailed(
            said.message, check=said.check, exception=said.exception, place=said.place, noun=said.noun
        )


def _users_check(job: Job) -> str:
    return next(check.name for check in job.case.checks if is_user_code(check))


def _threads(spec: ModelSpec) -> int:
    """Return the threads that a local model asks for, 0 for any other."""
    written = spec.params.get("n_threads", 0)
    return written if spec.provider == "local" and isinstance(written, int) else 0


def _with_threads(spec: ModelSpec, threads: int) -> ModelSpec:
    """Return a local model that keeps to the CPUs of one worker: by default it takes all that it sees."""
    if spec.provider != "local":
        return spec
    return spec.model_copy(update={"params": {"n_threads": threads, **spec.params}})
