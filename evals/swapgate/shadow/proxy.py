"""The proxy: serves the application from the control, and hands what went by to the mirror."""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from time import perf_counter
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from swapgate.errors import ErrorKind, ProviderError
from swapgate.shadow.capture import Capture, is_at_end, why_broken
from swapgate.shadow.forwarding import Recording, Upstream, break_off, kept_headers, relay
from swapgate.shadow.handing import Handing
from swapgate.shadow.metrics import CONTENT_TYPE, Metrics
from swapgate.shadow.plan import Plan
from swapgate.shadow.ramped import Doors, LegFor, Turned, control_alone
from swapgate.shadow.records import Served
from swapgate.shadow.routing import PASSED_HEADERS, Asked, Decision, Router
from swapgate.shadow.sampling import unit_hash

# No provider's path begins like this.
OWN_PATHS = "/-/swapgate/"
# Reasons why a body is not at hand as JSON.
_UNREAD = {"request_too_large", "unreadable"}
_MEGABYTE = 1024 * 1024
_LOG = logging.getLogger("swapgate.shadow")


class Proxy:
    """Handles every request of an application. One loop, no lock, nothing that waits for the mirror."""

    def __init__(
        self,
        plan: Plan,
        handing: Handing,
        metrics: Metrics,
        upstream: Upstream,
        *,
        leg_for: LegFor = control_alone,
    ) -> None:
        self._leg_for = leg_for
        self._handing = handing
        self._metrics = metrics
        self._upstream = upstream
        self.in_flight = 0
        self.is_idle = asyncio.Event()
        self.is_idle.set()
        self.take(plan)

    def take(self, plan: Plan) -> None:
        """Go by this plan from the next request on."""
        self._plan = plan
        self._router = Router(plan)
        self._doors = Doors(plan)
        self._limit = int(plan.config.limits.body_mb * _MEGABYTE)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Return the control's answer."""
        target = request.raw_path
        if target.startswith(OWN_PATHS):
            return self._own(target.partition("?")[0].removeprefix(OWN_PATHS))
        if not target.startswith("/"):
            return _failure(target, 400, "a request's target must be a path")
        arrived = perf_counter()
        self.in_flight += 1
        self.is_idle.clear()
        try:
            return await self._serve(request, target, arrived)
        finally:
            self.in_flight -= 1
            if not self.in_flight:
                self.is_idle.set()

    async def _serve(self, request: web.BaseRequest, target: str, arrived: float) -> web.StreamResponse:
        path = target.partition("?")[0]
        await _send_continue(request)
        start, is_whole = await _read(request, self._limit)
        decision = None
        if request.method == "POST":
            asked = Asked(path=path, headers=request.headers, body=start if is_whole else None)
            decision = self._router.decide(asked)
        base = self._base(request, path, decision)
        if base is None:
            return _failure(path, 404, "no route takes this request, and no `upstream` is set for it")
        body: bytes | AsyncIterator[bytes] = start if is_whole else _rest(request, start)
        exchange = _Exchange(decision, start, arrived=arrived, limit=self._limit)
        headers = None
        if (turned := self._turned(request, exchange)) is not None:
            base, headers, body = turned.base, turned.headers, turned.body
            exchange.served = "candidate"
        try:
            return await self._exchange(request, _below(base, target), body, exchange, headers)
        except (asyncio.CancelledError, ConnectionError):
            if exchange.ended_as != "whole":
                self._left(exchange, request)
            raise
        finally:
            self._count(exchange)

    async def _exchange(
        self,
        request: web.BaseRequest,
        url: str,
        body: bytes | AsyncIterator[bytes],
        exchange: _Exchange,
        headers: CIMultiDict[str] | None,
    ) -> web.StreamResponse:
        exchange.recording.sent_at = perf_counter()
        try:
            answer = await self._upstream.send(request, url, body, headers=headers)
        except (aiohttp.ClientError, OSError) as exc:
            # What an application does without a proxy when its connection fails, it does here.
            _LOG.warning("no answer from %s: %s", urlsplit(url).netloc, str(exc) or type(exc).__name__)
            self._broke(exchange, request, why_broken(exc))
            break_off(request)
            return web.Response()
        async with answer:
            exchange.recording.status = answer.status

            def whole() -> None:
                exchange.ended_as = "whole"
                if exchange.is_mirrored:
                    self._mirror(exchange, request)

            recording = exchange.recording if exchange.is_mirrored else None
            response = await relay(request, answer, recording=recording, whole=whole)
        if exchange.ended_as != "whole":
            self._broke(exchange, request, ErrorKind.CONNECTION)
        return response

    def _turned(self, request: web.BaseRequest, exchange: _Exchange) -> Turned | None:
        """Return the request as the candidate gets it, where a ramp has it answer and it can."""
        decision = exchange.decision
        if decision is None or decision.reason in _UNREAD:
            return None
        name = decision.planned.name
        unit = decision.unit or unit_hash(exchange.body.decode("latin-1"))
        if self._leg_for(name, unit) == "control":
            return None
        try:
            return self._doors.turn(name, decision.api, kept_headers(request.headers), exchange.body)
        except ProviderError as exc:
            _LOG.error("the control answers in the candidate's place: %s", exc)
            return None

    def _left(self, exchange: _Exchange, request: web.BaseRequest) -> None:
        """The application reads no further: at the end of a stream, or because it went away."""
        exchange.ended_as = "client_left"
        if exchange.is_mirrored and is_at_end(exchange.recording.parts):
            exchange.ended_as = "whole"
            self._mirror(exchange, request)

    def _broke(self, exchange: _Exchange, request: web.BaseRequest, why: ErrorKind) -> None:
        """Whoever serves gave no whole answer: that is a record too, for the watch above all."""
        if exchange.is_mirrored:
            self._mirror(exchange, request, broken=why)

    def _mirror(
        self, exchange: _Exchange, request: web.BaseRequest, *, broken: ErrorKind | None = None
    ) -> None:
        recording, decision = exchange.recording, exchange.decision
        assert decision is not None
        if broken is None and recording.is_too_large:
            self._not_mirrored(decision, "answer_too_large")
            return
        capture = Capture(
            key=exchange.key,
            route=decision.planned.name,
            at=exchange.at,
            api=decision.api,
            status=recording.status,
            request=exchange.body,
            answer=b"" if broken else b"".join(recording.parts),
            headers=recording.headers,
            marks=() if broken else recording.marks,
            latency_s=round(perf_counter() - recording.sent_at, 6),
            tags=decision.tags,
            unit=decision.unit,
            served=exchange.served,
            passed={n: request.headers[n] for n in PASSED_HEADERS if n in request.headers},
            broken=broken,
        )
        if not self._handing.offer(capture):
            self._metrics.not_mirrored(capture.route, "shed")

    def _count(self, exchange: _Exchange) -> None:
        decision = exchange.decision
        seconds = perf_counter() - exchange.arrived
        name = "" if decision is None else decision.planned.name
        self._metrics.served(name, exchange.recording.status, seconds)
        if decision is None:
            return
        self._handing.count(name, "seen")
        if decision.reason is not None:
            self._not_mirrored(decision, decision.reason)
        elif exchange.ended_as == "client_left":
            self._not_mirrored(decision, exchange.ended_as)
        elif (
            exchange.ended_as == "control_failed"
        ):  # the mirror, which keeps the record, counts it in the store
            self._metrics.not_mirrored(name, exchange.ended_as)

    def _not_mirrored(self, decision: Decision, reason: str) -> None:
        self._handing.count(decision.planned.name, reason)
        self._metrics.not_mirrored(decision.planned.name, reason)

    def _base(self, request: web.BaseRequest, path: str, decision: Decision | None) -> str | None:
        if decision is not None:
            return decision.planned.upstream
        upstreams = self._plan.upstreams
        if len(upstreams) == 1:
            return next(iter(upstreams.values()))
        is_anthropic = "anthropic-version" in request.headers or path.startswith("/v1/messages")
        return upstreams.get("anthropic" if is_anthropic else "openai")

    def _own(self, name: str) -> web.StreamResponse:
        if name == "metrics":
            page = self._metrics.text(is_up=self._handing.is_up)
            return web.Response(body=page, headers={"content-type": CONTENT_TYPE})
        if name == "health":
            # The application is served without the mirror too: its death is no reason to restart this.
            mirror = "up" if self._handing.is_up else "down"
            return web.json_response({"status": "ok", "mirror": mirror, "in_flight": self.in_flight})
        return web.json_response({"error": f"{OWN_PATHS}health and {OWN_PATHS}metrics are here"}, status=404)


class _Exchange:
    """One request on its way. `ended_as` is `whole`, or the reason why there is no whole answer."""

    __slots__ = ("arrived", "at", "body", "decision", "ended_as", "key", "recording", "served")

    def __init__(self, decision: Decision | None, body: bytes, *, arrived: float, limit: int) -> None:
        self.decision = decision
        self.body = body
        self.arrived = arrived
        self.ended_as = "control_failed"
        self.served: Served = "control"
        self.recording = Recording(limit=limit, sent_at=arrived)
        self.at = datetime.now(UTC).isoformat(timespec="milliseconds")
        self.key = secrets.token_hex(12)

    @property
    def is_mirrored(self) -> bool:
        return self.decision is not None and self.decision.reason is None


def _below(base: str, target: str) -> str:
    """Return where a request goes: a service's address stands for `/v1` of the application's."""
    return base + (target.removeprefix("/v1") if target.startswith("/v1/") else target)


async def _send_continue(request: web.BaseRequest) -> None:
    """Let a client go on that waits to be told so before it sends its body."""
    if request.headers.get("expect", "").lower() == "100-continue" and request.transport is not None:
        request.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")


async def _read(request: web.BaseRequest, limit: int) -> tuple[bytes, bool]:
    """Return a request's body, or its beginning where it is over the limit, and whether that is all."""
    if not request.can_read_body:
        return b"", True
    body = bytearray()
    while part := await request.content.readany():
        body += part
        if len(body) > limit:
            return bytes(body), False
    return bytes(body), True


async def _rest(request: web.BaseRequest, start: bytes) -> AsyncIterator[bytes]:
    yield start
    while part := await request.content.readany():
        yield part


def _failure(path: str, status: int, message: str) -> web.Response:
    """Return an error in the shape that the application's client reads."""
    error = {"type": "api_error", "message": f"swapgate shadow: {message}"}
    body = {"type": "error", "error": error} if path.endswith("/messages") else {"error": error}
    return web.Response(status=status, body=json.dumps(body), content_type="application/json")
