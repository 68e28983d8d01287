"""One timer for many waits: each has the whole time, and only what takes longer is a TimeoutError."""

from __future__ import annotations

import asyncio

import pytest

from swapgate.providers._time_limit import TimeLimit
from virtual_time import simulate, stand_still


async def wait(limit: TimeLimit, *, start_s: float, takes_s: float) -> float:
    """Wait from a moment on for so long; return when it was over, or raise."""
    await asyncio.sleep(start_s)
    try:
        with limit.bound():
            await asyncio.sleep(takes_s)
    except TimeoutError:
        return -asyncio.get_running_loop().time()
    return asyncio.get_running_loop().time()


def test_each_wait_has_the_whole_time() -> None:
    async def run() -> list[float]:
        limit, begun = TimeLimit(10), asyncio.get_running_loop().time()
        waits = [(0, 100), (1, 2), (4, 9.5), (5, 100), (30, 100), (31, 9)]
        ended = await asyncio.gather(*(wait(limit, start_s=start, takes_s=takes) for start, takes in waits))
        return [round(abs(at) - begun, 3) * (1 if at > 0 else -1) for at in ended]

    assert simulate(run()) == [-10, 3, 13.5, -15, -40, 40]


def test_without_a_limit_nothing_ends() -> None:
    assert simulate(wait(TimeLimit(None), start_s=0, takes_s=1000)) > 0


def test_what_came_while_the_process_was_stopped_is_read_before_the_time_is_over() -> None:
    async def answered(limit: TimeLimit, answer: asyncio.Future[str]) -> str:
        with limit.bound():
            return await answer

    async def run() -> None:
        limit, loop = TimeLimit(10), asyncio.get_running_loop()
        came: asyncio.Future[str] = loop.create_future()
        reading = asyncio.create_task(answered(limit, came))
        lost = asyncio.create_task(wait(limit, start_s=0, takes_s=1000))
        await asyncio.sleep(5)
        stand_still(100)
        loop.call_soon(came.set_result, "read")  # before the timers of the same turn, as the selector does
        assert await reading == "read"
        assert await lost == -(5 + 100 + 5)

    simulate(run())


def test_a_task_that_is_cancelled_is_no_timeout() -> None:
    async def run() -> None:
        limit = TimeLimit(10)
        waiting = asyncio.create_task(wait(limit, start_s=0, takes_s=100))
        await asyncio.sleep(10)  # cancelled by the limit and by us in the same turn
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert waiting.cancelled()

    simulate(run())


def test_what_breaks_within_the_time_is_told_as_it_is() -> None:
    async def run() -> None:
        with TimeLimit(10).bound():
            raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        simulate(run())
