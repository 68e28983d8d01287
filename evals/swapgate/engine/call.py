"""One call of a model: within its limits, again where that helps. Knows no cache."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from swapgate.engine.breaker import LONGEST_RETRY_AFTER_S, most_rejections
from swapgate.engine.budget import Budget
from swapgate.engine.claiming import Claim
from swapgate.engine.hedge import first_answer
from swapgate.engine.pace import Pace, Ticket, load_of
from swapgate.engine.slots import Slots, SpareRoom
from swapgate.errors import ErrorKind, ProviderError
from swapgate.memory.prices import cost_usd
from swapgate.providers import Provider
from swapgate.records import Request, Response
from swapgate.spec.models import ModelSpec
from swapgate.storable import storable
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.providers.batch import BatchProvider

# Calls that are refused one by one, while others are answered, wait no longer than after so many failures.
_LONGEST_BACKOFF = 4
_LOOK_S = 0.01
_NO_ANSWERS = {"refusal", "content_filter"}


class OpenModel(Value):
    """A model ready to be asked. `may_hedge`: a second attempt costs nothing but money.

    `is_foreign`: its answers are made by code of the user's or of another package, and may be of any kind.
    """

    spec: ModelSpec
    provider: Provider
    pace: Pace
    may_hedge: bool = False
    is_foreign: bool = False
    batches: BatchProvider | None = None

    def stores(self, response: Response) -> bool:
        """Whether a response is worth storing: it is an answer, and the model's are not kept from it."""
        return response.finish_reason not in _NO_ANSWERS and self.spec.cache is not False


@dataclass(slots=True)
class Spent:
    """What has been called so far, for the progress line."""

    calls: int = 0
    cost_usd: float = 0.0


class Called(NamedTuple):
    """A response, after so many attempts, of which so many were cancelled when another one had brought it.

    `is_stored`: another process has asked for it.
    """

    response: Response
    attempts: int = 1
    cancelled: int = 0
    is_stored: bool = False


class Caller:
    """Calls models and counts what that cost. Raises ProviderError or BudgetSpent.

    `retries` is the number of further attempts after a transient error; waiting for a rate limit is none.
    `paused` counts the calls that wait before another attempt, or for another process's answer.
    `hedge` is the share of a model's answers after whose time a call is made a second time.
    While what stores the answers `is_behind`, none is asked for; `require_intact` raises where it would lose
    them.
    """

    def __init__(
        self,
        *,
        slots: Slots,
        retries: int,
        budget: Budget,
        hedge: float | None = None,
        is_behind: Callable[[], bool] = lambda: False,
        require_intact: Callable[[], None] = lambda: None,
    ) -> None:
        self._slots = slots
        self._retries = retries
        self._budget = budget
        self._hedge = hedge
        self._is_behind = is_behind
        self._require_intact = require_intact
        self.spent = Spent()
        self.paused = 0

    async def call(
        self, opened: OpenModel, request: Request, *, is_judge: bool, claim: Claim | None = None
    ) -> Called:
        """Call with retries, unless another process that has claimed the same brings the answer.

        After an answer of this one's the claim is the caller's to release.
        """
        pace = opened.pace
        load = load_of(request)
        attempts = failures = 0
        while True:
            if claim is not None and (answer := await self._others_answer(claim)) is not None:
                return Called(answer, max(attempts, 1), is_stored=True)
            ticket = await self._slots.acquire(pace, is_judge=is_judge, load=load)
            if claim is not None and not claim.take():
                self._slots.release(pace, ticket)
                continue
            attempts += 1
            try:
                if self._hedge is None or not opened.may_hedge:
                    response = await self._attempt(opened, request, ticket, is_judge=is_judge)
                    return Called(response, attempts)
                hedged = await self._hedged(opened, request, ticket, self._hedge, is_judge=is_judge)
                return hedged._replace(attempts=attempts + hedged.attempts - 1)
            except ProviderError as error:
                if claim is not None:
                    claim.release()
                if pace.breaker.is_open:
                    raise pace.breaker.reason() from error
                failures += error.kind is not ErrorKind.RATE_LIMIT or pace.is_refusal(error)
                wait_s = self._wait_before_retry(pace, error, failures, attempts - failures)
                if wait_s is None:
                    raise
            if wait_s:
                await self._pause(wait_s)

    async def _pause(self, seconds: float) -> None:
        with self._pausing():
            await asyncio.sleep(seconds)

    async def _others_answer(self, claim: Claim) -> Response | None:
        with self._pausing():
            return await claim.others_answer()

    @contextmanager
    def _pausing(self) -> Iterator[None]:
        self.paused += 1
        try:
            yield
        finally:
            self.paused -= 1

    async def _attempt(
        self, opened: OpenModel, request: Request, ticket: Ticket, *, is_judge: bool
    ) -> Response:
        """Make one attempt from its beginning to its end; what it was let through for is given back."""
        pace = opened.pace
        loop = asyncio.get_running_loop()
        try:
            while self._is_behind():  # noqa: ASYNC110 - other threads catch up
                await asyncio.sleep(_LOOK_S)
            self._require_intact()
            async with self._budget.reserved(opened.spec, request, is_judge=is_judge) as reservation:
                self.spent.calls += 1
                ticket.sent_at, ticket.is_sent = loop.time(), True
                response = await opened.provider.complete(request)
                if opened.is_foreign:
                    response = storable(response)
                reservation.settle(response.usage)
            pace.answered(ticket, loop.time(), response.usage)
        except ProviderError as error:
            if pace.is_refusal(error):
                # A place is kept for as long as an answer would keep it: to be refused at once is no
                # reason to ask the more often, nor says it more than the answers that are on their way.
                await asyncio.sleep(pace.refused(ticket, loop.time()))
            pace.failed(ticket, loop.time(), error)
            raise
        except asyncio.CancelledError:
            ticket.is_cancelled = True
            raise
        finally:
            self._slots.release(pace, ticket)
        self.spent.cost_usd += response_cost(opened.spec, response) or 0.0
        return response

    async def count_batched(
        self,
        opened: OpenModel,
        request: Request,
        batched: Callable[[], Awaitable[Response | None]],
        *,
        is_judge: bool,
    ) -> Response | None:
        """Wait for a response that comes in a batch, and count it: it needs no slot and keeps no pace."""
        held = self._budget.reserved(opened.spec, request, is_judge=is_judge, is_batch=True)
        async with held as reservation:
            response = await batched()
            if response is None:
                reservation.release()
                return None
            reservation.settle(response.usage)
        self.spent.calls += 1
        self.spent.cost_usd += response_cost(opened.spec, response) or 0.0
        return response

    async def _hedged(
        self, opened: OpenModel, request: Request, ticket: Ticket, share: float, *, is_judge: bool
    ) -> Called:
        """Make an attempt, and a second one beside it when it takes long; a cancelled one costs as much."""
        tickets = [ticket]

        def long_at() -> float | None:
            after_s = opened.pace.hedge_after_s(share)
            return ticket.sent_at + after_s if ticket.is_sent and after_s is not None else None

        def again(second: Ticket) -> Coroutine[Any, Any, Response]:
            tickets.append(second)
            return self._attempt(opened, request, second, is_judge=is_judge)

        response = await first_answer(
            self._attempt(opened, request, ticket, is_judge=is_judge),
            long_at=long_at,
            room=SpareRoom(self._slots, opened.pace, ticket),
            again=again,
        )
        sent = [one for one in tickets if one.is_sent]
        cancelled = sum(one.is_cancelled for one in sent)
        self.spent.cost_usd += cancelled * (response_cost(opened.spec, response) or 0.0)
        return Called(response, len(sent), cancelled)

    def _wait_before_retry(
        self, pace: Pace, error: ProviderError, failures: int, rejections: int
    ) -> float | None:
        """Return how long to wait, or None when another attempt would not help."""
        is_refusal = pace.is_refusal(error)
        if error.kind is ErrorKind.RATE_LIMIT and not is_refusal:
            # The pace waits, for all its calls.
            return 0.0 if rejections < most_rejections(self._retries) else None
        is_refused = is_refusal and self._retries > 0
        most = pace.breaker.refusals.in_a_row(self._retries) if is_refused else self._retries
        if not error.is_transient or failures > most or not (is_refused or pace.may_retry()):
            return None
        if error.retry_after_s is not None:
            return error.retry_after_s if error.retry_after_s <= LONGEST_RETRY_AFTER_S else None
        if is_refused:
            # What is refused whatever is sent is no less so after a longer wait; its place keeps the pace.
            is_chance = pace.is_refused_anyway or failures > self._retries
            failures = 0 if is_chance else min(failures, _LONGEST_BACKOFF)
        return pace.backoff_s(failures)


def response_cost(spec: ModelSpec, response: Response) -> float | None:
    """Return what a response costs at list price, by the way it came; None when unknown."""
    return cost_usd(spec, response.usage, is_batch=response.batch_id is not None)
