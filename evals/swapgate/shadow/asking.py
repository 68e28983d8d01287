"""Asks the candidate, and the control a second time: with keys of their own, within limits and a budget."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Mapping
from dataclasses import replace
from types import TracebackType
from typing import Self

from swapgate.engine.budget import Budget
from swapgate.engine.call import Caller, OpenModel, response_cost
from swapgate.engine.executor import Executor, ThisProcess
from swapgate.engine.paces import Paces
from swapgate.engine.slots import Slots
from swapgate.errors import ProviderError
from swapgate.providers import Provider
from swapgate.providers._anthropic_stream import MessageStream
from swapgate.providers._openai_stream import CompletionStream
from swapgate.providers._responses import ResponseStream, read_response
from swapgate.providers._wire import Wire, WireProvider
from swapgate.providers.anthropic import read_message
from swapgate.providers.http_client import open_http
from swapgate.providers.open import is_user_provider
from swapgate.providers.openai import read_completion
from swapgate.records import Json, Message, Request, Response
from swapgate.shadow.attempts import Attempts
from swapgate.shadow.capture import failed
from swapgate.shadow.plan import Plan, PlannedRoute, protocol_of
from swapgate.shadow.records import Api, Leg, answered
from swapgate.shadow.requests import mirrored_body, to_request
from swapgate.spec.models import ModelSpec
from swapgate.spec.shadow import PromptOverride
from swapgate.values import Value

_FORMATS: Mapping[str | None, tuple[Api, ...]] = {"openai": ("chat", "responses"), "anthropic": ("messages",)}
_CARRIED = "carried"
_SAID = ("system", "instructions", "messages", "input", "tools")
_MOST_WIRES = 64
_NO_PROMPT = PromptOverride()
# They have no such endpoint: what is asked in the Responses format is translated for them.
_NO_RESPONSES = {"deepseek", "mistral", "together"}


class Question(Value):
    """What an application asked: the body in its wire format, and headers that belong to it."""

    api: Api
    body: Mapping[str, Json]
    passed: Mapping[str, str]

    @property
    def is_streamed(self) -> bool:
        """Whether the answer was asked for as a stream."""
        return self.body.get("stream") is True


class Asking:
    """Open connections to the models of a plan. Use as an async context manager, in one loop.

    `most` bounds the calls in flight, `budget` what they may cost. `spares` is for replays: the models are
    given as much as they bear, and what they do not bear is asked later. `executor` opens the models (None:
    this process).
    """

    def __init__(
        self,
        plan: Plan,
        *,
        most: int,
        retries: int,
        budget: Budget | None = None,
        spares: bool = False,
        executor: Executor | None = None,
    ) -> None:
        self._plan = plan
        self._executor = executor or ThisProcess(timeout_s=plan.config.limits.timeout_s)
        self._most = most
        self._retries = retries
        self._opened: dict[tuple[str, bool], OpenModel] = {}
        self._budget = budget or Budget()
        self._caller: Caller | Attempts = (
            Caller(slots=Slots(most), retries=retries, budget=self._budget)
            if spares
            else Attempts(retries=retries, budget=self._budget)
        )

    async def __aenter__(self) -> Self:
        self._http = open_http(concurrency=self._most, timeout_s=self._plan.config.limits.timeout_s)
        self._paces = Paces(
            [(spec, self._executor.limits(spec)) for spec in self._plan.asked.values()],
            most=self._most,
            share=1,
            retries=self._retries,
            jitter=random.Random(),  # noqa: S311 - spreads retries, decides nothing
            clock=asyncio.get_running_loop().time,
        )
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _exc: BaseException | None, _trace: TracebackType | None
    ) -> None:
        closing = (opened.provider.close() for opened in self._opened.values())
        await asyncio.gather(*closing, return_exceptions=True)  # the rest is closed all the same
        await self._http.aclose()
        await self._executor.close()
        await self._budget.aclose()

    async def candidate(self, planned: PlannedRoute, question: Question) -> Leg:
        """Ask a route's candidate; raises BudgetSpent or Untranslatable."""
        assert planned.candidate is not None
        return await self._ask(planned.candidate, planned, question)

    async def control(self, planned: PlannedRoute, question: Question) -> Leg:
        """Ask a route's control what it was asked, with the application's own parameters and prompt."""
        bare = replace(planned, route=planned.route.model_copy(update={"params": {}, "prompt": _NO_PROMPT}))
        return await self._ask(planned.control.model_copy(update={"params": {}}), bare, question)

    async def _ask(self, spec: ModelSpec, planned: PlannedRoute, question: Question) -> Leg:
        started = asyncio.get_running_loop().time()
        opened = self._open(spec, is_streamed=question.is_streamed)
        if speaks(spec, question.api):
            request = _carrying(mirrored_body(question.body, question.api, spec, planned.route), question)
        else:
            request = to_request(question.body, question.api, spec, planned.route)
        try:
            called = await self._caller.call(opened, request, is_judge=False)
        except ProviderError as exc:
            return failed(spec.name, exc, latency_s=asyncio.get_running_loop().time() - started)
        leg = answered(spec.name, called.response, retries=called.attempts - 1)
        return replace(leg, cost_usd=response_cost(spec, called.response))

    def _open(self, spec: ModelSpec, *, is_streamed: bool) -> OpenModel:
        key = (spec.name, is_streamed)
        if key not in self._opened:
            streams = spec.model_copy(update={"stream": True}) if is_streamed and protocol_of(spec) else spec
            provider = self._executor.open_provider(
                streams, http=self._http, root=self._plan.root, heard=self._paces.listener(spec)
            )
            if isinstance(provider, WireProvider) and protocol_of(spec):
                provider = _AsWritten(provider, provider.wire)
            self._opened[key] = OpenModel(
                spec=spec,
                provider=provider,
                pace=self._paces.of(spec),
                is_foreign=is_user_provider(spec),
            )
        return self._opened[key]


class _AsWritten:
    """Sends the application's own body, where the model speaks the format that it is written in."""

    is_recordable = False
    reads_cache = False
    needs_variables = False

    def __init__(self, inner: Provider, wire: Wire) -> None:
        self.identity = inner.identity
        self._inner = inner
        self._own = wire
        self._wires: dict[tuple[str, str], Wire] = {}

    async def complete(self, request: Request) -> Response:
        """Return the response to one request; one attempt."""
        carried = request.variables.get(_CARRIED)
        if not isinstance(carried, dict):
            return await self._inner.complete(request)
        wire = self._wire(str(carried["api"]), carried["passed"])
        body = carried["body"]
        match carried["api"]:
            case "messages":
                return read_message(await wire.send(body, assembly=MessageStream()))
            case "responses":
                return read_response(await wire.send(body, assembly=ResponseStream()))
        return read_completion(await wire.send(body, assembly=CompletionStream()))

    async def close(self) -> None:
        """Close what the provider holds."""
        await self._inner.close()

    def _wire(self, api: str, passed: Json) -> Wire:
        """Return what sends to the endpoint of a format, with the headers that go with the body."""
        headers = {str(k): str(v) for k, v in passed.items()} if isinstance(passed, dict) else {}
        key = (api, json.dumps(headers, sort_keys=True))
        if key not in self._wires:
            wire = self._own
            url = wire.url
            if api == "responses":
                url = url.removesuffix("/chat/completions") + "/responses"
            credentials = replace(wire.credentials, literal={**wire.credentials.literal, **headers})
            if len(self._wires) > _MOST_WIRES:
                self._wires.clear()
            self._wires[key] = replace(wire, url=url, credentials=credentials)
        return self._wires[key]


def speaks(spec: ModelSpec, api: Api) -> bool:
    """Whether a model is asked in this wire format, so that a body goes to it as it is written."""
    if api == "responses" and spec.provider in _NO_RESPONSES:
        return False
    return api in _FORMATS.get(protocol_of(spec), ())


def _carrying(body: Mapping[str, Json], question: Question) -> Request:
    """Return a request that carries a body; its one message is all that counts as its size."""
    carried: Json = {"api": question.api, "body": dict(body), "passed": dict(question.passed)}
    said = [body.get(name) for name in _SAID]
    return Request(
        model=str(body.get("model")),
        messages=(Message(role="user", content=json.dumps(said, ensure_ascii=False)),),
        params={name: value for name, value in body.items() if name not in _SAID},
        variables={_CARRIED: carried},
    )
