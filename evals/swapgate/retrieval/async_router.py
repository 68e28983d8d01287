"""The router for asyncio: the same state, split, writes and shadow reads, awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from swapgate.retrieval.arms import (
    AsyncArm,
    Found,
    Written,
    good_enough,
    may_fall_back,
    open_migration,
    open_store,
    other,
    whoever,
    with_texts,
)
from swapgate.retrieval.fingerprint import require_same
from swapgate.retrieval.index import SIDES, Hit, Payload, Side
from swapgate.retrieval.metrics import Metrics, summed
from swapgate.retrieval.mirror import LeftAlone, note_unmirrored
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.shadow import Asked, ShadowLog
from swapgate.retrieval.state import StateStore
from swapgate.retrieval.traffic import Traffic, left_alone
from swapgate.retrieval.watch import Watch

_Write: TypeAlias = Callable[[Side], Awaitable[None]]


class AsyncDualIndexRouter:
    """As `DualIndexRouter`, in one event loop. Open it with `async with`, in the process that uses it.

    A shadow read is a task of its own: cancelled after `shadow_timeout_s`, dropped and counted where
    `most_waiting` of them run already, and untouched by the caller's cancellation.
    """

    def __init__(
        self,
        old: AsyncArm,
        new: AsyncArm,
        *,
        state: StateStore | Path | str,
        name: str,
        refresh_s: float = 1.0,
        falls_back: bool = True,
        keeps_queries: bool = False,
        shadow_timeout_s: float = 10.0,
        most_waiting: int = 64,
    ) -> None:
        self.name = name
        self._arms: dict[Side, AsyncArm] = {"old": old, "new": new}
        self._state = state
        self._refresh_s = refresh_s
        self._falls_back = falls_back
        self._keeps_queries = keeps_queries
        self._shadow_timeout_s = shadow_timeout_s
        self._most_waiting = most_waiting
        self._shadows: set[asyncio.Task[None]] = set()
        self._checked: set[Side] = set()
        self._traffic = Traffic()
        self._counters = self._traffic.counters

    async def __aenter__(self) -> Self:
        self._store = await asyncio.to_thread(open_store, self._state)
        old, new = self._arms["old"], self._arms["new"]
        begun = await asyncio.to_thread(open_migration, self._store, self.name, old=old, new=new)
        for side in SIDES if begun.phase is not Phase.PLAN else begun.writes:
            await self._arm(side)
        self._log = ShadowLog(self._store, self.name, self._counters, keeps_queries=self._keeps_queries)
        self._watch = Watch(self._store, begun, self._counters, refresh_s=self._refresh_s)
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()

    async def search(self, query: str, k: int = 10, *, key: str | None = None) -> Found:
        """Return the best `k` entries for a query; see `DualIndexRouter.search`."""
        migration = self._watch.migration
        key = query if key is None else key
        side = migration.side(key)
        started = time.perf_counter()
        with self._traffic.serving(migration, side):
            if self._falls_back and may_fall_back(migration, side):
                hits, served_by = await self._ask_either(side, query, k)
            else:
                hits, served_by = await self._ask_counted(side, query, k), side
        seconds = time.perf_counter() - started
        found = self._traffic.found(migration, side, served_by, hits, seconds)
        if migration.shadows:
            self._begin_shadow(Asked(query=query, k=k, key=key, found=found, served_s=seconds))
        return found

    async def search_on(self, side: Side, query: str, k: int = 10) -> tuple[Hit, ...]:
        """Return what one index alone finds; its failure is raised. Nothing is recorded.

        Whoever shows it to a user says so with `count_served`: the metrics, and a ramp, count it then.
        """
        return await self._ask_counted(side, query, k)

    def count_served(self, side: Side, seconds: float) -> None:
        """Count a query whose results of one index a user has seen, and its time."""
        self._counters.served(side, seconds)

    async def upsert(
        self, ids: Sequence[str], texts: Sequence[str], payloads: Sequence[Payload] | None = None
    ) -> Written:
        """Embed and store entries wherever the phase says so; see `DualIndexRouter.upsert`."""
        stored = with_texts(texts, payloads, ids)

        async def write(side: Side) -> None:
            arm = await self._arm(side)
            vectors = await arm.embedder.embed(texts, is_query=False)
            await arm.index.upsert(ids, vectors, stored)

        return await self._write(ids, write)

    async def delete(self, ids: Sequence[str]) -> Written:
        """Remove entries wherever the phase says so."""

        async def write(side: Side) -> None:
            await (await self._arm(side)).index.delete(ids)

        return await self._write(ids, write)

    @property
    def store(self) -> StateStore:
        """The state that all processes share."""
        return self._store

    @property
    def migration(self) -> Migration:
        """The state as this process knows it."""
        return self._watch.migration

    async def refresh(self) -> Migration:
        """Read the state now."""
        return await asyncio.to_thread(self._watch.refresh)

    async def move(
        self, to: Phase | str, *, share: float | None = None, why: str, who: str | None = None
    ) -> Migration:
        """Move the migration on for all processes."""
        now = await self.refresh()
        await asyncio.to_thread(
            self._store.change, now, Phase(to), share=share, who=who or whoever(), why=why
        )
        return await self.refresh()

    async def promote(self, *, why: str, who: str | None = None) -> Migration:
        """Let the new index serve everybody."""
        return await self.move(Phase.PROMOTED, why=why, who=who)

    async def rollback(self, *, why: str, who: str | None = None) -> Migration:
        """Let the old index serve everybody again, at once."""
        return await self.move(Phase.ROLLED_BACK, why=why, who=who)

    def metrics(self) -> Metrics:
        """Return what this process has counted."""
        return summed([self._counters.as_json()])

    async def drain(self) -> None:
        """Wait until the shadow reads so far are recorded."""
        await asyncio.gather(*self._shadows, return_exceptions=True)
        await asyncio.to_thread(self._log.flush)

    async def close(self) -> None:
        """Record the shadow reads that are left, and stop. The indexes stay open."""
        await asyncio.gather(*self._shadows, return_exceptions=True)
        await asyncio.to_thread(self._log.close)
        await asyncio.to_thread(self._watch.close)
        if self._store is not self._state:
            self._store.close()

    async def _arm(self, side: Side) -> AsyncArm:
        """Return an arm whose index is known to be of its embedding."""
        arm = self._arms[side]
        if side not in self._checked:
            stamped = await arm.index.stamp()
            require_same(arm.index.name, stamped=stamped, wanted=arm.embedder.fingerprint)
            self._checked.add(side)
        return arm

    async def _ask(self, side: Side, query: str, k: int) -> tuple[Hit, ...]:
        arm = await self._arm(side)
        vectors = await arm.embedder.embed([query], is_query=True)
        return good_enough(await arm.index.search(vectors[0], k), arm.min_score)

    async def _ask_counted(self, side: Side, query: str, k: int) -> tuple[Hit, ...]:
        with self._traffic.asking(side):
            return await self._ask(side, query, k)

    async def _ask_either(self, side: Side, query: str, k: int) -> tuple[tuple[Hit, ...], Side]:
        """Ask one side, and the other where that fails or has just failed."""
        failure: Exception = left_alone(self._arms[side].index.name)
        if not self._traffic.is_paused(side):
            try:
                return await self._ask_counted(side, query, k), side
            except Exception as exc:
                failure = exc
        try:
            hits = await self._ask(other(side), query, k)
        except Exception as exc:
            raise (exc if isinstance(failure, LeftAlone) else failure) from None
        self._counters.add("fallbacks")
        return hits, other(side)

    def _begin_shadow(self, asked: Asked) -> None:
        if len(self._shadows) >= self._most_waiting:
            self._counters.add("shadow_dropped")
            return
        task = asyncio.get_running_loop().create_task(self._ask_shadow(asked))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _ask_shadow(self, asked: Asked) -> None:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._shadow_timeout_s):
                hits = await self._ask(other(asked.found.served_by), asked.query, asked.k)
        except TimeoutError as exc:
            self._log.add(asked, "timeout", seconds=time.perf_counter() - started, error=exc)
        except Exception as exc:
            self._log.add(asked, "failed", seconds=time.perf_counter() - started, error=exc)
        else:
            self._log.add(asked, "answered", hits=hits, seconds=time.perf_counter() - started)

    async def _write(self, ids: Sequence[str], write: _Write) -> Written:
        first, *rest = self._watch.migration.writes
        await write(first)
        self._counters.add("writes", len(ids))
        for second in rest:
            try:
                await self._mirror(second, write)
            except Exception as exc:
                await asyncio.to_thread(
                    note_unmirrored, self._store, self.name, self._counters, second, ids=ids, failure=exc
                )
                return Written(sides=(first,), unmirrored=second)
        return Written(sides=(first, *rest))

    async def _mirror(self, side: Side, write: _Write) -> None:
        """Write to the side that does not serve, unless it has just failed."""
        if self._traffic.is_paused(side):
            raise left_alone(self._arms[side].index.name)
        with self._traffic.reaching(side):
            await write(side)
