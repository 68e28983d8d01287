"""Requests answered through the services' batch APIs: the queue between those who ask and the lanes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from swapgate.engine.batch_follow import Pacing
from swapgate.engine.batch_lane import Address, Asked, Lane
from swapgate.engine.call import OpenModel
from swapgate.memory.batches import BatchStore
from swapgate.memory.cache import ResponseCache
from swapgate.records import Json, Request, Response
from swapgate.values import Value

_PATIENCE_S = 5.0


class BatchProgress(Value):
    """What is waited for: requests in batches, how many are done, where, and since when (seconds).

    `unsent` are those that a service takes in no batch just now: they are handed in again.
    """

    requests: int
    done: int
    services: tuple[str, ...]
    age_s: float
    unsent: int = 0


class BatchQueue:
    """Answers requests through batches.

    `said` are sentences for people about what was sent and fetched, `held` those about services that began to
    keep it waiting, which are told at once; `left` is what was still waited for at the end.

    Everything but `progress` belongs to one event loop. The store's transactions are short and block it.
    """

    def __init__(
        self,
        store: BatchStore,
        cache: ResponseCache,
        *,
        pacing: Pacing,
        is_busy: Callable[[], bool],
    ) -> None:
        self._store = store
        self._cache = cache
        self._pacing = pacing
        self._is_busy = is_busy
        self._lanes: dict[str, Lane] = {}
        self._reached: set[Address] = set()
        self.said: list[str] = []
        self.held: list[str] = []
        self.left: BatchProgress | None = None
        store.forget_old()
        self._close_answered()

    async def ask(
        self, key: str, opened: OpenModel, request: Request, about: Mapping[str, Json], *, reads_cache: bool
    ) -> Response | None:
        """Return the answer, stored already where it may be; None when the request should be called live.

        Raises ProviderError when the service refuses this request, or the key.
        """
        lane = self._lane(opened)
        answer: asyncio.Future[Response | None] = asyncio.get_running_loop().create_future()
        line = lane.api.line(key, request)
        return await lane.ask(Asked(line=line, about=about, reads_cache=reads_cache, answer=answer))

    def progress(self) -> BatchProgress | None:
        """Return what is waited for, None when nothing is in a batch and nothing has to wait for one.

        From whatever thread.
        """
        # Lists of them, since the loop's thread may change the dictionaries meanwhile.
        lanes = list(self._lanes.values())
        unsent = sum(sum(list(lane.unsent.values())) for lane in lanes)
        followers = [f for lane in lanes for f, _task in list(lane.followers.values()) if f.batch]
        sent = [f.batch.sent_at or f.batch.begun_at for f in followers if f.batch]
        if not sent and not unsent:
            return None
        followed = {f.batch.service for f in followers if f.batch}
        held = {lane.service for lane in lanes if lane.unsent}
        return BatchProgress(
            requests=sum(f.batch.requests for f in followers if f.batch),
            done=sum((f.status.done or 0) for f in followers if f.status),
            services=tuple(sorted(followed or held)),
            age_s=max(0.0, self._pacing.clock() - min(sent)) if sent else 0.0,
            unsent=unsent,
        )

    async def close(self) -> None:
        """Stop waiting; what is at the services stays there, and is said."""
        lanes = list(self._lanes.values())
        await asyncio.gather(*(lane.settle(patience_s=_PATIENCE_S) for lane in lanes))
        left = self.progress()
        self.left = left if left is not None and left.requests else None
        await asyncio.gather(*(lane.close() for lane in lanes))
        self._store.close()

    def _close_answered(self) -> None:
        """Close the batches whose every answer is stored: a run may die just before it says so."""
        for batch in self._store.batches():
            if batch.state == "running" and all(
                (stored := self._cache.get(key)) is not None and stored.batch_id == batch.batch_id
                for key in self._store.requests(batch.mark)
            ):
                self._store.finish(batch.mark, "ended")

    def _lane(self, opened: OpenModel) -> Lane:
        assert opened.batches is not None
        name = opened.spec.name
        if name not in self._lanes:
            self._lanes[name] = Lane(
                opened,
                opened.batches,
                store=self._store,
                cache=self._cache,
                pacing=self._pacing,
                is_busy=self._is_busy,
                say=self.said.append,
                say_held=self.held.append,
                reached=self._reached,
            )
        return self._lanes[name]
