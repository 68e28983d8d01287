"""Other tools that do the same work, each in an environment of its own, and how one run of them is measured.

`SWAPGATE_PEERS` names the folder with an environment for each, as benchmarks/peers.md makes them. What is not
there is left out, and said to be.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.loadtest.stopwatch import Measured, Mock, measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """How a tool is started: URL, cases and concurrency follow, then `cache` where it may use its own.

    `most` is the highest concurrency that it is measured at.
    """

    command: tuple[str, ...]
    most: int = 256
    has_cache: bool = False


PLAIN = Peer(command=(sys.executable, "-m", "benchmarks.loadtest.plain_aiohttp"))


def found() -> dict[str, Peer]:
    """Return the peers that are installed; tell on stderr which are not."""
    if "SWAPGATE_PEERS" not in os.environ:
        return {}
    folder = Path(os.environ["SWAPGATE_PEERS"]).resolve()
    peers = {
        "pydantic-evals": _python(folder, "pydantic-evals"),
        "deepeval": _python(folder, "deepeval", has_cache=True),
        "inspect_ai": _python(folder, "inspect-ai", has_cache=True),
        "promptfoo": _promptfoo(folder),
        "pytest -n": _python(folder, "pytest-xdist", most=16),
    }
    here = {name: peer for name, peer in peers.items() if Path(_program(peer)).exists()}
    if missing := peers.keys() - here.keys():
        print(f"not in {folder}, left out: {', '.join(sorted(missing))}", file=sys.stderr)
    return here


def measure_peers(
    peers: Mapping[str, Peer], mock: Mock, *, cases: int, concurrency: int, latency_s: float
) -> dict[str, Measured]:
    """Measure each peer that goes so far, without its cache."""
    return {
        name: one
        for name, peer in peers.items()
        if concurrency <= peer.most
        and (one := _measure(name, peer, mock, cases, concurrency, latency_s)) is not None
    }


def measure_again(peers: Mapping[str, Peer], mock: Mock, *, cases: int) -> dict[str, Measured]:
    """Measure the second of two runs of each peer that has a cache."""
    again = {}
    for name, peer in peers.items():
        if not peer.has_cache:
            continue
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            runs = [_measure(name, peer, mock, cases, 64, 0.0, root=root) for _ in range(2)]
        if runs[1] is not None:
            again[name] = runs[1]
    return again


def _measure(
    name: str,
    peer: Peer,
    mock: Mock,
    cases: int,
    concurrency: int,
    latency_s: float,
    *,
    root: Path | None = None,
) -> Measured | None:
    """Measure one run, without a cache unless a folder is given to keep it in; None if it fails."""
    arguments = [mock.url, str(cases), str(concurrency), *(["cache"] if root else [])]
    with tempfile.TemporaryDirectory() as empty:
        try:
            return measure(
                [*peer.command, *arguments],
                cwd=root or Path(empty),
                mock=mock,
                latency_s=latency_s,
                concurrency=concurrency,
            )
        except SystemExit as failure:
            print(f"{name}, {concurrency} at once: {failure}", file=sys.stderr)
            return None


def _python(folder: Path, name: str, *, most: int = 256, has_cache: bool = False) -> Peer:
    module = f"benchmarks.loadtest.peer_{name.replace('-', '_')}"
    python = str(folder / name / "bin" / "python")
    return Peer(command=(python, "-m", module), most=most, has_cache=has_cache)


def _promptfoo(folder: Path) -> Peer:
    program = str(folder / "promptfoo" / "node_modules" / ".bin" / "promptfoo")
    command = (sys.executable, "-m", "benchmarks.loadtest.peer_promptfoo", program)
    return Peer(command=command, has_cache=True)


def _program(peer: Peer) -> str:
    """Return what the peer's own environment brings: its Python, or its program."""
    return peer.command[0] if peer.command[0] != sys.executable else peer.command[-1]
