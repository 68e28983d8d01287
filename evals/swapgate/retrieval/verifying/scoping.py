"""The numbers of all queries and of every slice, and what is decided about each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import median

import numpy as np
import numpy.typing as npt

from swapgate.retrieval.index import SIDES, Side
from swapgate.retrieval.verifying.asking import Asked, Ranking
from swapgate.retrieval.verifying.deciding import (
    ALPHA,
    Evidence,
    Ruled,
    confidences,
    in_both_views,
    is_uneven,
    ruling,
    scope_answer,
)
from swapgate.retrieval.verifying.differences import difference_interval, tested
from swapgate.retrieval.verifying.overlap import overlap, rank_biased_overlap
from swapgate.retrieval.verifying.percentiles import percentile
from swapgate.retrieval.verifying.valuing import Values
from swapgate.retrieval.verifying.verification import Changed, Compared, Scope, SideScope
from swapgate.spec.index_verify import VerifyEntry
from swapgate.stats.excess import share_mean_interval
from swapgate.stats.interval import Interval
from swapgate.stats.multiple import holm
from swapgate.values import Value, replace

Floats = npt.NDArray[np.float64]
PValues = Mapping[str, float | None]
# An interval that is shown and decides nothing.
SHOWN = 0.90


class Measured(Value):
    """All that scopes are made of. `values` are those of the `counted` queries, in their order.

    `random_pairs` are sorted scores of random pairs, by side.
    """

    asked: Sequence[Asked]
    counted: Sequence[Asked]
    values: Values
    settings: VerifyEntry
    random_pairs: Mapping[Side, Floats]


class _Part(Value):
    """The queries of one scope: the places of those that count, and the name of the slice (None: all)."""

    name: str | None
    places: npt.NDArray[np.intp]
    confidences: tuple[float, float]


def scopes(found: Measured) -> list[Scope]:
    """Return all queries as one scope, then every slice, each decided on."""
    parts = _parts(found)
    worse = _p_values(found, parts)
    adjusted = _adjusted(worse, _gating(found.settings))
    return [
        _scope(found, part, p_worse, p_adjusted)
        for part, p_worse, p_adjusted in zip(parts, worse, adjusted, strict=True)
    ]


def _gating(settings: VerifyEntry) -> list[str]:
    return [name for name, margin in settings.metrics.items() if margin is not None]


def _parts(found: Measured) -> list[_Part]:
    names = sorted({name for one in found.asked for name in one.query.slices})
    tests = len(names) * len(_gating(found.settings))
    whole = _Part(
        name=None, places=np.arange(len(found.counted)), confidences=confidences(found.settings, tests=1)
    )
    strict = confidences(found.settings, tests=tests)
    return [
        whole,
        *(
            _Part(
                name=name,
                places=np.flatnonzero([name in one.query.slices for one in found.counted]),
                confidences=strict,
            )
            for name in names
        ),
    ]


def _p_values(found: Measured, parts: Sequence[_Part]) -> list[PValues]:
    """Return the permutation tests of every part and measure: all from the same draws."""
    columns = []
    for part in parts:
        for metric in found.settings.metrics:
            column = np.full(len(found.counted), np.nan)
            column[part.places] = found.values.differences(metric)[part.places]
            columns.append(column)
    p_values = iter(tested(columns, found.values.clusters, seed=found.settings.seed))
    return [{metric: next(p_values) for metric in found.settings.metrics} for _part in parts]


def _adjusted(worse: Sequence[PValues], gating: Sequence[str]) -> list[PValues]:
    """Return p-values after Holm: of the measures of all queries, and of those of all slices together."""
    whole, *slices = worse
    first = holm([whole[metric] for metric in gating])
    others = iter(holm([one[metric] for one in slices for metric in gating]))
    return [
        dict(zip(gating, first, strict=True)),
        *({metric: next(others) for metric in gating} for _one in slices),
    ]


def _scope(found: Measured, part: _Part, p_worse: PValues, p_adjusted: PValues) -> Scope:
    compared = tuple(
        _compared(found, part, metric, p_worse[metric], p_adjusted.get(metric))
        for metric in found.settings.metrics
    )
    answer, reason = scope_answer(compared)
    asked = [one for one in found.asked if part.name is None or part.name in one.query.slices]
    return Scope(
        name=part.name,
        queries=len(part.places),
        compared=compared,
        changed=changed(asked, found.settings),
        old=_side(found, part, "old", asked),
        new=_side(found, part, "new", asked),
        answer=answer,
        reason=reason,
    )


def _compared(
    found: Measured, part: _Part, metric: str, p_worse: float | None, p_adjusted: float | None
) -> Compared:
    old, new = (found.values.plain[side][metric][part.places] for side in SIDES)
    condensed = found.values.condensed_differences(metric)
    compared = Compared(
        metric=metric,
        margin=_margin(found.settings, part, metric),
        old=float(old.mean()) if old.size else None,
        new=float(new.mean()) if new.size else None,
        difference=_interval(found, part, new - old, SHOWN),
        p_worse=p_worse,
        p_adjusted=p_adjusted,
        condensed=None if condensed is None else _interval(found, part, condensed[part.places], SHOWN),
    )
    if compared.margin is None:
        return compared
    ruled = _ruled(found, part, metric, compared.margin, p_adjusted)
    return replace(compared, answer=ruled.answer, reason=ruled.reason, needed=ruled.needed)


def _margin(settings: VerifyEntry, part: _Part, metric: str) -> float | None:
    """Return the loss that is tolerated: a slice's own, else the measure's."""
    written = settings.metrics[metric]
    if part.name is None or written is None:
        return written
    return written if settings.slices.margin is None else settings.slices.margin


def _ruled(found: Measured, part: _Part, metric: str, margin: float, p_adjusted: float | None) -> Ruled:
    settings = found.settings

    def rule(differences: Floats) -> Ruled:
        usual, strict = (_interval(found, part, differences, level) for level in part.confidences)
        known = Evidence(
            metric=metric,
            margin=margin,
            queries=len(part.places),
            askers=_askers(found, part),
            level=ALPHA / settings.looks,
            fewest=settings.min_queries if part.name is None else settings.slices.min_queries,
            usual=usual,
            strict=strict,
            p_adjusted=p_adjusted,
            only_fails=part.name is not None and settings.slices.margin is None,
        )
        return ruling(known)

    plain = rule(found.values.differences(metric)[part.places])
    condensed = found.values.condensed_differences(metric)
    old, new = (_mean(found.values.unjudged[side][part.places]) for side in SIDES)
    if condensed is None or not is_uneven(old, new):
        return plain
    return in_both_views(
        plain, rule(condensed[part.places]), old_unjudged=old, new_unjudged=new, k=settings.k
    )


def _askers(found: Measured, part: _Part) -> int:
    clusters = found.values.clusters
    return len(part.places) if clusters is None else len({clusters[place] for place in part.places})


def _interval(found: Measured, part: _Part, differences: Floats, confidence: float) -> Interval:
    clusters = found.values.clusters
    own = None if clusters is None else [clusters[place] for place in part.places]
    return difference_interval(differences, own, confidence=confidence)


def changed(asked: Sequence[Asked], settings: VerifyEntry) -> Changed:
    """Return how much the results of queries differ that both indexes answered."""
    pairs = [(one.old.ids, one.new.ids) for one in asked if one.old.error is None and one.new.error is None]

    def mean(measure: Callable[[Sequence[str], Sequence[str]], float]) -> Interval:
        return share_mean_interval([measure(old, new) for old, new in pairs], confidence=SHOWN)

    return Changed(
        overlap=mean(lambda old, new: overlap(old, new, settings.k)),
        rank_biased_overlap=mean(rank_biased_overlap),
        same_first=mean(lambda old, new: float(old[:1] == new[:1])),
    )


def _side(found: Measured, part: _Part, side: Side, asked: Sequence[Asked]) -> SideScope:
    answers = [one.side(side) for one in asked if one.side(side).error is None]
    first, last = _percentiles(answers, found.random_pairs[side], found.settings.k)
    return SideScope(
        unjudged=_mean(found.values.unjudged[side][part.places]),
        first_percentile=first,
        last_percentile=last,
        empty=sum(not one.ids for one in answers),
    )


def _percentiles(answers: Sequence[Ranking], scores: Floats, k: int) -> tuple[float | None, float | None]:
    """Return where the first and the k-th score lie among random pairs: the medians of the queries."""
    if not scores.size:
        return None, None
    return _median(percentile(one.scores[0], scores) for one in answers if one.scores), _median(
        percentile(one.scores[k - 1], scores) for one in answers if len(one.scores) >= k
    )


def _median(values: Iterator[float]) -> float | None:
    known = list(values)
    return median(known) if known else None


def _mean(values: Floats) -> float:
    return float(values.mean()) if values.size else 0.0
