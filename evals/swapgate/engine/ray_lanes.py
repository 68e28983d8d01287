"""Worker processes on Ray, of one kind: which one is asked next, and what becomes of one that ends."""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass
from typing import Any

import swapgate
from swapgate.engine.ray_cluster import Cluster
from swapgate.engine.ray_worker import Place
from swapgate.errors import UsageError

_START_S = 120.0
_LONGEST_CAUSE = 300
_EXIT_DETAIL = re.compile(r"Worker exit detail: (.+?\.)(?: Some common causes|$)")


class WorkerLost(Exception):
    """A worker ended while it was asked, and so did a second one that was asked the same."""


class NoWorkerLeft(WorkerLost):
    """There is no worker any more: what was asked is not to blame."""


@dataclass(slots=True, eq=False)
class _Lane:
    """One worker and how many calls it has in hand."""

    actor: Any
    place: Place
    in_hand: int = 0


class Lanes:
    """One worker for each free GPU, or CPU where there is none; each call goes to the least busy one.

    What a worker had in hand when it ended is given to another one once, and a new worker takes its place.
    `worker` is a class whose `place` tells where it runs; `threads` is how many CPUs each takes.
    """

    def __init__(
        self, cluster: Cluster, worker: type, arguments: tuple[object, ...], *, threads: int = 1
    ) -> None:
        self._cluster = cluster
        self._worker = worker
        self._arguments = arguments
        self._threads = threads
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

    def ask_all(self, method: str, *args: object) -> list[tuple[Place, Any]]:
        """Return what each worker's method returns, before any call; UsageError where one ends over it."""
        asked = [(lane.place, getattr(lane.actor, method).remote(*args)) for lane in self._lanes]
        return [(place, self._get(reference)) for place, reference in asked]

    def stop(self) -> None:
        """End the workers at once: nobody waits any more for what they have in hand."""
        for lane in [*self._lanes, *([self._apart] if self._apart else [])]:
            with contextlib.suppress(Exception):  # it has ended already, or the cluster has
                self._cluster.ray.kill(lane.actor)

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
        except NoWorkerLeft:
            raise
        except WorkerLost:
            self._lost += 1
        try:
            async with self._one_again:
                return await self._ask(await self._worker_apart(), method, *args)
        except NoWorkerLeft:
            raise
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
                raise NoWorkerLeft("no Ray worker is left, and no new one could be started")
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
        return self._cluster.ray.remote(self._worker).options(**options).remote(*self._arguments)

    def _get(self, reference: Any) -> Any:
        try:
            return self._cluster.ray.get(reference)
        except self._cluster.ray.exceptions.RayError as exc:
            raise UsageError(
                f"{self._where}: a worker could not start: {_cause(exc)}. "
                f"Is swapgate {swapgate.__version__} installed on every machine of the cluster?"
            ) from exc

    @property
    def _where(self) -> str:
        return f"--ray={self._cluster.address}"


def _cause(exc: Exception) -> str:
    """Return why a worker ended, in one line."""
    text = " ".join(str(exc).split())
    detail = _EXIT_DETAIL.search(text)
    return (detail[1] if detail else text)[:_LONGEST_CAUSE] or type(exc).__name__
