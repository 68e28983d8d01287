"""The error rates of swapgate's statistics, exact or simulated with seeds, beside the naive methods."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

# As a script this file's own folder comes first, where it hides the standard library's `statistics`.
sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.table import Row, run

GOALS = (
    "rates",
    "paired",
    "gate",
    "clusters",
    "judge_errors",
    "stopping",
    "thresholds",
    "drift",
    "repeats",
    "edges",
)


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of all goals."""
    for name in GOALS:
        yield from import_module(f"benchmarks.goals.{name}").rows(quick=quick)


if __name__ == "__main__":
    run(measure, description=__doc__)
