"""The kind `pairwise`: the answer against another one, in both orders; orders that disagree are a tie."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from swapgate.judging.kinds.plain import PROBE, Plain
from swapgate.judging.questions import ABSTAINS, Question
from swapgate.judging.shape import Shape, alone
from swapgate.judging.subject import Judged
from swapgate.records import Json
from swapgate.spec.judge_kinds import PairwiseSpec
from swapgate.spec.passrule import Bounds

NOUN = ("question", "questions")
TIE = 0.5
# What is asked in either order, by where the judged answer stands; the score is what that order says.
ORDERS = {"shown_first": False, "shown_second": True}
_OUTCOMES = {1.0: "won", TIE: "tied", 0.0: "lost"}


class Pairwise(Plain):
    """Asks which of two answers is better, once with each of them first."""

    def __init__(self, spec: PairwiseSpec) -> None:
        self._spec = spec
        self._shapes = tuple(
            # Both orders ask under one name: the judge is not to know which answer is judged.
            alone(
                spec, "better", _question(spec.ask, name, is_swapped=swapped), noun=NOUN, is_swapped=swapped
            )
            for name, swapped in ORDERS.items()
        )

    def seen(self, judged: Judged) -> Judged:
        """Return the answer with the reference as its rival, and then no longer shown as the reference."""
        if self._spec.against == "reference":
            return replace(judged, rival=judged.reference, expected=None)
        return judged

    def shapes(self, _judged: Judged) -> Sequence[Shape]:
        """Return both orders."""
        return self._shapes

    def settled(self, seen: Judged) -> Mapping[str, float]:
        """Return the tie that two equal answers are."""
        is_same = seen.rival is not None and seen.rival.split() == seen.output.split()
        return {"score": TIE, "better": 0.0, "worse": 0.0} if is_same else {}

    def of_sample(self, scores: Mapping[str, float]) -> Mapping[str, float]:
        """Return what both orders of a sample come to; one alone comes to nothing."""
        said = [scores[name] for name in ORDERS if name in scores]
        if len(said) < len(ORDERS):
            return {}
        return {"score": said[0] if len(set(said)) == 1 else TIE}

    def overall(self, means: Mapping[str, float], _asked: Collection[str]) -> Mapping[str, Bounds]:
        """Return on which side of a tie the score lies."""
        if "score" not in means:
            return {}
        better, worse = float(means["score"] > TIE), float(means["score"] < TIE)
        return {"better": (better, better), "worse": (worse, worse)}

    def told(self, scores: Mapping[str, float]) -> str:
        """Return how the comparison went, and what each order said where they disagree."""
        if "score" not in scores:
            return ""
        said = [scores[name] for name in ORDERS if name in scores]
        if scores["score"] == TIE and len(set(said)) > 1:
            first, second = map(_outcome, said)
            return f"tied: shown first it {first}, shown second it {second}"
        return _outcome(scores["score"])

    def why_not(self, expected: Json) -> str:
        """Return that there is nothing to compare with."""
        if self._spec.against == "reference" and expected is None:
            return "it compares the answer with the reference; give the case one after `expected`"
        return ""

    def probe(self) -> Judged:
        """Return two answers."""
        return replace(PROBE, rival="other answer")


def _outcome(score: float) -> str:
    return _OUTCOMES.get(score, f"scored {score:.3g}")


def _question(ask: str, name: str, *, is_swapped: bool) -> Question:
    ours, theirs = ("second", "first") if is_swapped else ("first", "second")
    words = {ours: {name: 1.0}, theirs: {name: 0.0}, "tie": {name: TIE}, ABSTAINS: {}}
    meanings = {
        "tie": "neither is better in anything that matters",
        ABSTAINS: "the input and the answers do not let you decide",
    }
    shown = {word: words[word] for word in ("first", "second", "tie", ABSTAINS)}
    return Question(ask=ask, words=shown, meanings=meanings)
