"""OpenAI's Batch API: a file of requests goes up, files of answers and errors come down.

https://platform.openai.com/docs/guides/batch
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing

import httpx
from pydantic import BaseModel, Field

from swapgate.errors import ErrorKind, ProviderError
from swapgate.providers._reply import Reply
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
from swapgate.providers.openai import OpenAIProvider, read_completion
from swapgate.records import Json, Request

_ENDPOINT = "/v1/chat/completions"
_MARK = "swapgate_mark"
# validating, in_progress, finalizing and cancelling are still under way.
_STATES: Mapping[str, BatchState] = {
    "completed": "ended",
    "failed": "failed",
    "expired": "expired",
    "cancelled": "cancelled",
}
_NOT_ANSWERED = {"batch_expired", "batch_cancelled"}


class OpenAIBatches:
    """Batches of chat completions, each of one model."""

    # 50,000 requests and 200 MB: https://platform.openai.com/docs/api-reference/batch/create
    limits = BatchLimits(requests=50_000, bytes=LARGEST_BATCH)
    takes_mark = True

    def __init__(self, provider: OpenAIProvider) -> None:
        self._provider = provider
        self._wire = provider.wire
        self._base = provider.wire.url.removesuffix("/chat/completions")

    @property
    def key_byte(self) -> int:
        """What tells the key in use from most others."""
        return self._wire.credentials.take().byte

    def line(self, custom_id: str, request: Request) -> BatchLine:
        """Return a request as one line of the file."""
        asked = self._provider.body(request)
        told: Json = {"custom_id": custom_id, "method": "POST", "url": _ENDPOINT, "body": asked.whole}
        return batch_line(self._wire, custom_id, asked, told)

    async def submit(self, lines: Sequence[BatchLine], *, mark: str) -> str:
        """Upload the requests and make a batch of the file. A file alone costs nothing."""
        upload = httpx.Request(
            "POST",
            f"{self._base}/files",
            data={"purpose": "batch"},
            files={
                "file": (
                    f"swapgate-{mark}.jsonl",
                    b"\n".join(line.content for line in lines),
                    "application/jsonl",
                )
            },
        )
        wire = transfer(at(self._wire, f"{self._base}/files", method="POST"))
        reply = await wire.send_content(upload.read(), upload.headers["content-type"])
        body: Json = {
            "input_file_id": reply.read(_File).id,
            "endpoint": _ENDPOINT,
            "completion_window": "24h",
            "metadata": {_MARK: mark},
        }
        return (await at(self._wire, f"{self._base}/batches", method="POST").send(body)).read(_Batch).id

    async def status(self, batch_id: str) -> BatchStatus:
        """Return how far a batch is."""
        batch = await self._get(batch_id)
        counts = batch.request_counts or _Counts()
        problems = [error.message or error.code or "" for error in batch.errors.data] if batch.errors else []
        return BatchStatus(
            state=_STATES.get(batch.status, "running"),
            total=counts.total or None,
            done=counts.completed + counts.failed,
            problem="; ".join(problems[:3]),
        )

    async def results(
        self, batch_id: str, facts: Mapping[str, SentFacts]
    ) -> AsyncGenerator[tuple[str, Outcome], None]:
        """Yield the lines of the output file, then those of the error file."""
        batch = await self._get(batch_id)
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id is None:
                continue
            wire = at(self._wire, f"{self._base}/files/{file_id}/content")
            async with aclosing(read_lines(wire, _Line)) as lines:
                async for line, result in lines:
                    yield result.custom_id, _outcome(line, result, facts.get(result.custom_id))

    async def cancel(self, batch_id: str) -> None:
        """Ask for the end of a batch; it may take minutes."""
        await at(self._wire, f"{self._base}/batches/{batch_id}/cancel", method="POST").send({})

    async def find(self, mark: str, *, since_s: float, requests: int, known: Collection[str]) -> str | None:
        """Look through the newest batches for the mark in their metadata."""
        after: dict[str, str] = {}
        for _page in pages():
            wire = at(self._wire, f"{self._base}/batches", query={"limit": "100", **after})
            listed = (await wire.send(None)).read(_Batches)
            for batch in listed.data:
                if (batch.metadata or {}).get(_MARK) == mark:
                    return batch.id
            is_past = any((batch.created_at or 0) < since_s - CLOCK_SKEW_S for batch in listed.data)
            if is_past or not listed.data or not listed.has_more:
                break
            after = {"after": listed.data[-1].id}
        return None

    async def _get(self, batch_id: str) -> _Batch:
        return (await at(self._wire, f"{self._base}/batches/{batch_id}").send(None)).read(_Batch)


class _File(BaseModel):
    id: str


class _Counts(BaseModel):
    total: int = 0
    completed: int = 0
    failed: int = 0


class _Error(BaseModel):
    code: str | None = None
    message: str | None = None


class _Errors(BaseModel):
    data: list[_Error] = []


class _Batch(BaseModel):
    id: str
    status: str
    created_at: float | None = None
    output_file_id: str | None = None
    error_file_id: str | None = None
    request_counts: _Counts | None = None
    errors: _Errors | None = None
    metadata: dict[str, str] | None = None


class _Batches(BaseModel):
    data: list[_Batch]
    has_more: bool = False


class _Answered(BaseModel):
    status_code: int = 200
    request_id: str | None = None
    body: Json = None


class _Line(BaseModel):
    custom_id: str = Field(min_length=1)
    response: _Answered | None = None
    error: _Error | None = None


def _outcome(line: Reply, result: _Line, facts: SentFacts | None) -> Outcome:
    facts = facts or SentFacts(written={})
    answered = result.response
    if answered is None:
        code = result.error.code if result.error else None
        if code in _NOT_ANSWERED:
            return None
        told = result.error.message if result.error else "neither an answer nor an error"
        return line.target.error(f"batch: {code or 'no result'}: {told}", ErrorKind.SERVER)
    reply = part(line, answered.body, written=facts.written, request_id=answered.request_id)
    if answered.status_code != 200:
        body = answered.body
        error = body.get("error", body) if isinstance(body, dict) else body
        return line_failure(reply.target, answered.status_code, error)
    try:
        return read_completion(reply, dropped=facts.dropped, has_tokens="top_logprobs" in facts.written)
    except ProviderError as error:
        return error
