"""What a kind does that has nothing of its own to add."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from swapgate.judging.subject import Judged
from swapgate.records import Json, Message
from swapgate.spec.passrule import Bounds

PROBE = Judged(
    output="answer",
    variables={"variable": "input"},
    messages=(Message(role="user", content="turn"),),
    expected="reference",
)


class Plain:
    """The scores are those of the questions, and the judge sees all that there is."""

    def seen(self, judged: Judged) -> Judged:
        """Return all of it."""
        return judged

    def settled(self, _seen: Judged) -> Mapping[str, float]:
        """Ask always."""
        return {}

    def of_sample(self, _scores: Mapping[str, float]) -> Mapping[str, float]:
        """Nothing follows from a sample's scores."""
        return {}

    def overall(self, _means: Mapping[str, float], _asked: Collection[str]) -> Mapping[str, Bounds]:
        """Nothing follows from the means."""
        return {}

    def told(self, _scores: Mapping[str, float]) -> str:
        """Tell those that the rule names."""
        return ""

    def why_not(self, _expected: Json) -> str:
        """Judge every case."""
        return ""

    def probe(self) -> Judged:
        """Return an answer with everything that a case can have."""
        return PROBE
