"""Why nothing can be decided, whatever the numbers say; and what a reader of the numbers must know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from swapgate.retrieval.index import SIDES, Side
from swapgate.retrieval.verifying.asking import Asked
from swapgate.retrieval.verifying.preparing import Prepared
from swapgate.retrieval.verifying.verification import Graded


def too_many_errors(prepared: Prepared, asked: Sequence[Asked], graded: Graded | None) -> Iterator[str]:
    """Yield what failed too often: missing answers are missing data."""
    limit = prepared.settings.max_errors
    for side in SIDES:
        errors = [error for one in asked if (error := one.side(side).error) is not None]
        if len(errors) > limit * len(asked):
            yield f"the {side} index failed {len(errors):,} of {len(asked):,} queries: {errors[0]}"
    if graded is not None and graded.failed > limit * (graded.graded + graded.failed):
        yield (
            f"the judge {graded.judge} gave no grade to {graded.failed:,} of "
            f"{graded.graded + graded.failed:,} results: {graded.first_error}"
        )


def doubts(prepared: Prepared, graded: Graded | None) -> Iterator[str]:
    """Yield why the labels cannot decide anything."""
    if prepared.source == "none":
        yield "there are no labels: overlap says that results changed, not whether they are worse"
    kappa = None if graded is None else graded.kappa
    if graded is not None and kappa is not None and (kappa.low is None or kappa.low <= 0.0):
        yield (
            f"the judge {graded.judge} is not shown to agree with people beyond chance, on "
            f"{graded.checked:,} results that both graded"
        )


def notes(prepared: Prepared, asked: Sequence[Asked], missing: Mapping[Side, int]) -> Iterator[str]:
    """Yield what the numbers do not say of themselves."""
    people = prepared.people
    if people.strangers:
        yield f"{people.strangers:,} labelled queries are not among the queries"
    if people.lowered:
        yield f"{people.lowered:,} grades below 0 count as 0: not relevant"
    for side in SIDES:
        if missing[side]:
            yield f"{missing[side]:,} relevant documents are not in the {side} index"
    if len(asked) < len(prepared.queries):
        rest = len(prepared.queries) - len(asked)
        yield f"{rest:,} queries were not asked any more after too many had failed"
    if prepared.source == "qrels" and not any(0 in one.values() for one in people.grades.values()):
        yield "the labels name relevant documents alone: every other one counts as not relevant"
    if prepared.source == "judge":
        yield "a judge's grades are held against nobody's: give it some labels of people, `qrels`"
