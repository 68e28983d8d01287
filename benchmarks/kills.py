"""kill -9 at random moments, and a run that goes on from there: what the server counts as asked twice.

Each run has 300 cases, one model call and one judge call of 100 ms each, 16 at once; it is killed one to
three times, and then run to its end: the first time between 0.3 and 6 s after its start, then within 4 s of
its first call. Beside the age of an answer stands how long the machine let this process wait meanwhile:
what is killed while it may not run has read nothing.
"""

from __future__ import annotations

import random
import re
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.engine import PYTEST, workspace
from benchmarks.loadtest.stopwatch import Mock, mock_server, start
from benchmarks.table import Row, run

CASES = 300
IN_FLIGHT = 16
LATENCY_S = 0.1
# An answer that was sent so shortly before the kill may not have been read and written yet.
INSTANT_S = 0.25
BEAT_S = 0.01
COMMAND = (*PYTEST, "--model=model-mock", f"--concurrency={IN_FLIGHT}")
Call = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A run after its kills. `ages_s`: how old answers were at the kill after which they were asked again."""

    kills: int
    unopened: int
    ages_s: tuple[float, ...]
    again: int
    missed: int
    is_told: bool


def measure_all(*, quick: bool) -> Iterator[Row]:
    """Yield every goal's row."""
    moments = random.Random(11)
    with mock_server() as mock, pauses() as longest_s:
        ended = [one_run(mock, moments, most_kills=1 + number % 3) for number in range(4 if quick else 20)]
    kills = sum(one.kills for one in ended)
    name = f"{len(ended)} runs of {CASES} cases, {kills} kills"
    oldest_s = max((age_s for one in ended for age_s in one.ages_s), default=0.0)
    yield Row(
        goal=f"{name}: oldest answer asked for again, s",
        value=oldest_s,
        limit=f"<= {INSTANT_S}",
        beside={"longest pause of the machine, s": longest_s[0]},
    )
    again = sum(one.again for one in ended) / max(1, kills)
    yield Row(goal=f"{name}: calls asked again after a kill", value=again, limit=f"<= {2 * IN_FLIGHT}")
    unopened = sum(one.unopened for one in ended)
    yield Row(goal=f"{name}: caches and histories that are damaged", value=unopened, limit="<= 0")
    missed = sum(one.missed for one in ended)
    yield Row(goal=f"{name}: cases without a result in the end", value=missed, limit="<= 0")
    untold = sum(not one.is_told for one in ended)
    yield Row(goal=f"{name}: runs that told another count than the server", value=untold, limit="<= 0")


@contextmanager
def pauses() -> Iterator[list[float]]:
    """Yield the longest time, in seconds, by which this process was woken too late."""
    longest_s, is_over = [0.0], threading.Event()

    def watch() -> None:
        while not is_over.is_set():
            began = time.monotonic()
            time.sleep(BEAT_S)
            longest_s[0] = max(longest_s[0], time.monotonic() - began - BEAT_S)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield longest_s
    finally:
        is_over.set()
        thread.join()


def one_run(mock: Mock, moments: random.Random, *, most_kills: int) -> Ended:
    """Kill a run so many times, or until it ends before its moment, then let it go on to its end."""
    mock.config(latency_s=LATENCY_S, keeps_calls=True)
    kills: list[float] = []
    unopened = 0
    with workspace(mock, CASES) as root:
        while len(kills) < most_kills and is_killed(root, mock, moments, counts_from_start=not kills):
            kills.append(time.monotonic())
            unopened += damaged(root)
        before = len(mock.calls())
        output = start(COMMAND, cwd=root).communicate()[0].decode()
    calls = mock.calls()
    asked = sum(call["model"] == "model-mock" for call in calls[before:])
    return Ended(
        kills=len(kills),
        unopened=unopened,
        ages_s=tuple(ages(calls, kills)),
        again=len(calls) - 2 * CASES,
        missed=CASES - told(r"(\d+) passed", output),
        is_told=told(r"from the cache: (\d+) of", output) == CASES - asked,
    )


def is_killed(root: Path, mock: Mock, moments: random.Random, *, counts_from_start: bool) -> bool:
    """Start the run and kill it at a random moment; whether it was still there."""
    before = mock.stats()["requests"]
    process = start(COMMAND, cwd=root)
    while not counts_from_start and mock.stats()["requests"] == before and process.poll() is None:
        time.sleep(0.01)
    try:
        process.communicate(timeout=moments.uniform(0.3, 6) if counts_from_start else moments.uniform(0, 4))
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return True
    return False


def ages(calls: Sequence[Call], kills: Sequence[float]) -> Iterator[float]:
    """Yield how old each answer that was asked for again was at the kill; what was in flight has no age."""
    answered: dict[tuple[str, int], float | None] = {}
    for call in calls:
        key = (call["model"], call["case"])
        if (at := answered.get(key)) is not None and (later := [kill for kill in kills if kill > at]):
            yield later[0] - at
        answered[key] = call["answered_at"]


def damaged(root: Path) -> int:
    """Return how many of the files that the killed run had begun do not open whole."""
    found = 0
    for path in (root / ".swapgate").glob("*.db"):
        with closing(sqlite3.connect(path)) as connection:
            found += connection.execute("PRAGMA integrity_check").fetchone() != ("ok",)
    return found


def told(pattern: str, output: str) -> int:
    """Return a number that a run has printed; 0 where it has not."""
    found = re.search(pattern, output)
    return int(found[1]) if found else 0


if __name__ == "__main__":
    run(measure_all, description=__doc__)
