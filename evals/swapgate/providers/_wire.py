"""One JSON exchange over HTTP: time limit, size limit, scrubbing, classified failures. Knows no format."""

from __future__ import annotations

import asyncio
import json
import math
import re
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
import httpx
from multidict import CIMultiDict
from pydantic import BaseModel, ValidationError

from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.providers._failures import (
    ASK_AGAIN,
    CHECK_ADDRESS,
    Target,
    connection_failure,
    error_status,
    excerpt,
    status_failure,
    too_large,
)
from swapgate.providers._stream import Assembly, EventStream
from swapgate.providers.credentials import Credentials, Sent, scrub
from swapgate.providers.http_client import Outgoing, exchange
from swapgate.records import Json
from swapgate.spec.models import ModelSpec
from swapgate.storable import parse_json

LARGEST_ANSWER = 10 * 1024 * 1024
_LONGEST_ID = 200
# A chunk of 16 KiB in one of these unpacks to some 16 MiB at most, of brotli or in two layers to gigabytes.
_ACCEPTED = "gzip, deflate"
_ENCODINGS = {"", "identity", "gzip", "deflate"}
_SECRET_QUERY = {"key", "api_key", "api-key", "apikey", "access_token", "token", "secret", "password"}
# Escapes that can hide a secret from a search for it as JSON usually writes it.
_HIDING = re.compile(r"\\[u/]")
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id")
_BROKEN = (httpx.HTTPError, httpx.InvalidURL, aiohttp.ClientError, OSError)
_Shape = TypeVar("_Shape", bound=BaseModel)
# Told the headers (names in lower case) of each answer that says something about rate limits.
Heard = Callable[[Mapping[str, str]], None]
_ALLOWANCE = b"ratelimit"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request in its wire format: the body, the wire parameters as people write them, those left out."""

    body: Json
    written: Mapping[str, str]
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A successful answer: its scrubbed body, the seconds that the exchange took, the server's id of it.

    `latency_s` is None where the exchange says nothing about the time that the answer took, `ttft_s` are the
    seconds until its first token, where it was streamed.
    """

    target: Target
    text: str
    latency_s: float | None
    secrets: tuple[str, ...] = field(repr=False)
    request_id: str | None = None
    ttft_s: float | None = None

    def json(self) -> Json:
        """Return the body as JSON; ProviderError (bad_response) when it is none."""
        try:
            value = parse_json(self.text)
        except ValueError as exc:
            raise self.bad(f"the answer is not JSON ({exc})") from None
        return _scrub_value(value, self.secrets) if self.secrets and _HIDING.search(self.text) else value

    def read(self, shape: type[_Shape]) -> _Shape:
        """Return the body in its expected shape; an error that a gateway calls a success is told as one."""
        value = self.json()
        try:
            return shape.model_validate(value)
        except ValidationError as exc:
            if isinstance(value, dict) and value.get("error"):
                text = scrub(self.text, self.secrets)
                raise status_failure(self.target, error_status(value["error"]), text, {}) from None
            first = exc.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            raise self.bad(f"the answer has an unexpected shape ({place}: {first['msg']})") from None

    def bad(self, problem: str) -> ProviderError:
        """Return a bad_response error that shows the beginning of the body."""
        shown = excerpt(scrub(self.text, self.secrets))
        return self.target.error(f"{problem}: '{shown}'. {CHECK_ADDRESS}", ErrorKind.BAD_RESPONSE)


@dataclass(slots=True, kw_only=True)
class Wire:
    """Sends to one URL on behalf of one model. Raises ProviderError and nothing else.

    `limit_s` takes the place of the model's time limit where more than one answer is carried.
    """

    spec: ModelSpec
    http: httpx.AsyncClient
    credentials: Credentials
    url: str
    query: Mapping[str, str] = field(default_factory=dict)
    method: str = "POST"
    limit_s: float | None = None
    heard: Heard | None = None
    _address: httpx.URL | None = field(default=None, init=False, repr=False)
    _made: tuple[Sent, str, CIMultiDict[str]] | None = field(default=None, init=False, repr=False)

    async def send(
        self, body: Json, *, written: Mapping[str, str] | None = None, assembly: Assembly | None = None
    ) -> Reply:
        """Exchange a body (None: none) for a reply; `written` maps wire parameters to what people write.

        `assembly` puts a streamed answer together; a server that answers in one piece is taken at its word.
        """
        sent = self.credentials.take()
        target = self._target(sent, written or {})
        return await self._send(target, sent, encode_json(target, body), "application/json", assembly)

    async def send_content(self, content: bytes, content_type: str) -> Reply:
        """Exchange bytes of any type for a reply in JSON."""
        sent = self.credentials.take()
        return await self._send(self._target(sent, {}), sent, content, content_type)

    async def lines(self) -> AsyncGenerator[Reply, None]:
        """Yield the lines of a JSONL answer of any size, each as a reply of its own; empty ones are left out.

        Nothing bounds the whole but the server. A line beyond the limit of an answer is left out; each wait
        keeps the time.
        """
        sent = self.credentials.take()
        target = self._target(sent, {})
        try:
            async with self._stream(sent, None, "") as response:
                _check_encoding(target, response)
                if not response.is_success:
                    _reply(target, sent, response, await _read(target, response), None)
                async for line in _lines(response):
                    yield _reply(target, sent, response, line, None)
        except _BROKEN as exc:
            raise self._failure(target, exc) from None

    @property
    def timeout_s(self) -> float | None:
        """The seconds that one exchange may take, from the model's own setting or the client's."""
        own = self.limit_s if self.limit_s is not None else self.spec.timeout_s
        return own if own is not None else self.http.timeout.read

    async def _send(
        self,
        target: Target,
        sent: Sent,
        content: bytes | None,
        content_type: str,
        assembly: Assembly | None = None,
    ) -> Reply:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.timeout_s), self._stream(sent, content, content_type) as response:
                self._tell(response)
                _check_encoding(target, response)
                if assembly is not None and _is_stream(response):
                    return await self._streamed(target, sent, response, started, assembly)
                raw = await _read(target, response)
        except _BROKEN as exc:
            raise self._failure(target, exc) from None
        return _reply(target, sent, response, raw, time.perf_counter() - started)

    def _tell(self, response: httpx.Response) -> None:
        """Tell of what the headers say about rate limits: most answers say nothing, and few are read."""
        if self.heard is not None and any(
            _ALLOWANCE in name.lower() for name, _value in response.headers.raw
        ):
            self.heard({name.lower(): value for name, value in response.headers.items()})

    def _stream(
        self, sent: Sent, content: bytes | None, content_type: str
    ) -> AbstractAsyncContextManager[httpx.Response]:
        outgoing = Outgoing(
            method=self.method,
            url=self.address,
            headers=self._headers(sent, content_type if content is not None else ""),
            content=content,
            timeout_s=self.timeout_s,
        )
        return exchange(self.http, outgoing)

    def _headers(self, sent: Sent, content_type: str) -> CIMultiDict[str]:
        """Return a request's headers: the client's, below the model's own; the last ones are kept."""
        if self._made is None or self._made[:2] != (sent, content_type):
            headers = {**self.http.headers, "accept": "application/json", "accept-encoding": _ACCEPTED}
            typed = {"content-type": content_type} if content_type else {}
            self._made = (sent, content_type, CIMultiDict({**headers, **typed, **sent.headers}))
        return self._made[2]

    async def _streamed(
        self, target: Target, sent: Sent, response: httpx.Response, started: float, assembly: Assembly
    ) -> Reply:
        stream = EventStream(
            target=target,
            response=response,
            limit=LARGEST_ANSWER,
            silence_s=self.spec.stall_timeout_s,
            started=started,
        )
        streamed = await stream.read(assembly)
        return Reply(
            target=target,
            text=scrub(streamed.text, sent.secrets, is_answer=True),
            latency_s=streamed.latency_s,
            ttft_s=streamed.ttft_s,
            secrets=sent.secrets,
            request_id=_request_id(response.headers, sent),
        )

    @property
    def address(self) -> httpx.URL:
        """The URL with its query, parsed once."""
        if self._address is None:
            self._address = httpx.URL(self.url, params=self.query) if self.query else httpx.URL(self.url)
        return self._address

    def _failure(self, target: Target, exc: Exception) -> ProviderError:
        if isinstance(exc, httpx.DecodingError):
            text = f"the answer's compression is broken. {ASK_AGAIN}"
            return target.error(text, ErrorKind.BAD_RESPONSE)
        return connection_failure(target, exc, timeout_s=self.timeout_s)

    def target(self, written: Mapping[str, str]) -> Target:
        """Return who is asked, for messages."""
        return self._target(self.credentials.take(), written)

    def _target(self, sent: Sent, written: Mapping[str, str]) -> Target:
        return Target(
            name=self.spec.name,
            model=self.spec.model,
            host=self.address.netloc.decode(),
            key_env=self.credentials.key_env,
            written=written,
            secrets=sent.secrets,
        )


async def read_received(
    target: Target,
    response: httpx.Response,
    *,
    assembly: Assembly,
    latency_s: float,
    clock: Callable[[], float],
    encodings: Collection[str] = _ENCODINGS,
) -> Reply:
    """Read an answer that somebody else asked for, as if it came now; raises what asking would have raised.

    `clock` gives the seconds since the request was sent, at the time of the part that was read last.
    `encodings` are those that can be unpacked here.
    """
    _check_encoding(target, response, encodings)
    nothing = Sent(headers={}, secrets=())
    if not _is_stream(response):
        return _reply(target, nothing, response, await _read(target, response), latency_s)
    stream = EventStream(
        target=target, response=response, limit=LARGEST_ANSWER, silence_s=math.inf, started=0.0, clock=clock
    )
    streamed = await stream.read(assembly)
    return Reply(
        target=target,
        text=streamed.text,
        latency_s=latency_s,
        ttft_s=streamed.ttft_s,
        secrets=(),
        request_id=_request_id(response.headers, nothing),
    )


class WireProvider:
    """What the providers of one wire format share; each adds `complete`."""

    is_recordable = True
    reads_cache = True
    needs_variables = False

    def __init__(self, spec: ModelSpec, wire: Wire, *, identity: Mapping[str, Json]) -> None:
        self._spec = spec
        self._wire = wire
        self.identity = identity

    @property
    def wire(self) -> Wire:
        """What the provider sends over: batches of its requests go the same way."""
        return self._wire

    async def close(self) -> None:
        """Nothing is held."""


def check_url(where: str, url: str) -> None:
    """Raise UsageError for a base URL that is none, or that carries a secret."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as exc:
        raise UsageError(f"{where}: base_url {url!r} is not a URL: {exc}") from exc
    if parsed.userinfo or _SECRET_QUERY & {name.lower() for name in parsed.params}:
        fix = "never written into a file: use api_key_env, or headers with {env: NAME}"
        raise UsageError(f"{where}: base_url carries a credential, which is {fix}")
    if parsed.scheme not in {"http", "https"} or not parsed.host:
        raise UsageError(
            f"{where}: base_url {url!r} is not an address: it must start with https:// or http://"
        )


async def _read(target: Target, response: httpx.Response) -> bytes:
    """Read the body as it comes, never more than the limit."""
    body = bytearray()
    # Without a compression httpx's own layers around the stream would only pass the chunks on.
    is_plain = "content-encoding" not in response.headers
    assert isinstance(response.stream, httpx.AsyncByteStream)
    async for chunk in response.stream if is_plain else response.aiter_bytes():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise too_large(target, response.status_code)
    return bytes(body)


async def _lines(response: httpx.Response) -> AsyncIterator[bytes]:
    """Yield the lines of a body, never holding more than one of them and a chunk; too long ones are lost."""
    line = bytearray()
    is_lost = False
    async for chunk in response.aiter_bytes():
        for number, part in enumerate(chunk.split(b"\n")):
            if number:
                if not is_lost and line.strip():
                    yield bytes(line)
                line.clear()
                is_lost = False
            line += part
            if len(line) > LARGEST_ANSWER:
                line.clear()
                is_lost = True
    if not is_lost and line.strip():
        yield bytes(line)


def _reply(
    target: Target, sent: Sent, response: httpx.Response, raw: bytes, latency_s: float | None
) -> Reply:
    if not response.is_success:
        raise _failure(target, sent, response, raw)
    text, is_utf8 = _decoded(raw)
    reply = Reply(
        target=target,
        text=scrub(text, sent.secrets, is_answer=True),
        latency_s=latency_s,
        secrets=sent.secrets,
        request_id=_request_id(response.headers, sent),
    )
    if not is_utf8:
        raise reply.bad("the answer is not text in UTF-8")
    return reply


def _failure(target: Target, sent: Sent, response: httpx.Response, raw: bytes) -> ProviderError:
    headers = {name.lower(): scrub(value, sent.secrets) for name, value in response.headers.items()}
    if response.status_code in range(300, 400):
        return _redirected(target, response.status_code, headers.get("location", ""))
    text = scrub(_decoded(raw)[0], sent.secrets)
    return status_failure(target, response.status_code, text, headers)


def _request_id(headers: httpx.Headers, sent: Sent) -> str | None:
    found = next((headers[name] for name in _REQUEST_IDS if name in headers), None)
    return None if found is None else scrub(found, sent.secrets)[:_LONGEST_ID]


def _is_stream(response: httpx.Response) -> bool:
    kind: str = response.headers.get("content-type", "")
    return response.is_success and kind.lower().startswith("text/event-stream")


def _check_encoding(
    target: Target, response: httpx.Response, encodings: Collection[str] = _ENCODINGS
) -> None:
    """Refuse what was not asked for: other ways to compress, or several at once, unpack without bound."""
    encoding: str = response.headers.get("content-encoding", "")
    if encoding.strip().lower() not in encodings:
        problem = f"the answer is compressed as '{excerpt(encoding)}', which was not asked for. "
        remedy = "Let the server, or the proxy before it, send gzip or none"
        raise target.error(problem + remedy, ErrorKind.BAD_RESPONSE, status=response.status_code)


def _redirected(target: Target, status: int, location: str) -> ProviderError:
    text = f"HTTP {status}: a redirect to '{excerpt(location)}', not followed so that no key goes elsewhere. "
    return target.error(text + "Set base_url to the final address", ErrorKind.BAD_REQUEST, status=status)


def encode_json(target: Target, body: Json) -> bytes | None:
    """Return a body as compact JSON (None: none); ProviderError when it cannot be written as such."""
    if body is None:
        return None
    try:
        return json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
    except ValueError as exc:
        raise target.error(f"the request cannot be written as JSON: {exc}", ErrorKind.BAD_REQUEST) from None


def _decoded(raw: bytes) -> tuple[str, bool]:
    """Return a body as text, and whether it is text in UTF-8."""
    try:
        return raw.decode(), True
    except UnicodeDecodeError:
        return raw.decode("utf-8", "backslashreplace"), False


def _scrub_value(value: Json, secrets: tuple[str, ...]) -> Json:
    """Scrub the strings of a parsed body: an escape can hide a secret from the scrubbing of its text."""
    if isinstance(value, str):
        return scrub(value, secrets, is_answer=True)
    if isinstance(value, list):
        return [_scrub_value(item, secrets) for item in value]
    if isinstance(value, dict):
        return {
            scrub(key, secrets, is_answer=True): _scrub_value(item, secrets) for key, item in value.items()
        }
    return value
