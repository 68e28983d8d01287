"""Shows both indexes' results in one list, and records whose were chosen; around a router, sync or async."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self, TypeAlias

from swapgate.errors import StoreError
from swapgate.memory.writer import BatchWriter
from swapgate.retrieval.arms import Found
from swapgate.retrieval.async_router import AsyncDualIndexRouter
from swapgate.retrieval.index import Hit
from swapgate.retrieval.interleaving.draft import Drafted, team_draft
from swapgate.retrieval.interleaving.records import Click, Impression, add_clicks, add_impressions
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.router import DualIndexRouter
from swapgate.retrieval.state import StateStore, now_text
from swapgate.values import Value

_ID_BYTES = 12
# Where real users see results of the new index.
_SHOWN_TO_USERS = {Phase.CANARY, Phase.PROMOTED, Phase.BAKE}
_Row: TypeAlias = Impression | Click


class Interleaved(Value):
    """A list to show. `impression` is what to credit clicks to; None where one index alone answered."""

    hits: tuple[Hit, ...]
    impression: str | None


class Log:
    """Stores impressions and clicks in a thread of its own; what cannot be stored is counted as `lost`.

    A process that was forked begins a thread of its own.
    """

    def __init__(self, store: StateStore, name: str) -> None:
        self.lost = 0
        self._store = store
        self._name = name
        self._begin()

    def shown(self, drafted: Sequence[Drafted], *, version: int, key: str) -> str:
        """Record a list, and return its name."""
        picked = {side: tuple(one.hit.id for one in drafted if one.side == side) for side in ("old", "new")}
        one = Impression(
            id=secrets.token_hex(_ID_BYTES),
            at=now_text(),
            version=version,
            key_hash=hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:16],
            old=picked["old"],
            new=picked["new"],
        )
        self._own().put(one)
        return one.id

    def credit(self, impression: str, clicked: Sequence[str]) -> None:
        """Record what was chosen from a list."""
        for item in clicked:
            self._own().put(Click(impression=impression, item=item))

    def flush(self) -> None:
        """Wait until everything recorded so far is stored."""
        self._own().flush()

    def close(self) -> None:
        """Store what is left."""
        self._own().close()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._writer: BatchWriter[_Row] = BatchWriter(
            lambda: (self._write, lambda: None), name="swapgate-impressions"
        )

    def _own(self) -> BatchWriter[_Row]:
        """Return this process's writer."""
        if self._pid != os.getpid():
            self._begin()
        return self._writer

    def _write(self, rows: Sequence[_Row]) -> None:
        try:
            add_impressions(self._store, self._name, [one for one in rows if isinstance(one, Impression)])
            add_clicks(self._store, self._name, [one for one in rows if isinstance(one, Click)])
        except StoreError:
            self.lost += len(rows)


class Interleaver:
    """Searches both indexes for those whom the new one serves already; all others get the router's answer.

    So a canary at 5% shows the new index to 5%, interleaved or not. A search takes as long as both together;
    as of the new index it is counted in the router's metrics.
    """

    def __init__(self, router: DualIndexRouter) -> None:
        self._router = router
        self.log = Log(router.store, router.name)

    def search(self, query: str, k: int = 10, *, key: str | None = None) -> Interleaved:
        """Return the list to show; `key` (a user, a session) as of the router."""
        whose = query if key is None else key
        if not may_interleave(self._router.migration, whose):
            return _alone(self._router.search(query, k, key=key))
        try:
            old = self._router.search_on("old", query, k)
            started = time.perf_counter()
            new = self._router.search_on("new", query, k)
        except Exception:
            return _alone(self._router.search(query, k, key=key))
        self._router.count_served("new", time.perf_counter() - started)
        return _together(self.log, self._router.migration, old, new, query=query, key=whose, k=k)

    def credit(self, impression: str | None, clicked: Sequence[str]) -> None:
        """Record which entries of a shown list were chosen, by their ids; may come later, in any process."""
        if impression is not None:
            self.log.credit(impression, clicked)

    def close(self) -> None:
        """Store what is left; the router stays open."""
        self.log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()


class AsyncInterleaver:
    """The same for the asynchronous router: both indexes are asked at once."""

    def __init__(self, router: AsyncDualIndexRouter) -> None:
        self._router = router
        self.log = Log(router.store, router.name)

    async def search(self, query: str, k: int = 10, *, key: str | None = None) -> Interleaved:
        """Return the list to show."""
        whose = query if key is None else key
        if not may_interleave(self._router.migration, whose):
            return _alone(await self._router.search(query, k, key=key))
        asked = (self._router.search_on("old", query, k), self._timed_new(query, k))
        old, new = await asyncio.gather(*asked, return_exceptions=True)
        if isinstance(old, BaseException) or isinstance(new, BaseException):
            return _alone(await self._router.search(query, k, key=key))
        hits, seconds = new
        self._router.count_served("new", seconds)
        return _together(self.log, self._router.migration, old, hits, query=query, key=whose, k=k)

    def credit(self, impression: str | None, clicked: Sequence[str]) -> None:
        """Record which entries of a shown list were chosen; returns at once."""
        if impression is not None:
            self.log.credit(impression, clicked)

    async def _timed_new(self, query: str, k: int) -> tuple[tuple[Hit, ...], float]:
        started = time.perf_counter()
        hits = await self._router.search_on("new", query, k)
        return hits, time.perf_counter() - started

    async def close(self) -> None:
        """Store what is left; the router stays open."""
        await asyncio.to_thread(self.log.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.close()


def may_interleave(migration: Migration, key: str) -> bool:
    """Whether a key's user may see results of the new index."""
    return migration.phase in _SHOWN_TO_USERS and migration.side(key) == "new"


def _alone(found: Found) -> Interleaved:
    return Interleaved(hits=found.hits, impression=None)


def _together(
    log: Log, migration: Migration, old: Sequence[Hit], new: Sequence[Hit], *, query: str, key: str, k: int
) -> Interleaved:
    drafted = team_draft(old, new, key=f"{migration.salt}\0{key}\0{query}", k=k)
    impression = log.shown(drafted, version=migration.version, key=key) if drafted else None
    return Interleaved(hits=tuple(one.hit for one in drafted), impression=impression)
