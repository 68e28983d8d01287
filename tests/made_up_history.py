"""A history of any size, made up: two suites, nights of two models of which one falls."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from swapgate.facts import Facts, facts_of
from swapgate.memory.history import HistoryWriter, Place
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
    to_text,
)

OLD, NEW = "model-old", "model-new"
SUITES = ("code_review", "triage")
PROMPT = "You are a code review assistant. Answer with one JSON object. " * 8
REVIEW = '{"recommendation": "request_changes", "summary": "The query in case %d is built from user input."}'
PRAISE = '{"recommendation": "approve", "summary": "Case %d reads well and does what it says."}'
WHY = "accuracy 2 is below 4: the answer praises the flaw"
FIRST_NIGHT = datetime(2026, 3, 1, 2, 30, tzinfo=UTC)


class _Made(NamedTuple):
    facts: Facts
    text: str


def made_up_history(
    place: Place, *, runs: int, cases: int, falls_at: int | None = None, text: str | None = None
) -> list[Run]:
    """Store so many runs of so many cases each, and return them, the oldest first.

    Every fifth run has both models. The new one is worse from run `falls_at` on. `text` takes the place of
    every second answer.
    """
    random_ = random.Random(20261126)
    trials = {
        (model, ending): [_trial(number, model, ending, text) for number in range(cases)]
        for model in (OLD, NEW)
        for ending in ("passed", "blind", "broken")
    }
    made = {key: [_Made(facts_of(one), to_text(one)) for one in found] for key, found in trials.items()}
    return [
        _store(place, number, cases, made, random_, is_worse=falls_at is not None and number >= falls_at)
        for number in range(runs)
    ]


def _store(
    place: Place,
    number: int,
    cases: int,
    made: Mapping[tuple[str, str], list[_Made]],
    random_: random.Random,
    *,
    is_worse: bool,
) -> Run:
    has_both = number % 5 == 4
    run = _run(number, cases, has_both=has_both)
    writer = HistoryWriter(place, run)
    facts = []
    for model in (NEW, OLD) if has_both else (NEW,):
        rate = 0.80 if is_worse and model == NEW else 0.92
        for one in _answers(made, model, cases, rate, random_):
            # What a model is to a run is in its facts, so a baseline's are made anew.
            found = one if model == NEW else _as_baseline(one)
            facts.append(found.facts)
            writer.add(_NOTHING, found.facts, found.text)
    run = replace(run, is_complete=True, finished_at=_moment(number, minutes=20))
    writer.finish(run, facts=facts)
    return run


def _answers(
    made: Mapping[tuple[str, str], list[_Made]], model: str, cases: int, rate: float, random_: random.Random
) -> Iterator[_Made]:
    for number in range(cases):
        # Most cases always end the same; a few waver.
        draw = random_.random() if number % 7 == 0 else (number * 0.61803) % 1
        ending = "passed" if draw < rate else "broken" if number % 5 == 0 else "blind"
        yield made[model, ending][number]


def _as_baseline(one: _Made) -> _Made:
    text = one.text.replace('"role":"candidate"', '"role":"baseline"', 1)
    return _Made(one.facts._replace(role="baseline"), text)


def _run(number: int, cases: int, *, has_both: bool) -> Run:
    names = (NEW, OLD) if has_both else (NEW,)
    return Run(
        id=f"20260301-0230{number:02d}-{number:06x}",
        started_at=_moment(number),
        models=tuple(
            ModelIdentity(name=name, provider="openai", model=f"{name}-2026-02-01") for name in names
        ),
        judges=(ModelIdentity(name="reviewer", provider="openai", model="judge-2026-01-01"),),
        judge_hashes={"reviewer": "5" * 64},
        baseline=OLD if has_both else None,
        suites=SUITES,
        suite_hashes=dict.fromkeys(SUITES, "a" * 64),
        planned=cases * len(names),
        git_commit=f"{number:08x}" * 5,
        versions={"swapgate": "0.1.0", "python": "3.12.3"},
    )


def _moment(number: int, *, minutes: int = 0) -> str:
    return (FIRST_NIGHT + timedelta(days=number, minutes=minutes)).isoformat(timespec="milliseconds")


def _trial(number: int, model: str, ending: str, text: str | None) -> Trial:
    is_right, is_structured = ending == "passed", ending != "broken"
    written = (REVIEW if is_right else PRAISE) % number
    written = text if text is not None and number % 2 else written if is_structured else f"Sure!\n{written}"
    finding = () if is_structured else (Finding(message="text outside the JSON object"),)
    evidence = (Evidence(quote=written[:60], is_verbatim=True),)
    judged = Answer(
        model="reviewer",
        cost_usd=0.0007,
        response=Response(text="{}", usage=Usage(tokens_in=900, tokens_out=40), latency_s=0.6),
    )
    sample = JudgeSample(
        status="valid",
        raw="{}",
        scores={"accuracy": 5.0 if is_right else 2.0},
        reasoning="It names the flaw." if is_right else "It praises the flaw.",
        evidence=evidence,
        answer=judged,
    )
    verdict = Verdict(
        judge="reviewer",
        model="reviewer",
        definition_hash="5" * 64,
        status="scored" if is_structured else "skipped",
        passed=is_right if is_structured else None,
        scores=sample.scores if is_structured else {},
        reason="" if is_right else WHY if is_structured else "no JSON",
        samples=(sample,) if is_structured else (),
    )
    return Trial(
        suite=SUITES[number % 2],
        case=f"case-{number:04d}",
        model=model,
        path=f"cases/{SUITES[number % 2]}.yml",
        line=number + 10,
        tags=(("security", "style", "naming")[number % 3],),
        prompt="review",
        messages=(
            Message(role="system", content=PROMPT),
            Message(role="user", content=f"Case {number}:\n+    cursor.execute(query)\n"),
        ),
        expected={"recommendation": "request_changes"},
        case_hash=f"{number:064d}",
        answer=Answer(
            model=model,
            cost_usd=0.0021,
            response=Response(
                text=written,
                usage=Usage(tokens_in=812, tokens_out=96),
                latency_s=round(0.5 + (number % 13) / 10, 1),
                model_served=f"{model}-2026-02-01",
                request_id=f"req-{number}",
            ),
        ),
        checks=(
            CheckResult(check="json", kind="structural", passed=is_structured, findings=finding),
            CheckResult(check="schema", kind="structural", passed=True),
        ),
        verdicts=(verdict,),
    )


# The writer takes facts and text in its place.
_NOTHING = Trial(suite="", case="", model="")
