"""How pass rates are spread over prompts, tags and repeated cases, on both sides of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import numpy as np

from swapgate.analysis.columns import UNKNOWN
from swapgate.analysis.grouping import group
from swapgate.analysis.pairs import Pairs
from swapgate.analysis.scopes import OVERALL, Scope, Scoped
from swapgate.stats.distribution import DistributionComparison, rate_distributions

Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread(Scoped):
    """The distribution of the pass rates of one kind of unit, on both sides, with its permutation test.

    `unit` is `prompt`, `tag` or `case` (over its repeats), `measure` what passes.
    """

    candidate: str
    baseline: str
    measure: str
    unit: str
    comparison: DistributionComparison


def spreads(pairs: Pairs, *, seed: int, progress: Progress | None = None) -> Iterator[Spread]:
    """Yield the comparisons of the distributions over prompts, tags and repeats: overall, then by suite.

    Where nothing scored the meaning the structure is compared. A suite alone says what all suites say.
    """
    parts = group(pairs.ours)
    suites = [scope for scope in parts if scope.suite is not None]
    for scope in [OVERALL, *(suites if len(suites) > 1 else [])]:
        for unit in ("prompt", "tag", "case"):
            spread = _spread(pairs, scope, parts[scope].tolist(), unit, seed=seed, progress=progress)
            if spread is not None:
                yield spread


def _spread(
    pairs: Pairs, scope: Scope, inside: list[int], unit: str, *, seed: int, progress: Progress | None
) -> Spread | None:
    """Return the distributions over one kind of unit; None without two units of several trials each."""
    ours, theirs = pairs.our_columns.semantic, pairs.their_columns.semantic
    measure = "semantic"
    if not ((ours != UNKNOWN) & (theirs != UNKNOWN)).any():
        ours, theirs, measure = pairs.our_columns.structural, pairs.their_columns.structural, "structural"
    rows = [
        (i, name)
        for i in inside
        if ours[i] != UNKNOWN and theirs[i] != UNKNOWN
        for name in _units(pairs, i, unit)
    ]
    names = [name for _, name in rows]
    if len(set(names)) < 2 or len(names) == len(set(names)):
        return None
    at = np.array([i for i, _ in rows])
    found = rate_distributions(
        (theirs[at] == 1).tolist(),
        (ours[at] == 1).tolist(),
        names,
        pairs.clusters[at].tolist(),
        seed=seed,
        progress=progress,
    )
    return Spread(
        **asdict(scope),
        candidate=pairs.candidate,
        baseline=pairs.baseline,
        measure=measure,
        unit=unit,
        comparison=found,
    )


def _units(pairs: Pairs, position: int, unit: str) -> tuple[str, ...]:
    one = pairs.ours[position]
    if unit == "tag":
        return one.tags
    if unit == "prompt":
        return (one.prompt,) if one.prompt is not None else ()
    return (f"{one.suite}/{one.case}",)
