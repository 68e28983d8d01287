"""The one HTTP client of a run: httpx over aiohttp's connection pool, which holds up at high concurrency."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request; `timeout_s` bounds each step of its exchange (None: nothing does)."""

    method: str
    url: httpx.URL
    headers: CIMultiDict[str]
    content: bytes | None
    timeout_s: float | None

    def as_httpx(self) -> httpx.Request:
        """Return it as httpx knows requests."""
        return httpx.Request(
            self.method,
            self.url,
            headers=list(self.headers.items()),
            content=self.content,
            extensions={"timeout": httpx.Timeout(self.timeout_s).as_dict()},
        )


class _Transport(AiohttpTransport):
    """httpx-aiohttp's transport, with a way past httpx's own requests: half of what an exchange takes."""

    async def send(self, outgoing: Outgoing) -> httpx.Response:
        """Send a request over aiohttp's pool; the response's body is unread."""
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        try:
            reply = await self.client.request(
                outgoing.method,
                _address(str(outgoing.url)),
                headers=outgoing.headers,
                data=outgoing.content,
                allow_redirects=False,
                auto_decompress=False,
                compress=False,
                timeout=_timeouts(outgoing.timeout_s),
            )
        except Exception:
            with map_aiohttp_exceptions():
                raise
        return httpx.Response(reply.status, headers=reply.raw_headers, stream=AiohttpResponseStream(reply))


class _Client(HttpxAiohttpClient):
    def _init_transport(self, *args: Any, **kwargs: Any) -> httpx.AsyncBaseTransport:
        return _Transport(*args, **kwargs)


@lru_cache(maxsize=256)
def _address(url: str) -> URL:
    return URL(url, encoded=True)


@lru_cache(maxsize=64)
def _timeouts(limit_s: float | None) -> aiohttp.ClientTimeout:
    """Return the time limit of one step each; aiohttp has none for writing."""
    return aiohttp.ClientTimeout(sock_connect=limit_s, sock_read=limit_s, connect=limit_s)


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
async def exchange(http: httpx.AsyncClient, outgoing: Outgoing) -> AsyncIterator[httpx.Response]:
    """Send a request and yield the response, its body unread.

    Straight through the client's transport (its proxies included): a whole `client.send` also looks for
    cookies, redirects and authentication, none of which is wanted here, and takes twice the time.
    """
    transport = http._transport_for_url(outgoing.url)
    if isinstance(transport, _Transport) and transport.proxy is None:
        response = await transport.send(outgoing)
    else:
        response = await transport.handle_async_request(outgoing.as_httpx())
    try:
        yield response
    finally:
        await response.aclose()


@cache
def _tls() -> ssl.SSLContext:
    """Reading the certificates takes longer than all the rest."""
    return httpx.create_ssl_context()
