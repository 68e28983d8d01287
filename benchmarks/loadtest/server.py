"""A mock model server on loopback: latency, limits, counters, answers that every check passes.

`python -m benchmarks.loadtest.server` prints its port. `POST /config` sets the latency and clears the
counters; `GET /stats` returns them, and `GET /calls` what each call was and when it was answered, if
`keeps_calls` is set. It answers some 20,000 requests a second: never the bottleneck.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import httptools
import uvloop

from benchmarks.loadtest.limit import Limit

MARKER = re.compile(rb"RV-(\d+)-([ACM])")
MODEL = re.compile(rb'"model"\s*:\s*"([^"]*)"')
RECOMMENDATIONS = {b"A": "approve", b"C": "request_changes", b"M": "comment"}
REVIEW = {
    "summary": "Adds a bounded retry to the loader; the loop leaves the file open on an error.",
    "issues": [
        {"line": 12, "severity": "major", "text": "the handle is not closed on the error path"},
        {"line": 31, "severity": "minor", "text": "a bare number for the retry limit"},
    ],
}
# What another model says: as right, in other words.
OTHER_REVIEW = {
    **REVIEW,
    "summary": "A retry with an upper limit for the loader; on failure its file is never closed.",
}
VERDICT = {
    "evidence": [],
    "reasoning": "The review names the change and its risk.",
    "accuracy": 5,
    "specificity": 4,
    "pass": True,
    "score": 1.0,
    "reason": "The review names the change and its risk.",
}


@dataclass(slots=True)
class Call:
    """One call: which model, about which case, when it came and when it was answered."""

    model: str
    case: int
    at: float
    answered_at: float | None = None


_NOT_COUNTED = {"random", "calls", "limits"}


@dataclass
class State:
    """The settings and what has been counted since they were set. Times are CLOCK_MONOTONIC seconds.

    `slow_share` of the answers take `slow_s`. With `a_second` each model may be asked so often, and what
    its answers tell of that is one of `limit.TELLS`.
    """

    latency_s: float = 0.0
    sigma: float = 0.0
    slow_share: float = 0.0
    slow_s: float = 0.0
    a_second: int = 0
    tells: str = "nothing"
    resets: bool = False
    keeps_calls: bool = False
    requests: int = 0
    rejected: int = 0
    done: int = 0
    in_flight: int = 0
    most_in_flight: int = 0
    latency_sum_s: float = 0.0
    first_at: float | None = None
    last_at: float | None = None
    random: random.Random = field(default_factory=lambda: random.Random(7), repr=False)
    calls: list[Call] = field(default_factory=list)
    limits: dict[bytes, Limit] = field(default_factory=dict)

    def latency(self) -> float:
        """Draw the latency of one answer."""
        if self.slow_share and self.random.random() < self.slow_share:
            return self.slow_s
        return self.latency_s * (self.random.lognormvariate(0, self.sigma) if self.sigma else 1.0)


class Connection(asyncio.Protocol):
    """One connection; every request on it is answered after its latency."""

    def __init__(self, server: MockServer) -> None:
        self.server = server
        self.parser = httptools.HttpRequestParser(self)
        self.url, self.body = b"", list[bytes]()
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.transport = None

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self.url, self.body = url, []

    def on_body(self, body: bytes) -> None:
        self.body.append(body)

    def on_message_complete(self) -> None:
        self.server.serve(self, self.url, b"".join(self.body))

    def send(self, answer: bytes) -> None:
        if self.transport is not None:
            self.transport.write(answer)


class MockServer:
    """Answers chat completions; a name that begins with `judge` gets a verdict, any other a review."""

    def __init__(self) -> None:
        self.state = State()
        self.loop = asyncio.get_running_loop()
        self.answers: dict[tuple[bytes, bytes], bytes] = {}

    def serve(self, connection: Connection, url: bytes, body: bytes) -> None:
        """Answer one request."""
        if url.endswith(b"/chat/completions"):
            self.complete(connection, body)
        elif url == b"/config":
            self.state = State(**json.loads(body))
            connection.send(framed(b"{}"))
        elif url == b"/calls":
            connection.send(framed(json.dumps([asdict(call) for call in self.state.calls]).encode()))
        else:
            names = State.__dataclass_fields__.keys() - _NOT_COUNTED
            counted = {name: getattr(self.state, name) for name in names}
            connection.send(framed(json.dumps(counted).encode()))

    def complete(self, connection: Connection, body: bytes) -> None:
        """Answer a chat completion after its latency."""
        state = self.state
        state.first_at = state.first_at or time.monotonic()
        state.requests += 1
        state.in_flight += 1
        state.most_in_flight = max(state.most_in_flight, state.in_flight)
        if state.resets:
            state.in_flight -= 1
            connection.transport.abort()
            return
        told = b""
        if state.a_second:
            refusal, told = self.limited(body)
            if refusal is not None:
                state.in_flight -= 1
                state.rejected += 1
                connection.send(refusal)
                return
        latency_s = state.latency()
        state.latency_sum_s += latency_s
        answer = self.answer(body).replace(b"\r\n", b"\r\n" + told, 1)
        call = self.keep(body) if state.keeps_calls else None
        if latency_s:
            self.loop.call_later(latency_s, self.finish, state, connection, answer, call)
        else:
            self.finish(state, connection, answer, call)

    def limited(self, body: bytes) -> tuple[bytes | None, bytes]:
        """Return the refusal of a call that comes too early, and the headers that every answer has."""
        state = self.state
        found = MODEL.search(body)
        limit = state.limits.setdefault(found[1] if found else b"?", Limit(state.a_second, state.tells))
        refusal = limit.refusal(time.monotonic())
        return refusal, b"".join(f"{k}: {v}\r\n".encode() for k, v in limit.headers().items())

    def keep(self, body: bytes) -> Call:
        """Keep what a call is about."""
        model, marker = MODEL.search(body), MARKER.search(body)
        assert model is not None
        assert marker is not None
        call = Call(model[1].decode(), int(marker[1]), time.monotonic())
        self.state.calls.append(call)
        return call

    def finish(self, state: State, connection: Connection, answer: bytes, call: Call | None) -> None:
        """Send an answer, unless whoever asked has gone."""
        if call is not None and connection.transport is not None:
            call.answered_at = time.monotonic()
        state.in_flight -= 1
        state.done += 1
        state.last_at = time.monotonic()
        connection.send(answer)

    def answer(self, body: bytes) -> bytes:
        """Return the answer to a request: by its model's name and the marker of its case."""
        found = MODEL.search(body)
        model = found[1] if found else b"?"
        marker = MARKER.search(body)
        kind = marker[2] if marker else b"M"
        if (model, kind) not in self.answers:
            review = OTHER_REVIEW if model.startswith(b"new") else REVIEW
            content = (
                VERDICT if model.startswith(b"judge") else {"recommendation": RECOMMENDATIONS[kind], **review}
            )
            self.answers[model, kind] = framed(completion(model.decode(), json.dumps(content)))
        return self.answers[model, kind]


def completion(model: str, content: str) -> bytes:
    """Return a chat completion as JSON."""
    message = {"role": "assistant", "content": content, "refusal": None}
    return json.dumps(
        {
            "id": "chatcmpl-mock",
            "object": "chat.completion",
            "created": 1700000000,
            "model": model,
            "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 800, "completion_tokens": 60, "total_tokens": 860},
        }
    ).encode()


def framed(body: bytes) -> bytes:
    """Return a whole HTTP answer."""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def main() -> None:
    """Serve until killed."""
    mock = MockServer()
    server = await mock.loop.create_server(lambda: Connection(mock), "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(main())
