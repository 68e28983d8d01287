"""The questions that lost most, with everything of them: both texts, four answers, all verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from swapgate.facts import Facts, facts_of
from swapgate.facts.reasons import first_reason
from swapgate.judging.subject import answer_text
from swapgate.records import Json, Trial
from swapgate.retrieval.answering.joint import Joint
from swapgate.retrieval.answering.observations import (
    ARMS,
    Arm,
    Measure,
    Observation,
    Observations,
    Outcome,
    in_slice,
)
from swapgate.retrieval.answering.questions import Questions
from swapgate.retrieval.answering.texts import Retrieved, Texts
from swapgate.retrieval.index import Side
from swapgate.values import Value

ArmOf = Mapping[tuple[str, str], Arm]


class GivenAnswer(Value):
    """One arm's answer to a question, and why it is wrong where it is."""

    arm: Arm
    text: str
    outcome: Outcome
    reason: str = ""


class WorstQuestion(Value):
    """A question that the old index with the old model gets right, and another arm does not."""

    question: str
    text: str
    reference: Json
    slices: tuple[str, ...]
    texts: Mapping[Side, Texts]
    answers: tuple[GivenAnswer, ...]


def worst_first(observations: Observations, joint: Joint, *, most: int) -> list[Observation]:
    """Return the questions that lost: with both swaps first, then those that more arms lose; each once."""
    measure = joint.first.measure
    own = in_slice(observations, joint.first.slice)
    lost = [one for one in own if one.value(measure, ARMS[0]) is True and _losses(one, measure)]
    lost.sort(
        key=lambda one: (one.value(measure, ARMS[-1]) is not False, -_losses(one, measure), one.question)
    )
    return list({one.question: one for one in reversed(lost)}.values())[::-1][:most]


def read_worst(
    wanted: Sequence[Observation],
    trials: Iterable[Trial],
    arms: ArmOf,
    questions: Questions,
    retrieved: Retrieved,
) -> list[WorstQuestion]:
    """Return the questions whole; `arms` tells the arm of a suite and a model."""
    keys = {(one.question, one.repeat) for one in wanted}
    answers: dict[str, dict[Arm, Trial]] = {}
    for trial in trials:
        arm = arms.get((trial.suite, trial.model))
        if arm is not None and (trial.case, trial.repeat) in keys:
            answers.setdefault(trial.case, {})[arm] = trial
    cases = {case.placed.case.id: case for case in questions.cases}
    return [
        WorstQuestion(
            question=one.question,
            text=questions.text(cases[one.question]),
            reference=cases[one.question].placed.case.expected,
            slices=one.slices,
            texts=retrieved.texts[one.question],
            answers=tuple(
                _given(arm, answers[one.question][arm], one)
                for arm in ARMS
                if arm in answers.get(one.question, {})
            ),
        )
        for one in wanted
    ]


def _given(arm: Arm, trial: Trial, one: Observation) -> GivenAnswer:
    text = answer_text(trial.answer.response) if trial.answer is not None else ""
    facts: Facts = facts_of(trial)
    return GivenAnswer(
        arm=arm,
        text=text,
        outcome=one.outcomes.get(arm, Outcome()),
        reason="" if facts.outcome == "passed" else first_reason(trial),
    )


def _losses(one: Observation, measure: Measure) -> int:
    return sum(one.value(measure, arm) is False for arm in ARMS[1:])
