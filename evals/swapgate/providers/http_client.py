"""The one HTTP client of a run: httpx over aiohttp's connection pool, which holds up at high concurrency."""

from __future__ import annotations

import ssl
from functools import cache

import httpx
from httpx_aiohttp import HttpxAiohttpClient

_SPARE_CONNECTIONS = 4
# Below the 5 s after which common servers drop an idle connection: a reused one is hardly ever half closed.
_KEEPALIVE_S = 4.0
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


def open_http(*, concurrency: int, timeout_s: float) -> httpx.AsyncClient:
    """Return a client for `concurrency` requests at a time; close it in the loop that used it.

    Proxies of the environment are honoured, but never for loopback addresses. Redirects are not followed.
    """
    connections = max(1, concurrency) + _SPARE_CONNECTIONS
    return HttpxAiohttpClient(
        verify=_tls(),
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEPALIVE_S
        ),
        timeout=httpx.Timeout(timeout_s),
        follow_redirects=False,
        mounts=dict.fromkeys(_LOOPBACK),
        headers={"user-agent": "swapgate"},
    )


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes longer than all the rest."""
    return httpx.create_ssl_context()
