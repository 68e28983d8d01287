"""A question that several processes may have at the same time: one of them asks it for all."""

from __future__ import annotations

import asyncio

from swapgate.memory.cache import ResponseCache
from swapgate.memory.claims import KEPT_S
from swapgate.records import Response

# How long it is known for certain that nothing is stored, see KEPT_S.
_FRESH_S = KEPT_S / 2
_FIRST_LOOK_S, _LONGEST_LOOK_S, _GROWTH = 0.02, 0.25, 1.5


class Claim:
    """The right to ask one question, held from a call's turn to its failure, or until its answer is stored.

    To be made when nothing was found in the cache, and it was just looked. `patience_s` is how long other
    processes are waited for, of which one may be suspended: longer than an attempt may take, None for ever.
    """

    def __init__(self, cache: ResponseCache, key: str, *, patience_s: float | None) -> None:
        self._cache = cache
        self._key = key
        self._left_s = float("inf") if patience_s is None else patience_s
        self._is_denied = False
        self._found: Response | None = None
        self._looked_at = asyncio.get_running_loop().time()

    async def others_answer(self) -> Response | None:
        """Return the answer of a process that is asking now, or has asked; None where this one has to."""
        loop = asyncio.get_running_loop()
        until, wait_s = loop.time() + self._left_s, _FIRST_LOOK_S
        while self._found is None and self._left_s > 0 and self._is_elsewhere():
            self._is_denied = False
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * _GROWTH, _LONGEST_LOOK_S)
            self._left_s = until - loop.time()
            self._found = self._look()
        return self._found

    def take(self) -> bool:
        """Take it at this call's turn; False where another process asks, or has since it was looked."""
        if not self._cache.claims.take(self._key):
            self._is_denied = True
            return self._left_s <= 0
        if asyncio.get_running_loop().time() - self._looked_at > _FRESH_S:
            self._found = self._look()
        if self._found is not None:
            self.release()
        return self._found is None

    def _is_elsewhere(self) -> bool:
        claims = self._cache.claims
        # A run alone need not ask before each call has its turn.
        return self._is_denied or (claims.has_met_others and not claims.is_free(self._key))

    def _look(self) -> Response | None:
        self._looked_at = asyncio.get_running_loop().time()
        return self._cache.get(self._key)

    def release(self) -> None:
        """Let others ask."""
        self._cache.claims.release(self._key)
