"""A mirror in the application's own process, in a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, datetime

from swapgate.shadow.capture import Capture
from swapgate.shadow.mirror import Compare, Mirror, no_comparison
from swapgate.shadow.plan import Plan
from swapgate.shadow.records import Count
from swapgate.shadow.retention import sweep_or_warn
from swapgate.shadow.store import ShadowStore


class MirrorThread:
    """A mirror in a thread and loop of its own, bounded and never waited for.

    Raises at its start what keeps a mirror from being opened: StoreError, UsageError.
    """

    def __init__(self, plan: Plan, *, compare: Compare = no_comparison) -> None:
        self._plan = plan
        self._compare = compare
        limits = plan.config.limits
        self._most = limits.queue + limits.concurrency
        self._tasks: set[asyncio.Task[None]] = set()
        self._store = ShadowStore(plan.store)
        self._loop = asyncio.new_event_loop()
        self._is_ready = threading.Event()
        self._failure: BaseException | None = None
        self._drain_s = 30.0
        self._thread = threading.Thread(target=self._run, name="swapgate-shadow", daemon=True)
        self._thread.start()
        self._is_ready.wait()
        if self._failure is not None:
            self.close()
            raise self._failure

    def offer(self, capture: Capture) -> None:
        """Have a capture mirrored, or counted as shed."""
        self._loop.call_soon_threadsafe(self._take, capture)

    def count(self, route: str, what: str) -> None:
        """Count what happened to a request."""
        day = datetime.now(UTC).date().isoformat()
        self._store.count(Count(day=day, route=route, what=what, amount=1))

    def close(self, *, drain_s: float = 30.0) -> None:
        """Finish what is at hand, for so many seconds at most, and close the store."""
        if self._loop.is_closed():
            return
        self._drain_s = drain_s
        self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        self._loop.close()
        self._store.close()

    def _run(self) -> None:
        try:
            self._loop.run_until_complete(self._serve())
        except BaseException as exc:
            self._failure = exc
        finally:
            self._is_ready.set()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        self._at_once = asyncio.Semaphore(self._plan.config.limits.concurrency)
        async with Mirror(self._plan, self._store, compare=self._compare) as self._mirror:
            self._is_ready.set()
            await asyncio.to_thread(sweep_or_warn, self._plan.store, self._plan)
            await self._stopping.wait()
            if self._tasks:
                _done, late = await asyncio.wait(self._tasks, timeout=self._drain_s)
                for task in late:
                    task.cancel()
                await asyncio.gather(*late, return_exceptions=True)

    def _take(self, capture: Capture) -> None:
        if len(self._tasks) >= self._most:
            self.count(capture.route, "shed")
            return
        task = self._loop.create_task(self._one(capture))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _one(self, capture: Capture) -> None:
        async with self._at_once:
            await self._mirror.mirror(capture)
