"""Asking a model: the cache first, then one call for all who ask the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from swapgate.engine.call import Called, Caller, OpenModel, response_cost
from swapgate.engine.claiming import Claim
from swapgate.engine.estimate import size_of
from swapgate.engine.lookup import Lookup
from swapgate.errors import RecordingMissing
from swapgate.memory.cache import ResponseCache, request_key
from swapgate.providers import Provider
from swapgate.records import Answer, Json, Request
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import CacheMode

if TYPE_CHECKING:
    from swapgate.engine.batch import BatchQueue


class Asker:
    """Answers requests by the name of a model.

    What another process that shares the cache is asking is waited for, `patience_s` at most. Raises
    ProviderError or NotAsked; StoreError, which ends the run, where the cache is damaged.
    """

    def __init__(
        self,
        models: Mapping[str, OpenModel],
        *,
        cache: ResponseCache,
        mode: CacheMode,
        caller: Caller,
        batches: BatchQueue | None = None,
        patience_s: float | None = None,
    ) -> None:
        self._models = models
        self._cache = cache
        self._lookup = Lookup(cache)
        self._mode = mode
        self._caller = caller
        self._batches = batches
        self._patience_s = patience_s
        # What this run asked of models under test although it may be stored: who compares with one of these
        # answers asks no second time.
        self._asked: set[str] = set()
        # The calls in flight, each with those who wait for its answer.
        self._in_flight: dict[str, list[asyncio.Future[Called]]] = {}

    async def ask(self, model: str, request: Request, *, is_judge: bool = False) -> Answer:
        """Return the answer of the named model, from the cache where the mode allows it."""
        opened = self._models[model]
        if not opened.provider.is_recordable:
            return _answer(opened, await self._caller.call(opened, request, is_judge=is_judge))
        key = request_key(request, opened.provider)
        reads = self._reads_stored(opened) or (not is_judge and key in self._asked)
        stored = await self._lookup.get(key) if reads and key not in self._in_flight else None
        if stored is not None:
            return _answer(opened, Called(stored), from_cache=True)
        if self._mode == "replay":
            raise RecordingMissing(_missing(model, request))
        is_shared = key in self._in_flight
        called = await self._call_once(key, opened, request, is_judge=is_judge)
        if not (is_judge or reads):
            self._asked.add(key)
        return _answer(opened, called, from_cache=is_shared or called.is_stored)

    async def _call_once(self, key: str, opened: OpenModel, request: Request, *, is_judge: bool) -> Called:
        """Call, or wait for the call with the same content that is already in flight."""
        if key in self._in_flight:
            follower: asyncio.Future[Called] = asyncio.get_running_loop().create_future()
            self._in_flight[key].append(follower)
            return await follower
        self._in_flight[key] = []
        try:
            called = await self._call_and_store(key, opened, request, is_judge=is_judge)
        except BaseException as exc:
            _tell(self._in_flight.pop(key), exc)
            raise
        _tell(self._in_flight.pop(key), called)
        return called

    async def _call_and_store(
        self, key: str, opened: OpenModel, request: Request, *, is_judge: bool
    ) -> Called:
        about = _about(opened, request, is_judge=is_judge)
        reads = self._reads_stored(opened)
        claim = Claim(self._cache, key, patience_s=self._patience_s) if reads else None
        if self._batches is not None and opened.batches is not None:
            self._cache.require_intact()
            batched = partial(self._batches.ask, key, opened, request, about, reads_cache=reads)
            came = await self._caller.count_batched(opened, request, batched, is_judge=is_judge)
            if came is not None:
                return Called(came)
        try:
            called = await self._caller.call(opened, request, is_judge=is_judge, claim=claim)
            if opened.stores(called.response) and not called.is_stored:
                self._cache.put(key, called.response, about)
                claim = None  # until that is written
        finally:
            if claim is not None:
                claim.release()
        return called

    def _reads_stored(self, opened: OpenModel) -> bool:
        return reads_stored(opened.spec, opened.provider, self._mode)


def reads_stored(spec: ModelSpec, provider: Provider, mode: CacheMode) -> bool:
    """Return whether a stored response may stand for a call of this model."""
    if mode == "replay":
        return True
    allowed = provider.reads_cache if spec.cache is None else spec.cache
    return mode == "auto" and allowed


def _tell(followers: Sequence[asyncio.Future[Called]], outcome: Called | BaseException) -> None:
    """Hand a call's outcome to those who waited for it; nobody waits on in a session that is ending."""
    for follower in followers:
        if follower.done():
            continue
        if isinstance(outcome, asyncio.CancelledError):
            follower.cancel()
        elif isinstance(outcome, BaseException):
            follower.set_exception(outcome)
        else:
            follower.set_result(outcome)


def _answer(opened: OpenModel, called: Called, *, from_cache: bool = False) -> Answer:
    return Answer(
        response=called.response,
        model=opened.spec.name,
        from_cache=from_cache,
        attempts=called.attempts,
        cancelled=called.cancelled,
        cost_usd=response_cost(opened.spec, called.response),
    )


def _about(opened: OpenModel, request: Request, *, is_judge: bool) -> dict[str, Json]:
    about: dict[str, Json] = {
        "provider": opened.spec.provider,
        "model": opened.spec.name,
        "suite": request.suite,
        "case": request.case,
        "repeat": request.repeat,
        "role": "judge" if is_judge else "model",
        "chars": size_of(request).chars,
    }
    file_hash = opened.provider.identity.get("file_sha256")
    return about | ({"file_sha256": file_hash} if file_hash else {})


def _missing(model: str, request: Request) -> str:
    return (
        f"no recorded response of {model} for {request.suite}/{request.case}, repeat {request.repeat}. "
        "--replay never calls: record it once without it, or import recordings with `swapgate cache import`"
    )
