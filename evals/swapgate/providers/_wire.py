"""One JSON exchange over HTTP: what is sent, to whom, within which time. Knows no format."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httpx
from multidict import CIMultiDict
from pydantic_core import PydanticSerializationError, to_json

from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.providers._failures import ASK_AGAIN, Target, broken, connection_failure
from swapgate.providers._reply import (
    LARGEST_ANSWER,
    Reply,
    body_lines,
    check_encoding,
    is_stream,
    read_body,
    reply_of,
    streamed_reply,
)
from swapgate.providers._stream import Assembly, EventStream
from swapgate.providers._time_limit import TimeLimit
from swapgate.providers.credentials import Credentials, Sent
from swapgate.records import Json, once_for_each
from swapgate.spec.models import ModelSpec
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.providers._route import Route

# A chunk of 16 KiB in one of these unpacks to some 16 MiB at most, of brotli or in two layers to gigabytes.
_ACCEPTED = "gzip, deflate"
_SECRET_QUERY = {"key", "api_key", "api-key", "apikey", "access_token", "token", "secret", "password"}
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
# Told the headers (names in lower case) of each answer that says something about rate limits.
Heard = Callable[[Mapping[str, str]], None]
_ALLOWANCE = b"ratelimit"


class Asked(Value):
    """A request in its wire format: the body, the wire parameters as people write them, those left out.

    `shared` is the end of the body, the same object for many requests.
    """

    body: dict[str, Json]
    shared: Mapping[str, Json] = field(default_factory=dict)
    written: Mapping[str, str]
    dropped: tuple[str, ...] = ()

    @property
    def whole(self) -> dict[str, Json]:
        """The body with all its parts."""
        return {**self.body, **self.shared}


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
    _host: str = field(default="", init=False, repr=False)
    _route: tuple[Sent, str, Route] | None = field(default=None, init=False, repr=False)
    _limit: TimeLimit | None = field(default=None, init=False, repr=False)

    async def send(
        self,
        body: Json,
        *,
        shared: Mapping[str, Json] | None = None,
        written: Mapping[str, str] | None = None,
        assembly: Assembly | None = None,
    ) -> Reply:
        """Exchange a body (None: none) for a reply; `written` maps wire parameters to what people write.

        `shared` is the rest of a body that is an object, the same for many requests. `assembly` puts a
        streamed answer together; a server that answers in one piece is taken at its word.
        """
        sent = self.credentials.take()
        target = self._target(sent, written or {})
        content = encode_json(target, body, shared)
        return await self._send(target, sent, content, "application/json", assembly)

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
            sending = self._route_for(sent, "").send(None, step_s=self.timeout_s)
            async with aclosing(await sending) as response:
                check_encoding(target, response)
                if not response.is_success:
                    reply_of(target, sent, response, await read_body(target, response), None)
                async for line in body_lines(response):
                    yield reply_of(target, sent, response, line, None)
        except broken() as exc:
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
            route = self._route_for(sent, content_type if content is not None else "")
            with self._time_limit().bound():
                async with aclosing(await route.send(content)) as response:
                    self._tell(response)
                    check_encoding(target, response)
                    if assembly is not None and is_stream(response):
                        return await self._streamed(target, sent, response, started, assembly)
                    raw = await read_body(target, response)
        except broken() as exc:
            raise self._failure(target, exc) from None
        return reply_of(target, sent, response, raw, time.perf_counter() - started)

    def _tell(self, response: httpx.Response) -> None:
        """Tell of what the headers say about rate limits: most answers say nothing, and few are read."""
        if self.heard is not None and any(
            _ALLOWANCE in name.lower() for name, _value in response.headers.raw
        ):
            self.heard({name.lower(): value for name, value in response.headers.items()})

    def _route_for(self, sent: Sent, content_type: str) -> Route:
        """Return the way that requests with these headers go; thousands go the last one."""
        if self._route is None or self._route[0] is not sent or self._route[1] != content_type:
            from swapgate.providers._route import open_route

            # The client's headers, below the model's own; the last ones are kept.
            headers = {**self.http.headers, "accept": "application/json", "accept-encoding": _ACCEPTED}
            typed = {"content-type": content_type} if content_type else {}
            route = open_route(
                self.http, self.method, self.address, CIMultiDict({**headers, **typed, **sent.headers})
            )
            self._route = (sent, content_type, route)
        return self._route[2]

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
        return await streamed_reply(stream, sent, assembly)

    @property
    def address(self) -> httpx.URL:
        """The URL with its query, parsed once."""
        if self._address is None:
            self._address = httpx.URL(self.url, params=self.query) if self.query else httpx.URL(self.url)
        return self._address

    def _time_limit(self) -> TimeLimit:
        if self._limit is None:
            self._limit = TimeLimit(self.timeout_s)
        return self._limit

    def _host_name(self) -> str:
        if not self._host:
            self._host = self.address.netloc.decode()
        return self._host

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
            host=self._host_name(),
            key_env=self.credentials.key_env,
            written=written,
            secrets=sent.secrets,
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


def encode_json(target: Target, body: Json, shared: Mapping[str, Json] | None = None) -> bytes | None:
    """Return a body as compact JSON (None: none); ProviderError when it cannot be written as such."""
    if body is None:
        return None
    try:
        written = _of_texts(body) or _encoded(body)
        return b"%b,%b" % (written[:-1], _encoded_once(shared)[1:]) if shared else written
    except ValueError as exc:
        raise target.error(f"the request cannot be written as JSON: {exc}", ErrorKind.BAD_REQUEST) from None


def _of_texts(body: Json) -> bytes | None:
    """Return an object whose texts are written by pydantic, None where they cannot be.

    They are nearly the whole of it, and take a quarter of the time; of numbers it lets NaN pass.
    """
    if not isinstance(body, dict):
        return None
    texts = {name: value for name, value in body.items() if _is_text(value)}
    rest = {name: value for name, value in body.items() if name not in texts}
    try:
        written = to_json(texts)
    except PydanticSerializationError:  # half a character
        return None
    if not texts or not rest:
        return written if texts else None
    return b"%b,%b" % (written[:-1], _encoded(rest)[1:])


def _encoded(value: Json) -> bytes:
    return _ENCODER.encode(value).encode()


@once_for_each
def _encoded_once(shared: Mapping[str, Json]) -> bytes:
    return _encoded(dict(shared))


def _is_text(value: Json) -> bool:
    """Whether a value is made of texts alone."""
    if isinstance(value, dict):
        return all(map(_is_text, value.values()))
    return isinstance(value, str) or (isinstance(value, list) and all(map(_is_text, value)))
