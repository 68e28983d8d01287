"""How long `swapgate compare` takes on two stored runs: the whole process on one core, imports included."""

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.memory.history import HISTORY_FILE, HistoryWriter
from swapgate.records import (
    Answer,
    CheckResult,
    Finding,
    JudgeSample,
    Message,
    ModelIdentity,
    Response,
    Run,
    Trial,
    Usage,
    Verdict,
)

PROMPT = "You are a code review assistant. " * 20
DIFF = "+    cursor.execute(query)\n" * 80
REPLY = (
    '{"recommendation": "request_changes", "summary": "' + "The query is built from user input. " * 6 + '"}'
)
SECONDS = {10_000: 2.0, 100_000: 10.0}
RUNS = 5


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield the seconds of a comparison at each size, the median of five runs."""
    for cases in (10_000,) if quick else (10_000, 100_000):
        with tempfile.TemporaryDirectory() as folder:
            lay(Path(folder), cases)
            seconds = sorted(compare(Path(folder)) for _ in range(RUNS))
        yield Row(
            goal=f"compare two runs of {cases:,} cases, seconds",
            value=seconds[RUNS // 2],
            limit=f"<= {SECONDS[cases]:g}",
            beside={"fastest": seconds[0], "slowest": seconds[-1]},
        )


def lay(root: Path, cases: int) -> None:
    """Store two runs with prompts, answers, checks and a judge's verdicts, 3 tags, 23 prompts, 2 suites."""
    (root / "cases").mkdir()
    random_ = random.Random(20261126)
    for name, rate in (("old", 0.90), ("new", 0.88)):
        trials = (trial(number, name, random_.random() < rate, random_) for number in range(cases))
        identity = ModelIdentity(name=name, provider="openai", model=name)
        manifest = Run(
            id=f"run-{name}",
            started_at="2026-01-01T00:00:00.000+00:00",
            models=(identity,),
            suites=("review", "triage"),
            planned=cases,
        )
        writer = HistoryWriter(root / ".swapgate" / HISTORY_FILE, manifest)
        for one in trials:
            writer.add(one)
        writer.finish(replace(manifest, is_complete=True, finished_at="2026-01-01T01:00:00.000+00:00"))


def trial(number: int, model: str, is_right: bool, random_: random.Random) -> Trial:
    """Return one trial as a real run records it."""
    tokens_in = random_.randrange(200, 1600)
    is_structured = tokens_in < 600 or random_.random() < 0.9
    score = float(random_.choice((4, 5) if is_right else (1, 2, 3)))
    answer = Answer(
        model=model,
        cost_usd=tokens_in * 5e-6,
        response=Response(
            text=REPLY, usage=Usage(tokens_in=tokens_in, tokens_out=96), latency_s=random_.random()
        ),
    )
    judged = Answer(
        model="judge",
        cost_usd=0.001,
        response=Response(text=REPLY, usage=Usage(tokens_in=900, tokens_out=40)),
    )
    sample = JudgeSample(
        status="valid", raw=REPLY, scores={"accuracy": score}, reasoning=REPLY, answer=judged
    )
    finding = () if is_structured else (Finding(message="text outside the JSON object"),)
    return Trial(
        suite="review" if number % 2 else "triage",
        case=f"case-{number:06d}",
        model=model,
        tags=(("security", "style", "naming")[number % 3],),
        cluster=f"repo-{number // 5}" if number % 2 else None,
        prompt=f"prompt-{number % 23:02d}",
        messages=(Message(role="system", content=PROMPT), Message(role="user", content=DIFF)),
        case_hash=f"{number:064d}",
        covariates={"files": float(number % 7)},
        answer=answer,
        checks=(
            CheckResult(check="json", kind="structural", passed=is_structured, findings=finding),
            CheckResult(check="schema", kind="structural", passed=True),
        ),
        verdicts=(
            Verdict(
                judge="review",
                model="judge",
                definition_hash="0" * 64,
                status="scored",
                passed=is_right,
                scores={"accuracy": score},
                samples=(sample,),
            ),
        ),
    )


def compare(root: Path) -> float:
    """Return the seconds of one comparison in a process of its own, held to one core."""
    command = [sys.executable, "-m", "swapgate", "compare", "run-old", "run-new", "--root", str(root)]
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, preexec_fn=_one_core)
    return time.perf_counter() - started


def _one_core() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


if __name__ == "__main__":
    run(measure, description=__doc__)
