"""Asking a model: the cache first, then one call for all who ask the same."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from swapgate.cache import ResponseCache, request_key
from swapgate.engine.call import Caller, OpenModel
from swapgate.engine.estimate import size_of
from swapgate.errors import RecordingMissing
from swapgate.prices import cost_usd
from swapgate.providers import Provider
from swapgate.records import Answer, Json, Request, Response
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import CacheMode

_NO_ANSWERS = {"refusal", "content_filter"}


class Asker:
    """Answers requests by the name of a model. Raises ProviderError or NotAsked."""

    def __init__(
        self,
        models: Mapping[str, OpenModel],
        *,
        cache: ResponseCache,
        mode: CacheMode,
        caller: Caller,
    ) -> None:
        self._models = models
        self._cache = cache
        self._mode = mode
        self._caller = caller
        self._in_flight: dict[str, asyncio.Task[tuple[Response, int]]] = {}

    async def ask(self, model: str, request: Request, *, is_judge: bool = False) -> Answer:
        """Return the answer of the named model, from the cache where the mode allows it."""
        opened = self._models[model]
        if not opened.provider.is_recordable:
            response, attempts = await self._caller.call(opened, request, is_judge=is_judge)
            return _answer(opened, response, attempts=attempts)
        key = request_key(request, opened.provider)
        reads = reads_stored(opened.spec, opened.provider, self._mode)
        stored = self._cache.get(key) if reads else None
        if stored is not None:
            return _answer(opened, stored, from_cache=True)
        if self._mode == "replay":
            raise RecordingMissing(_missing(model, request))
        is_shared = key in self._in_flight
        response, attempts = await self._call_once(key, opened, request, is_judge=is_judge)
        return _answer(opened, response, attempts=attempts, from_cache=is_shared)

    async def close(self) -> None:
        """Cancel the calls in flight."""
        calls = list(self._in_flight.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    async def _call_once(
        self, key: str, opened: OpenModel, request: Request, *, is_judge: bool
    ) -> tuple[Response, int]:
        """Call, or wait for the call with the same content that is already in flight."""
        task = self._in_flight.get(key)
        if task is None:
            task = asyncio.create_task(self._call_and_store(key, opened, request, is_judge=is_judge))
            self._in_flight[key] = task
            task.add_done_callback(lambda _task: self._in_flight.pop(key, None))
        return await asyncio.shield(task)

    async def _call_and_store(
        self, key: str, opened: OpenModel, request: Request, *, is_judge: bool
    ) -> tuple[Response, int]:
        response, attempts = await self._caller.call(opened, request, is_judge=is_judge)
        if response.finish_reason not in _NO_ANSWERS and opened.spec.cache is not False:
            self._cache.put(key, response, _about(opened, request, is_judge=is_judge))
        return response, attempts


def reads_stored(spec: ModelSpec, provider: Provider, mode: CacheMode) -> bool:
    """Return whether a stored response may stand for a call of this model."""
    if mode == "replay":
        return True
    allowed = provider.reads_cache if spec.cache is None else spec.cache
    return mode == "auto" and allowed


def _answer(opened: OpenModel, response: Response, *, attempts: int = 1, from_cache: bool = False) -> Answer:
    return Answer(
        response=response,
        model=opened.spec.name,
        from_cache=from_cache,
        attempts=attempts,
        cost_usd=cost_usd(opened.spec, response.usage),
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
