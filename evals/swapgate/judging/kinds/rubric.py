"""The kind `rubric`: criteria, each passed or failed, or on a scale."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.judging.kinds.plain import Plain
from swapgate.judging.questions import Question, either, on_scale
from swapgate.judging.shape import Shape, calls_of
from swapgate.judging.subject import Judged
from swapgate.spec.judges import Criterion, RubricSpec

NOUN = ("criterion", "criteria")


class Rubric(Plain):
    """Asks for each criterion; the scores are theirs."""

    def __init__(self, spec: RubricSpec) -> None:
        questions = {name: _question(name, criterion) for name, criterion in spec.criteria.items()}
        self._shapes = calls_of(spec, questions, calls=spec.calls, noun=NOUN)

    def shapes(self, _judged: Judged) -> Sequence[Shape]:
        """Return one call for all criteria, or one for each."""
        return self._shapes


def _question(name: str, criterion: Criterion) -> Question:
    if criterion.scale is None:
        return either(criterion.ask, name=name, yes="pass", no="fail")
    return on_scale(criterion.ask, criterion.scale, criterion.anchors)
