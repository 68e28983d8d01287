"""Asking a straggler a second time: the first valid answer wins, the other attempt is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Protocol

from swapgate.engine.pace import Ticket
from swapgate.errors import BudgetSpent, ProviderError
from swapgate.records import Response
from swapgate.spec.settings import Hedge

_SHARES: Mapping[Hedge, float] = {"p90": 0.90, "p95": 0.95, "p99": 0.99}
# As long as too few answers are known to say what takes long, this is how often they are looked at.
_LOOK_AGAIN_S = 0.25
_Attempt = Coroutine[Any, Any, Response]


class _Room(Protocol):
    """Where the second attempt waits until it disturbs nobody."""

    async def acquire(self) -> Ticket: ...

    def release(self, ticket: Ticket) -> None: ...


def share_of(hedge: Hedge | None) -> float | None:
    """Return the share of a model's answers after whose time a call is made again; None for never."""
    return None if hedge is None else _SHARES[hedge]


async def first_answer(
    first: _Attempt, *, long_at: Callable[[], float | None], room: _Room, again: Callable[[Ticket], _Attempt]
) -> Response:
    """Return the first answer of two attempts: the second follows at `long_at`, once there is room for it.

    `long_at` is when the first one will have taken long, by the loop's clock. It is asked anew while that
    runs, and is None as long as nobody can say, or the first one waits to be sent: so would the second.
    Raises the first attempt's error when no attempt that was made gives an answer.
    """
    task = asyncio.create_task(first)
    waiting: asyncio.Task[Ticket] | None = None
    second: asyncio.Task[Response] | None = None
    try:
        await _until_it_takes_long(task, long_at)
        if not task.done():
            waiting = asyncio.create_task(room.acquire())
            await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                second = asyncio.create_task(again(waiting.result()))
                return await _first_of(task, second)
        return task.result()
    finally:
        tasks = [one for one in (task, waiting, second) if one is not None]
        for one in tasks:
            one.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        if second is None and waiting is not None and isinstance(results[1], Ticket):
            room.release(results[1])


async def _until_it_takes_long(task: asyncio.Task[Response], long_at: Callable[[], float | None]) -> None:
    """Wait until the task is done, or has run for longer than most do by then."""
    loop = asyncio.get_running_loop()
    while not task.done():
        at = long_at()
        left_s = _LOOK_AGAIN_S if at is None else at - loop.time()
        if left_s <= 0:
            return
        await asyncio.wait({task}, timeout=left_s)


async def _first_of(first: asyncio.Task[Response], second: asyncio.Task[Response]) -> Response:
    pending = {first, second}
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not isinstance(task.exception(), (ProviderError, BudgetSpent)):
                return task.result()
    return first.result()
