"""Asking a straggler a second time: the first valid answer wins, the other attempt is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from swapgate.errors import ProviderError
from swapgate.records import Response
from swapgate.spec.settings import Hedge

_SHARES: Mapping[Hedge, float] = {"p90": 0.90, "p95": 0.95, "p99": 0.99}
_Attempt = Coroutine[Any, Any, Response]


def share_of(hedge: Hedge | None) -> float | None:
    """Return the share of a model's answers after whose time a call is made again; None for never."""
    return None if hedge is None else _SHARES[hedge]


async def first_answer(
    first: _Attempt, again: Callable[[], _Attempt | None], *, after_s: float
) -> tuple[Response, int, int]:
    """Return the first answer, how many attempts were made for it, and how many of them were cancelled.

    `again` starts the second attempt once the first has taken `after_s` seconds; None when there is no room.
    Raises the first attempt's ProviderError when no attempt gives an answer.
    """
    tasks = [asyncio.create_task(first)]
    try:
        done, _pending = await asyncio.wait(tasks, timeout=after_s)
        if not done and (second := again()) is not None:
            tasks.append(asyncio.create_task(second))
        return await _first_of(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _first_of(tasks: list[asyncio.Task[Response]]) -> tuple[Response, int, int]:
    pending = set(tasks)
    while pending:
        done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if not isinstance(task.exception(), ProviderError):
                return task.result(), len(tasks), len(pending)
    return tasks[0].result(), len(tasks), 0
