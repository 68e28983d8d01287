"""Google's Batch API: a file of requests goes up, a file of answers comes down.

https://ai.google.dev/gemini-api/docs/batch-api
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from swapgate.errors import ErrorKind, ProviderError
from swapgate.providers._reply import Reply
from swapgate.providers._wire import Wire
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
from swapgate.providers.gemini import GeminiProvider, read_content
from swapgate.records import Json, Request

# The states are spelled BATCH_STATE_SUCCEEDED or JOB_STATE_SUCCEEDED.
_STATES: Mapping[str, BatchState] = {
    "SUCCEEDED": "ended",
    "FAILED": "failed",
    "EXPIRED": "expired",
    "CANCELLED": "cancelled",
}
_CANCELLED = 1
# https://cloud.google.com/apis/design/errors: the codes of google.rpc as statuses of HTTP
_STATUS = {3: 400, 4: 504, 5: 404, 7: 403, 8: 429, 9: 400, 11: 400, 13: 500, 14: 503, 16: 401}


class GeminiBatches:
    """Batches of `generateContent`, by files: answers within the status would be read at every look."""

    # A file may have 2 GB: https://ai.google.dev/gemini-api/docs/batch-api
    limits = BatchLimits(requests=50_000, bytes=LARGEST_BATCH)
    takes_mark = True

    def __init__(self, provider: GeminiProvider) -> None:
        self._provider = provider
        self._wire = provider.wire
        self._model_url = provider.wire.url.rpartition(":")[0]  # whichever of its methods live calls use
        versioned = self._model_url.rpartition("/models/")[0]
        self._base, _, self._version = versioned.rpartition("/")

    @property
    def key_byte(self) -> int:
        """What tells the key in use from most others."""
        return self._wire.credentials.take().byte

    def line(self, custom_id: str, request: Request) -> BatchLine:
        """Return a request as one line of the file."""
        asked = self._provider.body(request)
        told: Json = {"key": custom_id, "request": asked.body}
        return batch_line(self._wire, custom_id, asked, told)

    async def submit(self, lines: Sequence[BatchLine], *, mark: str) -> str:
        """Upload the requests and make a batch of the file. A file alone costs nothing."""
        file = await self._upload(b"\n".join(line.content for line in lines), mark=mark)
        batch: Json = {"displayName": f"swapgate-{mark}", "inputConfig": {"fileName": file}}
        wire = at(self._wire, f"{self._model_url}:batchGenerateContent", method="POST")
        return (await wire.send({"batch": batch})).read(_Operation).name

    async def status(self, batch_id: str) -> BatchStatus:
        """Return how far a batch is."""
        operation = await self._get(batch_id)
        stats = operation.metadata.batch_stats
        total = stats.request_count
        return BatchStatus(
            state=_state(operation),
            total=total or None,
            done=max(0, total - stats.pending_request_count) if total else None,
            problem=operation.error.message if operation.error else "",
        )

    async def results(
        self, batch_id: str, facts: Mapping[str, SentFacts]
    ) -> AsyncGenerator[tuple[str, Outcome], None]:
        """Yield the lines of the responses' file; a batch that was given up has none."""
        operation = await self._get(batch_id)
        file = operation.responses_file
        if file is None:
            return
        url = f"{self._base}/download/{self._version}/{file}:download"
        wire = at(self._wire, url, query={"alt": "media"})
        async with aclosing(read_lines(wire, _Line)) as lines:
            async for line, told in lines:
                yield told.key, _outcome(line, told, facts.get(told.key))

    async def cancel(self, batch_id: str) -> None:
        """Ask for the end of a batch."""
        await at(self._wire, f"{self._url(batch_id)}:cancel", method="POST").send({})

    async def find(self, mark: str, *, since_s: float, requests: int, known: Collection[str]) -> str | None:
        """Look through the newest batches for the mark in their display names."""
        after: dict[str, str] = {}
        for _page in pages():
            wire = at(self._wire, f"{self._base}/{self._version}/batches", query={"pageSize": "100", **after})
            listed = (await wire.send(None)).read(_Operations)
            for operation in listed.operations:
                if operation.metadata.display_name == f"swapgate-{mark}":
                    return operation.name
            is_past = any(o.metadata.created_s < since_s - CLOCK_SKEW_S for o in listed.operations)
            if is_past or not listed.next_page_token:
                break
            after = {"pageToken": listed.next_page_token}
        return None

    async def _upload(self, content: bytes, *, mark: str) -> str:
        """Return the name of the uploaded file: one exchange, its two parts divided by the mark."""
        about = json.dumps({"file": {"displayName": f"swapgate-{mark}", "mimeType": "application/jsonl"}})
        parts = (
            f"--{mark}\r\ncontent-type: application/json; charset=utf-8\r\n\r\n{about}\r\n"
            f"--{mark}\r\ncontent-type: application/jsonl\r\n\r\n"
        )
        body = parts.encode() + content + f"\r\n--{mark}--\r\n".encode()
        wire = transfer(at(self._wire, f"{self._base}/upload/{self._version}/files", method="POST"))
        wire = _with_header(wire, "x-goog-upload-protocol", "multipart")
        reply = await wire.send_content(body, f"multipart/related; boundary={mark}")
        return reply.read(_Uploaded).file.name

    async def _get(self, batch_id: str) -> _Operation:
        return (await at(self._wire, self._url(batch_id)).send(None)).read(_Operation)

    def _url(self, batch_id: str) -> str:
        return f"{self._base}/{self._version}/{batch_id}"


class _Shape(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _File(_Shape):
    name: str = Field(pattern=r"^files/[\w-]+$")


class _Uploaded(_Shape):
    file: _File


class _Error(_Shape):
    code: int = 13
    message: str = ""
    status: str = ""


class _Stats(_Shape):
    request_count: int = 0
    pending_request_count: int = 0


class _Output(_Shape):
    responses_file: str | None = Field(default=None, pattern=r"^files/[\w-]+$")


class _Metadata(_Shape):
    display_name: str = ""
    state: str = ""
    create_time: datetime | None = None
    batch_stats: _Stats = _Stats()
    output: _Output | None = None

    @property
    def created_s(self) -> float:
        return self.create_time.astimezone(UTC).timestamp() if self.create_time else 0.0


class _Operation(_Shape):
    name: str = Field(pattern=r"^batches/[\w-]+$")
    metadata: _Metadata = _Metadata()
    response: _Output | None = None
    error: _Error | None = None
    done: bool = False

    @property
    def responses_file(self) -> str | None:
        places = (self.response, self.metadata.output)
        return next((place.responses_file for place in places if place and place.responses_file), None)


class _Operations(_Shape):
    operations: list[_Operation] = []
    next_page_token: str | None = None


class _Line(_Shape):
    key: str = Field(min_length=1)
    response: Json = None
    error: _Error | None = None
    status: _Error | None = None


def _with_header(wire: Wire, name: str, value: str) -> Wire:
    literal = {**wire.credentials.literal, name: value}
    return replace(wire, credentials=replace(wire.credentials, literal=literal))


def _state(operation: _Operation) -> BatchState:
    state = _STATES.get(operation.metadata.state.rpartition("_")[2], "running")
    if state == "running" and operation.done:
        return "failed" if operation.error else "ended"
    return state


def _outcome(line: Reply, told: _Line, facts: SentFacts | None) -> Outcome:
    facts = facts or SentFacts(written={})
    reply = part(line, told.response, written=facts.written)
    error = told.error or told.status
    if told.response is None:
        if error is None:
            return reply.target.error("batch: neither an answer nor an error", ErrorKind.SERVER)
        if error.code == _CANCELLED:
            return None
        status = error.code if 400 <= error.code < 600 else _STATUS.get(error.code, 500)
        return line_failure(reply.target, status, error.model_dump())
    try:
        return read_content(reply, dropped=facts.dropped)
    except ProviderError as failure:
        return failure
