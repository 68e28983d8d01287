"""Calls a model as an application would: what fails there fails here.

The engine's own caller spares a model what it cannot bear, and waits until it can. That is right for a
replay; a live mirror that did so would hide the candidate's rate limits and outages.
"""

from __future__ import annotations

import asyncio
import random

from swapgate.engine.breaker import LONGEST_WAIT_S, backoff_s
from swapgate.engine.budget import Budget
from swapgate.engine.call import Called, OpenModel
from swapgate.errors import ProviderError
from swapgate.records import Request, Response
from swapgate.storable import storable


class Attempts:
    """Makes a call, and again after transient errors, `retries` times at most. Raises as `Caller` does."""

    def __init__(self, *, retries: int, budget: Budget) -> None:
        self._retries = retries
        self._budget = budget
        self._jitter = random.Random()  # noqa: S311 - spreads retries, decides nothing

    async def call(self, opened: OpenModel, request: Request, *, is_judge: bool) -> Called:
        """Call with retries."""
        attempts = 0
        while True:
            attempts += 1
            try:
                return Called(await self._attempt(opened, request, is_judge=is_judge), attempts)
            except ProviderError as error:
                wait_s = self._wait_s(error, attempts)
                if wait_s is None:
                    raise
            await asyncio.sleep(wait_s)

    async def _attempt(self, opened: OpenModel, request: Request, *, is_judge: bool) -> Response:
        async with self._budget.reserved(opened.spec, request, is_judge=is_judge) as reservation:
            response = await opened.provider.complete(request)
            reservation.settle(response.usage)
        return storable(response) if opened.is_foreign else response

    def _wait_s(self, error: ProviderError, attempts: int) -> float | None:
        """Return how long to wait, None where another attempt would not help."""
        if not error.is_transient or attempts > self._retries:
            return None
        wait_s = error.retry_after_s
        if wait_s is None:
            return backoff_s(attempts, self._jitter)
        return wait_s if wait_s <= LONGEST_WAIT_S else None
