"""Anthropic's Message Batches API: the requests go within the call, the answers come as JSONL.

https://platform.claude.com/docs/en/build-with-claude/batch-processing
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Literal

import httpx
from pydantic import BaseModel, Field

from swapgate.errors import ProviderError
from swapgate.providers._reply import Reply
from swapgate.providers.anthropic import AnthropicProvider, read_message
from swapgate.providers.batch import (
    CLOCK_SKEW_S,
    LARGEST_BATCH,
    BatchLimits,
    BatchLine,
    BatchState,
    BatchStatus,
    Outcome,
    SentFacts,
    at,
    batch_line,
    line_failure,
    pages,
    part,
    read_lines,
    transfer,
)
from swapgate.records import Json, Request

# What a live call of the same error is answered with: https://platform.claude.com/docs/en/api/errors
_STATUS = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}


class AnthropicBatches:
    """Batches of messages. They carry no name of ours: what an interrupted run sent is found by its size."""

    # 100,000 requests or 256 MB
    limits = BatchLimits(requests=100_000, bytes=LARGEST_BATCH)
    takes_mark = False

    def __init__(self, provider: AnthropicProvider) -> None:
        self._provider = provider
        self._wire = provider.wire
        self._url = f"{provider.wire.url}/batches"

    @property
    def key_byte(self) -> int:
        """What tells the key in use from most others."""
        return self._wire.credentials.take().byte

    def line(self, custom_id: str, request: Request) -> BatchLine:
        """Return a request as one entry of the list."""
        asked = self._provider.body(request)
        told: Json = {"custom_id": custom_id, "params": asked.body}
        return batch_line(self._wire, custom_id, asked, told)

    async def submit(self, lines: Sequence[BatchLine], *, mark: str) -> str:
        """Hand in the batch; the API takes no mark along."""
        content = b'{"requests":[' + b",".join(line.content for line in lines) + b"]}"
        wire = transfer(at(self._wire, self._url, method="POST"))
        return (await wire.send_content(content, "application/json")).read(_Batch).id

    async def status(self, batch_id: str) -> BatchStatus:
        """Return how far a batch is; the API counts answers only once the whole batch has ended."""
        batch = await self._get(batch_id)
        counts = batch.request_counts
        return BatchStatus(
            state=_state(batch),
            total=counts.total,
            done=counts.total - counts.processing,
        )

    async def results(
        self, batch_id: str, facts: Mapping[str, SentFacts]
    ) -> AsyncGenerator[tuple[str, Outcome], None]:
        """Yield the results from the address that the batch names.

        Behind a gateway that is another host, which gets no key: then the gateway is asked for them.
        """
        url = (await self._get(batch_id)).results_url
        if url is None:
            return
        wire = at(self._wire, url if self._is_own(url) else f"{self._url}/{batch_id}/results")
        async with aclosing(read_lines(wire, _Line)) as lines:
            async for line, told in lines:
                yield told.custom_id, _outcome(line, told.result, facts.get(told.custom_id))

    async def cancel(self, batch_id: str) -> None:
        """Ask for the end of a batch."""
        await at(self._wire, f"{self._url}/{batch_id}/cancel", method="POST").send(None)

    async def find(self, mark: str, *, since_s: float, requests: int, known: Collection[str]) -> str | None:
        """Return the first batch of this size that was made since then and that nobody knows.

        It may be somebody else's: the ids of its results will say so.
        """
        candidates: list[_Batch] = []
        after: dict[str, str] = {}
        for _page in pages():
            wire = at(self._wire, self._url, query={"limit": "100", **after})
            listed = (await wire.send(None)).read(_Batches)
            recent = [batch for batch in listed.data if batch.created_s >= since_s - CLOCK_SKEW_S]
            candidates += [
                batch for batch in recent if batch.request_counts.total == requests and batch.id not in known
            ]
            if len(recent) < len(listed.data) or not listed.data or not listed.has_more:
                break
            after = {"after_id": listed.data[-1].id}
        candidates.sort(key=lambda batch: abs(batch.created_s - since_s))
        return candidates[0].id if candidates else None

    async def _get(self, batch_id: str) -> _Batch:
        return (await at(self._wire, f"{self._url}/{batch_id}").send(None)).read(_Batch)

    def _is_own(self, url: str) -> bool:
        own, given = httpx.URL(self._wire.url), httpx.URL(url)
        return (own.scheme, own.host, own.port) == (given.scheme, given.host, given.port)


class _Counts(BaseModel):
    processing: int = 0
    succeeded: int = 0
    errored: int = 0
    canceled: int = 0
    expired: int = 0

    @property
    def total(self) -> int:
        return self.processing + self.succeeded + self.errored + self.canceled + self.expired


class _Batch(BaseModel):
    id: str
    processing_status: Literal["in_progress", "canceling", "ended"]
    request_counts: _Counts = _Counts()
    created_at: datetime | None = None
    cancel_initiated_at: datetime | None = None
    results_url: str | None = None

    @property
    def created_s(self) -> float:
        return self.created_at.astimezone(UTC).timestamp() if self.created_at else 0.0


class _Batches(BaseModel):
    data: list[_Batch]
    has_more: bool = False


class _Error(BaseModel):
    type: str = ""
    message: str = ""


class _ErrorBody(BaseModel):
    error: _Error = _Error()


class _Result(BaseModel):
    type: Literal["succeeded", "errored", "canceled", "expired"]
    message: Json = None
    error: _ErrorBody = _ErrorBody()


class _Line(BaseModel):
    custom_id: str = Field(min_length=1)
    result: _Result


def _state(batch: _Batch) -> BatchState:
    if batch.processing_status != "ended":
        return "running"
    if batch.cancel_initiated_at is not None:
        return "cancelled"
    return "expired" if batch.request_counts.expired else "ended"


def _outcome(line: Reply, result: _Result, facts: SentFacts | None) -> Outcome:
    facts = facts or SentFacts(written={})
    if result.type in {"canceled", "expired"}:
        return None
    reply = part(line, result.message, written=facts.written)
    if result.type == "errored":
        error = result.error.error
        return line_failure(reply.target, _STATUS.get(error.type, 500), error.model_dump())
    try:
        return read_message(reply, dropped=facts.dropped)
    except ProviderError as error_:
        return error_
