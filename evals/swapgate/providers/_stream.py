"""A streamed answer: its events read as they come, put together to the body of an answer in one piece."""

from __future__ import annotations

import asyncio
import codecs
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol

import httpx
from httpx_sse import EventSource
from pydantic import ValidationError

from swapgate.errors import ErrorKind, ProviderError
from swapgate.providers._failures import (
    ASK_AGAIN,
    CHECK_ADDRESS,
    Target,
    broken,
    error_status,
    excerpt,
    status_failure,
    too_large,
)
from swapgate.providers.credentials import scrub
from swapgate.records import Json
from swapgate.storable import parse_json
from swapgate.values import Value

# Not the answer's alone: a token of four characters comes in an event of some 300.
_EVENTS_PER_ANSWER = 8
_END = "[DONE]"
_LONGEST_FAREWELL_S = 1.0
# A byte order mark before the first event is no part of it.
_EVENT_STREAM = {"content-type": "text/event-stream; charset=utf-8-sig"}
_JSON_LINE = re.compile(r"^[\[{]", re.M)


class Assembly(Protocol):
    """Puts the events of one answer together. `is_over`: nothing more is to come of it.

    `is_whole` says that the reason why the answer ends has come: a stream that ends without was cut off.
    """

    is_over: bool
    is_whole: bool

    def add(self, event: Json) -> int:
        """Take an event in and return how many characters of the answer it brought; ValidationError."""
        ...

    def body(self) -> Json:
        """Return the body that the same answer has when it comes in one piece."""
        ...


class Streamed(Value):
    """A whole answer as JSON, the seconds until its first token (None: it has none) and until its end."""

    text: str
    ttft_s: float | None
    latency_s: float


@dataclass(slots=True, kw_only=True)
class EventStream:
    """Reads one streamed answer. `limit` bounds it in characters; `silence_s` the time without any byte once
    it has begun; `started` is the reading of `clock` when the request was sent."""

    target: Target
    response: httpx.Response
    limit: int
    silence_s: float
    started: float
    clock: Callable[[], float] = time.perf_counter
    _size: int = 0
    _ttft_s: float | None = None
    _latency_s: float | None = None

    async def read(self, assembly: Assembly) -> Streamed:
        """Read until the end; ProviderError when it breaks off, is too large, or holds an error."""
        try:
            async with asyncio.timeout(None) as silence:
                await self._read(assembly, silence)
        except broken() as exc:
            if not self.is_over:
                if isinstance(exc, TimeoutError) and silence.expired():
                    raise self._stalled() from None
                raise
        text = json.dumps(assembly.body(), separators=(",", ":"))
        latency_s = self._latency_s if self._latency_s is not None else self._elapsed_s()
        return Streamed(text=text, ttft_s=self._ttft_s, latency_s=latency_s)

    async def _read(self, assembly: Assembly, silence: asyncio.Timeout) -> None:
        body = _Body(self, silence)
        source = EventSource(httpx.Response(200, headers=_EVENT_STREAM, stream=body))
        async with aclosing(source.aiter_sse()) as events:
            async for event in events:
                body.is_taken = True
                if event.data and not self.is_over:
                    self._take(event.data, assembly)
                    if self.is_over:
                        # What is left of the exchange is read, so that its connection can be used again.
                        silence.reschedule(asyncio.get_running_loop().time() + _LONGEST_FAREWELL_S)
        if not self.is_over and not assembly.is_whole:
            raise self._cut_off(body.rest())

    def _take(self, data: str, assembly: Assembly) -> None:
        is_end = data.strip() == _END
        if not is_end:
            self._add(data, assembly)
        if is_end or assembly.is_over:
            self._latency_s = self._elapsed_s()

    def _add(self, data: str, assembly: Assembly) -> None:
        try:
            event = parse_json(data)
        except ValueError as exc:
            raise self.bad(f"an event of the stream is not JSON ({exc})", data) from None
        if isinstance(event, dict) and event.get("error"):
            raise self._failed(event["error"], data)
        try:
            brought = assembly.add(event)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the whole"
            problem = f"an event of the stream has an unexpected shape ({place}: {first['msg']})"
            raise self.bad(problem, data) from None
        if brought and self._ttft_s is None:
            self._ttft_s = self._elapsed_s()
        self._size += brought
        if self._size > self.limit:
            raise too_large(self.target, self.response.status_code)

    def bad(self, problem: str, shown: str) -> ProviderError:
        """Return a bad_response error that shows the beginning of what came."""
        said = excerpt(scrub(shown, self.target.secrets))
        return self.target.error(f"{problem}: '{said}'. {CHECK_ADDRESS}", ErrorKind.BAD_RESPONSE)

    @property
    def has_begun(self) -> bool:
        """Whether the first token has come."""
        return self._ttft_s is not None

    @property
    def is_over(self) -> bool:
        """Whether the end of the answer has come."""
        return self._latency_s is not None

    def _failed(self, error: Json, data: str) -> ProviderError:
        return status_failure(self.target, error_status(error), scrub(data, self.target.secrets), {})

    def _cut_off(self, rest: str) -> ProviderError:
        """Some write their error bare between the events; without one the connection ended too early."""
        start = _JSON_LINE.search(rest)
        try:
            said = parse_json(rest[start.start() :]) if start else None
        except ValueError:
            said = None
        first = said[0] if isinstance(said, list) and said else said
        if isinstance(first, dict) and first.get("error"):
            return self._failed(first["error"], json.dumps(first))
        return self.target.cut_off("the stream ended before the answer did")

    def _stalled(self) -> ProviderError:
        problem = f"the answer stalled: nothing more came for {self.silence_s:g} s. {ASK_AGAIN}"
        return self.target.error(problem, ErrorKind.TIMEOUT)

    def _elapsed_s(self) -> float:
        return self.clock() - self.started


class _Body(httpx.AsyncByteStream):
    """The bytes of an answer, bounded, in UTF-8. `is_taken`: an event has ended in the last of them."""

    def __init__(self, stream: EventStream, silence: asyncio.Timeout) -> None:
        self.is_taken = False
        self._stream = stream
        self._silence = silence
        self._since_event = bytearray()
        self._total = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        stream, is_text = self._stream, codecs.getincrementaldecoder("utf-8")()
        async for chunk in stream.response.aiter_bytes():
            if stream.is_over:
                continue
            self._count(chunk)
            try:
                is_text.decode(chunk)
            except UnicodeDecodeError:
                raise stream.bad("the answer is not text in UTF-8", self.rest()) from None
            yield chunk
            if stream.has_begun and not stream.is_over:
                self._silence.reschedule(asyncio.get_running_loop().time() + stream.silence_s)

    def rest(self) -> str:
        """Return what came since the last event, and that event itself where it came with it."""
        return self._since_event.decode("utf-8-sig", "backslashreplace")

    def _count(self, chunk: bytes) -> None:
        if self.is_taken:
            self._since_event.clear()
            self.is_taken = False
        self._since_event += chunk
        self._total += len(chunk)
        limit = self._stream.limit
        if len(self._since_event) > limit or self._total > _EVENTS_PER_ANSWER * limit:
            raise too_large(self._stream.target, self._stream.response.status_code)
