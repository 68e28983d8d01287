"""A loopback server that fails on purpose: each fault is one small behaviour, named by the request's text."""

from __future__ import annotations

import asyncio
import email.utils
import gzip
import json
import socket
import ssl
import struct
import subprocess
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from servers import Answer, Received, Server, _read, openai_completion
from streams import EVENT_STREAM, openai_chunk, openai_events, openai_stream, sse


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
        await self.send(f"HTTP/1.1 {status} Canned\r\n{lines}\r\n".encode())

    async def begin(self, **headers: str) -> None:
        """Begin an answer of the kind that was asked for."""
        await self.head(**{**(EVENT_STREAM if self.is_streamed else JSON), **headers})

    async def answer(self, body: object, status: int = 200, **headers: str) -> None:
        """Send a whole answer, as JSON where it is none of bytes."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        await self.head(status, **{**JSON, "content-length": str(len(raw)), **headers})
        await self.send(raw)

    async def complete(self, text: str) -> None:
        """Answer as a model that is well behaved."""
        if self.is_streamed:
            raw = openai_stream(text[:5], text[5:])
            await self.answer(raw, **EVENT_STREAM)
        else:
            await self.answer(openai_completion(text))

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    def reset(self) -> None:
        """Break the connection so that the other side sees a reset, not an end."""
        own: socket.socket = self.writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Behaviour = Callable[[Exchange], Awaitable[None]]
JSON = {"content-type": "application/json"}
ENDLESS = 10**9


async def well(exchange: Exchange) -> None:
    await exchange.complete('{"label": "billing"}')


async def rate_limited(exchange: Exchange) -> None:
    await exchange.answer({"error": {"message": f"slow down, {exchange.key}"}}, 429)


async def rate_limited_with_a_date(exchange: Exchange) -> None:
    body = {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
    await exchange.answer(body, 429, **{"retry-after": email.utils.formatdate(usegmt=True)})


async def broken_inside(exchange: Exchange) -> None:
    await exchange.answer(f"Internal error for {exchange.key}".encode(), 500, **{"content-type": "text/html"})


async def silent(exchange: Exchange) -> None:
    await asyncio.sleep(ENDLESS)


async def dripping(exchange: Exchange) -> None:
    """Send something all the time, and never all of it."""
    await exchange.begin(**{"content-length": str(ENDLESS)})
    piece = sse(openai_chunk({"content": "a"})) if exchange.is_streamed else b" "
    while True:
        await exchange.send(piece)
        await asyncio.sleep(0.05)


async def reset_in_the_body(exchange: Exchange) -> None:
    await exchange.begin(**{"content-length": "100000"})
    some = sse(*openai_events(["some"])[:2]) if exchange.is_streamed else b'{"choices": ['
    await exchange.send(some)
    await asyncio.sleep(0.05)
    exchange.reset()


async def hanging_up(exchange: Exchange) -> None:
    """Close the connection without a word."""


async def too_short(exchange: Exchange) -> None:
    """Announce more than comes: the answer was cut on its way."""
    whole = openai_stream("whole") if exchange.is_streamed else json.dumps(openai_completion()).encode()
    await exchange.begin(**{"content-length": str(len(whole) + 100)})
    await exchange.send(whole if not exchange.is_streamed else whole[:300])


async def too_long(exchange: Exchange) -> None:
    """Announce less than comes, and keep the connection: what is left over must not answer anybody else."""
    whole = openai_stream("lost") if exchange.is_streamed else json.dumps(openai_completion("lost")).encode()
    await exchange.begin(**{"content-length": "150"})
    await exchange.send(whole)


async def cut_off(exchange: Exchange) -> None:
    """End in the middle as if that were the end."""
    await exchange.begin(connection="close")
    some = sse(*openai_events(["some"])[:2]) if exchange.is_streamed else b'{"choices": ['
    await exchange.send(some)


async def endless(exchange: Exchange) -> None:
    await exchange.begin()
    piece = sse(openai_chunk({"content": "a" * 600_000})) if exchange.is_streamed else b" " * 600_000
    while True:
        await exchange.send(piece)


async def endless_line(exchange: Exchange) -> None:
    await exchange.begin(**{"content-encoding": "identity"})
    await exchange.send(b"data: ")
    while True:
        await exchange.send(b"a" * 600_000)


async def no_json(exchange: Exchange) -> None:
    await exchange.begin(connection="close")
    await exchange.send(b"data: {]\n\n" if exchange.is_streamed else f"<p>{exchange.key}</p>".encode())


async def error_within(exchange: Exchange) -> None:
    """Say 200 and then that it failed."""
    error = {"error": {"message": f"no worker for {exchange.key}", "code": 503}}
    await exchange.begin(connection="close")
    some = openai_events(["some"])[:2]
    await exchange.send(sse(*some, error) if exchange.is_streamed else json.dumps(error).encode())


async def bomb(exchange: Exchange) -> None:
    """A gigabyte in a megabyte."""
    await exchange.begin(**{"content-encoding": "gzip", "connection": "close"})
    await exchange.send(gzip_bomb())


async def nested_bomb(exchange: Exchange) -> None:
    """A gigabyte in a few thousand bytes."""
    await exchange.begin(**{"content-encoding": "gzip, gzip", "connection": "close"})
    await exchange.send(gzip.compress(gzip_bomb()))


FAULTS: Mapping[str, Behaviour] = {
    "rate-limited": rate_limited,
    "rate-limited-with-a-date": rate_limited_with_a_date,
    "broken-inside": broken_inside,
    "silent": silent,
    "dripping": dripping,
    "reset-in-the-body": reset_in_the_body,
    "hanging-up": hanging_up,
    "too-short": too_short,
    "too-long": too_long,
    "cut-off": cut_off,
    "endless": endless,
    "endless-line": endless_line,
    "no-json": no_json,
    "error-within": error_within,
    "bomb": bomb,
    "nested-bomb": nested_bomb,
}
KEEPS_CONNECTION = {well, too_long, rate_limited, rate_limited_with_a_date, broken_inside}


def redirecting(url: str) -> Behaviour:
    """Return the behaviour of sending everyone elsewhere, key and all."""

    async def redirect(exchange: Exchange) -> None:
        await exchange.answer(b"", 307, location=f"{url}/v1/chat/completions?key={exchange.key}")

    return redirect


@cache
def gzip_bomb(megabytes: int = 1024) -> bytes:
    """Return zeros, compressed: one block that stands for itself, again and again."""
    packer = zlib.compressobj(9, wbits=31)
    head = packer.compress(b"0" * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(b"0" * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
    return head + block * (megabytes - 1)


class FaultServer(Server):
    """Behaves as the first name says that stands in the request's body."""

    def __init__(self, behaviours: Mapping[str, Behaviour]) -> None:
        super().__init__(lambda _request: Answer())
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
            if behave in KEEPS_CONNECTION:
                return True
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


@contextmanager
def untrusted(folder: Path) -> Iterator[str]:
    """Listen with a certificate that nobody signed; yield the address. Nobody may send a byte."""
    context = self_signed(folder)
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listener:
        thread = threading.Thread(target=_shake_hands, args=(listener, context, heard), daemon=True)
        thread.start()
        yield f"https://localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()
    assert heard == []


def self_signed(folder: Path) -> ssl.SSLContext:
    """Return a server's side of TLS for `localhost`; its certificate is certificate.pem in the folder."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=localhost",
    ]
    options = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command, *options], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def _shake_hands(listener: socket.socket, context: ssl.SSLContext, heard: list[bytes]) -> None:
    while True:
        try:
            connection, _address = listener.accept()
        except OSError:
            return
        with connection, suppress(OSError), context.wrap_socket(connection, server_side=True) as talk:
            heard += filter(None, [talk.recv(1)])
