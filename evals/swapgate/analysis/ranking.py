"""Several models in order: which of them are told apart, and all candidates against one baseline."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.analysis.compare import Comparison, Difference, overall_difference
from swapgate.analysis.correction import Corrections
from swapgate.analysis.pairs import pair_up
from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.analysis.summary import Summary
from swapgate.analysis.table import ModelTrials
from swapgate.stats.multiple import benjamini_hochberg, holm
from swapgate.values import Value, replace

# Two models are told apart when Holm's p-value is at most this.
LEVEL = 0.05


class Rank(Value):
    """One model's place, the best rate first, and how it stands to the next one.

    `to_next` is this model's rate minus the next one's on the cases that both answered, `p_adjusted` Holm's
    p-value over all neighbours. `is_separated` is None for the last one and where it cannot be said.
    """

    place: int
    model: str
    role: str
    measure: str
    rate: float
    to_next: float | None = None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    is_separated: bool | None = None


def ranking(
    models: Sequence[ModelTrials], summaries: Sequence[Summary], corrections: Corrections
) -> tuple[Rank, ...]:
    """Return the models by their overall rate (of meaning; of structure where nothing scored it)."""
    overall = [s for s in summaries if s.scope == OVERALL]
    measure = "semantic" if all(s.semantic.n for s in overall) else "structural"
    rates = [((s.semantic if measure == "semantic" else s.structural).rate, s) for s in overall]
    known = sorted(
        ((rate, s) for rate, s in rates if rate is not None), key=lambda one: (-one[0], one[1].model)
    )
    if len(known) < 3:
        return ()
    ranks = [
        Rank(place=place, model=s.model, role=s.role, measure=measure, rate=rate)
        for place, (rate, s) in enumerate(known, start=1)
    ]
    to_next = [
        _to_next(rank, _between(models, one, other, measure, corrections))
        for rank, (_, one), (_, other) in zip(ranks, known, known[1:], strict=False)
    ]
    adjusted = holm([rank.p_value for rank in to_next])
    separated = [
        replace(rank, p_adjusted=p, is_separated=None if p is None else p <= LEVEL)
        for rank, p in zip(to_next, adjusted, strict=True)
    ]
    return (*separated, ranks[-1])


def adjust(comparisons: Sequence[Comparison]) -> tuple[Comparison, ...]:
    """Return the comparisons with p-values adjusted for their number.

    Holm's over several candidates, for each measure and scope; by tags Benjamini and Hochberg's, over all
    tags and candidates.
    """
    tags: dict[str, list[tuple[int, int]]] = {}
    scopes: dict[tuple[str, Scope], list[tuple[int, int]]] = {}
    for at, comparison in enumerate(comparisons):
        for place, difference in enumerate(comparison.differences):
            if difference.tag is not None:
                tags.setdefault(difference.measure, []).append((at, place))
            elif len(comparisons) > 1:
                scopes.setdefault((difference.measure, difference.scope), []).append((at, place))
    found = [list(comparison.differences) for comparison in comparisons]
    for families, adjusted in ((tags, benjamini_hochberg), (scopes, holm)):
        for members in families.values():
            p_values = adjusted([found[at][place].p_value for at, place in members])
            for (at, place), p in zip(members, p_values, strict=True):
                found[at][place] = replace(found[at][place], p_adjusted=p)
    return tuple(replace(c, differences=tuple(d)) for c, d in zip(comparisons, found, strict=True))


def _between(
    models: Sequence[ModelTrials], one: Summary, other: Summary, measure: str, corrections: Corrections
) -> Difference:
    """Return one model minus another, overall."""
    pairs = pair_up(models, candidate=one.model, baseline=other.model)
    return corrections.difference(overall_difference(pairs, measure), pairs.theirs, pairs.ours)


def _to_next(rank: Rank, difference: Difference) -> Rank:
    return replace(
        rank,
        to_next=difference.estimate,
        low=difference.low,
        high=difference.high,
        p_value=difference.p_value,
    )
