"""Stored responses, looked up together: hundreds of calls begin in the same turn of the loop."""

from __future__ import annotations

import asyncio

from swapgate.memory.cache import ResponseCache
from swapgate.records import Response


class Lookup:
    """Reads the keys that were asked for in one turn of the loop with one query: one each takes longer."""

    def __init__(self, cache: ResponseCache) -> None:
        self._cache = cache
        self._asked: dict[str, list[asyncio.Future[Response | None]]] = {}

    async def get(self, key: str) -> Response | None:
        """Return the stored response, or None when the key is absent; StoreError for a broken cache."""
        loop = asyncio.get_running_loop()
        if not self._asked:
            loop.call_soon(self._read)
        found: asyncio.Future[Response | None] = loop.create_future()
        self._asked.setdefault(key, []).append(found)
        return await found

    def _read(self) -> None:
        asked, self._asked = self._asked, {}
        try:
            stored = self._cache.get_many(asked)
        except Exception as exc:
            self._fail(asked, exc)
            return
        for key, waiting in asked.items():
            for one in waiting:
                if not one.done():
                    one.set_result(stored.get(key))

    @staticmethod
    def _fail(asked: dict[str, list[asyncio.Future[Response | None]]], exc: Exception) -> None:
        for waiting in asked.values():
            for one in waiting:
                if not one.done():
                    one.set_exception(exc)
