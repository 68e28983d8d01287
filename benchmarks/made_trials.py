"""A run made up for benchmarks of reports: pieces of real sources, which compress as prompts do."""

from __future__ import annotations

import random
import sysconfig
from collections.abc import Iterator
from pathlib import Path

from swapgate.records import (
    Answer,
    CheckResult,
    Evidence,
    Finding,
    JudgeSample,
    Message,
    Response,
    Trial,
    Usage,
    Verdict,
)

MODELS = {"model-old": 0.90, "model-new": 0.82}
SYSTEM = "You review code. Answer with one JSON object: recommendation, summary, and a list of issues. " * 8


def made_trials(cases: int) -> Iterator[Trial]:
    """Yield two models' trials of so many cases: prompts and answers of about 2,700 and 500 characters."""
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
    text = (
        f'{{"recommendation": "request_changes", "summary": "{summary}", "issues": ["{source.prose(20)}"]}}'
    )
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
                check="enum",
                kind="structural",
                passed=is_structured,
                findings=() if is_structured else (finding,),
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
