"""Whether a swap is shown to break something, shown to hold, or neither."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from swapgate.retrieval.answering.effects import Contrast, EffectName, contrast
from swapgate.retrieval.answering.observations import Measure, Observations
from swapgate.stats.interval import Interval
from swapgate.stats.paired import PairedDifference
from swapgate.stats.power import cases_for_margin, floor_cases
from swapgate.values import Value

State = Literal["falls", "holds", "open"]
# One-sided: how often anything is said to fall that stays within the margin; overall, and on the slices.
ALPHA = 0.05
DECIDING: tuple[EffectName, ...] = ("embedding", "model", "both")


class Ruling(Value):
    """What is shown of one swap by one measure. The interval is the one that it was decided on.

    `needed` is about how many questions it takes until it is shown, None where that is known or cannot be.
    """

    effect: EffectName
    measure: Measure
    state: State
    interval: Interval
    n: int
    questions: int
    needed: int | None = None
    slice: str | None = None


def rule(
    observations: Observations,
    measure: Measure,
    name: EffectName,
    *,
    margin: float,
    tests: int,
    scope: str | None = None,
) -> Ruling:
    """Return what is shown of a swap on these questions.

    To fall, all of the interval lies below the margin: one for `tests` of them together, so that among many
    slices none looks broken by chance. To hold, all of the 90% interval lies above it, on as many independent
    questions as a margin takes; it needs no correction, since whatever passes needs all of it.
    """
    pairs = contrast(observations, measure, name)
    strict = pairs.difference(1 - 2 * ALPHA / max(tests, 1))
    plain = pairs.difference(1 - 2 * ALPHA)
    state: State = "open"
    if strict.high is not None and strict.high < -margin:
        state = "falls"
    elif plain.low is not None and plain.low > -margin and plain.clusters >= floor_cases(margin):
        state = "holds"
    shown = strict if state == "falls" else plain
    return Ruling(
        effect=name,
        measure=measure,
        state=state,
        interval=Interval(
            estimate=shown.estimate,
            low=shown.low,
            high=shown.high,
            confidence=shown.confidence,
            note=shown.note,
        ),
        n=plain.pairs,
        questions=plain.clusters,
        needed=_needed(pairs, plain, strict, margin) if state == "open" else None,
        slice=scope,
    )


def rulings(
    observations: Observations,
    measures: Sequence[Measure],
    *,
    margin: float,
    tests: int,
    scope: str | None = None,
) -> tuple[Ruling, ...]:
    """Return what is shown of each swap alone and of both, by each of the measures."""
    return tuple(
        rule(observations, measure, name, margin=margin, tests=tests, scope=scope)
        for measure in measures
        for name in DECIDING
    )


def find(rulings: Iterable[Ruling], measure: Measure, name: EffectName) -> Ruling:
    """Return the ruling on a swap by a measure."""
    return next(one for one in rulings if one.measure == measure and one.effect == name)


def _needed(pairs: Contrast, plain: PairedDifference, strict: PairedDifference, margin: float) -> int | None:
    """Return how many questions would settle it if the shares stay, None where no number would."""
    if not plain.pairs or plain.estimate is None:
        return None
    aimed = strict if plain.estimate < -margin else plain
    discordance = (plain.only_baseline + plain.only_candidate) / plain.pairs
    found = cases_for_margin(
        plain.estimate, discordance, margin, confidence=aimed.confidence, deff=plain.deff
    )
    if found is None:
        return None
    in_questions = found * len(set(pairs.clusters)) / plain.pairs
    least = 0 if plain.estimate < -margin else floor_cases(margin)
    return max(round(in_questions), least, plain.clusters + 1)
