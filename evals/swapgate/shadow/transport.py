"""In the process, below a client of httpx: what goes by is mirrored as the proxy does it."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter

import httpx

from swapgate.shadow.capture import ANSWER_HEADERS, Capture, is_at_end, why_broken
from swapgate.shadow.mirror import Compare, no_comparison
from swapgate.shadow.mirror_thread import MirrorThread
from swapgate.shadow.plan import SHADOW_CONFIG, open_plan, require_askable
from swapgate.shadow.routing import OWN_HEADERS, PASSED_HEADERS, Asked, Decision, Router
from swapgate.spec.settings import resolve_settings

_MEGABYTE = 1024 * 1024


class _Watching:
    """What both transports share: which exchange is mirrored, and what went by of it."""

    def __init__(self, config: Path | str | None, root: Path | str | None, compare: Compare) -> None:
        settings = resolve_settings(Path(root or Path.cwd()), {}, os.environ)
        self._plan = open_plan(settings, Path(config) if config else settings.root / SHADOW_CONFIG)
        require_askable(self._plan)
        self._router = Router(self._plan)
        self._limit = int(self._plan.config.limits.body_mb * _MEGABYTE)
        self._mirror = MirrorThread(self._plan, compare=compare)

    def begin(self, request: httpx.Request) -> _Exchange | None:
        """Return what follows an exchange, None where it is of no route or not mirrored."""
        try:
            body: bytes | None = request.content
        except httpx.RequestNotRead:
            body = None
        if body is not None and len(body) > self._limit:
            body = None
        asked = Asked(path=request.url.path, headers=request.headers, body=body)
        decision = self._router.decide(asked) if request.method == "POST" else None
        passed = {name: request.headers[name] for name in PASSED_HEADERS if name in request.headers}
        for name in OWN_HEADERS:
            request.headers.pop(name, None)
        if decision is None:
            return None
        self._mirror.count(decision.planned.name, "seen")
        if decision.reason is not None or body is None:
            self._mirror.count(decision.planned.name, decision.reason or "request_too_large")
            return None
        return _Exchange(self._mirror, decision, body, passed, self._limit)

    def close(self) -> None:
        """Finish what is at hand."""
        self._mirror.close()


class _Exchange:
    """One exchange on its way; its capture is offered once its answer is whole."""

    def __init__(
        self, mirror: MirrorThread, decision: Decision, body: bytes, passed: dict[str, str], limit: int
    ) -> None:
        self._mirror = mirror
        self._decision = decision
        self._body = body
        self._passed = passed
        self._at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._sent_at = perf_counter()
        self._limit = limit
        self._parts: list[bytes] = []
        self._marks: list[tuple[float, int]] = []
        self._size = 0
        self._has_ended = False

    def add(self, part: bytes) -> None:
        """Take a part of the body in."""
        self._size += len(part)
        if self._size <= self._limit:
            self._parts.append(part)
            self._marks.append((perf_counter() - self._sent_at, self._size))

    def end(self, response: httpx.Response) -> None:
        """Offer the exchange: all of its answer has come."""
        if self._has_ended:
            return
        self._has_ended = True
        if self._size > self._limit:
            self._mirror.count(self._decision.planned.name, "answer_too_large")
            return
        headers = [(n, v) for n, v in response.headers.multi_items() if n.lower() in ANSWER_HEADERS]
        self._mirror.offer(
            replace(
                self._capture(),
                status=response.status_code,
                answer=b"".join(self._parts),
                headers=headers,
                marks=self._marks,
            )
        )

    def fail(self, exc: Exception, response: httpx.Response | None = None) -> None:
        """Offer the exchange without an answer: the control broke off, which is a record too."""
        if not self._has_ended:
            self._has_ended = True
            status = None if response is None else response.status_code
            self._mirror.offer(replace(self._capture(), status=status, broken=why_broken(exc)))

    def _capture(self) -> Capture:
        return Capture(
            key=secrets.token_hex(12),
            route=self._decision.planned.name,
            at=self._at,
            api=self._decision.api,
            status=None,
            request=self._body,
            answer=b"",
            latency_s=perf_counter() - self._sent_at,
            tags=self._decision.tags,
            unit=self._decision.unit,
            passed=self._passed,
        )

    def close(self, response: httpx.Response) -> None:
        """The client reads no further: at the end of a stream, or because it went away."""
        if not self._has_ended and is_at_end(self._parts):
            self.end(response)
        else:
            self.leave("client_left")

    def leave(self, what: str) -> None:
        """Count an exchange that nobody waits for any more."""
        if not self._has_ended:
            self._has_ended = True
            self._mirror.count(self._decision.planned.name, what)


class _AsyncBody(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, exchange: _Exchange, response: httpx.Response) -> None:
        self._inner, self._exchange, self._response = inner, exchange, response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for part in self._inner:
                self._exchange.add(part)
                yield part
        except httpx.TransportError as exc:
            self._exchange.fail(exc, self._response)
            raise
        self._exchange.end(self._response)

    async def aclose(self) -> None:
        self._exchange.close(self._response)
        await self._inner.aclose()


class _Body(httpx.SyncByteStream):
    def __init__(self, inner: httpx.SyncByteStream, exchange: _Exchange, response: httpx.Response) -> None:
        self._inner, self._exchange, self._response = inner, exchange, response

    def __iter__(self) -> Iterator[bytes]:
        try:
            for part in self._inner:
                self._exchange.add(part)
                yield part
        except httpx.TransportError as exc:
            self._exchange.fail(exc, self._response)
            raise
        self._exchange.end(self._response)

    def close(self) -> None:
        self._exchange.close(self._response)
        self._inner.close()


class AsyncShadowTransport(httpx.AsyncBaseTransport):
    """A transport for `httpx.AsyncClient`: sends over another one, and mirrors by config/shadow.yml.

    Where the client's requests go is the client's; of a route, `control` only gives the records their name
    and prices. Closing it (the client does) finishes what is at hand.
    """

    def __init__(
        self,
        config: Path | str | None = None,
        *,
        root: Path | str | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        compare: Compare = no_comparison,
    ) -> None:
        self._watching = _Watching(config, root, compare)
        self._inner = transport or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the control's answer."""
        exchange = self._watching.begin(request)
        if exchange is None:
            return await self._inner.handle_async_request(request)
        try:
            response = await self._inner.handle_async_request(request)
        except httpx.TransportError as exc:
            exchange.fail(exc)
            raise
        except BaseException:
            exchange.leave("client_left")
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)
        response.stream = _AsyncBody(response.stream, exchange, response)
        return response

    async def aclose(self) -> None:
        """Close the transport below and the mirror."""
        await self._inner.aclose()
        await asyncio.to_thread(self._watching.close)


class ShadowTransport(httpx.BaseTransport):
    """The same for `httpx.Client`."""

    def __init__(
        self,
        config: Path | str | None = None,
        *,
        root: Path | str | None = None,
        transport: httpx.BaseTransport | None = None,
        compare: Compare = no_comparison,
    ) -> None:
        self._watching = _Watching(config, root, compare)
        self._inner = transport or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Return the control's answer."""
        exchange = self._watching.begin(request)
        if exchange is None:
            return self._inner.handle_request(request)
        try:
            response = self._inner.handle_request(request)
        except httpx.TransportError as exc:
            exchange.fail(exc)
            raise
        except BaseException:
            exchange.leave("client_left")
            raise
        assert isinstance(response.stream, httpx.SyncByteStream)
        response.stream = _Body(response.stream, exchange, response)
        return response

    def close(self) -> None:
        """Close the transport below and the mirror."""
        self._inner.close()
        self._watching.close()
