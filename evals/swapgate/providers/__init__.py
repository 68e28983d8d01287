"""Providers: one file per wire protocol behind one small Protocol."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Protocol

from swapgate.records import Json, Request, Response

if "httpx" not in sys.modules:
    # httpx does without its own command line where that cannot be imported; it takes four times as long.
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    import httpx  # noqa: F401

    del sys.modules["httpx._main"]


class Provider(Protocol):
    """Answers requests for one model. Raises ProviderError, classified, and nothing else.

    `identity` is what of the provider itself determines an answer (protocol, base URL, API version, file
    hash): part of the cache key, never a secret. `is_recordable` is False where storing responses is
    pointless (the `recorded` provider); `reads_cache` is False where a stored response may be stale (the
    user's own code). `needs_variables` says that the case's variables are part of the request's content.
    """

    identity: Mapping[str, Json]
    is_recordable: bool
    reads_cache: bool
    needs_variables: bool

    async def complete(self, request: Request) -> Response:
        """Return the response to one request; one attempt, no retries."""
        ...

    async def close(self) -> None:
        """Release what the provider holds (never the shared HTTP client)."""
        ...
