"""The part of benchmarks/engine.py that other tools are measured in: the same cases, one run of each.

`SWAPGATE_PEERS` names the folder with their environments (benchmarks/peers.md). `--quick` is one level of
concurrency.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.engine import LIMITS, fixed_latency, no_latency, run_suite, workspace
from benchmarks.loadtest.peers import found
from benchmarks.loadtest.stopwatch import mock_server
from benchmarks.table import Row, run


def measure_all(*, quick: bool) -> Iterator[Row]:
    """Yield the rows that peers stand beside."""
    peers = found()
    if not peers:
        sys.exit("SWAPGATE_PEERS names no folder with a peer in it: see benchmarks/peers.md")
    with mock_server() as mock:
        with workspace(mock, 20) as root:
            run_suite(root, mock, concurrency=4)  # writes the bytecode that every later run finds
        yield from fixed_latency(mock, (64,) if quick else tuple(LIMITS), peers)
        if not quick:
            yield from no_latency(mock, peers)


if __name__ == "__main__":
    run(measure_all, description=__doc__)
