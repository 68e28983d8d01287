"""How the judges' scores of each model are spread over their levels, where no baseline stands beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from swapgate.analysis.outcome import RunOutcome
from swapgate.reporting.html.charts import binned
from swapgate.values import Value


class Level(Value):
    """How often each model has a level or a range of them, beside its share of the largest count."""

    label: str
    counts: tuple[tuple[int, float], ...]


class Scores(Value):
    """One criterion of a judge."""

    criterion: str
    models: tuple[str, ...]
    levels: tuple[Level, ...]


def scores_by_model(outcome: RunOutcome) -> list[Scores]:
    """Return each criterion's levels from the lowest, with every model's counts."""
    counts: dict[str, dict[str, Counter[float]]] = {}
    for one in outcome.facts:
        for criterion, score in one.scores.items():
            counts.setdefault(criterion, {}).setdefault(one.model, Counter())[score] += 1
    return [_scores(criterion, by_model) for criterion, by_model in sorted(counts.items())]


def _scores(criterion: str, by_model: dict[str, Counter[float]]) -> Scores:
    models = tuple(by_model)
    values = sorted({score for found in by_model.values() for score in found})
    rows = binned(values, [[by_model[model][value] for model in models] for value in values])
    most = max(count for _, counts in rows for count in counts)
    return Scores(criterion=criterion, models=models, levels=tuple(_level(*row, most) for row in rows))


def _level(label: str, counts: Sequence[int], most: int) -> Level:
    return Level(label=label, counts=tuple((count, count / most) for count in counts))
