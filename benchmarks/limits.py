"""Servers with limits, and with answers that take very different times: what the engine gets out of them.

Ten calls a second may be made of each model; 300 cases, one model call and one judge call each. What a server
bears is the bound here, not this machine.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.engine import run_suite, workspace
from benchmarks.loadtest.limit import TELLS
from benchmarks.loadtest.stopwatch import Mock, mock_server
from benchmarks.table import Row, run

CASES = 300
A_SECOND = 10


def measure_all(*, quick: bool) -> Iterator[Row]:
    """Yield every goal's row."""
    with mock_server() as mock:
        for tells in TELLS[1:2] if quick else TELLS:
            yield from limited(mock, tells)
        if not quick:
            yield two_kinds_of_answers(mock)
            yield stragglers(mock)


def limited(mock: Mock, tells: str) -> Iterator[Row]:
    """Ten calls a second of each model."""
    with workspace(mock, CASES) as root:
        ours = run_suite(root, mock, concurrency=16, latency_s=0.2, a_second=A_SECOND, tells=tells)
    name = f"{A_SECOND} a second, {tells} told" if tells == "nothing" else f"{A_SECOND} a second, {tells}"
    # The judge of the first case follows its answer, so the two models' calls overlap but for that.
    share = CASES / ours.span_s / A_SECOND
    yield Row(goal=f"{name}: share of the limit that is used", value=share, limit=">= 0.95")
    yield Row(goal=f"{name}: share of calls rejected", value=ours.rejected / ours.requests, limit="<= 0.02")


def two_kinds_of_answers(mock: Mock) -> Row:
    """Four of five answers take 0.1 s, the fifth takes 3 s."""
    with workspace(mock, CASES) as root:
        ours = run_suite(root, mock, concurrency=16, latency_s=0.1, slow_share=0.2, slow_s=3.0)
    return Row(goal="0.1 s or 3 s, c = 16: span / ideal", value=ours.span, limit="<= 1.25")


def stragglers(mock: Mock) -> Row:
    """One answer in fifty takes 30 s, of second attempts too: with --hedge and without."""
    spans = []
    for options in ((), ("--hedge=p95",)):
        with workspace(mock, CASES) as root:
            slow = {"slow_share": 0.02, "slow_s": 30.0}
            spans.append(run_suite(root, mock, *options, concurrency=16, latency_s=0.2, **slow).span_s)
    goal = "one answer in fifty takes 30 s, c = 16: span with --hedge=p95 / without"
    return Row(goal=goal, value=spans[1] / spans[0], limit="<= 0.9", beside={"without, s": spans[0]})


if __name__ == "__main__":
    run(measure_all, description=__doc__)
