"""How long the pages of `swapgate view` take on a history of 200 runs of 1,000 cases, asked over HTTP."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # see statistics.py
sys.path.append(str(ROOT / "tests"))

from benchmarks.table import Row, run
from made_up_history import made_up_history

CASES = 1_000
TIMES = 5
SECONDS = 1.0
# A report of a run is made once, with all its cases, and kept.
REPORT_SECONDS = 5.0


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the slowest of five requests of each page, the first of which finds nothing kept."""
    runs = 40 if quick else 200
    with tempfile.TemporaryDirectory() as folder:
        stored = made_up_history(
            Path(folder) / ".swapgate" / "history.db", runs=runs, cases=CASES, falls_at=runs * 7 // 10
        )
        started = time.perf_counter()
        with serving(Path(folder)) as url:
            yield Row(
                goal="swapgate view tells its address, seconds",
                value=time.perf_counter() - started,
                limit="<= 3",
            )
            first, last = stored[0].id, stored[-2].id
            for name, path in pages(first, last).items():
                seconds = [timed(url + path) for _ in range(TIMES)]
                limit = REPORT_SECONDS if name == "report" else SECONDS
                yield Row(
                    goal=f"{name}, {runs} runs of {CASES:,} cases, slowest of {TIMES}, seconds",
                    value=max(seconds),
                    limit=f"<= {limit:g}",
                    beside={"first": seconds[0], "median": sorted(seconds)[TIMES // 2]},
                )


def pages(first: str, last: str) -> dict[str, str]:
    """Return the address of each page."""
    return {
        "runs": "",
        "runs, searched": "?q=model-old",
        "run": f"runs/{last}",
        "run, searched": f"runs/{last}?q=case-00&outcome=missed",
        "trends": "trends?suite=triage",
        "cases": "cases?suite=triage",
        "cases, 20 runs": "cases?suite=triage&last=20",
        "case": "case?suite=triage&case=case-0007",
        "compare": f"compare?baseline={first}&candidate={last}",
        "report": f"runs/{last}/report.html",
    }


@contextmanager
def serving(root: Path) -> Iterator[str]:
    """Serve a history in a process of its own; yield its address."""
    command = [
        sys.executable,
        "-m",
        "swapgate",
        "view",
        "--root",
        str(root),
        "--port=0",
        "--no-open",
        "--json",
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "evals")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        said = ""
        for line in lines:
            said += line
            if line.startswith("}"):
                break
        try:
            yield json.loads(said)["url"]
        finally:
            process.send_signal(signal.SIGINT)


def timed(url: str) -> float:
    """Return the seconds until a page has arrived."""
    started = time.perf_counter()
    with urllib.request.urlopen(url, timeout=60) as answer:
        answer.read()
    return time.perf_counter() - started


if __name__ == "__main__":
    run(measure, description=__doc__)
