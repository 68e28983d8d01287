"""Local models, the user's functions and checks on Ray's workers; all else stays with the engine."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import swapgate
from swapgate.checks import Subject
from swapgate.checks.build import UserCheckFailed
from swapgate.engine.executor import Executor, has_user_code, is_user_code
from swapgate.engine.ray_cluster import Cluster, connected
from swapgate.engine.ray_worker import Failure, Place, UndecidedCheck, Worker
from swapgate.engine.workspace import Job, ReadyCase
from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.judging.code_judge import CodeJudge
from swapgate.providers import Provider
from swapgate.providers.open import open_provider
from swapgate.records import CheckResult, Request, Response, Verdict
from swapgate.spec.models import Limits, ModelSpec
from swapgate.spec.settings import HISTORY_FILE, Settings

if TYPE_CHECKING:
    import httpx

    from swapgate.providers._wire import Heard

# What works on the machine that runs it. Other providers wait for a server: one process is enough for that.
PLACED = ("local", "python")
_START_S = 120.0
_LONGEST_CAUSE = 300
_EXIT_DETAIL = re.compile(r"Worker exit detail: (.+?\.)(?: Some common causes|$)")


class WorkerLost(Exception):
    """A worker ended while it was asked, or there is none any more."""


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
    without = (settings.state_dir, settings.reports_dir)
    with connected(settings.ray, root=settings.root, without=without) as cluster:
        executor = RayExecutor(cluster, settings, models)
        try:
            executor.start()
            yield executor
        finally:
            executor.stop()


def has_work(models: Iterable[ModelSpec], cases: Iterable[ReadyCase]) -> bool:
    """Whether a run has anything that Ray's workers would do."""
    return any(spec.provider in PLACED for spec in models) or any(map(has_user_code, cases))


@dataclass(slots=True, eq=False)
class _Lane:
    """One worker and how many calls it has in hand."""

    actor: Any
    place: Place
    in_hand: int = 0


class RayExecutor:
    """One worker for each free GPU, or CPU where there is none; each call goes to the least busy one.

    What a worker had in hand when it ended is given to another one once, and a new worker takes its place.
    """

    def __init__(self, cluster: Cluster, settings: Settings, models: Mapping[str, ModelSpec]) -> None:
        self._cluster = cluster
        # Workers write no history, and its URL may hold a password.
        self._settings = replace(settings, history=settings.state_dir / HISTORY_FILE)
        self._threads = max([1, *(_threads(spec) for spec in models.values())])
        self._models = {name: self._with_threads(spec) for name, spec in models.items()}
        self._lanes: list[_Lane] = []
        self._coming: set[asyncio.Task[None]] = set()
        # Calls whose worker ended, and the new worker that they are given to, one after the other.
        self._lost = 0
        self._apart: _Lane | None = None
        self._one_again = asyncio.Lock()

    @property
    def workers(self) -> int:
        """How many workers there are."""
        return len(self._lanes)

    def start(self) -> None:
        """Start the workers and wait for them; UsageError when none comes, or it runs another version."""
        ray = self._cluster.ray
        number = self._cluster.gpus or max(1, self._cluster.cpus // self._threads)
        asked = {actor.place.remote(): actor for actor in (self._new_actor() for _ in range(number))}
        ready, late = ray.wait(list(asked), num_returns=number, timeout=_START_S)
        for reference in late:
            ray.kill(asked[reference])
        if not ready:
            raise UsageError(f"{self._where}: no worker started within {_START_S:g} s: is a CPU free there?")
        self._lanes = [_Lane(asked[reference], self._get(reference)) for reference in ready]
        for lane in self._lanes:
            if lane.place.version != swapgate.__version__:
                raise UsageError(
                    f"{self._where}: {lane.place.host} has swapgate {lane.place.version}, "
                    f"here is {swapgate.__version__}: install the same version on both"
                )

    def stop(self) -> None:
        """End the workers at once: nobody waits any more for what they have in hand."""
        for lane in [*self._lanes, *([self._apart] if self._apart else [])]:
            with contextlib.suppress(Exception):  # it has ended already, or the cluster has
                self._cluster.ray.kill(lane.actor)

    def open_provider(
        self, spec: ModelSpec, *, http: httpx.AsyncClient, root: Path, heard: Heard | None = None
    ) -> Provider:
        """Return the provider of a model: one that asks the workers where it works on its own machine."""
        provider = open_provider(spec, http=http, root=root, heard=heard)
        return RayProvider(spec.name, provider, self) if spec.provider in PLACED else provider

    def limits(self, spec: ModelSpec) -> Limits:
        """Return the limits of a model: a local one may have as many calls at once on every worker."""
        if spec.provider != "local":
            return spec.limits
        return spec.limits.model_copy(update={"concurrency": (spec.limits.concurrency or 1) * self.workers})

    async def run_checks(self, job: Job, subject: Subject) -> tuple[CheckResult, ...]:
        """Return what a job's checks say on a worker."""
        case = job.case.placed.case.id
        try:
            said = await self.call("run_checks", _suite(job), case, subject.response, subject.cost_usd)
        except WorkerLost as exc:
            raise UserCheckFailed(str(exc), check=_users_check(job)) from exc
        _raise_undecided(said)
        results: tuple[CheckResult, ...] = said
        return results

    async def run_judge(self, job: Job, judge: CodeJudge, subject: Subject) -> Verdict:
        """Return what a judge that is code says on a worker."""
        name, case = judge.spec.judge, job.case.placed.case.id
        try:
            said = await self.call("run_judge", _suite(job), case, name, subject.response, subject.cost_usd)
        except WorkerLost as exc:
            raise UserCheckFailed(str(exc), check=name, noun="judge") from exc
        _raise_undecided(said)
        verdict: Verdict = said
        return verdict

    async def close(self) -> None:
        """Give up the workers that are still to come."""
        coming = list(self._coming)
        for task in coming:
            task.cancel()
        await asyncio.gather(*coming, return_exceptions=True)

    async def call(self, method: str, *args: object) -> Any:
        """Return what a worker's method returns; WorkerLost when two workers in a row ended over it.

        What is tried again has a new worker to itself: it is not lost with others, nor others with it.
        """
        try:
            return await self._ask(await self._least_busy(), method, *args)
        except WorkerLost:
            self._lost += 1
        try:
            async with self._one_again:
                return await self._ask(await self._worker_apart(), method, *args)
        except WorkerLost as exc:
            message = f"the Ray worker that was at it ended, and so did a second one: {exc}"
            raise WorkerLost(message) from exc
        finally:
            self._lost -= 1
            if not self._lost:
                self._join()

    async def _ask(self, lane: _Lane, method: str, *args: object) -> Any:
        lane.in_hand += 1
        try:
            return await getattr(lane.actor, method).remote(*args)
        except self._cluster.ray.exceptions.RayTaskError:
            raise  # a bug in swapgate, which the engine records as one
        except self._cluster.ray.exceptions.RayError as exc:
            self._replace(lane)
            raise WorkerLost(f"{_cause(exc)} (process {lane.place.pid} on {lane.place.host})") from exc
        finally:
            lane.in_hand -= 1

    async def _least_busy(self) -> _Lane:
        while not self._lanes:
            if not self._coming and self._apart is not None:
                return self._apart  # there is no other
            if not self._coming:
                raise WorkerLost("no Ray worker is left, and no new one could be started")
            await asyncio.wait(self._coming, return_when=asyncio.FIRST_COMPLETED)
        return min(self._lanes, key=lambda lane: lane.in_hand)

    async def _worker_apart(self) -> _Lane:
        """Return a worker that has nothing else in hand: the one that came for the last one that ended."""
        while self._apart is None:
            if not self._coming:
                return await self._least_busy()
            await asyncio.wait(self._coming, return_when=asyncio.FIRST_COMPLETED)
        return self._apart

    def _join(self) -> None:
        """Let the worker apart take its turn like the others."""
        if self._apart is not None:
            self._lanes.append(self._apart)
            self._apart = None

    def _replace(self, lane: _Lane) -> None:
        """Forget a worker that ended, once, and start another one."""
        if lane is self._apart:
            self._apart = None
        elif lane in self._lanes:
            self._lanes.remove(lane)
        else:
            return
        task = asyncio.create_task(self._add())
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _add(self) -> None:
        actor = self._new_actor()
        try:
            async with asyncio.timeout(_START_S):
                lane = _Lane(actor, await actor.place.remote())
        except (self._cluster.ray.exceptions.RayError, TimeoutError, asyncio.CancelledError) as exc:
            self._cluster.ray.kill(actor)
            if isinstance(exc, asyncio.CancelledError):
                raise
            return
        if self._lost and self._apart is None:
            self._apart = lane
        else:
            self._lanes.append(lane)

    def _new_actor(self) -> Any:
        options = {"num_cpus": self._threads, "max_restarts": 0, "max_task_retries": 0}
        if self._cluster.gpus:
            options |= {"num_cpus": 0, "num_gpus": 1}
        remote = self._cluster.ray.remote(Worker).options(**options)
        return remote.remote(self._settings, self._models, self._cluster.root)

    def _get(self, reference: Any) -> Place:
        try:
            place: Place = self._cluster.ray.get(reference)
        except self._cluster.ray.exceptions.RayError as exc:
            raise UsageError(
                f"{self._where}: a worker could not start: {_cause(exc)}. "
                f"Is swapgate {swapgate.__version__} installed on every machine of the cluster?"
            ) from exc
        return place

    @property
    def _where(self) -> str:
        return f"--ray={self._cluster.address}"

    def _with_threads(self, spec: ModelSpec) -> ModelSpec:
        """Return a local model that keeps to the CPUs of one worker: by default it takes all that it sees."""
        if spec.provider != "local" or self._cluster.gpus:
            return spec
        return spec.model_copy(update={"params": {"n_threads": self._threads, **spec.params}})


class RayProvider:
    """A model that is asked on the workers; what is known without asking is said by its own provider."""

    def __init__(self, name: str, provider: Provider, executor: RayExecutor) -> None:
        self._name = name
        self._provider = provider
        self._executor = executor
        self.identity = provider.identity
        self.is_recordable = provider.is_recordable
        self.reads_cache = provider.reads_cache
        self.needs_variables = provider.needs_variables

    async def complete(self, request: Request) -> Response:
        """Return the response of a worker's model."""
        try:
            said = await self._executor.call("complete", self._name, request)
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


def _cause(exc: Exception) -> str:
    """Return why a worker ended, in one line."""
    text = " ".join(str(exc).split())
    detail = _EXIT_DETAIL.search(text)
    return (detail[1] if detail else text)[:_LONGEST_CAUSE] or type(exc).__name__
