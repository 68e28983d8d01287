"""How two arms differ on the cases that both answered, prompt by prompt: structure, meaning, length.

The rates are compared by `analysis.compare`, the lengths as ratios by the t test of `stats.means`.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, log
from typing import Literal

from swapgate.analysis.compare import Difference, differences
from swapgate.analysis.grouping import group
from swapgate.analysis.matrix import prompts_of
from swapgate.analysis.pairs import Pairs, pair_up
from swapgate.analysis.rates import GATE_CONFIDENCE
from swapgate.analysis.table import Codes, by_model
from swapgate.facts import renamed
from swapgate.prompting.auditing.observed import Observation
from swapgate.stats.means import paired_mean_difference
from swapgate.values import Value, replace

Measure = Literal["structural", "semantic", "length"]
# A prompt must be shown to differ with this chance of any wrong one among all that are named.
ALPHA = 0.05
_OURS, _THEIRS = "ours", "theirs"


class Floors(Value):
    """What is worth acting on: a difference of rates of so much, answers so many times as long or short."""

    rate: float
    length: float

    def reaches(self, shift: Shift) -> bool:
        """Whether the estimate of a shift is as large as that, in either direction."""
        if shift.estimate is None:
            return False
        size = abs(log(shift.estimate)) if shift.measure == "length" else abs(shift.estimate)
        return size >= (log(self.length) if shift.measure == "length" else self.rate)


class Shift(Value):
    """One measure of two arms on their common cases.

    `before` and `after` are rates, or geometric means of characters. `estimate` with its 90% bounds is their
    difference, of lengths their ratio. `p_adjusted` is Holm's over all shifts of an audit. `is_material`
    says that the shift is shown and reaches the floor.
    """

    measure: Measure
    pairs: int
    clusters: int
    before: float | None = None
    after: float | None = None
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    is_material: bool = False
    discordance: float = 0.0
    deff: float = 1.0

    def judged(self, p_adjusted: float | None, floors: Floors) -> Shift:
        """Return it with its adjusted p-value, and whether it is material."""
        is_shown = p_adjusted is not None and p_adjusted <= ALPHA
        return replace(self, p_adjusted=p_adjusted, is_material=is_shown and floors.reaches(self))


def shifts_by_prompt(
    before: Sequence[Observation], after: Sequence[Observation]
) -> dict[str, tuple[Shift, ...]]:
    """Return the shifts of each prompt that both arms have a case of."""
    facts = [
        *renamed((one.facts for one in before), model=_THEIRS, role="baseline"),
        *renamed((one.facts for one in after), model=_OURS, role="candidate"),
    ]
    pairs = pair_up(by_model(facts), candidate=_OURS, baseline=_THEIRS)
    wanted = prompts_of(pairs.ours)
    parts = {scope: at for scope, at in group(pairs.ours, listed=wanted).items() if scope in wanted}
    rates: dict[str, list[Shift]] = {}
    for one in differences(pairs, parts, margins={}):
        if one.pairs and one.prompt is not None:
            rates.setdefault(one.prompt, []).append(_of_rate(one))
    lengths = _Lengths(before, after)
    for scope, inside in parts.items():
        length = lengths.shift(pairs, inside)
        if length is not None and scope.prompt is not None:
            rates.setdefault(scope.prompt, []).append(length)
    return {prompt: tuple(sorted(found, key=_order)) for prompt, found in rates.items()}


def _of_rate(found: Difference) -> Shift:
    n = found.pairs
    return Shift(
        measure="semantic" if found.measure == "semantic" else "structural",
        pairs=n,
        clusters=found.clusters,
        before=(found.both + found.only_baseline) / n,
        after=(found.both + found.only_candidate) / n,
        estimate=found.estimate,
        low=found.low,
        high=found.high,
        p_value=found.p_value,
        discordance=(found.only_baseline + found.only_candidate) / n,
        deff=found.deff,
    )


class _Lengths:
    """The lengths of both arms' answers by trial."""

    def __init__(self, before: Sequence[Observation], after: Sequence[Observation]) -> None:
        self._before = {one.key: one.chars for one in before}
        self._after = {one.key: one.chars for one in after}

    def shift(self, pairs: Pairs, inside: Codes) -> Shift | None:
        """Return how many times as long the answers are, None where no pair has both lengths."""
        theirs, ours, clusters = [], [], []
        for at in inside.tolist():
            key = pairs.ours[at].suite, pairs.ours[at].case, pairs.ours[at].repeat
            old, new = self._before.get(key), self._after.get(key)
            if old and new:
                theirs.append(log(old))
                ours.append(log(new))
                clusters.append(int(pairs.clusters[at]))
        if not ours:
            return None
        is_clustered = len(set(clusters)) < len(clusters)
        found = paired_mean_difference(
            theirs, ours, clusters if is_clustered else None, confidence=GATE_CONFIDENCE
        )
        bounds = found.difference
        return Shift(
            measure="length",
            pairs=len(ours),
            clusters=len(set(clusters)),
            before=_exp(found.baseline),
            after=_exp(found.candidate),
            estimate=_exp(bounds.estimate),
            low=_exp(bounds.low),
            high=_exp(bounds.high),
            p_value=found.p_value,
        )


def _exp(value: float | None) -> float | None:
    return None if value is None else exp(value)


def _order(shift: Shift) -> int:
    return ("structural", "semantic", "length").index(shift.measure)
