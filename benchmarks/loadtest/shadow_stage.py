"""Processes that stand before a mock server: a shadow proxy, or the bare one that it is held against."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loadtest.stopwatch import _PATH, PAGE, ROOT

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_ANSWERED = re.compile(r'^swapgate_shadow_candidate_total\{.*outcome="answered".*\} (\S+)$', re.MULTILINE)
_WAITING = re.compile(r"^swapgate_shadow_waiting (\S+)$", re.MULTILINE)
# What `config/promote.yml` may ask for, from nothing (no such file) to all of it.
COMPARED = {
    "nothing": None,
    "checks": {"suite": "review", "similarity": "none"},
    "checks and similarity": {"suite": "review", "similarity": "wordllama"},
}
_SUITE = {
    "suite": "review",
    "prompt": {"user": "{{ diff }}"},
    "checks": [
        {"json": "strict"},
        {"enum": {"pointer": "/recommendation", "values": ["approve", "request_changes", "comment"]}},
        {"required_keys": ["summary", "issues"]},
    ],
    "cases": [{"id": "one", "input": {"diff": "+ x"}}],
}


@dataclass(frozen=True, slots=True)
class Standing:
    """One process that serves at `url`; `store` is where a shadow proxy keeps its records."""

    url: str
    pid: int
    store: Path = Path()

    def cpu_s(self) -> float:
        """Return the seconds of a core that it has used, without its children."""
        return _cpu_s(self.pid)

    def mirror_cpu_s(self) -> float:
        """Return the seconds of a core that its children have used."""
        return sum(map(_cpu_s, _children(self.pid)))

    def mirrored(self) -> int:
        """Return how many exchanges of a shadow proxy have the candidate's answer."""
        return self._told(_ANSWERED)

    def waiting(self) -> int:
        """Return how many exchanges the mirror has in hand."""
        return self._told(_WAITING)

    def _told(self, metric: re.Pattern[str]) -> int:
        with urllib.request.urlopen(f"{self.url}/-/swapgate/metrics", timeout=10) as told:
            return sum(int(float(number)) for number in metric.findall(told.read().decode()))

    def megabytes(self) -> float:
        """Return the resident memory of it and its children."""
        return sum(_pages(pid) for pid in (self.pid, *_children(self.pid))) * PAGE / 1e6


@contextmanager
def shadow(upstream: str, candidate: str, *, share: float, compared: str = "nothing") -> Iterator[Standing]:
    """Run a shadow proxy that mirrors a share, and has it compared: see COMPARED."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config").mkdir()
        price = {"input": 1, "output": 4}
        models = {
            name: {"provider": "openai-compatible", "model": name, "base_url": f"{url}/v1", "price": price}
            for name, url in (("old-1", upstream), ("new-1", candidate))
        }
        route = {"control": "old-1", "candidate": "new-1", "share": share}
        (root / "config" / "models.yml").write_text(json.dumps({"models": models}))
        config = {"listen": "127.0.0.1:0", "routes": {"review": route}, "limits": {"timeout_s": 30}}
        (root / "config" / "shadow.yml").write_text(json.dumps(config))
        if comparing := COMPARED[compared]:
            (root / "cases").mkdir()
            (root / "cases" / "review.yml").write_text(json.dumps(_SUITE))
            criteria = {"compare": {"review": comparing}}
            (root / "config" / "promote.yml").write_text(json.dumps(criteria))
        command = [sys.executable, "-m", "swapgate", "shadow", "serve", "--json", "--drain", "1"]
        with _running(command, root) as process:
            assert process.stdout is not None
            said = ""
            while not said.endswith("\n}\n"):
                line = process.stdout.readline()
                assert line, "the proxy ended before it served"
                said += line
            yield Standing(json.loads(said)["url"], process.pid, root / ".swapgate" / "shadow.db")


@contextmanager
def bare(upstream: str) -> Iterator[Standing]:
    """Run the bare pass-through."""
    with _running([sys.executable, "-m", "benchmarks.loadtest.bare_proxy", upstream], ROOT) as process:
        assert process.stdout is not None
        yield Standing(f"http://127.0.0.1:{int(process.stdout.readline())}", process.pid)


def load(url: str, *arguments: str) -> dict[str, float]:
    """Send a load and return what came of it."""
    command = [sys.executable, "-m", "benchmarks.loadtest.offered", url, *arguments]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout)
    return told


@contextmanager
def _running(command: list[str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": _PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * TICK_S


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _pages(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1])
