"""What follows from the differences: pass, fail or inconclusive, of each measure, slice and stage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from swapgate.analysis.wording import confidence_percent
from swapgate.reporting.format import count, percent
from swapgate.retrieval.verifying.verification import Compared, RulingAnswer, Scope, VerdictWord
from swapgate.spec.index_verify import VerifyEntry
from swapgate.stats.interval import Interval, more_needed
from swapgate.values import Value

# One-sided: how often a new index at the margin passes, and one that is as good fails.
ALPHA = 0.05
# By so much of the first results more without a label: both ways of counting them must then say the same.
UNEVEN = 0.05


class Evidence(Value):
    """What is known of one measure on one scope, before it is decided on.

    `strict` is the interval that a fail needs: wider, for as many tests as there are slices and measures.
    `askers` is how many the queries count for, where some are from one user. `only_fails` lets pass what is
    not shown to be worse.
    """

    metric: str
    margin: float
    queries: int
    askers: int
    fewest: int
    level: float
    usual: Interval
    strict: Interval
    p_adjusted: float | None
    only_fails: bool = False


class Ruled(Value):
    """An answer, its sentence, and how many more queries would tell."""

    answer: RulingAnswer
    reason: str
    needed: int | None = None


def confidences(settings: VerifyEntry, *, tests: int) -> tuple[float, float]:
    """Return the two-sided confidence that a pass takes, and the one that a fail takes.

    All must pass, which needs no correction; that one of many fails does.
    """
    alpha = ALPHA / settings.looks
    return 1 - 2 * alpha, 1 - 2 * alpha / max(tests, 1)


def ruling(known: Evidence) -> Ruled:
    """Return what is shown of one measure.

    To pass is to be shown not to lose the margin, on enough queries. To fail takes two things: the interval
    lies wholly beyond the margin, and the permutation test finds it worse.
    """
    usual, strict, margin = known.usual, known.strict, known.margin
    is_worse = known.p_adjusted is not None and known.p_adjusted <= known.level
    if strict.high is not None and strict.high < -margin and is_worse:
        return Ruled(answer="fail", reason=f"{_told(known, strict)}: worse by more than {margin:g}")
    if known.askers < known.fewest:
        few = f"{_counted(known)}, {known.fewest:,} wanted"
        return Ruled(answer="inconclusive", reason=few, needed=known.fewest - known.askers)
    if usual.low is not None and usual.low > -margin:
        return Ruled(answer="pass", reason=f"{_told(known, usual)}: not worse by {margin:g}")
    if known.only_fails:
        return Ruled(answer="pass", reason=f"{_told(known, strict)}: not shown to be worse by {margin:g}")
    # On the margin's other side it is a fail that more queries would show, which takes the wider interval.
    is_below = usual.estimate is not None and usual.estimate < -margin
    more = more_needed(strict if is_below else usual, -margin, known.queries)
    would = f"; about {more:,} more {_queries(more)} would tell" if more else ""
    told = f"{_told(known, usual)}: not shown to be above -{margin:g}{would}"
    return Ruled(answer="inconclusive", reason=told, needed=more)


def is_uneven(old_unjudged: float, new_unjudged: float) -> bool:
    """Whether results without a label are so unevenly spread that how they count may decide."""
    return abs(new_unjudged - old_unjudged) > UNEVEN


def in_both_views(
    plain: Ruled, condensed: Ruled, *, old_unjudged: float, new_unjudged: float, k: int
) -> Ruled:
    """Return the answer where both ways of counting results without a label give it, else inconclusive.

    As "not relevant" they are held against the index that nobody labelled; passed over they speak for it.
    """
    if plain.answer == condensed.answer:
        return plain
    holes = (
        f"{percent(new_unjudged)} of its first {k} have no label, {percent(old_unjudged)} of the old index's"
    )
    told = (
        f"{plain.reason}; but where results without a label are passed over, {condensed.reason}: {holes}. "
        "Have them graded: `judge`"
    )
    return Ruled(answer="inconclusive", reason=told)


def scope_answer(compared: Iterable[Compared]) -> tuple[RulingAnswer, str]:
    """Return the worst answer of a scope's measures with its reason."""
    decided = [one for one in compared if one.answer is not None]
    for answer in ("fail", "inconclusive"):
        for one in decided:
            if one.answer == answer:
                return answer, one.reason
    return ("pass", decided[0].reason) if decided else ("inconclusive", "no measure has a margin")


def decide(scopes: Sequence[Scope], *, doubts: Sequence[str]) -> tuple[VerdictWord, tuple[str, ...]]:
    """Return the verdict and its reasons, the decisive ones first; `doubts` allow none but inconclusive.

    Every scope must pass: a slice that fails fails the stage, whatever the mean says.
    """
    failed, unclear = (list(_reasons(scopes, answer)) for answer in ("fail", "inconclusive"))
    if doubts:
        return "inconclusive", (*doubts, *failed)
    if failed:
        return "failed", (*failed, *unclear)
    if unclear:
        return "inconclusive", tuple(unclear)
    overall = scopes[0]
    slices = len(scopes) - 1
    on = f" and on {count(slices, 'slice')}" if slices else ""
    told = "; ".join(one.reason for one in overall.compared if one.answer is not None)
    return "passed", (f"as good on {overall.queries:,} queries{on}: {told}",)


def _reasons(scopes: Iterable[Scope], answer: RulingAnswer) -> Iterator[str]:
    for scope in scopes:
        where = "" if scope.name is None else f"on {scope.name}, "
        told = [one.reason for one in scope.compared if one.answer == answer]
        yield from dict.fromkeys(f"{where}{reason}" for reason in told)


def _queries(number: int) -> str:
    return "query" if number == 1 else "queries"


def _counted(known: Evidence) -> str:
    queries = f"{known.queries:,} {_queries(known.queries)} with labels"
    return queries if known.askers == known.queries else f"{queries}, of {known.askers:,} who asked"


def _told(known: Evidence, found: Interval) -> str:
    """Return the difference in words, as `nDCG@10 -0.123 [98%: -0.2, -0.05]`."""
    if found.estimate is None:
        return f"{known.metric}: nothing is known"
    if found.low is None or found.high is None:
        return f"{known.metric} {found.estimate:+.3f} (no interval: {found.note})"
    shown = confidence_percent(found.confidence)
    return f"{known.metric} {found.estimate:+.3f} [{shown}: {found.low:+.3f}, {found.high:+.3f}]"
