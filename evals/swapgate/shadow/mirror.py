"""The mirror: reads what went by, asks the candidate beside it, has both compared, stores the record."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from swapgate.errors import StoreError, SwapgateError
from swapgate.memory.prices import cost_usd
from swapgate.records import Json, content_hash
from swapgate.shadow.asking import Asking, Question
from swapgate.shadow.capture import Capture, read_leg
from swapgate.shadow.legs import Legs
from swapgate.shadow.plan import Plan, PlannedRoute, open_daily
from swapgate.shadow.records import Count, Exchange, without_content
from swapgate.shadow.redaction import Redactor, redacted
from swapgate.shadow.requests import has_server_tools, text_size, turns_of
from swapgate.shadow.sampling import is_drawn
from swapgate.shadow.spool import JsonlSpool
from swapgate.shadow.store import ShadowStore
from swapgate.storable import parse_json
from swapgate.values import replace

# Compares the legs of a whole exchange while their content is at hand; what it returns is stored with it.
Compare = Callable[[Exchange, PlannedRoute], Mapping[str, Json] | None]
_LOG = logging.getLogger("swapgate.shadow")
_GRACE_S = 60.0
_SAID = ("system", "instructions", "messages", "input")


def no_comparison(_exchange: Exchange, _planned: PlannedRoute) -> None:
    """Compare nothing."""


class Mirror:
    """Turns captures into records. Use as an async context manager, in one loop of its own."""

    def __init__(
        self,
        plan: Plan,
        store: ShadowStore,
        *,
        compare: Compare = no_comparison,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.plan = plan
        self._store = store
        self._compare = compare
        self._redactor = Redactor(rules=plan.config.redact)
        self._stack = AsyncExitStack()
        self._clock = clock
        # What became of the candidate's legs, by route, until whoever tells of it clears it.
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self._spool: JsonlSpool | None = None
        self._has_told = False

    async def __aenter__(self) -> Self:
        limits = self.plan.config.limits
        most = 2 * limits.concurrency  # each may ask the candidate and the control
        asking = Asking(self.plan, most=most, retries=limits.retries, budget=open_daily(self.plan))
        await self._stack.enter_async_context(asking)
        self._legs = Legs(asking, self._store, clock=self._clock)
        if self.plan.spool is not None:
            self._spool = JsonlSpool(self.plan.spool)
            self._stack.callback(self._spool.close)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def flush(self) -> None:
        """Wait until all that was recorded is on disk; StoreError when something cannot be."""
        self._store.flush()
        if self._spool is not None:
            self._spool.flush()

    def _is_kept(self) -> bool:
        """Whether records still reach the disk; said once when they do not."""
        try:
            self._store.require_intact()
            if self._spool is not None:
                self._spool.require_intact()
        except StoreError as exc:
            if not self._has_told:
                _LOG.error("nothing is recorded any more, and no candidate asked: %s", exc)
            self._has_told = True
            return False
        return True

    async def mirror(self, capture: Capture) -> None:
        """Make the record of one capture; whatever goes wrong is in the record, or counted and logged.

        Where nothing can be stored any more, nobody is asked: it would be paid for and lost.
        """
        if not self._is_kept():
            return
        planned = self.plan.routes.get(capture.route)
        if planned is None:
            # It was taken out of the configuration meanwhile.
            self._store.count(Count(day=capture.at[:10], route=capture.route, what="shed", amount=1))
            return
        try:
            what = await self._mirror(capture, planned)
        except SwapgateError as exc:
            _LOG.warning("the exchange %s is not recorded: %s", capture.key, exc)
            what = "unreadable"
        except Exception:
            _LOG.exception("the exchange %s is not recorded", capture.key)
            what = "unreadable"
        self._store.count(Count(day=capture.at[:10], route=capture.route, what=what, amount=1))

    async def _mirror(self, capture: Capture, planned: PlannedRoute) -> str:
        """Return what is to be counted."""
        body = body_of(capture.request)
        if body is None:
            return "unreadable"
        if has_server_tools(body):
            return "server_tools"
        exchange = await self._observed(capture, planned, body)
        served = exchange.served_leg
        if served is None or not served.has_answer:
            self._keep(exchange, planned)
            return "control_failed"
        if planned.candidate is None or exchange.served == "candidate":
            self._keep(exchange, planned)
        elif planned.route.mode == "spool":
            self._hold(replace(exchange, state="waiting"))
        else:
            question = Question(api=capture.api, body=body, passed=capture.passed)
            await self._answer(replace(exchange, state="waiting"), planned, question)
        return "mirrored"

    async def _observed(self, capture: Capture, planned: PlannedRoute, body: Mapping[str, Json]) -> Exchange:
        """Return the exchange with the leg that served, and no other."""
        is_control = capture.served == "control" or planned.candidate is None
        spec = planned.control if is_control else planned.candidate
        assert spec is not None
        leg = await read_leg(capture, model=spec.name, host=urlsplit(planned.upstream or "").netloc)
        leg = replace(leg, cost_usd=cost_usd(spec, leg.usage))
        return observed(
            body,
            key=capture.key,
            route=capture.route,
            at=capture.at,
            api=capture.api,
            control=leg if is_control else None,
            candidate=None if is_control else leg,
            served=capture.served,
            setup=planned.setup,
            tags=capture.tags,
            unit=capture.unit,
            wants_again=is_drawn(capture.key, planned.route.again_share, salt="again"),
        )

    def _hold(self, exchange: Exchange) -> None:
        """Store an exchange for a replay, with its content, which the candidate must be asked with."""
        kept = redacted(exchange, self._redactor)
        if self._spool is not None:
            self._spool.put(kept)
        else:
            self._store.put(kept)

    async def _answer(self, exchange: Exchange, planned: PlannedRoute, question: Question) -> None:
        """Ask the candidate, and the control again where that was drawn; then store what came."""
        limits = self.plan.config.limits
        lease_s = (1 + limits.retries) * limits.timeout_s + _GRACE_S
        self._store.put(self._stored(exchange), lease_s=lease_s)
        try:
            answered = await self._legs.ask(exchange, planned, question)
        except asyncio.CancelledError:
            self._store.put(self._stored(replace(exchange, state="lost")))
            raise
        self.outcomes[exchange.route, _outcome(answered)] += 1
        self._keep(answered, planned)

    def _keep(self, exchange: Exchange, planned: PlannedRoute) -> None:
        """Compare an exchange while its content is at hand, and store what may be stored of it."""
        try:
            comparison = self._compare(exchange, planned)
        except Exception:
            _LOG.exception("the exchange %s is not compared", exchange.key)
            comparison = None
        self._store.put(self._stored(exchange), comparison and self._redactor.uncounted(comparison))

    def _stored(self, exchange: Exchange) -> Exchange:
        kept = exchange if self.plan.config.content else without_content(exchange)
        return redacted(kept, self._redactor)


def observed(body: Mapping[str, Json], **known: Any) -> Exchange:
    """Return an exchange with what its request's body tells; `known` are the other fields of it."""
    return Exchange(
        **known,
        request=dict(body),
        request_hash=content_hash(dict(body)),
        request_chars=text_size([body.get(name) for name in _SAID]),
        turns=turns_of(body),
        is_streamed=body.get("stream") is True,
        has_tools=bool(body.get("tools")),
    )


def _outcome(exchange: Exchange) -> str:
    leg = exchange.candidate
    return "unasked" if leg is None else "answered" if leg.error_kind is None else leg.error_kind.value


def body_of(request: bytes) -> dict[str, Json] | None:
    """Return a request's body, None where it is no JSON object."""
    try:
        value = parse_json(request.decode())
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
