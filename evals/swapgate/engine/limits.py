"""How many calls may be in flight, and how fast one model may be asked."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from swapgate.spec.models import Limits


class Slots:
    """Bounds the calls in flight.

    A waiting judge call goes first, so that results stream; but model calls go first while fewer than two
    rounds of them are left, or the judges' last round would start late (`model_calls_left` says how many).
    """

    def __init__(self, size: int, *, model_calls_left: Callable[[], int] = lambda: 0) -> None:
        self.size = size
        self.in_flight = 0
        self._model_calls_left = model_calls_left
        self._judge_calls: deque[asyncio.Future[None]] = deque()
        self._model_calls: deque[asyncio.Future[None]] = deque()

    @property
    def waiting_model_calls(self) -> int:
        """Model calls that wait for a slot."""
        return len(self._model_calls)

    @asynccontextmanager
    async def hold(self, *, is_judge: bool) -> AsyncIterator[None]:
        """Wait for a slot and hold it."""
        await self._acquire(self._judge_calls if is_judge else self._model_calls)
        try:
            yield
        finally:
            self._release()

    async def _acquire(self, queue: deque[asyncio.Future[None]]) -> None:
        if self.in_flight < self.size:
            self.in_flight += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._release()
            raise

    def _release(self) -> None:
        """Hand the slot to the next in line; `in_flight` stays the same when somebody takes it."""
        models_first = self._model_calls_left() < 2 * self.size
        first, second = (
            (self._model_calls, self._judge_calls) if models_first else (self._judge_calls, self._model_calls)
        )
        for queue in (first, second):
            while queue:
                turn = queue.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self.in_flight -= 1


class Pace:
    """Keeps one model within its limits: calls at once, requests and tokens a minute, pauses it asked for.

    `share` is the number of processes that drive the same model at once (xdist's workers).
    """

    def __init__(self, limits: Limits, *, share: int = 1) -> None:
        self._gate = asyncio.Semaphore(max(1, limits.concurrency // share)) if limits.concurrency else None
        self._interval_s = 60 * share / limits.requests_per_minute if limits.requests_per_minute else 0.0
        self._token_s = 60 * share / limits.tokens_per_minute if limits.tokens_per_minute else 0.0
        self._next_at = self._paused_until = 0.0

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        """Wait until the model may be asked once more."""
        if self._gate is None:
            await self._wait_turn()
            yield
            return
        async with self._gate:
            await self._wait_turn()
            yield

    def pause(self, seconds: float) -> None:
        """Send nothing for this long: the provider asked for it."""
        self._paused_until = max(self._paused_until, _now() + seconds)

    def spent(self, tokens: int) -> None:
        """Count the tokens of a response against the tokens a minute."""
        if self._token_s:
            self._next_at = max(self._next_at, _now()) + tokens * self._token_s

    async def _wait_turn(self) -> None:
        my_turn_at = max(self._next_at, _now())
        self._next_at = my_turn_at + self._interval_s
        await asyncio.sleep(my_turn_at - _now())
        while (pause_s := self._paused_until - _now()) > 0:  # noqa: ASYNC110 - may be prolonged meanwhile
            await asyncio.sleep(pause_s)


def _now() -> float:
    return asyncio.get_running_loop().time()
