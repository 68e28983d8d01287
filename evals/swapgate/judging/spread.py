"""How far apart the samples of one model are: by criterion, and in their verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import stdev

from swapgate.judging.scoring import Asked
from swapgate.records import Spread
from swapgate.spec.passrule import PassRule


def spreads(scored: Sequence[Mapping[str, float]]) -> dict[str, Spread]:
    """Return the spread of each criterion that at least two of these scored."""
    names = dict.fromkeys(name for scores in scored for name in scores)
    said = {name: [scores[name] for scores in scored if name in scores] for name in names}
    return {
        name: Spread(n=len(values), low=min(values), high=max(values), sd=stdev(values))
        for name, values in said.items()
        if len(values) > 1
    }


def by_sample(asked: Sequence[Asked], *, samples: int) -> list[dict[str, float]]:
    """Return the scores of each sample; `asked` are its calls, one sample after the other."""
    calls = len(asked) // samples
    parts = [asked[start : start + calls] for start in range(0, len(asked), calls)]
    return [{k: x for one in part if one.valid for k, x in one.valid.scores.items()} for part in parts]


def agreement(scored: Sequence[Mapping[str, float]], rule: PassRule, *, passed: bool | None) -> float | None:
    """Return the share of verdicts like the one over all, among those that a sample has by itself.

    None where fewer than two samples have one.
    """
    own = [verdict for scores in scored if (verdict := rule.evaluate(scores)) is not None]
    return own.count(passed) / len(own) if passed is not None and len(own) > 1 else None
