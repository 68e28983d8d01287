"""What asking an index took, and the queries on which the new one lost most."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence

from swapgate.reporting.text import safe_text
from swapgate.retrieval.arms import Arm
from swapgate.retrieval.index import Side
from swapgate.retrieval.verifying.asking import Asked, Ranking, spent_usd
from swapgate.retrieval.verifying.labels import Labels
from swapgate.retrieval.verifying.scoping import SHOWN
from swapgate.retrieval.verifying.valuing import Values
from swapgate.retrieval.verifying.verification import Result, SideFacts, WorstQuery
from swapgate.spec.index_verify import VerifyEntry
from swapgate.stats.quantiles import quantile_interval

WORST = 10
_SHOWN_RESULTS = 5
_TEXT_CHARS = 300
_SHOWN_ERRORS = 3


def side_facts(side: Side, arm: Arm, asked: Sequence[Asked], *, missing: int) -> SideFacts:
    """Return times, failures and money of one side."""
    answers = [one.side(side) for one in asked]
    seconds = [one.seconds for one in answers if one.error is None]
    errors = [one.error for one in answers if one.error is not None]
    fingerprint = arm.embedder.fingerprint
    return SideFacts(
        model=f"{fingerprint.provider}:{fingerprint.model}",
        fingerprint=fingerprint.digest,
        p50_s=quantile_interval(seconds, 0.50, confidence=SHOWN),
        p95_s=quantile_interval(seconds, 0.95, confidence=SHOWN),
        failed=len(errors),
        errors=tuple(dict.fromkeys(errors))[:_SHOWN_ERRORS],
        cost_usd=spent_usd(arm),
        missing_relevant=missing,
    )


def worst_queries(
    asked: Sequence[Asked], values: Values, labels: Labels, settings: VerifyEntry
) -> tuple[WorstQuery, ...]:
    """Return the queries that lost most by the first measure, the greatest loss first."""
    metric = next(iter(settings.metrics))
    losses = values.differences(metric)
    places = heapq.nsmallest(WORST, range(len(asked)), key=lambda place: (losses[place], place))
    return tuple(
        WorstQuery(
            id=asked[place].query.id,
            text=safe_text(asked[place].query.text, _TEXT_CHARS),
            slices=asked[place].query.slices,
            metric=metric,
            old_value=float(values.plain["old"][metric][place]),
            new_value=float(values.plain["new"][metric][place]),
            old=_results(asked[place].old, labels.of(asked[place].query.id)),
            new=_results(asked[place].new, labels.of(asked[place].query.id)),
            failed=asked[place].new.error,
        )
        for place in places
        if losses[place] < 0
    )


def _results(ranking: Ranking, grades: Mapping[str, int]) -> tuple[Result, ...]:
    return tuple(
        Result(
            id=one,
            grade=grades.get(one),
            text=safe_text(ranking.texts[one], _TEXT_CHARS) if one in ranking.texts else None,
        )
        for one in ranking.ids[:_SHOWN_RESULTS]
    )
