"""A lease on what is stored, renewed for as long as whoever holds it works."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

from swapgate.errors import StoreError


@contextlib.asynccontextmanager
async def renewed(
    renew: Callable[[], None], *, every_s: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> AsyncIterator[None]:
    """Call `renew` every so many seconds while the block runs."""

    async def keep() -> None:
        while True:
            await sleep(every_s)
            with contextlib.suppress(StoreError):  # the next time may come before the lease ends
                renew()

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
