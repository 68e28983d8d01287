"""The money of a run: the most that a call may cost is set aside before it is sent, then settled."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from swapgate.engine.day_budget import UNITS, DayBudget, dollars
from swapgate.engine.estimate import most_tokens_out, size_of
from swapgate.errors import BudgetSpent, ProviderError
from swapgate.memory.prices import PriceList, price_list
from swapgate.records import Request, Usage
from swapgate.spec.models import ModelSpec
from swapgate.values import Value

# Nothing leaves this machine for their answers, whatever a price of theirs says.
_SENDS_NOTHING = {"local", "recorded"}


def why_no_price(spec: ModelSpec, option: str = "--max-cost") -> str:
    """Return why the budget of an option cannot hold with this model, or an empty string."""
    if spec.provider in _SENDS_NOTHING or price_list(spec) is not None:
        return ""
    return (
        f"{option}: nobody knows what {spec.name!r} costs. Write price: {{input: ..., output: ...}} for it "
        "in models.yml, US dollars per million tokens; 0 for a model that costs nothing"
    )


@dataclass(slots=True, kw_only=True)
class Reservation:
    """What one attempt of a call may cost at most, until it is known what it did cost. In units."""

    most: int
    prices: PriceList | None
    is_batch: bool
    cost: int | None = None

    def settle(self, usage: Usage) -> None:
        """Take the price of the answer; where its tokens are unknown, the most stays."""
        cost_usd = self.prices.at().cost_usd(usage) if self.prices is not None else 0.0
        if cost_usd is not None:
            self.cost = _units(cost_usd * _share_paid(self.prices, is_batch=self.is_batch))

    @property
    def counted(self) -> int:
        """What it costs as far as that is known, else the most."""
        return self.most if self.cost is None else self.cost

    def release(self) -> None:
        """Nothing was sent after all."""
        self.cost = 0

    def fail(self, error: BaseException) -> None:
        """Take what a failed attempt costs: nothing, unless the provider may have answered all the same."""
        if self.cost is None and isinstance(error, ProviderError) and not error.may_be_billed:
            self.cost = 0


class _Waiting(Value):
    most: int
    is_judge: bool
    turn: asyncio.Future[None]


class Budget:
    """Lets calls through as long as none of them can exceed the limit; without a limit, all of them.

    A call that only the calls in flight keep from fitting waits for them, and those behind it in line. One
    that cannot fit any more raises BudgetSpent; from then on no trial begins, but what has been answered is
    still judged, as far as that fits. `share` is the number of processes that run the same session. `day` is
    what a day's calls may cost beside that, over all processes: close the budget where there is one.
    """

    def __init__(
        self, limit_usd: float | None = None, *, share: int = 1, day: DayBudget | None = None
    ) -> None:
        self._limit_usd = limit_usd
        self._day = day
        self._limit = None if limit_usd is None else _units(limit_usd) // share
        self._spent = self._reserved = 0
        self._is_closed = False
        self._waiting: deque[_Waiting] = deque()

    @property
    def spent_usd(self) -> float:
        """What the calls so far cost, in US dollars."""
        return self._spent / UNITS

    def reserved(
        self, spec: ModelSpec, request: Request, *, is_judge: bool = False, is_batch: bool = False
    ) -> AbstractAsyncContextManager[Reservation]:
        """Hold what one attempt may cost; entering raises BudgetSpent where that is more than is left.

        What `is_batch` costs as in a batch: where that does not answer it, the live call holds anew.
        """
        is_bounded = self._limit is not None or self._day is not None
        prices = price_list(spec) if is_bounded and spec.provider not in _SENDS_NOTHING else None
        most = _most(prices, spec, request, is_batch=is_batch)
        reservation = Reservation(most=most, prices=prices, is_batch=is_batch)
        return self._holding(reservation, is_judge=is_judge) if reservation.most else nullcontext(reservation)

    @asynccontextmanager
    async def _holding(self, reservation: Reservation, *, is_judge: bool) -> AsyncIterator[Reservation]:
        async with self._of_run(reservation, is_judge=is_judge), self._of_day(reservation, is_judge=is_judge):
            try:
                yield reservation
            except BaseException as error:
                reservation.fail(error)
                raise

    async def aclose(self) -> None:
        """Give back what of the day was set aside and not spent."""
        if self._day is not None:
            await self._day.aclose()

    @asynccontextmanager
    async def _of_run(self, reservation: Reservation, *, is_judge: bool) -> AsyncIterator[None]:
        if self._limit is None:
            yield
            return
        await self._admit(reservation.most, is_judge=is_judge)
        try:
            yield
        except BudgetSpent:
            reservation.release()
            raise
        finally:
            self._reserved -= reservation.most
            self._spent += reservation.counted
            self._advance()

    @asynccontextmanager
    async def _of_day(self, reservation: Reservation, *, is_judge: bool) -> AsyncIterator[None]:
        if self._day is None:
            yield
            return
        try:
            lease = await self._day.hold(reservation.most, is_judge=is_judge)
        except asyncio.CancelledError:
            reservation.release()
            raise
        try:
            yield
        finally:
            self._day.settle(lease, reservation.most, reservation.counted)

    async def _admit(self, most: int, *, is_judge: bool) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = _Waiting(most=most, is_judge=is_judge, turn=turn)
        self._waiting.append(waiting)
        self._advance()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._reserved -= most
            self._advance()
            raise

    def _advance(self) -> None:
        """Answer those in line, as long as the first of them need not wait."""
        while self._waiting:
            first = self._waiting[0]
            if not first.turn.done():
                if not self._may_fit(first):
                    self._is_closed |= not first.is_judge
                    first.turn.set_exception(self._refusal(first.most))
                elif self._spent + self._reserved + first.most <= self._limit_units:
                    self._reserved += first.most
                    first.turn.set_result(None)
                else:
                    return
            self._waiting.popleft()

    def _may_fit(self, waiting: _Waiting) -> bool:
        if self._is_closed and not waiting.is_judge:
            return False
        return self._spent + waiting.most <= self._limit_units

    @property
    def _limit_units(self) -> int:
        assert self._limit is not None
        return self._limit

    def _refusal(self, most: int) -> BudgetSpent:
        share = "" if self._limit_units == _units(self._limit_usd or 0) else " (divided among the workers)"
        return BudgetSpent(
            f"not asked: {dollars(self._spent)} of --max-cost={self._limit_usd:g}{share} are spent, and "
            f"this call may cost {dollars(most)}. Raise it, or run again: what is answered is in the cache"
        )


def _most(prices: PriceList | None, spec: ModelSpec, request: Request, *, is_batch: bool) -> int:
    if prices is None:
        return 0
    tokens_in, tokens_out = size_of(request).most_tokens, most_tokens_out(spec, request)
    most_usd = prices.most_usd(tokens_in=tokens_in, tokens_out=tokens_out)
    return _units(most_usd * _share_paid(prices, is_batch=is_batch))


def _share_paid(prices: PriceList | None, *, is_batch: bool) -> float:
    return 1 - prices.batch_discount if prices is not None and is_batch else 1.0


def _units(usd: float) -> int:
    return round(usd * UNITS)
