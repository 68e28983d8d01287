"""The numbers of a verification as every format shows them."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.analysis.wording import confidence_percent
from swapgate.reporting import format as show
from swapgate.retrieval.index import Side
from swapgate.retrieval.verifying.verification import (
    Compared,
    LeftOut,
    Result,
    Scope,
    Verification,
    WorstQuery,
)
from swapgate.stats.interval import Interval

WORDS = {"passed": "PASSED", "failed": "FAILED", "inconclusive": "INCONCLUSIVE"}
ANSWERS = {"pass": "ok", "fail": "FAILS", "inconclusive": "open"}
SIDES_HEADER = ("", "embedding", "p50/p95", "failed", "empty", "no label", "random pairs below", "cost")
_SIDES: tuple[Side, Side] = ("old", "new")


def headline(found: Verification) -> str:
    """Return what was held against what, and by whose labels."""
    labels = {"none": "no labels", "judge": "grades of a judge", "qrels": "labels"}.get(
        found.labels, "labels, and grades of a judge where there is none"
    )
    return (
        f"migration {found.migration}: {embedding(found, 'new')} against {embedding(found, 'old')}, "
        f"{queries(found.asked)} by {labels}, relevant from grade {found.relevant_from}"
    )


def embedding(found: Verification, side: Side) -> str:
    """Return the name of a side's embedding; of two of one name their fingerprints tell them apart."""
    facts = found.side(side)
    return facts.model if found.old.model != found.new.model else f"{facts.model} ({facts.fingerprint})"


def queries(number: int) -> str:
    """Return `1 query` or `1,204 queries`."""
    return f"{number:,} {'query' if number == 1 else 'queries'}"


def header(found: Verification, *, is_short: bool = False) -> tuple[str, ...]:
    """Return the head of the table of scopes; a short one has only what is decided on."""
    metrics = (_head(one) for one in _shown(found.overall, is_short=is_short))
    return ("", "", "queries", *metrics, f"same of {found.k}", "rank-biased", "same first")


def rows(found: Verification, *, is_short: bool = False) -> list[tuple[str, ...]]:
    """Return all queries and every slice."""
    return [_row(one, is_short=is_short) for one in (found.overall, *found.slices)]


def _shown(scope: Scope, *, is_short: bool) -> list[Compared]:
    decided = [one for one in scope.compared if one.margin is not None]
    return decided if is_short and decided else list(scope.compared)


def _head(one: Compared) -> str:
    percent = confidence_percent(one.difference.confidence)
    return one.metric if one.margin is None else f"{one.metric} [{percent} of the difference]"


def _row(scope: Scope, *, is_short: bool) -> tuple[str, ...]:
    changed = scope.changed
    return (
        scope.name or "all",
        ANSWERS[scope.answer],
        f"{scope.queries:,}",
        *(compared(one) for one in _shown(scope, is_short=is_short)),
        show.percent(changed.overlap.estimate),
        show.score(changed.rank_biased_overlap.estimate),
        show.percent(changed.same_first.estimate),
    )


def compared(one: Compared) -> str:
    """Return a measure as `0.81 to 0.42 [-0.45, -0.33]`; the interval only where it is decided on."""
    if one.old is None or one.new is None:
        return show.MISSING
    values = f"{show.score(one.old)} to {show.score(one.new)}"
    if one.margin is None:
        return values
    low, high = one.difference.low, one.difference.high
    if low is None or high is None:
        return f"{values} (no interval)"
    return f"{values} [{show.score_change(low)}, {show.score_change(high)}]"


def side_rows(found: Verification) -> list[tuple[str, ...]]:
    """Return what is known of each index by itself."""
    told: list[tuple[str, ...]] = []
    for side in _SIDES:
        facts = found.side(side)
        scope = found.overall.old if side == "old" else found.overall.new
        percentiles = (show.percent(scope.first_percentile), show.percent(scope.last_percentile))
        told.append(
            (
                side,
                embedding(found, side),
                f"{duration(facts.p50_s)} / {duration(facts.p95_s)}",
                f"{facts.failed:,}",
                f"{scope.empty:,}",
                show.percent(scope.unjudged) if found.labels != "none" else show.MISSING,
                " / ".join(percentiles),
                show.MISSING if facts.cost_usd is None else show.money(facts.cost_usd),
            )
        )
    return told


def duration(found: Interval) -> str:
    """Return a duration in milliseconds where it is short."""
    return show.milliseconds(found.estimate)


def facts(found: Verification) -> list[str]:
    """Return what tables do not show: what is not measured, what the judge did, notes, errors."""
    told = [_left_out(found.left_out)] if _left_out(found.left_out) else []
    told += [_graded(found)] if found.graded is not None else []
    told += found.notes
    for side in _SIDES:
        told += [f"an error of the {side} index: {error}" for error in found.side(side).errors]
    return told


def _left_out(out: LeftOut) -> str:
    parts = (
        (out.without_labels, "without labels"),
        (out.without_relevant, "without a relevant document"),
        (out.old_failed, "that the old index failed to answer"),
        (out.both_failed, "that both failed to answer"),
    )
    told = ", ".join(f"{number:,} {words}" for number, words in parts if number)
    return f"queries that are not measured: {told}" if told else ""


def _graded(found: Verification) -> str:
    graded = found.graded
    assert graded is not None
    results = show.count(graded.graded, "result")
    told = f"judge {graded.judge}: {results} graded, {show.money(graded.paid_usd)} paid"
    if graded.failed:
        told += f", {graded.failed:,} without a grade ({graded.first_error})"
    if graded.kappa is not None:
        kappa = graded.kappa
        bounds = (
            "" if kappa.low is None or kappa.high is None else f" [95%: {kappa.low:.2f}, {kappa.high:.2f}]"
        )
        told += (
            f"; on {graded.checked:,} that people labelled: the same grade {show.percent(graded.exact)}, "
            f"within one {show.percent(graded.within_one)}, "
            f"weighted kappa {show.score(kappa.estimate)}{bounds}"
        )
    return told


def worst_head(one: WorstQuery) -> str:
    """Return a query with what it lost."""
    slices = f" ({', '.join(one.slices)})" if one.slices else ""
    lost = f"{one.metric} {show.score(one.old_value)} to {show.score(one.new_value)}"
    failed = f"; the new index failed: {one.failed}" if one.failed else ""
    return f"{one.id}{slices}, {lost}{failed}: {one.text}"


def worst_results(one: WorstQuery) -> list[tuple[str, str, str]]:
    """Return the first results of both side by side: the rank, the old one, the new one."""
    ranks = range(max(len(one.old), len(one.new)))
    return [(str(rank + 1), _result(one.old, rank), _result(one.new, rank)) for rank in ranks]


def _result(results: Sequence[Result], rank: int) -> str:
    if rank >= len(results):
        return show.MISSING
    one = results[rank]
    grade = "no label" if one.grade is None else f"grade {one.grade}"
    return f"{one.id} ({grade})" + (f" {one.text}" if one.text else "")
