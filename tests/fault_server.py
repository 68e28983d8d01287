"""A loopback server that fails on purpose: each fault is one small behaviour, named by the request's text."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from servers import Received, Server, _read


@dataclass(frozen=True)
class Exchange:
    """One request and the way back; what is sent is what stands on the wire."""

    request: Received
    writer: asyncio.StreamWriter

    @property
    def is_streamed(self) -> bool:
        return bool(self.request.json.get("stream"))

    @property
    def key(self) -> str:
        """The key that came with the request: a server that gossips knows it."""
        return self.request.headers.get("authorization", "").removeprefix("Bearer ")

    async def head(self, status: int = 200, **headers: str) -> None:
        """Begin an answer; without a content-length it ends with the connection."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await self.send(f"HTTP/1.1 {status} Canned\r\nconnection: close\r\n{lines}\r\n".encode())

    async def answer(self, body: object, status: int = 200, **headers: str) -> None:
        """Send a whole answer."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = {"content-type": "application/json", "content-length": str(len(raw))}
        await self.head(status, **{**kind, **headers})
        await self.send(raw)

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    def reset(self) -> None:
        """Break the connection so that the other side sees a reset, not an end."""
        own: socket.socket = self.writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[None]]


class FaultServer(Server):
    """Behaves as the first name says that stands in the request's body."""

    def __init__(self, behaviours: Mapping[str, Behaviour]) -> None:
        super().__init__(lambda _request: NotImplemented)
        self._behaviours = behaviours

    def received(self, name: str) -> int:
        """Return how many requests named a behaviour."""
        return sum(name.encode() in request.body for request in list(self.requests))

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        request = await _read(reader)
        self.requests.append(request)
        behave = next(b for name, b in self._behaviours.items() if name.encode() in request.body)
        with suppress(ConnectionError):
            await behave(Exchange(request=request, writer=writer))
            writer.close()
            await writer.wait_closed()
        return False


@contextmanager
def faulty(behaviours: Mapping[str, Behaviour]) -> Iterator[FaultServer]:
    """Serve these behaviours until the block ends."""
    server = FaultServer(behaviours)
    server.start()
    try:
        yield server
    finally:
        server.stop()
