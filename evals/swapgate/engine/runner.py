"""The engine: one event loop in one thread that runs ahead while somebody consumes its trials in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Self, TypeVarTuple

from swapgate.daemon import message_of
from swapgate.engine.ask import Asker
from swapgate.engine.budget import Budget
from swapgate.engine.call import Caller, OpenModel
from swapgate.engine.day_budget import open_day_budget
from swapgate.engine.executor import Executor, ThisProcess, has_user_code
from swapgate.engine.hedge import share_of
from swapgate.engine.judged import UserCode
from swapgate.engine.paces import Paces, is_service
from swapgate.engine.slots import Slots
from swapgate.engine.trial import blank_trial, run_trial
from swapgate.engine.workspace import Job
from swapgate.errors import ErrorKind, StoreError, SwapgateError
from swapgate.facts import Facts, facts_of
from swapgate.memory.cache import ResponseCache
from swapgate.providers import Provider
from swapgate.providers.http_client import open_http
from swapgate.providers.open import is_user_provider
from swapgate.records import Trial, TrialError
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import Settings
from swapgate.storable import Unstorable, storable_text
from swapgate.values import Value

if TYPE_CHECKING:
    import httpx

    from swapgate.engine.batch import BatchProgress, BatchQueue
    from swapgate.providers.batch import BatchProvider

_CLOSE_TIMEOUT_S = 10.0
_PUMP_S = 0.005
_SLICE_S = 0.1
# So long the trials that end come together for the consumer: whenever it wakes, two threads want Python.
_TOGETHER_S = 0.03
Args = TypeVarTuple("Args")


class Progress(Value):
    """How far the engine is. `in_flight` is None where other processes make the calls."""

    planned: int
    finished: int
    in_flight: int | None
    calls: int
    cost_usd: float
    batch: BatchProgress | None = None
    errored: int = 0


class Finished(Value):
    """A trial as its consumer gets it: its facts, and the whole of it where that was to be kept."""

    facts: Facts
    trial: Trial | None


def _keep(_trial: Trial, _facts: Facts, _text: str) -> bool:
    return True


class Engine:
    """Runs trials in a background thread. Use as a context manager; leaving it cancels what is not finished.

    `take` is given each trial as it ends, with its facts and its JSON, in the engine's thread, and says
    whether the whole of it must be kept for the consumer: that one takes them in order, and thousands may be
    waiting for it. While the cache or what takes the trials `is_behind`, no further ones begin.
    `share` is the number of processes that run the same session (xdist): limits are divided by it.
    `window` bounds how many trials run ahead of the consumer (None: no bound). `executor` opens the models
    and runs the user's checks (None: this process). `spent_usd` of the budget were paid before.
    """

    def __init__(
        self,
        settings: Settings,
        models: Mapping[str, ModelSpec],
        cache: ResponseCache,
        *,
        share: int = 1,
        window: int | None = None,
        take: Callable[[Trial, Facts, str], bool] = _keep,
        is_behind: Callable[[], bool] = lambda: False,
        executor: Executor | None = None,
        spent_usd: float = 0.0,
    ) -> None:
        self._settings = settings
        self._executor = executor or ThisProcess(timeout_s=settings.timeout_s)
        self._models = models
        self._cache = cache
        self._share = share
        self._window = window
        self._take = take
        self._is_behind = is_behind
        self._spent_usd = spent_usd
        self._pending: deque[Job] = deque()
        # What is planned, None until it has ended. The consumer waits for one of them at a time.
        self._results: dict[Job, Finished | None] = {}
        self._has_ended = threading.Condition()
        self._awaited: Job | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._planned = self._finished = self._errored = self._consumed = self._started = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run_loop, name="swapgate-engine", daemon=True)
        self._is_ready = threading.Event()
        self._failure: BaseException | None = None
        self._is_closing = False
        self._batches: BatchQueue | None = None
        self._pumping: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        self._is_ready.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *_exc: object) -> None:
        self._tell(self._stopped.set)
        self._thread.join(_CLOSE_TIMEOUT_S)

    def plan(self, jobs: Iterable[Job]) -> None:
        """Queue trials; those already queued are left alone."""
        new = [job for job in jobs if job not in self._results]
        if not new:
            return
        for job in new:
            self._results[job] = None
        self._planned += len(new)
        self._tell(self._enqueue, new)

    def result(self, job: Job, *, timeout_s: float) -> Finished | None:
        """Return the trial of a planned job and forget it; None when it is not finished within the time.

        Raises SwapgateError when it never will be, because the engine has stopped: StoreError where its cache
        is damaged, for which no trial can be blamed.
        """
        with self._has_ended:
            if self._results[job] is None and self._thread.is_alive():
                self._awaited = job
                self._has_ended.wait(timeout_s)
            finished = self._results[job]
            if finished is None:
                if not self._thread.is_alive():
                    if isinstance(self._failure, StoreError):
                        raise self._failure
                    raise SwapgateError(f"the engine has stopped{_cause(self._failure)}") from self._failure
                return None
            del self._results[job]
        if self._window is not None:
            self._tell(self._count_consumed)
        return finished

    def wait(self, job: Job, *, meanwhile: Callable[[Progress], object] | None = None) -> Finished:
        """Return the trial of a planned job as `result` does, however long it takes.

        It is waited for in short slices, so that Ctrl-C is seen; `meanwhile` is told after each how far the
        engine is.
        """
        while (finished := self.result(job, timeout_s=_SLICE_S)) is None:
            if meanwhile is not None:
                meanwhile(self.progress())
        return finished

    def is_waiting(self) -> bool:
        """Whether the first calls are on their way: all there is room for, or all there are."""
        return self._finished > 0 or self._slots.in_flight >= min(self._slots.size, self._planned)

    def is_draining(self) -> bool:
        """Whether nothing is left to be started and slots are free: the rest is waiting for answers."""
        return not self._pending and self._slots.in_flight < self._slots.size

    def progress(self) -> Progress:
        """Return how far the engine is."""
        spent = self._caller.spent
        return Progress(
            planned=self._planned,
            finished=self._finished,
            in_flight=self._slots.in_flight,
            calls=spent.calls,
            cost_usd=spent.cost_usd,
            batch=self._batches.progress() if self._batches is not None else None,
            errored=self._errored,
        )

    @property
    def batches(self) -> BatchQueue | None:
        """What asks the services' batch APIs; None in a run without them. Its words outlive the engine."""
        return self._batches

    def _tell(self, callback: Callable[[*Args], object], *args: *Args) -> None:
        with contextlib.suppress(RuntimeError):  # a loop that has died is closed: `result` says so
            self._loop.call_soon_threadsafe(callback, *args)

    def _run_loop(self) -> None:
        asyncio.set_event_loop(self._loop)
        serving = self._loop.create_task(self._serve())
        try:
            self._loop.run_until_complete(serving)
        except BaseException as exc:
            self._failure = exc
            serving.cancel()
            with contextlib.suppress(BaseException):
                self._loop.run_until_complete(serving)
        finally:
            self._is_ready.set()
            self._loop.close()

    async def _serve(self) -> None:
        """Open everything, run until stopped, cancel what is left, close everything."""
        self._stopped = asyncio.Event()
        per_process = max(1, self._settings.concurrency // self._share)
        self._user_code = UserCode(
            run=self._executor.run_checks,
            judge=self._executor.run_judge,
            at_once=asyncio.Semaphore(per_process),
        )
        self._slots = Slots(
            per_process, model_calls_left=lambda: len(self._pending) + self._slots.waiting_model_calls
        )
        budget = Budget(self._budget_usd(), share=self._share, day=open_day_budget(self._settings))
        async with (
            contextlib.aclosing(budget),
            open_http(concurrency=per_process, timeout_s=self._settings.timeout_s) as http,
        ):
            opened: dict[str, OpenModel] = {}
            try:
                self._open_models(http, opened)
                self._open_asker(opened, budget)
                self._is_ready.set()
                await self._stopped.wait()
            finally:
                await self._close(opened)

    def _budget_usd(self) -> float | None:
        """Return what may be paid from here on."""
        limit = self._settings.max_cost
        return None if limit is None else max(limit - self._spent_usd, 0.0)

    def _open_models(self, http: httpx.AsyncClient, opened: dict[str, OpenModel]) -> None:
        """Add each model that is opened, to be closed also where a later one cannot be."""
        paces = Paces(
            [(spec, self._executor.limits(spec)) for spec in self._models.values()],
            most=self._slots.size,
            share=self._share,
            retries=self._settings.retries,
            jitter=random.Random(),  # noqa: S311 - spreads retries, decides nothing
            clock=self._loop.time,
        )
        for name, spec in self._models.items():
            opened[name] = self._open_model(spec, http, paces)

    def _open_model(self, spec: ModelSpec, http: httpx.AsyncClient, paces: Paces) -> OpenModel:
        heard = paces.listener(spec)
        provider = self._executor.open_provider(spec, http=http, root=self._settings.root, heard=heard)
        return OpenModel(
            spec=spec,
            provider=provider,
            pace=paces.of(spec),
            may_hedge=is_service(spec),
            is_foreign=is_user_provider(spec),
            batches=self._batches_of(spec, provider),
        )

    def _batches_of(self, spec: ModelSpec, provider: Provider) -> BatchProvider | None:
        if not self._settings.is_batched:
            return None
        from swapgate.providers.batch import open_batches

        return open_batches(spec, provider)

    def _open_asker(self, opened: Mapping[str, OpenModel], budget: Budget) -> None:
        self._caller = Caller(
            slots=self._slots,
            retries=self._settings.retries,
            budget=budget,
            hedge=share_of(self._settings.hedge),
            is_behind=self._is_unstored,
            require_intact=self._cache.require_intact,
        )
        self._batches = self._open_batches()
        self._asker = Asker(
            opened,
            cache=self._cache,
            mode=self._settings.cache,
            caller=self._caller,
            batches=self._batches,
            patience_s=self._settings.timeout_s,
        )

    def _open_batches(self) -> BatchQueue | None:
        if not self._settings.is_batched:
            return None
        from swapgate.engine.batch import BatchQueue
        from swapgate.engine.batch_follow import Pacing
        from swapgate.memory.batches import BATCHES_FILE, BatchStore

        return BatchQueue(
            BatchStore(self._settings.state_dir / BATCHES_FILE),
            self._cache,
            pacing=Pacing.of(self._settings),
            is_busy=lambda: bool(self._pending) or self._slots.in_flight > 0,
        )

    async def _close(self, opened: Mapping[str, OpenModel]) -> None:
        self._is_closing = True
        self._pending.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._batches is not None:
            await self._batches.close()
        await asyncio.gather(*(model.provider.close() for model in opened.values()), return_exceptions=True)
        await self._executor.close()

    def _enqueue(self, jobs: list[Job]) -> None:
        if not self._is_closing:
            self._pending.extend(jobs)
            self._pump()

    def _count_consumed(self) -> None:
        self._consumed += 1
        self._pump()

    def _pump(self) -> None:
        """Start trials while a call of theirs would find a slot soon, and who takes them is near enough."""
        while self._pending and self._slots.wants_more() and self._is_near():
            if self._is_hasty() or self._is_unstored():
                self._pump_later()
                return
            job = self._pending.popleft()
            task = self._loop.create_task(self._run(job))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            self._started += 1

    def _pump_later(self) -> None:
        if self._pumping is None:
            self._pumping = self._loop.call_later(_PUMP_S, self._pump_now)

    def _pump_now(self) -> None:
        self._pumping = None
        self._pump()

    def _is_hasty(self) -> bool:
        """Whether as many trials as there are slots have begun and not come to a call yet."""
        if self._batches is not None:
            return False  # there they come to none
        called = self._slots.in_flight + self._slots.waiting + self._caller.paused
        return len(self._tasks) - called >= self._slots.size

    def _is_unstored(self) -> bool:
        """Whether the disk does not follow: answers would fill the memory, and be lost if it failed."""
        return self._cache.is_behind or self._is_behind()

    def _is_near(self) -> bool:
        return self._window is None or self._started - self._consumed < self._window

    async def _run(self, job: Job) -> None:
        """Run one trial to its end: its consumer gets it, or is told why there is none."""
        try:
            trial, text = await self._record(job)
            self._finished += 1
            facts = facts_of(trial)
            self._errored += facts.outcome == "errored"
            is_kept = self._take(trial, facts, text)
        except Exception as exc:
            self._stop(exc)
            return
        with self._has_ended:
            self._results[job] = Finished(facts=facts, trial=trial if is_kept else None)
        self._pump()
        if self._awaited is job:
            self._awaited = None
            # Nothing is gained where this is the last one, or where the next ones begin by its being taken.
            can_wait = self._window is None and len(self._tasks) > 1
            self._loop.call_later(_TOGETHER_S if can_wait else 0, self._wake_consumer)

    def _wake_consumer(self) -> None:
        with self._has_ended:
            self._has_ended.notify()

    async def _record(self, job: Job) -> tuple[Trial, str]:
        """Return a trial's record and its JSON: the task boundary, where a bug becomes a recorded error."""
        try:
            return storable_text(
                await run_trial(job, models=self._models, asker=self._asker, user_code=self._user_code),
                # What a user's provider answers has been read on its way here.
                is_ours=not has_user_code(job.case),
            )
        except StoreError:
            raise  # no trial's fault: it ends the run
        except BaseException as exc:
            if self._is_closing:
                raise
            return storable_text(blank_trial(job, _unexpected(exc)))

    def _stop(self, exc: Exception) -> None:
        """End everything: a consumer that waits is told why, and no more is paid for."""
        self._failure = self._failure or exc
        self._stopped.set()


def _unexpected(exc: BaseException) -> TrialError:
    """Return what becomes of an exception that nobody below has turned into a record."""
    if isinstance(exc, Unstorable):
        message = f"what a check or the model's code returned cannot be stored: {exc}"
        return TrialError(kind=ErrorKind.USER_CODE, message=message)
    if isinstance(exc, SwapgateError):
        return TrialError(kind=ErrorKind.INTERNAL, message=str(exc))
    told = _cause(exc).removeprefix(": ")
    if isinstance(exc, Exception):
        return TrialError(kind=ErrorKind.INTERNAL, message=f"{told} (a bug in swapgate: please report it)")
    return TrialError(kind=ErrorKind.USER_CODE, message=f"{told}, raised by a provider's own code")


def _cause(exc: BaseException | None) -> str:
    """Return `: type: message` of an exception, an empty string without one."""
    return "".join(f": {part}" for part in (type(exc).__name__, message_of(exc)) if part) if exc else ""
