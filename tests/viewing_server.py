"""`swapgate view` as a process of its own, and one request to it with whatever headers."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from html import unescape
from pathlib import Path


@dataclass(frozen=True)
class Page:
    """An answer; header names are lower case."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def text(self) -> str:
        """The page as its reader sees the characters, with the marks still in it."""
        return unescape(self.body)


class View:
    """A server that runs; `port` and `token` are what it printed."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        lines = [process.stdout.readline()]
        while lines[-1] and not lines[-1].startswith("}"):
            lines.append(process.stdout.readline())
        printed = json.loads("".join(lines))
        self.url: str = printed["url"]
        self.port: int = printed["port"]
        self.token: str | None = printed["token"]

    def get(self, path: str = "/", *, method: str = "GET", **headers: str) -> Page:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Page(answer.status, found, answer.read().decode())
        finally:
            connection.close()

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal and return the exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


def start_view(root: Path, *options: str) -> subprocess.Popen[str]:
    """Start the command, its output on a pipe."""
    return subprocess.Popen(
        [sys.executable, "-m", "swapgate", "view", "--root", str(root), "--no-open", *options],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "evals")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def viewing(root: Path, *options: str) -> Iterator[View]:
    """Serve a workspace's history on a free port until the block ends."""
    with start_view(root, "--json", "--port=0", *options) as process:
        try:
            yield View(process)
        finally:
            process.kill()
