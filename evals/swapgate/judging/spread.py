"""How far apart scores are, and how many of those who gave them come to the same verdict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import stdev

from swapgate.judging.scoring import Known
from swapgate.records import Spread
from swapgate.spec.passrule import PassRule


def spreads(scored: Iterable[Mapping[str, float]]) -> dict[str, Spread]:
    """Return the spread of each score that at least two of these gave."""
    said: dict[str, list[float]] = {}
    for scores in scored:
        for name, score in scores.items():
            said.setdefault(name, []).append(score)
    return {
        name: Spread(n=len(values), low=min(values), high=max(values), sd=stdev(values))
        for name, values in said.items()
        if len(values) > 1
    }


def agreement(samples: Sequence[Known], rule: PassRule, *, passed: bool | None) -> float | None:
    """Return the share of verdicts like the one over all, among those that a sample has by itself.

    None where fewer than two samples have one.
    """
    if len(samples) < 2:
        return None
    said = (rule.evaluate(one.scores, one.bounds) for one in samples)
    own = [verdict for verdict in said if verdict is not None]
    return own.count(passed) / len(own) if passed is not None and len(own) > 1 else None
