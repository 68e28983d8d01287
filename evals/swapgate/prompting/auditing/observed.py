"""What an audit keeps of a trial: its facts, how long the answer is, and how it failed. None of its texts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from swapgate.facts import Facts, facts_of, own_answer
from swapgate.judging.load import AnyJudge
from swapgate.prompting.auditing.failures import Failure, failures_of
from swapgate.records import Trial
from swapgate.values import Value


class Arm(NamedTuple):
    """One way in which cases are asked: by a model, and where it is so, without one override of a prompt."""

    model: str
    prompt: str | None = None
    without: str | None = None


class Observation(Value):
    """One trial. `chars` are those of the model's own answer, None where it has none or it is empty."""

    facts: Facts
    chars: int | None
    failures: tuple[Failure, ...] = ()

    @property
    def key(self) -> tuple[str, str, int]:
        """What the trial of another arm must agree in to be its partner."""
        return self.facts.suite, self.facts.case, self.facts.repeat


def observe(trial: Trial, *, judges: Mapping[str, AnyJudge]) -> Observation:
    """Return what is kept of a trial."""
    answer = trial.answer
    chars = len(answer.response.text.strip()) if answer is not None and own_answer(trial) else 0
    return Observation(facts=facts_of(trial), chars=chars or None, failures=failures_of(trial, judges=judges))
