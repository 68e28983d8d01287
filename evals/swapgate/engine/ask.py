"""Asking a model: the cache first, then the provider, within its limits, again where that helps."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping
from dataclasses import dataclass

from swapgate.cache import ResponseCache, request_key
from swapgate.engine.limits import Pace, Slots
from swapgate.errors import ErrorKind, ProviderError, RecordingMissing
from swapgate.prices import cost_usd
from swapgate.providers import Provider
from swapgate.records import Answer, Json, Request, Response
from swapgate.spec.models import ModelSpec
from swapgate.spec.settings import CacheMode
from swapgate.storable import storable

_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_LONGEST_RETRY_AFTER_S = 300.0
_NO_ANSWERS = {"refusal", "content_filter"}


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenModel:
    """A model ready to be asked."""

    spec: ModelSpec
    provider: Provider
    pace: Pace


@dataclass(slots=True)
class Spent:
    """What has been called so far, for the progress line."""

    calls: int = 0
    cost_usd: float = 0.0


class Asker:
    """Answers requests by the name of a model. Raises ProviderError or RecordingMissing."""

    def __init__(
        self,
        models: Mapping[str, OpenModel],
        *,
        cache: ResponseCache,
        mode: CacheMode,
        slots: Slots,
        retries: int,
        jitter: random.Random,
    ) -> None:
        self._models = models
        self._cache = cache
        self._mode = mode
        self._slots = slots
        self._retries = retries
        self._jitter = jitter
        self._in_flight: dict[str, asyncio.Task[tuple[Response, int]]] = {}
        self.spent = Spent()

    async def ask(self, model: str, request: Request, *, is_judge: bool = False) -> Answer:
        """Return the answer of the named model, from the cache where the mode allows it."""
        opened = self._models[model]
        if not opened.provider.is_recordable:
            response, attempts = await self._call(opened, request, is_judge=is_judge)
            return _answer(opened, response, attempts=attempts)
        key = request_key(request, opened.provider)
        stored = self._cache.get(key) if self._reads(opened) else None
        if stored is not None:
            return _answer(opened, stored, from_cache=True)
        if self._mode == "replay":
            raise RecordingMissing(_missing(model, request))
        response, attempts = await self._call_once(key, opened, request, is_judge=is_judge)
        return _answer(opened, response, attempts=attempts)

    async def close(self) -> None:
        """Cancel the calls in flight."""
        calls = list(self._in_flight.values())
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)

    def _reads(self, opened: OpenModel) -> bool:
        if self._mode == "replay":
            return True
        allowed = opened.provider.reads_cache if opened.spec.cache is None else opened.spec.cache
        return self._mode == "auto" and allowed

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
        response, attempts = await self._call(opened, request, is_judge=is_judge)
        if response.finish_reason not in _NO_ANSWERS and opened.spec.cache is not False:
            self._cache.put(key, response, _about(opened, request, is_judge=is_judge))
        return response, attempts

    async def _call(self, opened: OpenModel, request: Request, *, is_judge: bool) -> tuple[Response, int]:
        """Call with retries; return the response and the number of attempts."""
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._attempt(opened, request, is_judge=is_judge), attempt
            except ProviderError as error:
                wait_s = self._wait_before_retry(error, attempt)
                if wait_s is None:
                    raise
                if error.kind is ErrorKind.RATE_LIMIT:
                    opened.pace.pause(wait_s)
            await asyncio.sleep(wait_s)

    async def _attempt(self, opened: OpenModel, request: Request, *, is_judge: bool) -> Response:
        async with opened.pace.hold(), self._slots.hold(is_judge=is_judge):
            self.spent.calls += 1
            response = storable(await opened.provider.complete(request))
        usage = response.usage
        opened.pace.spent((usage.tokens_in or 0) + (usage.tokens_out or 0))
        self.spent.cost_usd += cost_usd(opened.spec, usage) or 0.0
        return response

    def _wait_before_retry(self, error: ProviderError, attempt: int) -> float | None:
        """Return how long to wait, or None when another attempt would not help."""
        if not error.is_transient or attempt > self._retries:
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= _LONGEST_RETRY_AFTER_S else None
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (attempt - 1))
        return wait_s * self._jitter.uniform(0.5, 1.5)


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
    }
    file_hash = opened.provider.identity.get("file_sha256")
    return about | ({"file_sha256": file_hash} if file_hash else {})


def _missing(model: str, request: Request) -> str:
    return (
        f"no recorded response of {model} for {request.suite}/{request.case}, repeat {request.repeat}. "
        "--replay never calls: record it once without it, or import recordings with `swapgate cache import`"
    )
