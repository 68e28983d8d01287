"""The one HTTP client of a run: httpx over aiohttp's connection pool, which holds up at high concurrency."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache, lru_cache
from typing import Any

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport, HttpxAiohttpClient
from httpx_aiohttp.transport import AiohttpResponseStream, map_aiohttp_exceptions
from multidict import CIMultiDict
from yarl import URL

_SPARE_CONNECTIONS = 4
# Below the 5 s after which common servers drop an idle connection: a reused one is hardly ever half closed.
_KEEPALIVE_S = 4.0
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


class _Transport(AiohttpTransport):
    """httpx-aiohttp's transport, without what it does anew for every request: nearly half of its time.

    Anything but a plain request (a proxy, a streamed body) goes its own way.
    """

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request over aiohttp's pool."""
        if self.proxy is not None or not isinstance(request.stream, httpx.ByteStream):
            return await super().handle_async_request(request)
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        try:
            reply = await self.client.request(
                request.method,
                _address(str(request.url)),
                # Handed over as httpx's mapping they would be looked up one by one.
                headers=CIMultiDict(
                    (n.decode("latin-1"), v.decode("latin-1")) for n, v in request.headers.raw
                ),
                data=request.content or None,
                allow_redirects=False,
                auto_decompress=False,
                compress=False,
                timeout=_timeouts(**request.extensions["timeout"]),
            )
        except Exception:
            with map_aiohttp_exceptions():
                raise
        stream = AiohttpResponseStream(reply)
        return httpx.Response(reply.status, headers=reply.raw_headers, stream=stream, request=request)


class _Client(HttpxAiohttpClient):
    def _init_transport(self, *args: Any, **kwargs: Any) -> httpx.AsyncBaseTransport:
        return _Transport(*args, **kwargs)


@lru_cache(maxsize=256)
def _address(url: str) -> URL:
    return URL(url, encoded=True)


@lru_cache(maxsize=64)
def _timeouts(
    *, connect: float | None, read: float | None, write: float | None, pool: float | None
) -> aiohttp.ClientTimeout:
    """Return the time limits of one step each; aiohttp has none for writing."""
    return aiohttp.ClientTimeout(sock_connect=connect, sock_read=read, connect=pool)


def open_http(*, concurrency: int, timeout_s: float) -> httpx.AsyncClient:
    """Return a client for `concurrency` requests at a time; close it in the loop that used it.

    Proxies of the environment are honoured, but never for loopback addresses. Redirects are not followed.
    """
    connections = max(1, concurrency) + _SPARE_CONNECTIONS
    return _Client(
        verify=_tls(),
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEPALIVE_S
        ),
        timeout=httpx.Timeout(timeout_s),
        follow_redirects=False,
        mounts=dict.fromkeys(_LOOPBACK),
        headers={"user-agent": "swapgate"},
    )


@asynccontextmanager
async def exchange(http: httpx.AsyncClient, request: httpx.Request) -> AsyncIterator[httpx.Response]:
    """Send a request and yield the response, its body unread.

    Straight through the client's transport (its proxies included): a whole `client.send` also looks for
    cookies, redirects and authentication, none of which is wanted here, and takes twice the time.
    """
    response = await http._transport_for_url(request.url).handle_async_request(request)
    try:
        yield response
    finally:
        await response.aclose()


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes longer than all the rest."""
    return httpx.create_ssl_context()
