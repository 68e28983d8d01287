"""One file a kind of judge that asks a model: the calls it makes, and what its samples add up to."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from swapgate.judging.shape import Shape
from swapgate.judging.subject import Judged
from swapgate.records import Json
from swapgate.spec.judge_kinds import ChecklistSpec, LabelSpec, PairwiseSpec
from swapgate.spec.judges import JudgeSpec, RubricSpec
from swapgate.spec.passrule import Bounds


class Kind(Protocol):
    """What is a kind's own; asking, reading, repeating and the rule are the same for all of them."""

    def seen(self, judged: Judged) -> Judged:
        """Return what of an answer and its case the judge is to see."""
        ...

    def shapes(self, judged: Judged) -> Sequence[Shape]:
        """Return the calls of one sample."""
        ...

    def settled(self, seen: Judged) -> Mapping[str, float]:
        """Return the scores where they are known without asking, none where they are not."""
        ...

    def of_sample(self, scores: Mapping[str, float]) -> Mapping[str, float]:
        """Return the scores that follow from those of all calls of one sample."""
        ...

    def overall(self, means: Mapping[str, float], asked: Collection[str]) -> Mapping[str, Bounds]:
        """Return the scores that follow from the means of those that were asked for.

        Bounds that differ say what is known all the same of a score that is not.
        """
        ...

    def told(self, scores: Mapping[str, float]) -> str:
        """Return the scores as a reason tells them; an empty string for those that the rule names."""
        ...

    def why_not(self, expected: Json) -> str:
        """Return why a case with this expectation cannot be judged, an empty string when it can."""
        ...

    def probe(self) -> Judged:
        """Return an answer that the calls can be shown about."""
        ...


def kind_of(spec: JudgeSpec) -> Kind:
    """Return the kind of a judge that asks a model."""
    from swapgate.judging.kinds.checklist import Checklist
    from swapgate.judging.kinds.labels import Labels
    from swapgate.judging.kinds.pairwise import Pairwise
    from swapgate.judging.kinds.rubric import Rubric

    match spec:
        case RubricSpec():
            return Rubric(spec)
        case ChecklistSpec():
            return Checklist(spec)
        case LabelSpec():
            return Labels(spec)
        case PairwiseSpec():
            return Pairwise(spec)
    raise AssertionError(f"no such kind: {spec!r}")
