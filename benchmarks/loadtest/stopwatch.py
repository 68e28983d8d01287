"""Runs a command against the mock server and measures the whole process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGE = os.sysconf("SC_PAGE_SIZE")
_PATH = os.pathsep.join([str(ROOT / "evals"), str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One process. Seconds; `start_s` to the first request, `tail_s` from the last reply to the exit."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    requests: int = 0
    ideal_s: float = 0.0
    span_s: float = 0.0
    start_s: float = 0.0
    tail_s: float = 0.0
    most_in_flight: int = 0
    rejected: int = 0

    @property
    def span(self) -> float:
        """First request to last reply over the sum of latencies / concurrency."""
        return self.span_s / self.ideal_s

    @property
    def wall(self) -> float:
        """The whole process over the sum of latencies / concurrency."""
        return self.wall_s / self.ideal_s


class Mock:
    """The mock server in a process of its own."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self._process = process
        self.url = url

    def config(self, *, latency_s: float, **settings: float | str) -> None:
        """Set the latency and the rest of the server's state, and clear the counters."""
        body = json.dumps({"latency_s": latency_s, **settings}).encode()
        urllib.request.urlopen(f"{self.url}/config", body, timeout=10).close()

    def stats(self) -> dict[str, float]:
        """Return the counters."""
        counted: dict[str, float] = self._read("stats")
        return counted

    def calls(self) -> list[dict[str, Any]]:
        """Return every call that was kept."""
        kept: list[dict[str, Any]] = self._read("calls")
        return kept

    def _read(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/{what}", timeout=10) as answer:
            return json.load(answer)


@contextmanager
def mock_server() -> Iterator[Mock]:
    """Start the mock server, and stop it at the end."""
    command = [sys.executable, "-m", "benchmarks.loadtest.server"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield Mock(process, f"http://127.0.0.1:{int(process.stdout.readline())}")
    finally:
        process.kill()
        process.wait()


def start(command: Sequence[str], *, cwd: Path) -> subprocess.Popen[bytes]:
    """Start a command in the environment of a user of the mock server, its output on one pipe."""
    environment = {**os.environ, "MOCK_KEY": "mock-key-0123456789", "PYTHONPATH": _PATH}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # a user's second run finds its bytecode
    return subprocess.Popen(
        command, cwd=cwd, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )


def measure(
    command: Sequence[str],
    *,
    cwd: Path,
    mock: Mock | None = None,
    latency_s: float = 0.0,
    concurrency: int = 1,
    **server: float | str,
) -> Measured:
    """Run a command to its end, which must be a good one, and return what it took; `server` sets the mock."""
    if mock is not None:
        mock.config(latency_s=latency_s, **server)
    before = os.times()
    started = time.monotonic()
    process = start(command, cwd=cwd)
    peak = _Peak(process.pid)
    output = process.communicate()[0]
    ended = time.monotonic()
    peak_mb = peak.stop()
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}:\n{output.decode()[-3000:]}")
    after = os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    if mock is None or not (stats := mock.stats())["requests"]:
        return Measured(wall_s=ended - started, cpu_s=cpu_s, peak_mb=peak_mb)
    return Measured(
        wall_s=ended - started,
        cpu_s=cpu_s,
        peak_mb=peak_mb,
        requests=int(stats["requests"]),
        ideal_s=stats["latency_sum_s"] / concurrency,
        span_s=stats["last_at"] - stats["first_at"],
        start_s=stats["first_at"] - started,
        tail_s=ended - stats["last_at"],
        most_in_flight=int(stats["most_in_flight"]),
        rejected=int(stats["rejected"]),
    )


class _Peak:
    """Watches the resident memory of a process and its children, every 50 ms."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._pages = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> float:
        """Return the peak in MB."""
        self._ended.set()
        self._thread.join()
        return self._pages * PAGE / 1e6

    def _watch(self) -> None:
        while not self._ended.wait(0.05):
            self._pages = max(self._pages, _resident_pages(self._pid))


def _resident_pages(pid: int) -> int:
    """Return what a process and its children hold; what has ended holds nothing."""
    process = Path(f"/proc/{pid}")
    try:
        own = int((process / "statm").read_text().split()[1])
        children = [one for task in (process / "task").iterdir() for one in _children(task)]
        program = (process / "cmdline").read_bytes()
    except (OSError, IndexError):
        return 0
    return own + sum(_resident_pages(one) for one in children if not _is_about_to_begin(one, program))


def _is_about_to_begin(child: int, program: bytes) -> bool:
    """Whether a child is still in its parent's memory, on its way to another program (vfork)."""
    try:
        return Path(f"/proc/{child}/cmdline").read_bytes() == program
    except OSError:
        return True


def _children(task: Path) -> list[int]:
    return [int(pid) for pid in (task / "children").read_text().split()]
