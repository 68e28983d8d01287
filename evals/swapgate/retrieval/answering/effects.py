"""The effect of each swap on what is right: paired by question, with interval and p-value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal

from swapgate.retrieval.answering.observations import (
    ARMS,
    Arm,
    Measure,
    Observations,
    in_slice,
    known_arms,
    measured,
    slices_of,
)
from swapgate.stats.excess import share_mean_interval
from swapgate.stats.interval import Interval
from swapgate.stats.multiple import holm
from swapgate.stats.paired import PairedDifference, paired_difference
from swapgate.stats.proportion import clustered_rate
from swapgate.stats.sign_flips import sign_flip_test
from swapgate.values import Value, replace

EffectName = Literal["embedding", "embedding_after", "model", "model_after", "both", "interaction"]
# The first of each is held against the second. `_after`: once the other swap was made.
_PAIRS: dict[EffectName, tuple[Arm, Arm]] = {
    "embedding": (Arm("old", "control"), Arm("new", "control")),
    "embedding_after": (Arm("old", "candidate"), Arm("new", "candidate")),
    "model": (Arm("old", "control"), Arm("old", "candidate")),
    "model_after": (Arm("new", "control"), Arm("new", "candidate")),
    "both": (Arm("old", "control"), Arm("new", "candidate")),
}
EFFECTS: tuple[EffectName, ...] = (*_PAIRS, "interaction")
CONFIDENCE = 0.95


class ArmRate(Value):
    """How often an arm is right by a measure, with its interval."""

    arm: Arm
    measure: Measure
    n: int
    rate: Interval
    slice: str | None = None


class Effect(Value):
    """What a swap changes by a measure: a difference of shares with its interval, and the two-sided p-value.

    `lost` questions are right before it alone, `won` ones after it alone. `p_adjusted` allows for all effects
    of the whole, or for those of all slices together (Holm).
    """

    name: EffectName
    measure: Measure
    n: int
    questions: int
    interval: Interval
    p_value: float | None
    lost: int = 0
    won: int = 0
    slice: str | None = None
    p_adjusted: float | None = None


class Contrast(Value):
    """The results before and after a swap where both are known, with the cluster of each."""

    before: Sequence[bool]
    after: Sequence[bool]
    clusters: Sequence[str]

    def difference(self, confidence: float) -> PairedDifference:
        """Return the paired difference with its interval."""
        return paired_difference(self.before, self.after, self.clusters, confidence=confidence)


def contrast(observations: Observations, measure: Measure, name: EffectName) -> Contrast:
    """Return the pairs of one swap; not for the interaction, which has four sides."""
    first, second = _PAIRS[name]
    found = [
        (before, after, one.cluster)
        for one in _counted(observations, measure)
        if (before := one.value(measure, first)) is not None
        and (after := one.value(measure, second)) is not None
    ]
    return Contrast(
        before=[before for before, _after, _cluster in found],
        after=[after for _before, after, _cluster in found],
        clusters=[cluster for _before, _after, cluster in found],
    )


def effect(observations: Observations, measure: Measure, name: EffectName) -> Effect:
    """Return one effect on these questions."""
    if name == "interaction":
        return _interaction(observations, measure)
    found = contrast(observations, measure, name).difference(CONFIDENCE)
    interval = Interval(
        estimate=found.estimate, low=found.low, high=found.high, confidence=CONFIDENCE, note=found.note
    )
    return Effect(
        name=name,
        measure=measure,
        n=found.pairs,
        questions=found.clusters,
        interval=interval,
        p_value=found.p_value,
        lost=found.only_baseline,
        won=found.only_candidate,
    )


def all_effects(observations: Observations) -> tuple[Effect, ...]:
    """Return every effect, overall and by slice, with p-values that allow for how many there are."""
    whole = list(_effects(observations, None))
    parts = [one for name in slices_of(observations) for one in _effects(observations, name)]
    return (*_adjusted(whole), *_adjusted(parts))


def all_rates(observations: Observations) -> tuple[ArmRate, ...]:
    """Return every arm's rate by every measure, overall and by slice."""
    return tuple(
        _rate(in_slice(observations, name), measure, arm, name)
        for name in (None, *slices_of(observations))
        for measure in measured(observations)
        for arm in known_arms(measure)
    )


def effects_on(measure: Measure) -> tuple[EffectName, ...]:
    """Return the swaps that can change a measure."""
    return ("embedding",) if measure == "retrieval" else EFFECTS


def _effects(observations: Observations, name: str | None) -> Iterable[Effect]:
    own = in_slice(observations, name)
    for measure in measured(observations):
        for one in effects_on(measure):
            yield replace(effect(own, measure, one), slice=name)


def _adjusted(effects: Sequence[Effect]) -> list[Effect]:
    adjusted = holm([one.p_value for one in effects])
    return [replace(one, p_adjusted=p) for one, p in zip(effects, adjusted, strict=True)]


def _rate(observations: Observations, measure: Measure, arm: Arm, name: str | None) -> ArmRate:
    known = [
        (value, one.cluster)
        for one in _counted(observations, measure)
        if (value := one.value(measure, arm)) is not None
    ]
    passes, clusters = [value for value, _ in known], [cluster for _, cluster in known]
    rate = clustered_rate(passes, clusters, confidence=CONFIDENCE)
    return ArmRate(arm=arm, measure=measure, n=len(known), rate=rate, slice=name)


def _counted(observations: Observations, measure: Measure) -> Observations:
    """Return what counts: an index is asked once, however often the models are."""
    return [one for one in observations if one.repeat == 1] if measure == "retrieval" else observations


def _interaction(observations: Observations, measure: Measure) -> Effect:
    """Return by how much the model's swap does more on the new index than on the old one.

    Its values lie between -2 and 2: the interval is that of a mean of bounded values.
    """
    values, clusters = [], []
    for one in observations:
        known = {arm: one.value(measure, arm) for arm in ARMS}
        if None not in known.values():
            on_new = bool(known[Arm("new", "candidate")]) - bool(known[Arm("new", "control")])
            on_old = bool(known[Arm("old", "candidate")]) - bool(known[Arm("old", "control")])
            values.append(on_new - on_old)
            clusters.append(one.cluster)
    found = share_mean_interval([(value + 2) / 4 for value in values], clusters, confidence=CONFIDENCE)
    return Effect(
        name="interaction",
        measure=measure,
        n=len(values),
        questions=len(set(clusters)),
        interval=replace(found, estimate=_back(found.estimate), low=_back(found.low), high=_back(found.high)),
        p_value=_two_sided(values, clusters),
        lost=sum(value < 0 for value in values),
        won=sum(value > 0 for value in values),
    )


def _back(share: float | None) -> float | None:
    return None if share is None else 4 * share - 2


def _two_sided(values: Sequence[int], clusters: Sequence[str]) -> float | None:
    if not values:
        return None
    sides = [p for p in sign_flip_test([[value, -value] for value in values], clusters) if p is not None]
    return min(1.0, 2 * min(sides)) if sides else 1.0
