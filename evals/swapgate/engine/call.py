"""One call of a model: within its limits, again where that helps. Knows no cache."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

from swapgate.engine.breaker import LONGEST_RETRY_AFTER_S
from swapgate.engine.hedge import first_answer
from swapgate.engine.pace import Pace, Ticket
from swapgate.engine.slots import Slots, SpareRoom
from swapgate.errors import ErrorKind, ProviderError
from swapgate.prices import cost_usd
from swapgate.providers import Provider
from swapgate.records import Request, Response
from swapgate.spec.models import ModelSpec
from swapgate.storable import storable

# A request that alone is too much for a limit is rejected for ever, while others are let through.
_MOST_REJECTIONS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenModel:
    """A model ready to be asked. `may_hedge`: a second attempt costs nothing but money."""

    spec: ModelSpec
    provider: Provider
    pace: Pace
    may_hedge: bool = False


@dataclass(slots=True)
class Spent:
    """What has been called so far, for the progress line."""

    calls: int = 0
    cost_usd: float = 0.0


class Caller:
    """Calls models and counts what that cost. Raises ProviderError.

    `retries` is the number of further attempts after a transient error; waiting for a rate limit is none.
    `hedge` is the share of a model's answers after whose time a call is made a second time.
    """

    def __init__(self, *, slots: Slots, retries: int, hedge: float | None = None) -> None:
        self._slots = slots
        self._retries = retries
        self._hedge = hedge
        self.spent = Spent()

    async def call(self, opened: OpenModel, request: Request, *, is_judge: bool) -> tuple[Response, int]:
        """Call with retries; return the response and the number of attempts."""
        pace = opened.pace
        attempts = failures = 0
        while True:
            tokens_in, tokens_out = pace.estimate(request) if pace.counts_tokens else (0.0, 0.0)
            ticket = await self._slots.acquire(
                pace, is_judge=is_judge, tokens_in=tokens_in, tokens_out=tokens_out
            )
            attempts += 1
            try:
                after_s = pace.hedge_after_s(self._hedge) if self._hedge and opened.may_hedge else None
                if after_s is None:
                    return await self._attempt(opened, request, ticket), attempts
                response, made = await self._hedged(opened, request, ticket, after_s)
                return response, attempts + made - 1
            except ProviderError as error:
                if pace.breaker.is_open:
                    raise pace.breaker.reason() from error
                failures += error.kind is not ErrorKind.RATE_LIMIT
                wait_s = self._wait_before_retry(pace, error, failures, attempts - failures)
                if wait_s is None:
                    raise
            if wait_s:
                await asyncio.sleep(wait_s)

    async def _attempt(self, opened: OpenModel, request: Request, ticket: Ticket) -> Response:
        """Make one attempt from its beginning to its end; what it was let through for is given back."""
        pace = opened.pace
        loop = asyncio.get_running_loop()
        self.spent.calls += 1
        try:
            response = storable(await opened.provider.complete(request))
            pace.answered(ticket, loop.time(), response.usage)
        except ProviderError as error:
            pace.failed(ticket, loop.time(), error)
            raise
        except asyncio.CancelledError:
            ticket.is_cancelled = True
            raise
        finally:
            self._slots.release(pace, ticket)
        self.spent.cost_usd += cost_usd(opened.spec, response.usage) or 0.0
        return response

    async def _hedged(
        self, opened: OpenModel, request: Request, ticket: Ticket, after_s: float
    ) -> tuple[Response, int]:
        """Make an attempt, and a second one beside it when it takes long; a cancelled one costs as much."""
        tickets = [ticket]

        def again(second: Ticket) -> Coroutine[Any, Any, Response]:
            tickets.append(second)
            return self._attempt(opened, request, second)

        response = await first_answer(
            self._attempt(opened, request, ticket),
            after_s=after_s,
            room=SpareRoom(self._slots, opened.pace, ticket),
            again=again,
        )
        cancelled = sum(one.is_cancelled for one in tickets)
        self.spent.cost_usd += cancelled * (cost_usd(opened.spec, response.usage) or 0.0)
        return response, len(tickets)

    def _wait_before_retry(
        self, pace: Pace, error: ProviderError, failures: int, rejections: int
    ) -> float | None:
        """Return how long to wait, or None when another attempt would not help."""
        if error.kind is ErrorKind.RATE_LIMIT:
            return 0.0 if rejections < _MOST_REJECTIONS else None  # the pace waits, for all its calls
        if not error.is_transient or failures > self._retries or not pace.may_retry():
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= LONGEST_RETRY_AFTER_S else None
        return pace.backoff_s(failures)
