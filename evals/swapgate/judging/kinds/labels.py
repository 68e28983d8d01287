"""The kinds `classifier` and `reference`: one label out of a set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from swapgate.judging.kinds.plain import Plain
from swapgate.judging.questions import one_of
from swapgate.judging.shape import Shape, alone
from swapgate.judging.subject import Judged
from swapgate.records import Json
from swapgate.spec.judge_kinds import LabelSpec, ReferenceSpec

NOUN = ("question", "questions")


class Labels(Plain):
    """Asks for the label; each label is a score, the share of samples that gave it."""

    def __init__(self, spec: LabelSpec) -> None:
        self._spec = spec
        self._shapes = (alone(spec, "label", one_of(spec.ask, spec.labels), noun=NOUN),)

    def shapes(self, _judged: Judged) -> Sequence[Shape]:
        """Return the one call."""
        return self._shapes

    def told(self, scores: Mapping[str, float]) -> str:
        """Return the label, or several with their shares of the samples."""
        given = sorted(((share, label) for label, share in scores.items() if share), reverse=True)
        return "label " + ", ".join(label if share == 1 else f"{label} {share:.3g}" for share, label in given)

    def why_not(self, expected: Json) -> str:
        """Return that there is nothing to compare with."""
        if isinstance(self._spec, ReferenceSpec) and expected is None:
            return "it compares the answer with the reference; give the case one after `expected`"
        return ""
