"""Batch APIs: many requests handed in at once, answered within a day, at half the price."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Literal, Protocol, TypeAlias, TypeVar

from pydantic import BaseModel

from swapgate.errors import ProviderError
from swapgate.providers import Provider
from swapgate.providers._failures import Target, status_failure
from swapgate.providers._reply import Reply
from swapgate.providers._wire import Asked, Wire, encode_json
from swapgate.providers.services import SERVICES, has_batches
from swapgate.records import Json, Request, Response
from swapgate.spec.models import ModelSpec
from swapgate.values import Value

BatchState = Literal["running", "ended", "failed", "expired", "cancelled"]
# What became of one request; None: the batch ended before anybody answered it.
Outcome: TypeAlias = Response | ProviderError | None
# A file of requests or answers takes longer than one answer.
TRANSFER_S = 900.0
# How far the clocks of this machine and of a service may be apart.
CLOCK_SKEW_S = 300.0
_MOST_PAGES = 20
# Far below what the services take: a batch lies in memory, three times over while it is sent.
LARGEST_BATCH = 100_000_000
Shape = TypeVar("Shape", bound=BaseModel)


class BatchLimits(Value):
    """What one batch may hold."""

    requests: int
    bytes: int


class BatchStatus(Value):
    """How far a batch is. Counts are None where the service does not say; `problem` is why it failed."""

    state: BatchState
    total: int | None = None
    done: int | None = None
    problem: str = ""


class SentFacts(Value):
    """What must be known of a sent request to read its answer: parameters left out, and those written."""

    dropped: tuple[str, ...] = ()
    written: Mapping[str, str]


class BatchLine(Value):
    """One request as a batch carries it: `content` is its JSON."""

    custom_id: str
    content: bytes
    facts: SentFacts


class BatchProvider(Protocol):
    """Hands in batches for one model and fetches their answers. Raises ProviderError and nothing else.

    A custom id is 64 characters of a-z and 0-9. A mark is our own name of a batch: with a service that takes
    it along (`takes_mark`) the batch is found by it when the answer to its submission was lost. Elsewhere
    `find` guesses, and the ids of the results say whether it guessed right.
    """

    limits: BatchLimits
    takes_mark: bool

    @property
    def key_byte(self) -> int:
        """What tells the key in use from most others, see `Sent.byte`."""
        ...

    def line(self, custom_id: str, request: Request) -> BatchLine:
        """Return a request as a batch carries it."""
        ...

    async def submit(self, lines: Sequence[BatchLine], *, mark: str) -> str:
        """Hand in a batch; return the service's id of it."""
        ...

    async def status(self, batch_id: str) -> BatchStatus:
        """Return how far a batch is."""
        ...

    def results(
        self, batch_id: str, facts: Mapping[str, SentFacts]
    ) -> AsyncGenerator[tuple[str, Outcome], None]:
        """Yield what became of each request of a batch that has ended, in any order."""
        ...

    async def cancel(self, batch_id: str) -> None:
        """Ask the service to end a batch; what is answered already stays so."""
        ...

    async def find(self, mark: str, *, since_s: float, requests: int, known: Collection[str]) -> str | None:
        """Return the id of the batch that was handed in under a mark, None when there is none.

        `since_s` is when it was begun, in Unix time, `requests` how many it holds, `known` the ids that are
        other batches for certain.
        """
        ...


def open_batches(spec: ModelSpec, provider: Provider) -> BatchProvider | None:
    """Return the batch API behind a model's provider, None when there is none."""
    if not has_batches(spec):
        return None
    if SERVICES[spec.provider].protocol == "openai":
        from swapgate.providers.openai import OpenAIProvider
        from swapgate.providers.openai_batch import OpenAIBatches

        return OpenAIBatches(provider) if isinstance(provider, OpenAIProvider) else None
    if SERVICES[spec.provider].protocol == "anthropic":
        from swapgate.providers.anthropic import AnthropicProvider
        from swapgate.providers.anthropic_batch import AnthropicBatches

        return AnthropicBatches(provider) if isinstance(provider, AnthropicProvider) else None
    from swapgate.providers.gemini import GeminiProvider
    from swapgate.providers.gemini_batch import GeminiBatches

    return GeminiBatches(provider) if isinstance(provider, GeminiProvider) else None


def batch_line(wire: Wire, custom_id: str, asked: Asked, told: Json) -> BatchLine:
    """Return what a batch carries for a request; ProviderError when it cannot be written as JSON."""
    content = encode_json(wire.target(asked.written), told) or b""
    facts = SentFacts(dropped=asked.dropped, written=asked.written)
    return BatchLine(custom_id=custom_id, content=content, facts=facts)


def at(wire: Wire, url: str, *, method: str = "GET", query: Mapping[str, str] | None = None) -> Wire:
    """Return the same way to another address of the same service."""
    return replace(wire, url=url, method=method, query=query or {}, heard=None)


def transfer(wire: Wire) -> Wire:
    """Return the same way with the time that a file takes."""
    return replace(wire, limit_s=max(TRANSFER_S, wire.timeout_s or 0.0))


def pages() -> range:
    """Return how many pages of a service's list are looked through, newest first."""
    return range(_MOST_PAGES)


def part(reply: Reply, body: Json, *, written: Mapping[str, str], request_id: str | None = None) -> Reply:
    """Return the part of a result line that a live call would have been answered with."""
    target = replace(reply.target, written=written)
    return replace(reply, target=target, text=json.dumps(body), request_id=request_id, latency_s=None)


async def read_lines(wire: Wire, shape: type[Shape]) -> AsyncGenerator[tuple[Reply, Shape], None]:
    """Yield the lines of a file of results, each with what it says in its shape.

    One that cannot be read is left out: it answers no request.
    """
    async with aclosing(transfer(wire).lines()) as lines:
        async for line in lines:
            try:
                told = line.read(shape)
            except ProviderError:
                continue
            yield line, told


def line_failure(target: Target, status: int, error: Json) -> ProviderError:
    """Classify the error of one request of a batch as the same error of a live call would be."""
    return status_failure(target, status, json.dumps({"error": error}), {})
