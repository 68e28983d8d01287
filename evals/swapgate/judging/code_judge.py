"""A judge that is code: a function of the user's, or the likeness of embeddings. It asks no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from swapgate.checks import Subject
from swapgate.judging.abstaining import Abstaining
from swapgate.judging.definition import code_hash
from swapgate.judging.scoring import explained
from swapgate.records import Json, Verdict
from swapgate.spec.judge_kinds import SimilaritySpec
from swapgate.spec.judges import JudgeHead
from swapgate.values import Value, replace

ABSTAINED = "the function returned None: it cannot assess the answer"


class Measured(Value):
    """What the code says of an answer: its scores, none when it abstains, and why."""

    scores: Mapping[str, float]
    reason: str = ""


Measure = Callable[[Subject], Measured]


class CodeJudge(Abstaining):
    """One judge that is code. `source` says what runs, and is hashed with the definition."""

    models: tuple[str, ...] = ()
    against: str | None = None

    def __init__(self, spec: JudgeHead, measure: Measure, *, source: str) -> None:
        self.spec = spec
        self.rule = spec.pass_rule()
        self.definition_hash = code_hash(spec, code=source)
        self._measure = measure
        self.shown = source

    @property
    def model_names(self) -> str:
        """What runs, in a model's place."""
        return self.shown

    def why_not(self, expected: Json) -> str:
        """Return why a case with this expectation cannot be judged, an empty string when it can."""
        if isinstance(self.spec, SimilaritySpec) and expected is None:
            return "it compares the answer with the reference; give the case one after `expected`"
        return ""

    def judge(self, subject: Subject) -> Verdict:
        """Return the verdict on one answer; UserCheckFailed, with the judge's name, when the code raises.

        It may take long, and is to run where the user's checks do.
        """
        measured = self._measure(subject)
        passed = self.rule.evaluate(measured.scores)
        if passed is None:
            return self.undecided(measured.reason or ABSTAINED)
        told = ", ".join(f"{name} {measured.scores[name]:.3g}" for name in self.rule.names)
        reason = explained(told, measured.reason, spec=self.spec)
        return replace(self._verdict("scored", reason, passed=passed), scores=dict(measured.scores))
