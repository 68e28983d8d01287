"""Batch APIs on loopback, written from the providers' documentation: stateful, over real HTTP."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.parser import BytesParser
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from servers import Answer, Received, Server, anthropic_message, gemini_content, openai_completion, serving

RIGHT = '{"label": "billing"}'


@dataclass(frozen=True)
class Failed:
    """An error of one request: its HTTP status, and the provider's word for it."""

    status: int
    type: str
    message: str = "told so"


# What becomes of one request: the text of its answer, an error, or nothing before the batch expired.
Fate = str | Failed | None


@dataclass
class Batch:
    id: str
    requests: list[dict[str, Any]]
    mark: str | None = None
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    state: Literal["running", "ended", "expired", "cancelled", "failed"] = "running"
    looks: int = 0


class BatchService:
    """What the three services share. Batches end at the `looks`-th look at them; None: not before `end`."""

    def __init__(
        self,
        *,
        fate: Callable[[dict[str, Any]], Fate] = lambda _body: RIGHT,
        looks: int | None = 1,
        end_state: Literal["ended", "expired", "failed"] = "ended",
    ) -> None:
        self.fate = fate
        self.looks = looks
        self.end_state = end_state
        self.batches: dict[str, Batch] = {}
        self.live: list[Received] = []
        self.cancelled: list[str] = []
        # The batch is made, and nobody hears of it: the connection breaks, or the answer takes this long.
        self.is_mute = False
        self.silence_s = 0.0
        self.url = ""

    @property
    def sent(self) -> Counter[str]:
        """How often each request was handed in, by its custom id."""
        return Counter(self.custom_id(r) for batch in self.batches.values() for r in batch.requests)

    def end(self) -> None:
        """Let every batch end, now and from now on."""
        self.looks = 0
        for batch in self.batches.values():
            batch.state = self.end_state if batch.state == "running" else batch.state

    def custom_id(self, request: dict[str, Any]) -> str:
        return str(request["custom_id"])

    def make(self, requests: list[dict[str, Any]], mark: str | None = None) -> Batch:
        batch = Batch(f"{self.prefix}{len(self.batches) + 1}", requests, mark)
        self.batches[batch.id] = batch
        return batch

    def look(self, batch_id: str) -> Batch | None:
        batch = self.batches.get(batch_id)
        if batch is not None and batch.state == "running":
            batch.looks += 1
            if self.looks is not None and batch.looks > self.looks:
                batch.state = self.end_state
        return batch

    def cancel(self, batch_id: str) -> Batch:
        self.cancelled.append(batch_id)
        batch = self.batches[batch_id]
        batch.state = "cancelled" if batch.state == "running" else batch.state
        return batch

    def handle(self, request: Received) -> Answer:
        url = urlsplit(request.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        return self.route(request, request.method, url.path, query)

    def made(self, body: Any) -> Answer:
        return Answer(wire=b"") if self.is_mute else Answer(body, delay_s=self.silence_s)

    prefix = "batch_"

    def route(self, request: Received, method: str, path: str, query: dict[str, str]) -> Answer:
        raise NotImplementedError


class OpenAIService(BatchService):
    """https://platform.openai.com/docs/api-reference/batch"""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.files: dict[str, bytes] = {}
        self.upload_s = 0.0
        self.is_refusing = False

    def route(self, request: Received, method: str, path: str, query: dict[str, str]) -> Answer:
        path = path.removeprefix("/v1")
        if self.is_refusing and path != "/chat/completions":
            return Answer({"error": {"message": "Batches are not enabled", "type": "invalid"}}, status=400)
        if path == "/chat/completions":
            self.live.append(request)
            return Answer(openai_completion(RIGHT))
        if (method, path) == ("POST", "/files"):
            fields = _form(request)
            assert fields["purpose"] == b"batch"
            file_id = f"file-{len(self.files) + 1}"
            self.files[file_id] = fields["file"]
            told = {"id": file_id, "object": "file", "purpose": "batch", "status": "processed"}
            return Answer(told, delay_s=self.upload_s)
        if (method, path) == ("POST", "/batches"):
            return self._create(request.json)
        if (method, path) == ("GET", "/batches"):
            return self._list(query)
        if match := re.fullmatch(r"/files/(.+)/content", path):
            return Answer(self._file(match[1]), headers={"content-type": "application/octet-stream"})
        if match := re.fullmatch(r"/batches/(\w+)/cancel", path):
            return Answer(self._told(self.cancel(match[1])))
        batch = self.look(path.removeprefix("/batches/"))
        if batch is None:
            return Answer(
                {"error": {"message": "No such batch", "type": "invalid_request_error"}}, status=404
            )
        return Answer(self._told(batch))

    def _create(self, body: dict[str, Any]) -> Answer:
        assert body["endpoint"] == "/v1/chat/completions"
        assert body["completion_window"] == "24h"
        requests = [json.loads(line) for line in self.files[body["input_file_id"]].splitlines()]
        for request in requests:
            assert (request["method"], request["url"]) == ("POST", "/v1/chat/completions")
        assert len({r["body"]["model"] for r in requests}) == 1, "one model a batch"
        return self.made(self._told(self.make(requests, body["metadata"]["swapgate_mark"])))

    def _list(self, query: dict[str, str]) -> Answer:
        newest = list(reversed(self.batches.values()))
        ids = [batch.id for batch in newest]
        start = ids.index(query["after"]) + 1 if "after" in query else 0
        page = newest[start : start + int(query["limit"])]
        is_more = start + len(page) < len(newest)
        return Answer({"object": "list", "data": [self._told(b) for b in page], "has_more": is_more})

    def _told(self, batch: Batch) -> dict[str, Any]:
        status = {"running": "in_progress", "ended": "completed"}.get(batch.state, batch.state)
        is_over = batch.state in {"ended", "expired", "cancelled"}
        fates = [self.fate(r["body"]) for r in batch.requests] if is_over else []
        return {
            "id": batch.id,
            "object": "batch",
            "endpoint": "/v1/chat/completions",
            "status": status,
            "created_at": int(batch.created.timestamp()),
            "errors": {
                "object": "list",
                "data": [{"code": "token_limit_exceeded", "message": "too much", "line": 1}],
            }
            if batch.state == "failed"
            else None,
            "output_file_id": f"out-{batch.id}" if any(isinstance(f, str) for f in fates) else None,
            "error_file_id": f"err-{batch.id}" if any(not isinstance(f, str) for f in fates) else None,
            "request_counts": {
                "total": len(batch.requests),
                "completed": sum(isinstance(f, str) for f in fates),
                "failed": sum(not isinstance(f, str) for f in fates),
            },
            "metadata": {"swapgate_mark": batch.mark} if batch.mark else {},
        }

    def _file(self, file_id: str) -> bytes:
        kind, _, batch_id = file_id.partition("-")
        lines = [self._line(request) for request in reversed(self.batches[batch_id].requests)]
        wanted = [
            line
            for line in lines
            if (line["error"] is None and line["response"]["status_code"] == 200) == (kind == "out")
        ]
        return "".join(json.dumps(line) + "\n" for line in wanted).encode()

    def _line(self, request: dict[str, Any]) -> dict[str, Any]:
        fate = self.fate(request["body"])
        line = {"id": "batch_req_1", "custom_id": request["custom_id"], "response": None, "error": None}
        if fate is None:
            return {
                **line,
                "error": {"code": "batch_expired", "message": "This request could not be executed"},
            }
        if isinstance(fate, Failed):
            body: Any = {"error": {"message": fate.message, "type": fate.type, "param": None, "code": None}}
            return {**line, "response": {"status_code": fate.status, "request_id": "req_1", "body": body}}
        body = openai_completion(fate)
        return {**line, "response": {"status_code": 200, "request_id": "req_1", "body": body}}


class AnthropicService(BatchService):
    """https://platform.claude.com/docs/en/api/messages/batches"""

    prefix = "msgbatch_"
    results_host: str | None = None

    def route(self, request: Received, method: str, path: str, query: dict[str, str]) -> Answer:
        assert request.headers["anthropic-version"] == "2023-06-01"
        if path == "/v1/messages":
            self.live.append(request)
            return Answer(anthropic_message(RIGHT))
        path = path.removeprefix("/v1/messages/batches")
        if (method, path) == ("POST", ""):
            requests = request.json["requests"]
            assert all(re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", r["custom_id"]) for r in requests)
            return self.made(self._told(self.make(requests)))
        if (method, path) == ("GET", ""):
            newest = [self._told(batch) for batch in reversed(self.batches.values())]
            return Answer({"data": newest, "has_more": False, "first_id": None, "last_id": None})
        batch_id, _, verb = path.strip("/").partition("/")
        if verb == "results":
            return Answer(
                self._results(self.batches[batch_id]), headers={"content-type": "application/x-jsonl"}
            )
        if verb == "cancel":
            return Answer(self._told(self.cancel(batch_id)))
        batch = self.look(batch_id)
        if batch is None:
            error = {"type": "not_found_error", "message": "no such batch"}
            return Answer({"type": "error", "error": error}, status=404)
        return Answer(self._told(batch))

    def _told(self, batch: Batch) -> dict[str, Any]:
        is_over = batch.state != "running"
        kinds = Counter(self._result(batch, r)["type"] for r in batch.requests) if is_over else Counter()
        return {
            "id": batch.id,
            "type": "message_batch",
            "processing_status": "ended" if is_over else "in_progress",
            "request_counts": {
                "processing": 0 if is_over else len(batch.requests),
                **{kind: kinds[kind] for kind in ("succeeded", "errored", "canceled", "expired")},
            },
            "created_at": batch.created.isoformat(),
            "expires_at": (batch.created + timedelta(hours=24)).isoformat(),
            "ended_at": batch.created.isoformat() if is_over else None,
            "cancel_initiated_at": batch.created.isoformat() if batch.state == "cancelled" else None,
            "archived_at": None,
            "results_url": f"{self.results_host or self.url}/v1/messages/batches/{batch.id}/results"
            if is_over
            else None,
        }

    def _results(self, batch: Batch) -> bytes:
        lines = [
            {"custom_id": r["custom_id"], "result": self._result(batch, r)} for r in reversed(batch.requests)
        ]
        return "".join(json.dumps(line) + "\n" for line in lines).encode()

    def _result(self, batch: Batch, request: dict[str, Any]) -> dict[str, Any]:
        fate = self.fate(request["params"])
        if fate is None:
            return {"type": "canceled" if batch.state == "cancelled" else "expired"}
        if isinstance(fate, Failed):
            error = {"type": fate.type, "message": fate.message}
            return {"type": "errored", "error": {"type": "error", "error": error}}
        return {"type": "succeeded", "message": anthropic_message(fate)}


class GeminiService(BatchService):
    """https://ai.google.dev/api/batch-api"""

    prefix = "batches/b"

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.files: dict[str, bytes] = {}

    def custom_id(self, request: dict[str, Any]) -> str:
        return str(request["key"])

    def route(self, request: Received, method: str, path: str, query: dict[str, str]) -> Answer:
        if path.endswith(":generateContent"):
            self.live.append(request)
            return Answer(gemini_content(RIGHT))
        if path == "/upload/v1beta/files":
            assert request.headers["x-goog-upload-protocol"] == "multipart"
            _about, content = _parts(request)
            name = f"files/f{len(self.files) + 1}"
            self.files[name] = content
            return Answer({"file": {"name": name, "uri": f"{self.url}/v1beta/{name}"}})
        if path.endswith(":batchGenerateContent"):
            batch = request.json["batch"]
            lines = self.files[batch["inputConfig"]["fileName"]].splitlines()
            return self.made(
                self._told(self.make([json.loads(line) for line in lines], batch["displayName"]))
            )
        if path == "/v1beta/batches":
            return Answer({"operations": [self._told(b) for b in reversed(self.batches.values())]})
        if match := re.fullmatch(r"/download/v1beta/files/(\w+):download", path):
            assert query == {"alt": "media"}
            return Answer(self._results(self.batches[f"batches/{match[1]}"]))
        name, _, verb = path.removeprefix("/v1beta/").partition(":")
        if verb == "cancel":
            self.cancel(name)
            return Answer({})
        batch_ = self.look(name)
        if batch_ is None:
            return Answer({"error": {"code": 404, "message": "not found", "status": "NOT_FOUND"}}, status=404)
        return Answer(self._told(batch_))

    def _told(self, batch: Batch) -> dict[str, Any]:
        word = {"running": "RUNNING", "ended": "SUCCEEDED"}.get(batch.state, batch.state.upper())
        count = len(batch.requests)
        metadata = {
            "@type": "type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch",
            "displayName": batch.mark,
            "state": f"BATCH_STATE_{word}",
            "createTime": batch.created.isoformat(),
            "batchStats": {
                "requestCount": str(count),
                "pendingRequestCount": str(count if word == "RUNNING" else 0),
            },
            "name": batch.id,
        }
        told: dict[str, Any] = {"name": batch.id, "metadata": metadata}
        if batch.state == "ended":
            told |= {
                "done": True,
                "response": {"responsesFile": f"files/{batch.id.removeprefix('batches/')}"},
            }
        elif batch.state != "running":
            told |= {"done": True, "error": {"code": 1, "message": "the batch is over"}}
        return told

    def _results(self, batch: Batch) -> bytes:
        lines = [self._line(request) for request in reversed(batch.requests)]
        return "".join(json.dumps(line) + "\n" for line in lines).encode()

    def _line(self, request: dict[str, Any]) -> dict[str, Any]:
        fate = self.fate(request["request"])
        if fate is None:
            return {"key": request["key"], "error": {"code": 1, "message": "cancelled"}}
        if isinstance(fate, Failed):
            error = {"code": fate.status, "message": fate.message, "status": fate.type}
            return {"key": request["key"], "error": error}
        return {"key": request["key"], "response": gemini_content(fate)}


@contextmanager
def serving_batches(service: BatchService) -> Iterator[Server]:
    """Serve a batch API until the block ends."""
    with serving(service.handle) as server:
        service.url = server.url
        yield server


def _form(request: Received) -> dict[str, bytes]:
    """Read multipart/form-data: the content of each field."""
    parts = _message(request).get_payload()
    return {
        str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
        for part in parts
    }


def _parts(request: Received) -> list[bytes]:
    return [part.get_payload(decode=True) for part in _message(request).get_payload()]


def _message(request: Received) -> Any:
    head = f"content-type: {request.headers['content-type']}\r\n\r\n".encode()
    return BytesParser().parsebytes(head + request.body)
