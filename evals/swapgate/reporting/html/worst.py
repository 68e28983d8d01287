"""What is shown of a table that is too long for a page: the worst of its rows. report.json holds them all."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.analysis.compare import Difference
from swapgate.analysis.decision import Decision
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.summary import Summary
from swapgate.reporting.words import comparing
from swapgate.reporting.words.reasons import by_suite

# The longest table or list.
MOST = 200
_ANSWERS = ("fail", "inconclusive", "pass", "not_judged")
_WORDS = ("worse", "better", "not separated")


def suites_of(outcome: RunOutcome, models: Sequence[Summary]) -> tuple[list[list[Summary]], int]:
    """Return each model's parts by suite, of the same suites for all, and how many suites are left out.

    Those stay in which a candidate's rate is lowest.
    """
    rows = [by_suite(outcome, model) for model in models]
    lowest: dict[str, float] = {}
    for one in (row for model, found in zip(models, rows, strict=True) for row in found):
        known = [r for r in (one.semantic.rate, one.structural.rate) if r is not None]
        rate = known[0] if known and one.role == "candidate" else 1.0
        lowest[one.suite or ""] = min(lowest.get(one.suite or "", 1.0), rate)
    fit = max(MOST // max(len(models), 1), 1)
    shown = set(sorted(lowest, key=lambda suite: (lowest[suite], suite))[:fit])
    return [[row for row in found if row.suite in shown] for found in rows], len(lowest) - len(shown)


def decisions(found: Sequence[Decision]) -> list[Decision]:
    """Return the gate's decisions as they are; of too many, those that keep it from passing first."""
    if len(found) <= MOST:
        return list(found)
    return sorted(found, key=lambda decision: _ANSWERS.index(decision.answer))[:MOST]


def differences(found: Sequence[Difference]) -> list[Difference]:
    """Return the differences as they are; of too many, those of the whole first, then what is told apart."""
    if len(found) <= MOST:
        return list(found)
    return sorted(found, key=_rank)[:MOST]


def _rank(difference: Difference) -> tuple[bool, int]:
    word = comparing.word_of(difference)
    return difference.suite is not None, _WORDS.index(word) if word else len(_WORDS)
