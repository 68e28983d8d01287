"""How long a history of many runs takes to list and to follow a case through, and to be written."""

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.facts import facts_of
from swapgate.memory.history import Choice, History, HistoryWriter
from swapgate.records import (
    Answer,
    CheckResult,
    JudgeCalibration,
    JudgeLabel,
    Message,
    ModelIdentity,
    Response,
    Run,
    Trial,
    to_text,
)

PROMPT = "You are a code review assistant. " * 40
REPLY = '{"recommendation": "request_changes", "summary": "' + "The query is built from input. " * 8 + '"}'
LABELS = JudgeCalibration(
    judge="meaning",
    design="random",
    labels=tuple(JudgeLabel(model="m", verdict=True, truth=True, cluster=str(n)) for n in range(300)),
)


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the milliseconds of what a page over the history asks, the median of five times."""
    runs, cases = (20, 200) if quick else (200, 1000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.db"
        seconds = lay(path, runs=runs, cases=cases)
        yield Row(
            goal="trials written a second of the processor", value=runs * cases / seconds, limit=">= 5000"
        )
        with closing(History(path)) as history:
            asked = {
                f"list {runs} runs, ms": (history.heads, 50),
                f"list the newest 50 of a model and suite of {runs} runs, ms": (
                    lambda: history.heads(Choice(model="m", suite="s", is_whole=True), limit=50),
                    50,
                ),
                f"tallies of {runs} runs, ms": (
                    lambda: history.tallies([r.id for r in history.heads()]),
                    100,
                ),
                f"one case through {runs} runs of {cases} cases, ms": (
                    lambda: history.case_facts("s", "case-00007"),
                    200,
                ),
                f"facts of one run of {cases} cases, ms": (lambda: history.facts("run-0001"), 200),
            }
            for goal, (ask, limit) in asked.items():
                times = sorted(milliseconds(ask) for _ in range(5))
                yield Row(goal=goal, value=times[2], limit=f"<= {limit}", beside={"slowest": times[-1]})


def lay(path: Path, *, runs: int, cases: int) -> float:
    """Write the runs, and return the processor's seconds that took."""
    trials = [trial(number) for number in range(cases)]
    made = [(one, facts_of(one), to_text(one)) for one in trials]
    started = time.process_time()
    for number in range(runs):
        manifest = Run(
            id=f"run-{number:04d}",
            started_at=f"2026-01-01T{number // 60 % 24:02d}:{number % 60:02d}:00.000+00:00",
            models=(ModelIdentity(name="m", provider="openai", model="m"),),
            suites=("s",),
            planned=cases,
            calibrations=(LABELS,),
        )
        writer = HistoryWriter(path, manifest)
        for one, facts, text in made:
            writer.add(one, facts, text)
        ended = replace(manifest, finished_at=manifest.started_at, is_complete=True)
        writer.finish(ended, facts=[facts for _one, facts, _text in made])
    return time.process_time() - started


def trial(number: int) -> Trial:
    return Trial(
        suite="s",
        case=f"case-{number:05d}",
        model="m",
        messages=(Message(role="user", content=PROMPT),),
        answer=Answer(response=Response(text=REPLY, model_served="m-1"), model="m", cost_usd=0.001),
        checks=(CheckResult(check="json", kind="structural", passed=number % 9 > 0),),
    )


def milliseconds(ask: Callable[[], object]) -> float:
    started = time.perf_counter()
    ask()
    return 1e3 * (time.perf_counter() - started)


if __name__ == "__main__":
    run(measure, description=__doc__ or "")
