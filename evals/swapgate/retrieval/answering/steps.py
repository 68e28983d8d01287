"""At which step it broke: whether the right texts were still found, and what the models made of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from swapgate.retrieval.answering.effects import CONFIDENCE, EffectName, contrast
from swapgate.retrieval.answering.observations import MEASURES, Measure, Observation, Observations
from swapgate.stats.interval import Interval
from swapgate.values import Value

Fate = Literal["kept", "lost", "won", "never"]
_FATES: dict[tuple[bool, bool], Fate] = {
    (True, True): "kept",
    (True, False): "lost",
    (False, True): "won",
    (False, False): "never",
}
FATES: tuple[Fate, ...] = ("kept", "lost", "won", "never")
# A swap is looked at where the texts are what it should have them be.
_SWAPS: tuple[EffectName, ...] = ("embedding", "model", "model_after", "both")


class Conditional(Value):
    """The effect of a swap by a measure among questions of one fate; `points` is what that is of the whole.

    The shares of all fates add up to the whole effect on the questions whose fate is known.
    """

    effect: EffectName
    measure: Measure
    n: int
    interval: Interval
    share: float | None


class Stratum(Value):
    """The questions whose right text both indexes find (`kept`), the old or the new one alone, or neither."""

    fate: Fate
    questions: int
    effects: tuple[Conditional, ...]

    def of(self, name: EffectName, measure: Measure) -> Conditional | None:
        """Return one effect here."""
        return next((one for one in self.effects if one.effect == name and one.measure == measure), None)


def fate_of(one: Observation) -> Fate | None:
    """Return what became of a question's right texts, None where one index has no verdict on its own."""
    old, new = one.found.get("old"), one.found.get("new")
    return None if old is None or new is None else _FATES[old, new]


def strata(observations: Observations, measures: Sequence[Measure]) -> tuple[Stratum, ...]:
    """Return the questions by what became of their right texts; empty where nothing says so."""
    known = [one for one in observations if fate_of(one) is not None]
    if not known:
        return ()
    wanted = [measure for measure in MEASURES if measure in measures and measure != "retrieval"]
    questions = Counter(fate_of(one) for one in {o.question: o for o in known}.values())
    return tuple(_stratum(fate, questions[fate], known, wanted) for fate in FATES)


def _stratum(fate: Fate, questions: int, known: Observations, measures: Sequence[Measure]) -> Stratum:
    own = [one for one in known if fate_of(one) == fate]
    return Stratum(
        fate=fate,
        questions=questions,
        effects=tuple(_conditional(own, known, measure, name) for measure in measures for name in _SWAPS),
    )


def _conditional(own: Observations, known: Observations, measure: Measure, name: EffectName) -> Conditional:
    pairs, whole = contrast(own, measure, name), contrast(known, measure, name)
    found = pairs.difference(CONFIDENCE)
    changed = sum(map(int, pairs.after)) - sum(map(int, pairs.before))
    return Conditional(
        effect=name,
        measure=measure,
        n=found.pairs,
        interval=Interval(
            estimate=found.estimate, low=found.low, high=found.high, confidence=CONFIDENCE, note=found.note
        ),
        share=changed / len(whole.before) if whole.before else None,
    )
