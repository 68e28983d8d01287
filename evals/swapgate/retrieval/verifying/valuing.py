"""Both indexes' answers held against the labels: which queries count, and what each is worth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from swapgate.retrieval.index import SIDES, Side
from swapgate.retrieval.verifying.asking import Asked
from swapgate.retrieval.verifying.differences import Clusters
from swapgate.retrieval.verifying.labels import Labels
from swapgate.retrieval.verifying.measuring import measured, parse_metrics
from swapgate.retrieval.verifying.verification import LeftOut
from swapgate.spec.index_verify import VerifyEntry
from swapgate.values import Value, replace

Floats = npt.NDArray[np.float64]
BySide = Mapping[Side, Mapping[str, Floats]]


class Counted(Value):
    """The queries that are measured, and how many are not, by reason."""

    asked: list[Asked]
    left_out: LeftOut


class Values(Value):
    """Each measure's value of each query, by side. `condensed` passes over results without a label.

    It is None where that would say nothing. `unjudged` is the share of the first k that have no label.
    """

    plain: BySide
    condensed: BySide | None
    unjudged: Mapping[Side, Floats]
    clusters: Clusters

    def differences(self, metric: str) -> Floats:
        """Return new minus old, results without a label counting as not relevant."""
        return self.plain["new"][metric] - self.plain["old"][metric]

    def condensed_differences(self, metric: str) -> Floats | None:
        """Return new minus old, results without a label passed over."""
        found = self.condensed
        return None if found is None else found["new"][metric] - found["old"][metric]


def counted(found: Iterable[Asked], labels: Labels, *, relevant_from: int) -> Counted:
    """Return the queries that count.

    A query that the old index failed to answer says nothing of the new one; one that the new index alone
    failed counts, and its answer is empty. Without a relevant document no measure is defined.
    """
    kept: list[Asked] = []
    out = LeftOut()
    for one in found:
        if not labels.of(one.query.id):
            out = replace(out, without_labels=out.without_labels + 1)
        elif one.old.error is not None and one.new.error is not None:
            out = replace(out, both_failed=out.both_failed + 1)
        elif one.old.error is not None:
            out = replace(out, old_failed=out.old_failed + 1)
        elif not labels.has_relevant(one.query.id, relevant_from=relevant_from):
            out = replace(out, without_relevant=out.without_relevant + 1)
        else:
            kept.append(one)
    return Counted(asked=kept, left_out=out)


def values_of(asked: Sequence[Asked], labels: Labels, settings: VerifyEntry, *, relevant_from: int) -> Values:
    """Return what both indexes are worth on each query."""
    metrics = parse_metrics(list(settings.metrics), relevant_from=relevant_from)
    grades = [labels.of(one.query.id) for one in asked]
    rankings = {side: [one.side(side).ids for one in asked] for side in SIDES}

    def values(*, judged_only: bool) -> BySide:
        return {side: measured(metrics, grades, rankings[side], judged_only=judged_only) for side in SIDES}

    return Values(
        plain=values(judged_only=False),
        condensed=values(judged_only=True) if _has_negatives(grades) else None,
        unjudged={side: _unjudged(rankings[side], grades, settings.k) for side in SIDES},
        clusters=_clusters(asked),
    )


def _unjudged(rankings: Sequence[Sequence[str]], grades: Sequence[Mapping[str, int]], k: int) -> Floats:
    shares = []
    for ids, of_query in zip(rankings, grades, strict=True):
        first = ids[:k]
        shares.append(sum(one not in of_query for one in first) / len(first) if first else 0.0)
    return np.array(shares)


def _has_negatives(grades: Sequence[Mapping[str, int]]) -> bool:
    """Whether people also said what is not relevant, of half of the queries at least.

    Where only relevant documents are listed, all others are meant to be not relevant, and a list of labelled
    results alone would always look perfect.
    """
    return 2 * sum(0 in of_query.values() for of_query in grades) >= len(grades) > 0


def _clusters(asked: Sequence[Asked]) -> Clusters:
    """Return who asked each query, where that is known of any: the others count by themselves."""
    if all(one.query.cluster is None for one in asked):
        return None
    return [
        ("query", one.query.id) if one.query.cluster is None else ("cluster", one.query.cluster)
        for one in asked
    ]
