"""One call of a model: within its limits, again where that helps. Knows no cache."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from swapgate.engine.limits import Pace, Slots
from swapgate.errors import ErrorKind, ProviderError
from swapgate.prices import cost_usd
from swapgate.providers import Provider
from swapgate.providers.batch import BatchProvider
from swapgate.records import Request, Response
from swapgate.spec.models import ModelSpec
from swapgate.storable import storable

_NO_ANSWERS = {"refusal", "content_filter"}
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 30.0
_LONGEST_RETRY_AFTER_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenModel:
    """A model ready to be asked."""

    spec: ModelSpec
    provider: Provider
    pace: Pace
    batches: BatchProvider | None = None

    def stores(self, response: Response) -> bool:
        """Whether a response is worth storing: it is an answer, and the model's are not kept from it."""
        return response.finish_reason not in _NO_ANSWERS and self.spec.cache is not False


@dataclass(slots=True)
class Spent:
    """What has been called so far, for the progress line."""

    calls: int = 0
    cost_usd: float = 0.0


class Caller:
    """Calls models and counts what that cost. Raises ProviderError."""

    def __init__(self, *, slots: Slots, retries: int, jitter: random.Random) -> None:
        self._slots = slots
        self._retries = retries
        self._jitter = jitter
        self.spent = Spent()

    async def call(self, opened: OpenModel, request: Request, *, is_judge: bool) -> tuple[Response, int]:
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
        self.spent.cost_usd += response_cost(opened.spec, response) or 0.0
        return response

    def count_batched(self, opened: OpenModel, response: Response) -> None:
        """Count a response that came in a batch: it waited for no slot and kept no pace."""
        self.spent.calls += 1
        self.spent.cost_usd += response_cost(opened.spec, response) or 0.0

    def _wait_before_retry(self, error: ProviderError, attempt: int) -> float | None:
        """Return how long to wait, or None when another attempt would not help."""
        if not error.is_transient or attempt > self._retries:
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= _LONGEST_RETRY_AFTER_S else None
        wait_s = min(_LONGEST_WAIT_S, _FIRST_WAIT_S * 2.0 ** (attempt - 1))
        return wait_s * self._jitter.uniform(0.5, 1.5)


def response_cost(spec: ModelSpec, response: Response) -> float | None:
    """Return what a response costs at list price, by the way it came; None when unknown."""
    return cost_usd(spec, response.usage, is_batch=response.batch_id is not None)
