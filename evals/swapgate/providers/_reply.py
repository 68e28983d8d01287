"""An answer as it came over HTTP: size bounded, text scrubbed, failures classified. Knows no format."""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass, field, replace
from typing import TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from swapgate.errors import ErrorKind, ProviderError
from swapgate.providers._failures import (
    CHECK_ADDRESS,
    Target,
    error_status,
    excerpt,
    status_failure,
    too_large,
)
from swapgate.providers._stream import Assembly, EventStream
from swapgate.providers.credentials import Sent, scrub
from swapgate.records import Json
from swapgate.storable import parse_json

LARGEST_ANSWER = 10 * 1024 * 1024
_LONGEST_ID = 200
_ENCODINGS = {"", "identity", "gzip", "deflate"}
# Escapes that can hide a secret from a search for it as JSON usually writes it.
_HIDING = re.compile(r"\\[u/]")
# How a body says where it ends, and what the reader of JSON says of one that ends too early.
_LENGTHS = {b"content-length", b"transfer-encoding"}
_BREAKS_OFF = "EOF while parsing"
_REQUEST_IDS = ("x-request-id", "request-id", "apim-request-id")
_Shape = TypeVar("_Shape", bound=BaseModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A successful answer: its scrubbed body, the seconds that the exchange took, the server's id of it.

    `latency_s` is None where the exchange says nothing about the time that the answer took, `ttft_s` are the
    seconds until its first token, where it was streamed. `is_whole` is False where nothing but the end of the
    connection says where the body ends, as in HTTP/1.0.
    """

    target: Target
    text: str
    latency_s: float | None
    secrets: tuple[str, ...] = field(repr=False)
    request_id: str | None = None
    ttft_s: float | None = None
    is_whole: bool = True

    def json(self) -> Json:
        """Return the body as JSON; ProviderError (bad_response) when it is none."""
        try:
            value = parse_json(self.text)
        except ValueError as exc:
            if not self.is_whole and _BREAKS_OFF in str(exc):
                raise self.target.cut_off("the connection ended before the answer did") from None
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
    check_encoding(target, response, encodings)
    nothing = Sent(headers={}, secrets=())
    if not is_stream(response):
        return reply_of(target, nothing, response, await read_body(target, response), latency_s)
    stream = EventStream(
        target=target, response=response, limit=LARGEST_ANSWER, silence_s=math.inf, started=0.0, clock=clock
    )
    return replace(await streamed_reply(stream, nothing, assembly), latency_s=latency_s)


async def streamed_reply(stream: EventStream, sent: Sent, assembly: Assembly) -> Reply:
    """Return the reply that a stream is put together to."""
    streamed = await stream.read(assembly)
    return Reply(
        target=stream.target,
        text=scrub(streamed.text, sent.secrets, is_answer=True),
        latency_s=streamed.latency_s,
        ttft_s=streamed.ttft_s,
        secrets=sent.secrets,
        request_id=_request_id(stream.response.headers, sent),
    )


def reply_of(
    target: Target, sent: Sent, response: httpx.Response, raw: bytes, latency_s: float | None
) -> Reply:
    """Return the reply in a body; ProviderError for a status that is no success, and for what is no text."""
    if not response.is_success:
        raise _failure(target, sent, response, raw)
    text, is_utf8 = _decoded(raw)
    names = {name.lower() for name, _value in response.headers.raw}
    reply = Reply(
        target=target,
        text=scrub(text, sent.secrets, is_answer=True),
        latency_s=latency_s,
        secrets=sent.secrets,
        request_id=_request_id(response.headers, sent),
        is_whole=not names.isdisjoint(_LENGTHS),
    )
    if not is_utf8:
        raise reply.bad("the answer is not text in UTF-8")
    return reply


async def read_body(target: Target, response: httpx.Response) -> bytes:
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


async def body_lines(response: httpx.Response) -> AsyncIterator[bytes]:
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


def is_stream(response: httpx.Response) -> bool:
    """Whether an answer comes as server-sent events: a failure comes in one piece."""
    kind: str = response.headers.get("content-type", "")
    return response.is_success and kind.lower().startswith("text/event-stream")


def check_encoding(target: Target, response: httpx.Response, encodings: Collection[str] = _ENCODINGS) -> None:
    """Refuse what was not asked for: other ways to compress, or several at once, unpack without bound."""
    encoding: str = response.headers.get("content-encoding", "")
    if encoding.strip().lower() not in encodings:
        problem = f"the answer is compressed as '{excerpt(encoding)}', which was not asked for. "
        remedy = "Let the server, or the proxy before it, send gzip or none"
        raise target.error(problem + remedy, ErrorKind.BAD_RESPONSE, status=response.status_code)


def _request_id(headers: httpx.Headers, sent: Sent) -> str | None:
    found = next((headers[name] for name in _REQUEST_IDS if name in headers), None)
    return None if found is None else scrub(found, sent.secrets)[:_LONGEST_ID]


def _failure(target: Target, sent: Sent, response: httpx.Response, raw: bytes) -> ProviderError:
    headers = {name.lower(): scrub(value, sent.secrets) for name, value in response.headers.items()}
    if response.status_code in range(300, 400) and "location" in headers:
        return _redirected(target, response.status_code, headers["location"])
    text = scrub(_decoded(raw)[0], sent.secrets)
    return status_failure(target, response.status_code, text, headers)


def _redirected(target: Target, status: int, location: str) -> ProviderError:
    text = f"HTTP {status}: a redirect to '{excerpt(location)}', not followed so that no key goes elsewhere. "
    return target.error(text + "Set base_url to the final address", ErrorKind.BAD_REQUEST, status=status)


def _decoded(raw: bytes) -> tuple[str, bool]:
    """Return a body as text, and whether it is text in UTF-8; a byte order mark is left out (RFC 8259)."""
    raw = raw.removeprefix(codecs.BOM_UTF8)
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
