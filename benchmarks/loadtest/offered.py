"""Sends chat completions to one address: at an offered rate, or as many as come back. Prints JSON.

`python -m benchmarks.loadtest.offered URL --rate 300 --seconds 10` measures latency from the time at which a
request was due, so that a stall is not left out; `--connections 64` measures how many a second come back.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections import deque
from typing import Any
from urllib.parse import urlsplit

import httptools
import uvloop

PROMPT = "Review this diff and say whether it may be merged. " * 20


class Line(asyncio.Protocol):
    """One connection, one request on it at a time."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.due = 0.0
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.load.free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.load.is_over:
            self.load.failed += 1

    def ask(self, due: float) -> None:
        self.due = due
        self.parser = httptools.HttpResponseParser(self)
        self.transport.write(self.load.request)

    def data_received(self, data: bytes) -> None:
        self.parser.feed_data(data)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() != 200:
            self.load.failed += 1
        self.load.end(self, time.perf_counter() - self.due)


class Load:
    """What is sent, and how long each answer took."""

    def __init__(self, host: str, seconds: float, rate: float | None) -> None:
        message = {"role": "user", "content": PROMPT}
        body = json.dumps({"model": "old-1", "messages": [message], "temperature": 0}).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}\r\nauthorization: Bearer sk-application\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self.request = head.encode() + body
        self.seconds, self.rate = seconds, rate
        self.free: deque[Line] = deque()
        self.waiting: deque[float] = deque()
        self.took: list[float] = []
        self.failed = 0
        self.is_over = False

    def end(self, line: Line, seconds: float) -> None:
        self.took.append(seconds)
        if self.waiting:
            line.ask(self.waiting.popleft())
        elif self.rate is None and not self.is_over:
            line.ask(time.perf_counter())
        else:
            self.free.append(line)

    async def run(self) -> dict[str, float]:
        began = time.perf_counter()
        if self.rate is None:
            while self.free:
                self.free.popleft().ask(time.perf_counter())
            await asyncio.sleep(self.seconds)
        else:
            await self.offer(began, self.rate)
        self.is_over = True
        took = sorted(self.took)
        span = time.perf_counter() - began
        return {
            "requests": len(took),
            "per_s": len(took) / span,
            "p50_ms": 1000 * took[len(took) // 2],
            "p99_ms": 1000 * took[len(took) * 99 // 100],
            "failed": self.failed,
        }

    async def offer(self, began: float, rate: float) -> None:
        for number in range(int(rate * self.seconds)):
            due = began + number / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if self.free:
                self.free.popleft().ask(due)
            else:
                self.waiting.append(due)
        await asyncio.sleep(0.3)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url")
    parser.add_argument("--rate", type=float)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    address = urlsplit(options.url)
    load = Load(address.netloc, options.seconds, options.rate)
    loop = asyncio.get_running_loop()
    for _ in range(options.connections):
        await loop.create_connection(lambda: Line(load), address.hostname, address.port)
    print(json.dumps(await load.run()))


if __name__ == "__main__":
    uvloop.run(main())
