"""How fast `swapgate score` is on two processes, and that its memory does not grow with what it reads."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run

CASES = 500
SMALL = 10_000
# Measured: 7,000 on a shared machine whose two cores had four times the work that they can do.
PER_CORE_S = 3_000
MEGABYTES = 50
SUITE = """\
suite: review
checks:
  - json: strict
  - enum: {pointer: /recommendation, values: [approve, request_changes, comment]}
  - schema: {type: object, required: [recommendation, summary], properties: {summary: {type: string}}}
  - expected: [/recommendation]
cases_from: cases.jsonl
"""
# Runs the command as a child and tells the largest memory of the child and of its workers, each by itself.
MEASURE = """\
import resource, sys
from swapgate.cli import main
code = main(sys.argv[1:])
own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
workers = resource.getrusage(resource.RUSAGE_CHILDREN)
print(own, workers.ru_maxrss, workers.ru_utime + workers.ru_stime, file=sys.stderr)
sys.exit(code)
"""


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the responses that a core scores in a second, and by how much memory grows with their number."""
    large = 100_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        lay(root)
        few = score(root, SMALL)
        many = score(root, large)
    yield Row(
        goal=f"score {large:,} responses on two processes, responses per second of a core",
        value=large / many["core_s"],
        limit=f">= {PER_CORE_S}",
        beside={"per second": large / many["seconds"], "seconds": many["seconds"]},
    )
    for who in ("command", "worker"):
        yield Row(
            goal=f"memory of the {who}, {SMALL:,} to {large:,} responses, MB more",
            value=many[who] - few[who],
            limit=f"<= {MEGABYTES}",
            beside={f"{SMALL:,}": few[who], f"{large:,}": many[who]},
        )


def lay(root: Path) -> None:
    """Write a suite of some hundred cases."""
    (root / "cases").mkdir()
    (root / "cases" / "review.yml").write_text(SUITE)
    with (root / "cases" / "cases.jsonl").open("w") as file:
        for number in range(CASES):
            case = {"id": f"case-{number}", "cluster": f"repo-{number // 5}"}
            file.write(json.dumps({**case, "expected": {"recommendation": "request_changes"}}) + "\n")


def score(root: Path, count: int) -> dict[str, float]:
    """Score this many responses; return the seconds, those of the workers' cores, and the memory in MB."""
    recorded = root / f"{count}.jsonl"
    summary = "The query is built from user input. " * 6
    with recorded.open("w") as file:
        for number in range(count):
            said = "approve" if number % 9 == 0 else "request_changes"
            output = json.dumps({"recommendation": said, "summary": summary})
            line = {"case": f"case-{number % CASES}", "repeat": number // CASES + 1, "output": output}
            file.write(json.dumps(line) + "\n")
    command = [sys.executable, "-c", MEASURE, "score", str(recorded), "--root", str(root), "--processes", "2"]
    started = time.perf_counter()
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ)
    seconds = time.perf_counter() - started
    own, workers, core_s = done.stderr.split()[-3:]
    return {
        "seconds": seconds,
        "core_s": float(core_s),
        "command": int(own) * _UNIT_MB,
        "worker": int(workers) * _UNIT_MB,
    }


# What getrusage counts in: kilobytes, but bytes on macOS.
_UNIT_MB = 1e-6 if sys.platform == "darwin" else 1024e-6


if __name__ == "__main__":
    run(measure, description=__doc__)
