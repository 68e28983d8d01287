"""What report.html weighs, how long it takes to write, and how long a browser takes to open and to search it."""

from __future__ import annotations

import random
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.memory.history import HISTORY_FILE, History, HistoryWriter, StoredTrials
from swapgate.records import (
    Answer,
    CheckResult,
    Evidence,
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
from swapgate.reporting.html.page import HtmlReporter

MODELS = {"model-old": 0.90, "model-new": 0.82}
SYSTEM = "You review code. Answer with one JSON object: recommendation, summary, and a list of issues. " * 8


def trials(cases: int) -> Iterator[Trial]:
    """Yield two models' trials of so many cases: prompts and answers of about 2,000 and 500 characters.

    The texts are cut from the standard library's sources, so that they compress as prompts do.
    """
    source = Sources(seed=20261126)
    for number in range(cases):
        messages = (Message(role="system", content=SYSTEM), Message(role="user", content=source.code(2000)))
        for model, rate in MODELS.items():
            yield _trial(number, model, messages, source, is_right=source.random.random() < rate)


class Sources:
    """Pieces of real source text, drawn at random."""

    def __init__(self, *, seed: int) -> None:
        self.random = random.Random(seed)
        folder = Path(sysconfig.get_paths()["stdlib"])
        self._texts = [p.read_text("utf-8", "replace") for p in sorted(folder.glob("*.py"))]
        self._words = [word for text in self._texts for word in text.split() if word.isalpha()]

    def code(self, chars: int) -> str:
        """Return a piece of code."""
        text = self.random.choice(self._texts)
        start = self.random.randrange(max(len(text) - chars, 1))
        return text[start : start + chars]

    def prose(self, words: int) -> str:
        """Return words as often as they occur in comments and names."""
        return " ".join(self.random.choices(self._words, k=words))


def _trial(
    number: int, model: str, messages: tuple[Message, ...], source: Sources, *, is_right: bool
) -> Trial:
    summary = source.prose(40)
    text = f'{{"recommendation": "request_changes", "summary": "{summary}", "issues": ["{source.prose(20)}"]}}'
    is_structured = source.random.random() < 0.97
    score = float(source.random.choice((4, 5) if is_right else (1, 2, 3)))
    reasoning = source.prose(50)
    sample = JudgeSample(
        status="valid",
        raw=f'{{"reasoning": "{reasoning}", "evidence": ["{summary[:60]}"], "accuracy": {score:g}}}',
        scores={"accuracy": score},
        reasoning=reasoning,
        evidence=(Evidence(quote=summary[:60], is_verbatim=True),),
        answer=Answer(
            model="judge",
            response=Response(text="", usage=Usage(tokens_in=900, tokens_out=90), latency_s=1.2),
            cost_usd=0.001,
        ),
    )
    finding = Finding(message="not an allowed value", pointer="/recommendation", got="request_changes")
    return Trial(
        suite="review" if number % 2 else "triage",
        case=f"case-{number:06d}",
        model=model,
        role="baseline" if model == "model-old" else "candidate",
        path="cases/review.yml",
        line=10 + number,
        tags=(("security", "style", "naming")[number % 3],),
        prompt=f"prompt-{number % 5}",
        messages=messages,
        expected={"recommendation": "request_changes", "summary": source.prose(20)}
        if model == "model-old"
        else None,
        answer=Answer(
            model=model,
            response=Response(
                text=text,
                usage=Usage(tokens_in=600 + number % 900, tokens_out=96),
                latency_s=source.random.random() * 3,
            ),
            cost_usd=0.002,
        ),
        checks=(
            CheckResult(check="json", kind="structural", passed=True),
            CheckResult(
                check="enum", kind="structural", passed=is_structured, findings=() if is_structured else (finding,)
            ),
        ),
        verdicts=(
            Verdict(
                judge="review",
                model="judge",
                definition_hash="0" * 64,
                status="scored",
                passed=is_right,
                scores={"accuracy": score},
                reason="" if is_right else reasoning,
                samples=(sample,),
            ),
        ),
    )


def stored(folder: Path, cases: int) -> RunOutcome:
    """Store a run of two models, and return what it says; its trials stay where they are stored."""
    path = folder / ".swapgate" / HISTORY_FILE
    names = [ModelIdentity(name=name, provider="openai", model=name) for name in MODELS]
    manifest = Run(
        id=f"run-{cases}", started_at="2026-01-01T00:00:00.000+00:00", models=tuple(names),
        baseline="model-old", suites=("review", "triage"), planned=2 * cases,
    )  # fmt: skip
    writer = HistoryWriter(path, manifest)
    for one in trials(cases):
        writer.add(one)
    done = replace(manifest, is_complete=True, finished_at="2026-01-01T01:00:00.000+00:00")
    writer.finish(done)
    history = History(path)
    facts = history.facts(done.id)
    history.close()
    return conclude(done, StoredTrials(path, done.id), facts=facts)


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield sizes and times for 1,000 cases and for 20,000 trials."""
    with tempfile.TemporaryDirectory() as folder:
        for cases in (1_000,) if quick else (1_000, 10_000):
            outcome = stored(Path(folder) / str(cases), cases)
            started = time.perf_counter()
            path = HtmlReporter().write(outcome, Path(folder))
            seconds = time.perf_counter() - started
            yield Row(goal=f"write {2 * cases:,} trials, seconds", value=seconds, limit="<= 5")
            yield Row(goal=f"MB for {2 * cases:,} trials", value=path.stat().st_size / 1e6, limit="<= 3")


if __name__ == "__main__":
    run(measure, description=__doc__)
