"""Exchanges compared as a replay has their answers: in a thread here, or together on Ray's workers."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from swapgate.daemon import in_daemon_thread
from swapgate.engine.executor import PLACED, Executor, ThisProcess
from swapgate.engine.ray_executor import on_ray
from swapgate.engine.ray_lanes import Lanes, NoWorkerLeft, WorkerLost
from swapgate.engine.ray_worker import Worker
from swapgate.errors import SwapgateError
from swapgate.records import Json
from swapgate.shadow.comparing.live import Comparers, open_comparers
from swapgate.shadow.plan import Plan, PlannedRoute
from swapgate.shadow.records import Exchange
from swapgate.shadow.replay import CompareLater, NotCompared, nothing_compared
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import Settings
from swapgate.values import Value

# One alone costs as much to send to a worker as to compare; all that comes within a moment goes together.
_TOGETHER = 32
_GATHER_S = 0.01
_Pair = tuple[str, Exchange]


class Hands(Value):
    """Who opens a replay's models and compares its exchanges; `on_ray` where workers of Ray do."""

    executor: Executor
    compare: CompareLater
    on_ray: bool = False


@contextmanager
def open_hands(settings: Settings, plan: Plan, *, source: Path | None = None) -> Iterator[Hands]:
    """Yield who works for a replay: Ray's workers where the settings name a cluster and there is work for it.

    What was said goes to a worker to be compared, never as a file: `source` is a log that was read. It,
    store and spool are in no copy of the workspace.
    Raises UsageError for a mistake in config/promote.yml, and where Ray cannot be had.
    """
    comparers, timeout_s = open_comparers(settings), plan.config.limits.timeout_s
    is_heavy = comparers is not None and comparers.is_heavy
    if settings.ray is None or not (is_heavy or any(s.provider in PLACED for s in plan.asked.values())):
        compare = nothing_compared if comparers is None else ComparedHere(comparers, timeout_s=timeout_s)
        yield Hands(executor=ThisProcess(timeout_s=timeout_s), compare=compare)
        return
    without = [path for path in (plan.store, plan.spool, source) if path is not None]
    with on_ray(settings, plan.asked, worker=ShadowWorker, more=(timeout_s,), without=without) as executor:
        together = nothing_compared if comparers is None else ComparedTogether(executor.lanes)
        yield Hands(executor=executor, compare=together, on_ray=True)


class ComparedHere:
    """Compares one exchange after the other in a thread, so that calls in flight do not wait for it."""

    def __init__(self, comparers: Comparers, *, timeout_s: float) -> None:
        self._comparers = comparers
        self._timeout_s = timeout_s
        self._one_by_one = asyncio.Lock()

    async def __call__(self, exchange: Exchange, planned: PlannedRoute) -> Mapping[str, Json]:
        """Return what is to be stored."""
        async with self._one_by_one:
            found = await _compared(self._comparers, (planned.name, exchange), timeout_s=self._timeout_s)
        return _stored(found)


class ComparedTogether:
    """Compares on workers, some exchanges a call. Of what ends two workers each is asked alone."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._waiting: list[tuple[_Pair, asyncio.Future[_Compared]]] = []
        self._calls: set[asyncio.Task[None]] = set()

    async def __call__(self, exchange: Exchange, planned: PlannedRoute) -> Mapping[str, Json]:
        """Return what is to be stored."""
        loop = asyncio.get_running_loop()
        found: asyncio.Future[_Compared] = loop.create_future()
        self._waiting.append(((planned.name, exchange), found))
        if len(self._waiting) == 1:
            loop.call_later(_GATHER_S, self._send)
        elif len(self._waiting) >= _TOGETHER:
            self._send()
        return _stored(await found)

    def _send(self) -> None:
        batch, self._waiting = self._waiting, []
        if batch:
            task = asyncio.create_task(self._settle(batch))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)

    async def _settle(self, batch: Sequence[tuple[_Pair, asyncio.Future[_Compared]]]) -> None:
        try:
            found: Sequence[_Compared | Exception] = await self._ask([pair for pair, _ in batch])
        except Exception as exc:
            found = [exc] * len(batch)
        for (_pair, future), one in zip(batch, found, strict=True):
            if not future.done():
                future.set_exception(one) if isinstance(one, Exception) else future.set_result(one)

    async def _ask(self, pairs: Sequence[_Pair]) -> list[_Compared]:
        try:
            found: list[_Compared] = await self._lanes.call("compare", pairs)
        except NoWorkerLeft as exc:
            raise SwapgateError(
                f"{exc}. What was answered is stored; run it again, it goes on where it was"
            ) from exc
        except WorkerLost as exc:
            if len(pairs) == 1:
                return [_Compared(problem=str(exc))]
            # Not halved: that would take workers again and again.
            return [one for pair in pairs for one in await self._ask([pair])]
        return found


class _Compared(Value):
    """What is to be stored of one exchange, or why there is nothing."""

    stored: Mapping[str, Json] | None = None
    problem: str = ""


class ShadowWorker(Worker):
    """A worker that compares too, as config/promote.yml of its workspace says."""

    def __init__(
        self,
        settings: Settings,
        models: Mapping[str, ModelSpec],
        root: Path | None,
        timeout_s: float,
    ) -> None:
        super().__init__(settings, models, root)
        self._timeout_s = timeout_s
        self._comparers: Comparers | None = None

    async def compare(self, pairs: Sequence[_Pair]) -> list[_Compared]:
        """Return what comparing exchanges says, by the name of their route."""
        try:
            self._comparers = self._comparers or open_comparers(self._settings)
        except SwapgateError as exc:
            return [_Compared(problem=str(exc))] * len(pairs)
        if self._comparers is None:
            return [_Compared(problem="the worker's copy of the workspace has no criteria")] * len(pairs)
        return [await _compared(self._comparers, pair, timeout_s=self._timeout_s) for pair in pairs]


async def _compared(comparers: Comparers, pair: _Pair, *, timeout_s: float) -> _Compared:
    route, exchange = pair
    try:
        stored = await in_daemon_thread(comparers.compare, exchange, route, timeout_s=timeout_s)
    except TimeoutError:
        return _Compared(problem=f"no result within {timeout_s:g} s")
    except SwapgateError as exc:
        return _Compared(problem=str(exc))
    return _Compared(stored=stored)


def _stored(found: _Compared) -> Mapping[str, Json]:
    if found.stored is None:
        raise NotCompared(found.problem)
    return found.stored
