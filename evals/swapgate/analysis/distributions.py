"""How pass rates are spread over prompts, tags and repeated cases, on both sides of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

import numpy as np

from swapgate.analysis.grouping import group
from swapgate.analysis.ordering import SEED
from swapgate.analysis.pairs import Pairs
from swapgate.analysis.scopes import OVERALL, Scope, Scoped
from swapgate.analysis.table import UNKNOWN, Codes
from swapgate.stats.clusters import count_codes
from swapgate.stats.distribution import DistributionComparison, rate_distributions

Progress = Callable[[float], None]
PERMUTATIONS = 500


class Spread(Scoped):
    """The distribution of the pass rates of one kind of unit, on both sides, with its permutation test.

    `unit` is `prompt`, `tag` or `case` (over its repeats), `measure` what passes.
    """

    candidate: str
    baseline: str
    measure: str
    unit: str
    comparison: DistributionComparison


def spreads(pairs: Pairs, *, progress: Progress | None = None) -> Iterator[Spread]:
    """Yield the comparisons of the distributions over prompts, tags and repeats: overall, then by suite.

    Where nothing scored the meaning the structure is compared. A suite alone says what all suites say.
    """
    suites = [Scope(name) for name in dict.fromkeys(one.suite for one in pairs.ours)]
    pairs = pairs.in_order()
    parts = group(pairs.ours)
    units_of = {unit: _units(pairs, unit) for unit in ("prompt", "tag", "case")}
    for scope in [OVERALL, *(suites if len(suites) > 1 else [])]:
        for unit, (places, units) in units_of.items():
            inside = np.isin(places, parts[scope], assume_unique=False)
            spread = _spread(pairs, scope, unit, places[inside], units[inside], progress=progress)
            if spread is not None:
                yield spread


def _spread(
    pairs: Pairs,
    scope: Scope,
    unit: str,
    places: Codes,
    units: Codes,
    *,
    progress: Progress | None,
) -> Spread | None:
    """Return the distributions over one kind of unit; None without two units of several trials each."""
    ours, theirs = pairs.our_table.semantic, pairs.their_table.semantic
    measure = "semantic"
    if not ((ours != UNKNOWN) & (theirs != UNKNOWN)).any():
        ours, theirs, measure = pairs.our_table.structural, pairs.their_table.structural, "structural"
    known = (ours[places] != UNKNOWN) & (theirs[places] != UNKNOWN)
    places, units = places[known], units[known]
    distinct = count_codes(units)
    if distinct < 2 or distinct == len(units):
        return None
    found = rate_distributions(
        theirs[places] == 1,
        ours[places] == 1,
        units,
        pairs.clusters[places],
        seed=SEED,
        permutations=PERMUTATIONS,
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


def _units(pairs: Pairs, unit: str) -> tuple[Codes, Codes]:
    """Return the units that pairs belong to, as positions of pairs and numbers of units; several by tag."""
    names: list[tuple[str, ...]]
    if unit == "tag":
        names = [one.tags for one in pairs.ours]
    elif unit == "prompt":
        names = [(one.prompt,) if one.prompt is not None else () for one in pairs.ours]
    else:
        names = [(f"{one.suite}/{one.case}",) for one in pairs.ours]
    numbers: dict[str, int] = {}
    rows = [
        (place, numbers.setdefault(name, len(numbers))) for place, own in enumerate(names) for name in own
    ]
    both = np.array(rows, dtype=np.int64).reshape(-1, 2)
    return both[:, 0], both[:, 1]
