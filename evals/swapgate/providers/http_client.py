"""The one HTTP client of a run: httpx over aiohttp's connection pool, which holds up at high concurrency."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING, Any

import httpx

from swapgate.providers._certificates import require_certificates, trusted
from swapgate.providers._proxies import require_proxies

if TYPE_CHECKING:
    from httpx_aiohttp import AiohttpTransport

_SPARE_CONNECTIONS = 4
# Below the 5 s after which common servers drop an idle connection: a reused one is hardly ever half closed.
_KEEPALIVE_S = 4.0
# Long enough for a lost packet or three, which a system sends again after 1, 3 and 7 s.
LONGEST_CONNECT_S = 20.0
_LOOPBACK = ("all://localhost", "all://127.0.0.1", "all://[::1]")


def open_http(*, concurrency: int, timeout_s: float) -> httpx.AsyncClient:
    """Return a client for `concurrency` requests at a time; close it in the loop that used it.

    Proxies of the environment are honoured, but never for loopback addresses. Redirects are not followed.
    Raises UsageError where the environment names certificates or a proxy that cannot be.
    """
    require_certificates()
    require_proxies()
    connections = max(1, concurrency) + _SPARE_CONNECTIONS
    return _Client(
        limits=httpx.Limits(
            max_connections=connections, max_keepalive_connections=connections, keepalive_expiry=_KEEPALIVE_S
        ),
        timeout=httpx.Timeout(timeout_s),
        follow_redirects=False,
        mounts=dict.fromkeys(_LOOPBACK),
        headers={"user-agent": "swapgate"},
    )


def load() -> None:
    """Import what the first request needs, and read the certificates: aiohttp reads them too, and twice."""
    import swapgate.providers._route  # noqa: F401

    trusted()


class _Client(httpx.AsyncClient):
    """Sends over aiohttp; nothing of that is loaded before the first request."""

    def _init_transport(self, *_args: Any, **settings: Any) -> httpx.AsyncBaseTransport:
        return LateTransport(limits=settings["limits"])

    def _init_proxy_transport(self, proxy: httpx.Proxy, **settings: Any) -> httpx.AsyncBaseTransport:  # type: ignore[override]
        return LateTransport(limits=settings["limits"], proxy=_with_header(proxy))


def _with_header(proxy: httpx.Proxy) -> httpx.Proxy:
    """Return a proxy whose password is a header: what httpx-aiohttp makes of one warns, since aiohttp 3.14.

    aiohttp sends it to the proxy alone, as `proxy-authorization`.
    """
    if proxy.auth is None:
        return proxy
    basic = b64encode(":".join(proxy.auth).encode()).decode()
    return httpx.Proxy(proxy.url, headers={**proxy.headers, "authorization": f"Basic {basic}"})


class LateTransport(httpx.AsyncBaseTransport):
    """aiohttp's transport, made by the first request: a run that the cache answers does without a tenth of a
    second that aiohttp and the certificates take."""

    def __init__(self, *, limits: httpx.Limits, proxy: httpx.Proxy | None = None) -> None:
        self._limits = limits
        self._proxy = proxy
        self._made: AiohttpTransport | None = None

    def made(self) -> AiohttpTransport:
        """Return the transport itself."""
        if self._made is None:
            from httpx_aiohttp import AiohttpTransport

            self._made = AiohttpTransport(verify=trusted(), limits=self._limits, proxy=self._proxy)
        return self._made

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request of httpx's own."""
        return await self.made().handle_async_request(request)

    async def aclose(self) -> None:
        """Close what was made."""
        if self._made is not None:
            await self._made.aclose()
