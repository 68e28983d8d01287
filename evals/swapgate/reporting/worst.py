"""What is shown of what is too long for a page or a terminal: the worst first. report.json holds it all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from swapgate.analysis.compare import Difference
from swapgate.analysis.decision import Decision
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.scopes import Scope
from swapgate.analysis.summary import Summary
from swapgate.reporting.words import comparing
from swapgate.reporting.words.reasons import by_suite
from swapgate.values import Value

# The longest table or list of a page, and of suites, which a reader looks for by their names.
MOST = 200
MOST_SUITES = 1000
# The most suites, and the most rows of another table, of which none is put away; and how many stay of more.
ALL_SUITES = 16
ALL_ROWS = 40
FEW = 16
_ANSWERS = ("fail", "inconclusive", "pass", "not_judged")
_WORDS = ("worse", "better", "not separated")
T = TypeVar("T")


class Split(Value, Generic[T]):
    """What is shown at once, what is put away but can be had, and how many more there are."""

    shown: Sequence[T]
    rest: Sequence[T] = ()
    left_out: int = 0


def has_many_suites(outcome: RunOutcome) -> bool:
    """Whether a reader can no longer take in every suite."""
    return len(outcome.run.suites) > ALL_SUITES


def split(rows: Sequence[T]) -> Split[T]:
    """Return rows that are in order: of many the first few, and of the rest no more than a page takes."""
    if len(rows) <= ALL_ROWS:
        return Split(shown=rows)
    return Split(shown=rows[:FEW], rest=rows[FEW:MOST], left_out=max(len(rows) - MOST, 0))


def suites_of(
    outcome: RunOutcome, models: Sequence[Summary], *, few: int = FEW, most: int = MOST_SUITES
) -> Split[list[Summary]]:
    """Return each model's parts by suite, of the same suites for all.

    Of many suites the worst are shown, the worst first, and the rest is by name: no more than `most` rows.
    """
    found = [{row.suite or "": row for row in by_suite(outcome, model)} for model in models]
    names = list(dict.fromkeys(name for rows in found for name in rows))
    if len(names) <= ALL_SUITES:
        return Split(shown=[list(rows.values()) for rows in found])
    ordered = _worst_first(outcome, found, models)
    fit = max(most // max(len(models), 1), few)
    shown, rest = ordered[:few], sorted(ordered[few:fit])
    return Split(
        shown=[[rows[name] for name in shown if name in rows] for rows in found],
        rest=[[rows[name] for name in rest if name in rows] for rows in found],
        left_out=len(ordered) - len(shown) - len(rest),
    )


def _worst_first(
    outcome: RunOutcome, found: Sequence[dict[str, Summary]], models: Sequence[Summary]
) -> list[str]:
    """Return the suites: whose gate failed, which became worse, then by the lowest rate of a candidate."""
    failed = {d.suite for d in outcome.gate.decisions if d.answer == "fail"}
    worse = {d.suite for c in outcome.comparisons for d in c.differences if _is_worse_suite(d)}
    lowest: dict[str, float] = {}
    for model, rows in zip(models, found, strict=True):
        for name, row in rows.items():
            known = [r for r in (row.semantic.rate, row.structural.rate) if r is not None]
            rate = known[0] if known and model.role == "candidate" else 1.0
            lowest[name] = min(lowest.get(name, 1.0), rate)
    return sorted(lowest, key=lambda name: (name not in failed, name not in worse, lowest[name], name))


def _is_worse_suite(difference: Difference) -> bool:
    is_suite = difference.suite is not None and difference.scope == Scope(difference.suite)
    return is_suite and comparing.word_of(difference) == "worse"


def decisions(found: Sequence[Decision]) -> Split[Decision]:
    """Return the gate's decisions as they are; of many, those that keep it from passing first."""
    if len(found) <= ALL_ROWS:
        return Split(shown=found)
    return split(sorted(found, key=lambda decision: _ANSWERS.index(decision.answer)))


def differences(found: Sequence[Difference]) -> Split[Difference]:
    """Return the differences `in_order`, the first of many apart from the rest."""
    return split(in_order(found))


def in_order(found: Sequence[Difference]) -> Sequence[Difference]:
    """Return the differences as they are; of many, those of the whole first, then what is told apart."""
    return found if len(found) <= ALL_ROWS else sorted(found, key=_rank)


def _rank(difference: Difference) -> tuple[bool, int, float]:
    word, p = comparing.word_of(difference), comparing.decisive_p(difference)
    return (
        difference.suite is not None,
        _WORDS.index(word) if word else len(_WORDS),
        p if p is not None else 1.0,
    )
