"""The serving side's end of the mirror: hands captures over, never waits, counts what it sheds."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import struct
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from subprocess import Popen, TimeoutExpired
from typing import Any

from swapgate.shadow.capture import Capture

FRAME = struct.Struct(">III")
# What may wait in this process when the other does not read; a capture is some kilobytes.
_MOST_WAITING_BYTES = 8 * 1024 * 1024
_SOCKET_BYTES = 4 * 1024 * 1024
_TELL_EVERY_S = 0.5
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0
_LOG = logging.getLogger("swapgate.shadow")


class Handing:
    """Runs the mirror's process, and another one when it dies. Use `start` and `stop` in the serving loop."""

    def __init__(
        self, *, root: Path, config: Path, heard: Callable[[Mapping[str, Any]], None] = lambda _told: None
    ) -> None:
        self._root = root
        self._config = config
        self._heard = heard
        self._counts: dict[tuple[str, str], int] = {}
        # What the process has not told the end of, with its route.
        self._handed: dict[str, str] = {}
        self._transport: asyncio.WriteTransport | None = None
        self._process: Popen[bytes] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    @property
    def is_up(self) -> bool:
        """Whether the mirror's process is there."""
        return self._transport is not None

    async def start(self) -> None:
        """Start the process."""
        await self._spawn()
        self._tasks = [asyncio.create_task(self._keep_alive()), asyncio.create_task(self._tell_counts())]

    def offer(self, capture: Capture) -> bool:
        """Hand a capture over; False, and counted, when there is no room for it."""
        transport = self._transport
        if transport is None or transport.get_write_buffer_size() > _MOST_WAITING_BYTES:
            self.count(capture.route, "shed")
            return False
        head, request, answer = capture.packed()
        self._handed[capture.key] = capture.route
        transport.writelines([FRAME.pack(len(head), len(request), len(answer)), head, request, answer])
        return True

    def count(self, route: str, what: str) -> None:
        """Count what happened to a request."""
        self._counts[route, what] = self._counts.get((route, what), 0) + 1

    def reload(self) -> None:
        """Have the process read its configuration again."""
        self._send({"kind": "reload"})

    async def stop(self, *, drain_s: float) -> None:
        """Let the process finish what it has, for so many seconds at most."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        self._flush_counts()
        if self._transport is not None:
            self._send({"kind": "drain", "seconds": drain_s})
            self._transport.write_eof()
        if self._process is not None:
            await asyncio.to_thread(_wait, self._process, drain_s + 5)
        if self._transport is not None:
            self._transport.close()

    async def _spawn(self) -> None:
        ours, theirs = socket.socketpair()
        for end in (ours, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SOCKET_BYTES)
        with theirs:
            try:
                self._process = _started(theirs.fileno(), self._root, self._config)
            except BaseException:
                ours.close()
                raise
        loop = asyncio.get_running_loop()
        transport, _protocol = await loop.create_unix_connection(lambda: _Hearing(self), sock=ours)
        self._transport = transport

    def lost(self) -> None:
        """The process is gone, and with it what it had not ended."""
        self._transport = None
        if not self._is_stopping:
            for route in self._handed.values():
                self.count(route, "lost")
            self._handed.clear()

    def hear(self, line: bytes) -> None:
        """Take what the process tells of its work."""
        told = json.loads(line)
        for key in told["done"]:
            self._handed.pop(key, None)
        self._heard(told)

    async def _keep_alive(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while True:
            await asyncio.sleep(pause_s)
            if self.is_up:
                pause_s = _FIRST_PAUSE_S
                continue
            _LOG.error("the mirror's process died; requests are served, and not mirrored until it is back")
            if self._process is not None:
                await asyncio.to_thread(_wait, self._process, _FIRST_PAUSE_S)
            try:
                await self._spawn()
            except OSError as exc:
                _LOG.error("the mirror's process could not be started, and will be again: %s", exc)
            pause_s = min(_LONGEST_PAUSE_S, 2 * pause_s)

    async def _tell_counts(self) -> None:
        while True:
            await asyncio.sleep(_TELL_EVERY_S)
            self._flush_counts()

    def _flush_counts(self) -> None:
        if self._transport is None or not self._counts:
            return
        day = datetime.fromtimestamp(time.time(), UTC).date().isoformat()
        counts = [[day, route, what, n] for (route, what), n in self._counts.items()]
        self._counts.clear()
        self._send({"kind": "counts", "counts": counts})

    def _send(self, told: Mapping[str, Any]) -> None:
        head = json.dumps(told).encode()
        if self._transport is not None:
            self._transport.write(FRAME.pack(len(head), 0, 0) + head)


class _Hearing(asyncio.Protocol):
    """Reads lines that the process tells."""

    def __init__(self, handing: Handing) -> None:
        self._handing = handing
        self._rest = b""

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._handing.hear(line)

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._handing.lost()


def _started(descriptor: int, root: Path, config: Path) -> Popen[bytes]:
    """Start the mirror's process in a session of its own: a Ctrl-C in the terminal is for the proxy."""
    module = [sys.executable, "-P", "-m", "swapgate.shadow.process"]
    arguments = [*module, str(descriptor), str(root), str(config)]
    return Popen(arguments, pass_fds=[descriptor], start_new_session=True)  # noqa: S603 - our own module


def _wait(process: Popen[bytes], limit_s: float) -> None:
    try:
        process.wait(limit_s)
    except TimeoutExpired:
        process.kill()
        process.wait()
