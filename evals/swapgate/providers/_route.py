"""The way of requests to one URL: straight over a connection of aiohttp's pool, or through httpx's transport.

aiohttp's session builds each request anew: cookies, redirects, its headers, and a task that writes the body.
None of that is wanted here, and it takes twice the time of all the rest.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from functools import lru_cache
from typing import Protocol

import aiohttp
import httpx
from aiohttp import hdrs
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage
from httpx_aiohttp import AiohttpTransport
from multidict import CIMultiDict
from yarl import URL

from swapgate.providers.http_client import LONGEST_CONNECT_S, LateTransport

# What is used here of aiohttp is not documented; these versions were tried. Others take the way of httpx.
_KNOWN_FROM, _KNOWN_BEFORE = (3, 10), (3, 15)
_CHUNK = 16 * 1024
# Bytes. Gateways send traces and policies of tens of thousands.
_LONGEST_HEADER = 65_536
_COPIED = 256 * 1024
_BREAKS_A_HEADER = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class Route(Protocol):
    """Sends any number of requests with the same method, URL and headers."""

    async def send(self, content: bytes | None, *, step_s: float | None = None) -> httpx.Response:
        """Return the answer to a body, its own body unread: `aclose` it. `step_s` bounds each wait.

        Raises what httpx, aiohttp or the socket say of a connection that breaks.
        """
        ...


def open_route(http: httpx.AsyncClient, method: str, url: httpx.URL, headers: CIMultiDict[str]) -> Route:
    """Return the way to a URL, a proxy's of the environment included; for the loop that is running.

    Raises httpx.LocalProtocolError for a header that would begin another line.
    """
    if any(_BREAKS_A_HEADER.search(f"{name}{value}") for name, value in headers.items()):
        raise httpx.LocalProtocolError("a header holds a control character")
    transport = http._transport_for_url(url)
    if isinstance(transport, LateTransport):
        transport = transport.made()
    if _is_known(aiohttp.__version__) and isinstance(transport, AiohttpTransport) and transport.proxy is None:
        return _Pooled(_session(transport), method, url, headers)
    return _ThroughTransport(transport, method, url, headers)


def _is_known(version: str) -> bool:
    """Whether the short way was tried with this version of aiohttp."""
    major, minor = version.split(".")[:2]
    return _KNOWN_FROM <= (int(major), int(minor)) < _KNOWN_BEFORE


def _session(transport: AiohttpTransport) -> aiohttp.ClientSession:
    if not isinstance(transport.client, aiohttp.ClientSession):
        transport.client = transport.get_client()
    return transport.client


class _ThroughTransport:
    def __init__(
        self, transport: httpx.AsyncBaseTransport, method: str, url: httpx.URL, headers: CIMultiDict[str]
    ) -> None:
        self._transport = transport
        self._method, self._url, self._headers = method, url, list(headers.items())

    async def send(self, content: bytes | None, *, step_s: float | None = None) -> httpx.Response:
        request = httpx.Request(
            self._method,
            self._url,
            headers=self._headers,
            content=content,
            extensions={"timeout": httpx.Timeout(step_s).as_dict()},
        )
        return await self._transport.handle_async_request(request)


class _Pooled:
    """The head of the requests is written once; aiohttp's connector and its parser do the rest."""

    def __init__(
        self, session: aiohttp.ClientSession, method: str, url: httpx.URL, headers: CIMultiDict[str]
    ) -> None:
        assert session.connector is not None
        self._connector = session.connector
        self._request = aiohttp.ClientRequest(
            method,
            URL(str(url), encoded=True),
            headers=headers,
            loop=asyncio.get_running_loop(),
            session=session,
        )
        self._head = _head(self._request)
        has_length = hdrs.CONTENT_LENGTH in self._request.headers  # of 0, where a body is usual
        self._ends_without = b"Content-Length: 0\r\n\r\n" if has_length else b"\r\n"

    async def send(self, content: bytes | None, *, step_s: float | None = None) -> httpx.Response:
        connection = await self._connected(step_s)
        try:
            message, body = await self._exchanged(connection, content, step_s)
        except HttpProcessingError as exc:
            connection.close()
            raise aiohttp.ClientResponseError(
                self._request.request_info, (), status=exc.code, message=exc.message
            ) from exc
        except BaseException:
            connection.close()
            raise
        return httpx.Response(message.code, headers=message.raw_headers, stream=_Body(connection, body))

    async def _connected(self, step_s: float | None) -> Connection:
        try:
            return await self._connector.connect(self._request, [], _timeouts(step_s))
        except TimeoutError as exc:
            raise aiohttp.ConnectionTimeoutError from exc
        except asyncio.CancelledError as exc:  # by a time limit, which will say what was waited for
            exc.__cause__ = aiohttp.ConnectionTimeoutError()
            raise

    async def _exchanged(
        self, connection: Connection, content: bytes | None, step_s: float | None
    ) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        protocol = connection.protocol
        if protocol is None or protocol.transport is None:
            raise aiohttp.ClientConnectionResetError("the connection was closed before it was used")
        protocol.set_response_params(
            skip_payload=self._request.method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=step_s,
            max_field_size=_LONGEST_HEADER,
        )
        for piece in self._written(content):
            protocol.transport.write(piece)
        protocol.start_timeout()
        return await _final(protocol)

    def _written(self, content: bytes | None) -> Iterator[bytes]:
        """Yield a request in one piece, but for a body that would take long to copy."""
        if content is None:
            yield self._head + self._ends_without
        elif len(content) <= _COPIED:
            yield b"%bContent-Length: %d\r\n\r\n%b" % (self._head, len(content), content)
        else:
            yield b"%bContent-Length: %d\r\n\r\n" % (self._head, len(content))
            yield content


class _Body(httpx.AsyncByteStream):
    """An answer's body as it comes. Once it is whole, its connection goes back to the pool, else it ends."""

    def __init__(self, connection: Connection, body: aiohttp.StreamReader) -> None:
        self._connection, self._body = connection, body

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._body.iter_chunked(_CHUNK)

    async def aclose(self) -> None:
        self._connection.release()


async def _final(protocol: ResponseHandler) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """Return the answer that is not the announcement of one (1xx)."""
    while True:
        message, body = await protocol.read()
        if not 100 <= message.code < 200 or message.code == 101:
            return message, body


def _head(request: aiohttp.ClientRequest) -> bytes:
    """Return the head of a request up to the length of its body."""
    headers = [(name, value) for name, value in request.headers.items() if name.lower() != "content-length"]
    lines = [
        f"{request.method} {request.url.raw_path_qs} HTTP/1.1",
        *(f"{name}: {value}" for name, value in headers),
    ]
    return "".join(f"{line}\r\n" for line in lines).encode()


@lru_cache(maxsize=64)
def _timeouts(step_s: float | None) -> aiohttp.ClientTimeout:
    """Return the time limit of one step each; aiohttp has none for writing."""
    connect_s = LONGEST_CONNECT_S if step_s is None else min(step_s, LONGEST_CONNECT_S)
    return aiohttp.ClientTimeout(sock_connect=connect_s, sock_read=step_s, connect=step_s)
