"""What came of each question: what both indexes found, and how the four arms answered."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from itertools import product
from typing import Literal, NamedTuple

from swapgate.facts import Facts
from swapgate.retrieval.index import SIDES, Side
from swapgate.values import Value

Role = Literal["control", "candidate"]
ROLES: tuple[Role, Role] = ("control", "candidate")
Measure = Literal["retrieval", "structure", "faithfulness", "answer"]
MEASURES: tuple[Measure, ...] = ("retrieval", "structure", "faithfulness", "answer")
# Statuses of a verdict that says nothing of the answer.
_SILENT = {"inapplicable", "error", "unscored"}


class Arm(NamedTuple):
    """An index and the model that answers from its texts."""

    side: Side
    role: Role


ARMS = tuple(Arm(side, role) for role, side in product(ROLES, SIDES))


class Outcome(Value):
    """What is known of one answer; None where it is not: it errored, or nothing judges it."""

    structure: bool | None = None
    faithfulness: bool | None = None
    answer: bool | None = None
    is_errored: bool = False


class Observation(Value):
    """One question, asked once of every arm. `found` says of which indexes the texts were right."""

    question: str
    repeat: int
    cluster: str
    slices: tuple[str, ...] = ()
    found: Mapping[Side, bool | None] = field(default_factory=dict)
    outcomes: Mapping[Arm, Outcome] = field(default_factory=dict)

    def value(self, measure: Measure, arm: Arm) -> bool | None:
        """Return whether an arm was right by a measure, None where that is not known."""
        if measure == "retrieval":
            return self.found.get(arm.side)
        outcome = self.outcomes.get(arm)
        return None if outcome is None else getattr(outcome, measure)


Observations = Sequence[Observation]


def outcome_of(facts: Facts, *, faithfulness: str | None) -> Outcome:
    """Return what a trial says; the judge of faithfulness is no part of the answer's own result.

    The answer is right when every semantic check and every other judge says so, as in any suite.
    """
    if facts.outcome == "errored" or not facts.is_own:
        return Outcome(structure=facts.structural, is_errored=True)
    own = [
        (judge, status, passed) for judge, _hash, status, passed in facts.verdicts if status not in _SILENT
    ]
    kept = [passed is True for judge, status, passed in own if judge == faithfulness and status != "skipped"]
    said = [passed is True for judge, _status, passed in own if judge != faithfulness]
    said += [passed for _name, kind, passed in facts.checks if kind == "semantic"]
    return Outcome(
        structure=facts.structural,
        faithfulness=kept[0] if kept else None,
        answer=all(said) if said else None,
    )


def observe(
    facts: Iterable[Facts],
    arms: Mapping[tuple[str, str], Arm],
    found: Mapping[str, Mapping[Side, bool | None]],
    *,
    faithfulness: str | None,
) -> list[Observation]:
    """Return one observation a question and repeat, sorted; `arms` tells the arm of a suite and a model."""
    outcomes: dict[tuple[str, int], dict[Arm, Outcome]] = {}
    first: dict[tuple[str, int], Facts] = {}
    for one in facts:
        arm = arms.get((one.suite, one.model))
        if arm is not None:
            key = one.case, one.repeat
            first.setdefault(key, one)
            outcomes.setdefault(key, {})[arm] = outcome_of(one, faithfulness=faithfulness)
    return [
        Observation(
            question=question,
            repeat=repeat,
            # Within its suite: both indexes answer the same question.
            cluster=one.cluster.partition("/")[2],
            slices=one.tags,
            found=found.get(question, {}),
            outcomes=outcomes[question, repeat],
        )
        for (question, repeat), one in sorted(first.items())
    ]


def in_slice(observations: Observations, name: str | None) -> Observations:
    """Return the observations of a slice, all for None."""
    return observations if name is None else [one for one in observations if name in one.slices]


def slices_of(observations: Observations) -> list[str]:
    """Return the names of all slices, sorted."""
    return sorted({name for one in observations for name in one.slices})


def questions_of(observations: Observations) -> int:
    """Return how many questions there are; repeats of one count once."""
    return len({one.question for one in observations})


def measured(observations: Observations) -> tuple[Measure, ...]:
    """Return the measures of which anything is known."""
    return tuple(
        measure
        for measure in MEASURES
        if any(one.value(measure, arm) is not None for one in observations for arm in ARMS)
    )


def known_arms(measure: Measure) -> tuple[Arm, ...]:
    """Return the arms that a measure tells apart: what an index finds does not depend on who answers."""
    return tuple(arm for arm in ARMS if measure != "retrieval" or arm.role == "control")


def errors_by_arm(observations: Iterable[Observation]) -> dict[Arm, int]:
    """Return how many answers of each arm are missing."""
    found = dict.fromkeys(ARMS, 0)
    for one in observations:
        for arm in ARMS:
            outcome = one.outcomes.get(arm)
            found[arm] += outcome is None or outcome.is_errored
    return found
