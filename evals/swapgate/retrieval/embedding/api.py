"""Embeddings of OpenAI-compatible services, by the client, pace, retries and budget of other calls."""

from __future__ import annotations

import asyncio
import base64
import binascii
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from swapgate.engine.budget import Budget, why_no_price
from swapgate.engine.call import Caller, OpenModel
from swapgate.engine.day_budget import DayBudget
from swapgate.engine.paces import Paces
from swapgate.engine.slots import Slots
from swapgate.errors import UsageError
from swapgate.providers._reply import Reply
from swapgate.providers._wire import Wire, WireProvider
from swapgate.providers.http_client import open_http
from swapgate.providers.open import open_provider, require_ready
from swapgate.providers.services import SERVICES
from swapgate.records import Json, Message, Request, Response, Usage
from swapgate.retrieval.embedding.vectors import fingerprint_of, finished, prepared
from swapgate.retrieval.fingerprint import FingerprintError
from swapgate.retrieval.index import Vectors
from swapgate.spec.index import EmbedEntry
from swapgate.spec.models import ModelSpec
from swapgate.spec.token_limits import params_over

if TYPE_CHECKING:
    import httpx

_CHAT = "/chat/completions"
# What an entry of models.yml may hold for chats; an embedding knows none of it.
_CHAT_PARAMS = {"temperature", "max_tokens", "max_completion_tokens", "top_p", "seed", "stop"}


class EmbeddingProvider(WireProvider):
    """Answers a request of one message a text; the answer's text is their vectors, float32, in base64.

    So an embedding is a call like any other: paced, tried again, and kept within a budget.
    """

    async def complete(self, request: Request) -> Response:
        """Return the vectors of the request's messages; one attempt."""
        body: dict[str, Json] = {
            "model": self._spec.model,
            "input": [message.content for message in request.messages],
            **{key: value for key, value in request.params.items() if key not in _CHAT_PARAMS},
        }
        reply = await self._wire.send(body)
        found = reply.json()
        vectors = _vectors(reply, found, len(request.messages))
        return Response(
            text=base64.b64encode(vectors.tobytes()).decode(),
            usage=_usage(found),
            model_served=_text_at(found, "model"),
            request_id=reply.request_id,
            latency_s=reply.latency_s,
        )


class ApiEmbedder:
    """Embeds over HTTP; `spent_usd` and `tokens` are of this process."""

    def __init__(
        self,
        spec: ModelSpec,
        entry: EmbedEntry,
        provider: EmbeddingProvider,
        caller: Caller,
        paces: Paces,
        *,
        chunker: str,
    ) -> None:
        self.fingerprint = fingerprint_of(entry, provider=spec.provider, model=spec.model, chunker=chunker)
        self.tokens = 0
        self._entry = entry
        self._caller = caller
        self._opened = OpenModel(spec=spec, provider=provider, pace=paces.of(spec))

    @property
    def spent_usd(self) -> float:
        """What the calls so far cost at list price."""
        return self._caller.spent.cost_usd

    async def embed(self, texts: Sequence[str], *, is_query: bool) -> Vectors:
        """Return one vector a text. Raises ProviderError, BudgetSpent, FingerprintError."""
        given = prepared(self._entry, texts, is_query=is_query)
        # No answer has tokens of its own; the limit says so to the budget and to the pace, and is not sent.
        request = Request(
            model=self._opened.spec.model,
            messages=tuple(Message(role="user", content=text) for text in given),
            params=self._asked(),
        )
        response = (await self._caller.call(self._opened, request, is_judge=False)).response
        self.tokens += response.usage.tokens_in or 0
        flat = np.frombuffer(base64.b64decode(response.text), dtype=np.float32)
        vectors = flat.reshape(len(given), -1)
        if vectors.shape[1] != self.fingerprint.dimensions:
            raise FingerprintError(
                f"{self._opened.spec.name} gave vectors of {vectors.shape[1]} dimensions, and `dimensions: "
                f"{self.fingerprint.dimensions}` is written"
            )
        return finished(self._entry, vectors)

    def _asked(self) -> dict[str, Json]:
        asked = params_over(self._opened.spec.params, {"max_tokens": 0})
        return {**asked, "dimensions": self._entry.dimensions} if self._entry.ask_dimensions else asked


@asynccontextmanager
async def open_api(
    spec: ModelSpec,
    entry: EmbedEntry,
    *,
    root: Path,
    chunker: str = "",
    concurrency: int = 8,
    retries: int = 4,
    timeout_s: float = 120.0,
    max_cost: float | None = None,
    day: DayBudget | None = None,
) -> AsyncIterator[ApiEmbedder]:
    """Yield an embedder of a service. UsageError when its key, its price or its API is missing.

    `max_cost` bounds what it may cost in US dollars, `day` what the whole day may.
    """
    if spec.provider not in SERVICES or SERVICES[spec.provider].protocol != "openai":
        known = ", ".join(name for name, service in SERVICES.items() if service.protocol == "openai")
        raise UsageError(
            f"embed: {spec.name!r}: {spec.provider} has no OpenAI-compatible embeddings. "
            f"Services that may: {known}"
        )
    require_ready(spec, root, has_replay=False)
    if (max_cost is not None or day is not None) and (why := why_no_price(spec)):
        raise UsageError(why)
    budget = Budget(max_cost, day=day)
    async with aclosing(budget), open_http(concurrency=concurrency, timeout_s=timeout_s) as http:
        paces = Paces(
            [(spec, spec.limits)],
            most=concurrency,
            share=1,
            retries=retries,
            jitter=random.Random(),  # noqa: S311 - spreads retries, decides nothing
            clock=asyncio.get_running_loop().time,
        )
        provider = EmbeddingProvider(spec, _wire(spec, http, root, paces), identity={})
        caller = Caller(slots=Slots(concurrency), retries=retries, budget=budget)
        yield ApiEmbedder(spec, entry, provider, caller, paces, chunker=chunker)


def _wire(spec: ModelSpec, http: httpx.AsyncClient, root: Path, paces: Paces) -> Wire:
    """Return the way to the embeddings of a service: that to its chat completions, with another end."""
    provider = open_provider(spec, http=http, root=root, heard=paces.listener(spec))
    assert isinstance(provider, WireProvider)
    return replace(provider.wire, url=f"{provider.wire.url.removesuffix(_CHAT)}/embeddings")


def _vectors(reply: Reply, found: Json, count: int) -> Vectors:
    rows = found.get("data") if isinstance(found, dict) else None
    if not isinstance(rows, list) or len(rows) != count:
        raise reply.bad(f"wanted {count} embeddings under `data`")
    try:
        placed = {int(row["index"]): row["embedding"] for row in rows}  # type: ignore[index, call-overload, arg-type]
        made = [_row(placed[number]) for number in range(count)]
        return np.stack(made).astype(np.float32, copy=False)
    except (KeyError, TypeError, ValueError, binascii.Error) as exc:
        raise reply.bad(f"the embeddings cannot be read ({type(exc).__name__}: {exc})") from None


def _row(embedding: Json) -> Vectors:
    """Return one vector: a list of numbers, or float32 in base64."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4")
    # A number that is none (null, of a server whose model gave NaN) is found by whoever looks at vectors.
    return np.asarray([np.nan if one is None else one for one in embedding], dtype=np.float32)  # type: ignore[union-attr]


def _usage(found: Json) -> Usage:
    usage = found.get("usage") if isinstance(found, dict) else None
    tokens: Json = usage.get("prompt_tokens") if isinstance(usage, Mapping) else None
    return Usage(tokens_in=tokens, tokens_out=0) if isinstance(tokens, int) else Usage()


def _text_at(found: Json, key: str) -> str | None:
    value = found.get(key) if isinstance(found, dict) else None
    return value if isinstance(value, str) else None
