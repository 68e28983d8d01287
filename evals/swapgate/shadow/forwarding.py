"""One request sent on and its answer sent back, byte for byte: what a proxy may change, and nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Container, Iterable, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from urllib.request import getproxies

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from swapgate.providers._certificates import naming_variable, trusted
from swapgate.shadow.capture import ANSWER_HEADERS
from swapgate.shadow.routing import OWN_HEADERS

# https://www.rfc-editor.org/rfc/rfc9110#section-7.6.1
_HOP_BY_HOP = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade"),
    }
)
_NOT_SENT_ON = _HOP_BY_HOP | OWN_HEADERS | {"host", "content-length", "expect"}
_ADDED_TO_ANSWERS = ("Content-Type", "Date", "Server")
_ADDED_BY_AIOHTTP = ("User-Agent", "Accept", "Accept-Encoding", "Content-Type")
# Below the 5 s after which common servers drop an idle connection: a reused one is hardly ever half closed.
_KEEPALIVE_S = 4.0
_CONNECT_S = 30.0
# Longer than any client waits: who gives up goes away, and that ends the exchange.
_SILENCE_S = 3600.0
_LONGEST_HEADER = 64 * 1024


@dataclass(slots=True, kw_only=True)
class Recording:
    """What went by of an answer, kept up to `limit` bytes. Times are seconds since `sent_at`."""

    limit: int
    sent_at: float
    status: int | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    parts: list[bytes] = field(default_factory=list)
    marks: list[tuple[float, int]] = field(default_factory=list)
    size: int = 0

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the head of an answer in."""
        self.status = status
        self.headers = [(name, value) for name, value in headers.items() if name.lower() in ANSWER_HEADERS]

    @property
    def is_too_large(self) -> bool:
        """Whether the answer is over the limit: nothing of it is kept then."""
        return self.size > self.limit

    def add(self, part: bytes, now: float) -> None:
        """Take a part of the body in."""
        self.size += len(part)
        if self.is_too_large:
            self.parts.clear()
            self.marks.clear()
            return
        self.parts.append(part)
        self.marks.append((round(now - self.sent_at, 6), self.size))


class Upstream:
    """The connections to the services behind a proxy. Open and close it in the serving loop."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,
                keepalive_timeout=_KEEPALIVE_S,
                ttl_dns_cache=60,
                # Where none are named, a proxy trusts whom the machine trusts, as its client does.
                ssl=trusted() if naming_variable() is not None else True,
            ),
            timeout=aiohttp.ClientTimeout(
                total=None, sock_connect=_CONNECT_S, sock_read=_SILENCE_S, connect=None
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_ADDED_BY_AIOHTTP,
            # aiohttp looks them up anew for every request, which takes as long as all the rest.
            trust_env=bool(getproxies()),
            read_bufsize=256 * 1024,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()

    async def send(
        self,
        request: web.BaseRequest,
        url: str,
        body: bytes | AsyncIterator[bytes] | None,
        *,
        headers: CIMultiDict[str] | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a request on, with its own headers unless there are others; aiohttp.ClientError, OSError."""
        if headers is None:
            headers = kept_headers(request.headers)
        if body is not None and not isinstance(body, bytes):
            length = request.headers.get("content-length")
            headers.extend({"Content-Length": length} if length is not None else {})
        return await self._session.request(
            request.method, URL(url, encoded=True), headers=headers, data=body, allow_redirects=False
        )


def kept_headers(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    """Return what is sent on of a request's headers, in their order and spelling."""
    return _without(headers, _NOT_SENT_ON)


async def relay(
    request: web.BaseRequest,
    upstream: aiohttp.ClientResponse,
    *,
    recording: Recording | None,
    whole: Callable[[], None],
) -> web.StreamResponse:
    """Send an answer back as it comes. `whole` is called when all of it is here, before its last part goes.

    Where the service breaks off, so does the connection to the application, and `whole` is not called.
    Raises ConnectionError where the application has gone away.
    """
    content = upstream.content
    response = AsItIs(upstream, at_once=not content.total_bytes)
    if recording is not None:
        recording.begin(upstream.status, response.headers)
    await response.prepare(request)
    is_whole = False
    while (part := await _next(content)) is not None:
        if not part:
            if not is_whole:
                whole()
            await response.write_eof()
            return response
        if recording is not None:
            recording.add(part, perf_counter())
        if content.at_eof():
            is_whole = True
            whole()
        await response.write(part)
    break_off(request)
    return response


def break_off(request: web.BaseRequest) -> None:
    """Break the application's connection, as the service broke the proxy's."""
    if request.transport is not None:
        request.transport.abort()


async def _next(content: aiohttp.StreamReader) -> bytes | None:
    """Return what has come, empty at the end; None where the service broke off."""
    try:
        return await content.readany()
    except (aiohttp.ClientError, OSError):
        return None


class AsItIs(web.StreamResponse):
    """A response with the headers that its service sent, in their order and spelling, and no others.

    `at_once`: the head goes before the first part of the body is here, as it came.
    """

    def __init__(self, upstream: aiohttp.ClientResponse, *, at_once: bool) -> None:
        super().__init__(status=upstream.status, reason=upstream.reason)
        self._send_headers_immediately = at_once
        headers = _decoded(upstream.raw_headers)
        self.headers.extend(_without(headers, _HOP_BY_HOP))
        self._added = {name for name in _ADDED_TO_ANSWERS if name not in headers}

    async def _write_headers(self) -> None:
        for name in self._added:
            self.headers.popall(name, None)
        await super()._write_headers()


def _decoded(raw: Iterable[tuple[bytes, bytes]]) -> CIMultiDict[str]:
    return CIMultiDict(
        [
            (name.decode("utf-8", "surrogateescape"), value.decode("utf-8", "surrogateescape"))
            for name, value in raw
        ]
    )


def _without(headers: CIMultiDict[str] | CIMultiDictProxy[str], names: Container[str]) -> CIMultiDict[str]:
    """Return headers in their order and spelling, but for these and those that the sender calls its own."""
    kept = CIMultiDict([(name, value) for name, value in headers.items() if name.lower() not in names])
    for value in headers.getall("connection", ()):
        for word in value.split(","):
            kept.popall(word.strip(), None)
    return kept
