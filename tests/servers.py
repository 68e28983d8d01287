"""Loopback HTTP servers for tests: fixtures in the providers' shapes, and ways to fail."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

import pytest


@dataclass(frozen=True)
class Received:
    """One request as it arrived; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What to send back. `wire` replaces the whole answer by raw bytes, after which the connection breaks."""

    body: Any = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    after: asyncio.Event | None = None
    wire: bytes | None = None

    def encoded(self) -> bytes:
        if self.wire is not None:
            return self.wire
        body = self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode()
        headers = {"content-type": "application/json", "content-length": str(len(body)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Canned\r\n{lines}\r\n".encode() + body


Handler = Callable[[Received], Answer]


class Server:
    """An HTTP server in a thread of its own; `requests` are those received so far."""

    def __init__(self, handler: Handler) -> None:
        self.requests: list[Received] = []
        self.most_at_once = self.connections = 0
        self._at_once = 0
        self._handler = handler
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._thread.start()
        self._listener = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._accept, "127.0.0.1", 0), self._loop
        ).result()
        self.port = self._listener.sockets[0].getsockname()[1]

    def stop(self) -> None:
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._listener.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        task = self._loop.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            writer.transport.abort()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader)
        self.requests.append(request)
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            answer = self._handler(request)
            if answer.after is not None:
                await answer.after.wait()
            await asyncio.sleep(answer.delay_s)
        finally:
            self._at_once -= 1
        writer.write(answer.encoded())
        await writer.drain()
        return answer.wire is None


async def _read(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    method, path, _version = head[0].split(" ")
    pairs = (line.partition(":") for line in head[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _colon, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method=method, path=path, headers=headers, body=body)


class Holding:
    """Answers so many requests, and keeps later ones waiting while it `holds`: a run stands still then."""

    def __init__(self, handler: Handler, *, after: int) -> None:
        self.holds = True
        self._handler = handler
        self._left = after

    def __call__(self, request: Received) -> Answer:
        answer = self._handler(request)
        self._left -= 1
        return replace(answer, delay_s=600) if self.holds and self._left < 0 else answer


@contextmanager
def serving(answer: Answer | Handler) -> Iterator[Server]:
    """Serve one answer, or what a handler says, until the block ends."""
    server = Server(answer if callable(answer) else lambda _request: answer)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def talking(said: bytes) -> Iterator[int]:
    """Listen on a port, say the same to everyone who connects, and hang up; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_talk, args=(listener, said), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


@contextmanager
def letting_nobody_in() -> Iterator[int]:
    """Yield a port whose connections all wait to be accepted, as behind a firewall that drops what comes."""
    if sys.platform != "linux":
        pytest.skip("others refuse what a full queue has no place for")
    with ExitStack() as held:
        listener = held.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            waiting = held.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def _talk(listener: socket.socket, said: bytes) -> None:
    with suppress(OSError):
        while True:
            connection, _address = listener.accept()
            with connection:
                connection.sendall(said)


def openai_completion(text: str = "hello", **message: Any) -> dict[str, Any]:
    """A chat completion as OpenAI documents it."""
    return {
        "id": "chatcmpl-fixture",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "fixture-model-2026-01-01",
        "system_fingerprint": "fp_fixture",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, "refusal": None, **message},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 20,
            "completion_tokens": 9,
            "total_tokens": 29,
            "prompt_tokens_details": {"cached_tokens": 12},
            "completion_tokens_details": {"reasoning_tokens": 4},
        },
    }


def anthropic_message(text: str = "hello", **fields: Any) -> dict[str, Any]:
    """A message as Anthropic documents it."""
    return {
        "id": "msg_fixture",
        "type": "message",
        "role": "assistant",
        "model": "claude-fixture",
        "content": [{"type": "text", "text": text}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 10,
            "output_tokens": 5,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 30,
        },
        **fields,
    }


def gemini_content(text: str = "hello", **fields: Any) -> dict[str, Any]:
    """Generated content as Google documents it."""
    return {
        "candidates": [
            {"content": {"role": "model", "parts": [{"text": text}]}, "finishReason": "STOP", "index": 0}
        ],
        "usageMetadata": {
            "promptTokenCount": 11,
            "candidatesTokenCount": 7,
            "thoughtsTokenCount": 5,
            "cachedContentTokenCount": 3,
            "totalTokenCount": 23,
        },
        "modelVersion": "gemini-fixture-001",
        "responseId": "gemini-response-fixture",
        **fields,
    }
