"""Who goes next: the bound of calls in flight, shared by all models, and the queues of those that wait."""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from swapgate.engine.pace import NO_LOAD, Load, Pace, Ticket
from swapgate.values import Value

# How many calls may wait for their models: each is a trial that has been started.
_MOST_HELD = 1000
# A second attempt goes before others once its first has taken so many times longer than most do take.
_URGENT_TIMES = 3.0
# By role: is_judge False, True.
_Queue = deque["_Waiter"]


@dataclass(slots=True, eq=False)
class _Waiter:
    """`is_trial`: it is to find out whether an endpoint that has been given up is back."""

    turn: asyncio.Future[Ticket]
    load: Load
    is_trial: bool


@dataclass(slots=True, eq=False)
class _Spare:
    """The second attempt of a call: waits until it disturbs nobody, but no longer than until `urgent_at`.

    By then its first attempt keeps a slot from the others for longer than a second one would.
    """

    turn: asyncio.Future[Ticket]
    pace: Pace
    first: Ticket
    urgent_at: float


class _Line:
    """Those who wait for one model: its calls as a model under test, and those as a judge.

    `is_held` says that slots were free and the model's pace was not.
    """

    __slots__ = ("is_held", "queues", "served_judge")

    def __init__(self) -> None:
        self.queues: tuple[_Queue, _Queue] = (deque(), deque())
        self.is_held = self.served_judge = False

    def next_role(self, *, judges_first: bool) -> bool | None:
        """Return whether a judge call is next; None when nobody waits. Where the pace is scarce, by turns."""
        models, judges = (_drop_gone(queue) for queue in self.queues)
        if not models or not judges:
            return True if judges else False if models else None
        return not self.served_judge if self.is_held else judges_first


class Slots:
    """Bounds the calls in flight.

    A waiting judge call goes first, so that results stream; but model calls go first while fewer than two
    rounds of them are left, or the judges' last round would start late (`model_calls_left` says how many).
    A call holds a slot only while it is in flight: what waits for its model's pace keeps nobody else back. Of
    several models the one with the fewest calls in flight is next, and one that has not answered yet keeps to
    its share, so that none that hangs takes all slots.
    """

    def __init__(self, size: int, *, model_calls_left: Callable[[], int] = lambda: 0) -> None:
        self.size = size
        self.in_flight = 0
        self.waiting_model_calls = 0
        self._model_calls_left = model_calls_left
        self._lines: dict[Pace, _Line] = {}
        self._models: set[Pace] = set()
        self._spares: list[_Spare] = []
        self._timer: asyncio.Handle | None = None
        self._timer_at = math.inf

    def wants_more(self) -> bool:
        """Whether another model call would find a slot soon.

        What its model keeps waiting does not count, nor what is beyond its model's share of the slots: a
        model that is slow or dead keeps the others from nothing.
        """
        if not self._lines:
            return True
        now = asyncio.get_running_loop().time()
        in_front = sum(
            min(self._share(), len(line.queues[False]))
            for pace, line in self._lines.items()
            if self._line_ready_at(pace, line, now) <= now
        )
        return in_front < self.size and self.waiting_model_calls < self.size + _MOST_HELD

    @property
    def waiting(self) -> int:
        """How many calls wait for a slot or for their model's pace."""
        return sum(len(queue) for line in self._lines.values() for queue in line.queues)

    async def acquire(self, pace: Pace, *, is_judge: bool, load: Load = NO_LOAD) -> Ticket:
        """Wait until an attempt may be made; `release` must follow. Raises ProviderError when it may not."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        is_trial = pace.breaker.is_open
        if is_trial and (refusal := pace.breaker.refusal(now)) is not None:
            raise refusal
        if not is_judge:
            self._models.add(pace)
        ticket = self._take(pace, now, load)
        if ticket is not None:
            return ticket
        waiter = _Waiter(loop.create_future(), load, is_trial)
        self._lines.setdefault(pace, _Line()).queues[is_judge].append(waiter)
        self.waiting_model_calls += not is_judge
        self._arm(now)
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if waiter.turn.cancelled():
                self.waiting_model_calls -= not is_judge
            elif waiter.turn.exception() is None:
                self.release(pace, waiter.turn.result())
            raise

    async def acquire_spare(self, pace: Pace, ticket: Ticket) -> Ticket:
        """Wait until the second attempt of a call may be made: nobody else waits, or it is urgent."""
        loop = asyncio.get_running_loop()
        now = loop.time()
        waiter = _Spare(loop.create_future(), pace, ticket, now + _URGENT_TIMES * (now - ticket.sent_at))
        self._spares.append(waiter)
        self._serve_spares(now)
        try:
            return await waiter.turn
        except asyncio.CancelledError:
            if not waiter.turn.cancelled():
                self.release(pace, waiter.turn.result())
            raise

    def release(self, pace: Pace, ticket: Ticket) -> None:
        """Give a slot back and let the next in line go."""
        self.in_flight -= 1
        pace.ended(ticket)
        if self._lines or self._spares:
            self._dispatch()

    def _share(self) -> int:
        """Return a model's part of the slots where all models under test want them."""
        return math.ceil(self.size / max(1, len(self._models)))

    def _judges_first(self) -> bool:
        return self._model_calls_left() >= 2 * self.size

    def _ready_at(self, pace: Pace, now: float, load: Load) -> float:
        """Return when the pace lets a call go; a model that has not answered yet keeps to its share."""
        if not pace.has_answered and pace.in_flight >= self._share() and pace in self._models:
            return math.inf
        return pace.ready_at(now, load)

    def _line_ready_at(self, pace: Pace, line: _Line, now: float) -> float:
        """Return when the pace lets the next in line go; inf when nobody waits."""
        role = line.next_role(judges_first=self._judges_first())
        if role is None:
            return math.inf
        return self._ready_at(pace, now, line.queues[role][0].load)

    def _take(self, pace: Pace, now: float, load: Load) -> Ticket | None:
        if self.in_flight >= self.size or pace in self._lines or self._ready_at(pace, now, load) > now:
            return None
        self.in_flight += 1
        return pace.take(now, load)

    def _dispatch(self) -> None:
        now = asyncio.get_running_loop().time()
        self._refuse()
        judges_first = self._judges_first()
        if self._spares:
            self._serve_spares(now, are_urgent=True)
        while self.in_flight < self.size and self._serve_one(now, judges_first=judges_first):
            pass
        if self._spares:
            self._serve_spares(now)
        self._arm(now)

    def _serve_spares(self, now: float, *, are_urgent: bool = False) -> None:
        """Let second attempts go as long as slots are left over, or those that are urgent."""
        for spare in list(self._spares):
            if self.in_flight >= self.size:
                return
            waits = now < spare.urgent_at if are_urgent else spare.pace in self._lines
            second = None if spare.turn.done() or waits else spare.pace.take_hedge(now, spare.first)
            if second is not None:
                self.in_flight += 1
                spare.turn.set_result(second)
            if spare.turn.done():
                self._spares.remove(spare)

    def _serve_one(self, now: float, *, judges_first: bool) -> bool:
        """Let one call go, if one may: of the role that goes first, of the model with fewest in flight."""
        chosen: tuple[Pace, bool] | None = None
        best = (2, 0)
        for pace, line in list(self._lines.items()):
            is_judge = line.next_role(judges_first=judges_first)
            if is_judge is None:
                del self._lines[pace]
                continue
            # Those who share a limit take turns, however long each one's answers take.
            rank = (int(is_judge is not judges_first), 0 if pace.shares_limit else pace.in_flight)
            if rank < best and self._line_ready_at(pace, line, now) <= now:
                chosen, best = (pace, is_judge), rank
        if chosen is None:
            return False
        pace, is_judge = chosen
        # The line goes to the end, so that models with as many in flight take turns.
        line = self._lines.pop(pace)
        waiter = line.queues[is_judge].popleft()
        line.served_judge = is_judge
        if any(line.queues):
            self._lines[pace] = line
        self.waiting_model_calls -= not is_judge
        self.in_flight += 1
        waiter.turn.set_result(pace.take(now, waiter.load))
        return True

    def _refuse(self) -> None:
        """End the waiting for endpoints that have been given up, but for those who try them again."""
        for pace, line in self._lines.items():
            if not pace.breaker.is_open:
                continue
            for is_judge, queue in enumerate(line.queues):
                trials = [waiter for waiter in queue if waiter.is_trial]
                for waiter in queue:
                    if not waiter.is_trial and not waiter.turn.done():
                        self.waiting_model_calls -= not is_judge
                        waiter.turn.set_exception(pace.breaker.reason())
                queue.clear()
                queue.extend(trials)

    def _arm(self, now: float) -> None:
        """Set the one timer to the moment when the first of those who wait may go."""
        first_at = math.inf
        if self.in_flight < self.size:
            for pace, line in self._lines.items():
                ready_at = self._line_ready_at(pace, line, now)
                line.is_held = ready_at > now
                first_at = min(first_at, ready_at)
        if self._timer is not None:
            if self._timer_at == first_at:
                return
            self._timer.cancel()
            self._timer = None
        if first_at < math.inf:
            self._timer = asyncio.get_running_loop().call_at(first_at, self._ring)
            self._timer_at = first_at

    def _ring(self) -> None:
        self._timer = None
        self._dispatch()


class SpareRoom(Value, kw_only=False):
    """Room for the second attempt of one call."""

    slots: Slots
    pace: Pace
    first: Ticket

    async def acquire(self) -> Ticket:
        """Wait for room."""
        return await self.slots.acquire_spare(self.pace, self.first)

    def release(self, ticket: Ticket) -> None:
        """Give room back that is not needed any more."""
        self.slots.release(self.pace, ticket)


def _drop_gone(queue: _Queue) -> _Queue:
    """Return the queue without those at its head who were cancelled."""
    while queue and queue[0].turn.done():
        queue.popleft()
    return queue
