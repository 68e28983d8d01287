"""Goal 6: stopping early, with a look after every case and with ten planned looks.

Independent pairs are drawn from one distribution a cell: margin m in {.03, .05, .10}, discordance psi in
{.04, .10, .20} (at least the size of the difference), n the cases that give the single test 80% power for
equal models. "Worse" is a candidate worse by 2 m. False passes are those of a candidate worse by exactly m.
Each value is that of the worst cell. Calls are counted in cases, as a share of n.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Row
from swapgate.stats.anytime import margin_evidence, rate_evidence
from swapgate.stats.boundaries import Spending, critical_values, predictive_bound
from swapgate.stats.gate_odds import gate_power
from swapgate.stats.interval import critical_value
from swapgate.stats.looks import planned_looks
from swapgate.stats.planning import cases_for_power
from swapgate.stats.power import floor_cases
from swapgate.stats.sequential import FUTILE_CHANCE
from swapgate.stats.tango_tables import tango_z_of_tables

SEED = 20240601
MARGINS, DISCORDANCES = (0.03, 0.05, 0.10), (0.04, 0.10, 0.20)
LOOKS = 10
# Runs held in memory at a time.
BATCH = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """A margin, a discordance, and the cases that the single test needs for them."""

    margin: float
    discordance: float
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stops:
    """Shares of runs that passed, failed and were given up, and the share of the planned cases used."""

    passes: float
    fails: float
    futile: float
    used: float


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the rows of the goal."""
    cells = [Cell(margin=m, discordance=psi, n=_planned(m, psi)) for m in MARGINS for psi in DISCORDANCES]
    yield from _every_case_rows(cells, runs=2000 if quick else 10_000)
    yield from _planned_rows(cells, runs=2000 if quick else 20_000)


def _every_case_rows(cells: list[Cell], *, runs: int) -> Iterator[Row]:
    equal, at_margin, worse = ([_after_every_case(c, d, runs) for c in cells] for d in (0, -1, -2))
    stubborn = [_after_every_case(c, -1, runs, has_futility=False) for c in cells]
    yield Row(
        goal="6 stopping, look after every case, candidate worse by the margin: false passes",
        value=max(stops.passes for stops in at_margin),
        limit="<= 0.055",
        beside={"peeking at the single test": max(_peeking(c, runs) for c in cells)},
    )
    yield Row(
        goal="6 stopping, look after every case, candidate worse by just the margin: false fails",
        value=max(stops.fails for stops in stubborn),
        limit="<= 0.055",
        beside={"peeking at the single test": max(_peeking(c, runs, sign=-1) for c in cells)},
    )
    yield Row(
        goal="6 stopping, look after every case, rate at its minimum of .85 or .95: false passes",
        value=max(_rate_passes(minimum, 400, 4 * runs) for minimum in (0.85, 0.95)),
        limit="<= 0.055",
    )
    yield Row(
        goal="6 stopping, look after every case, equal models: share of calls saved",
        value=min(1 - stops.used for stops in equal),
        limit=">= 0.12",
        beside={"power": min(stops.passes for stops in equal), "power of the single test": 0.80},
    )
    yield Row(
        goal="6 stopping, look after every case, candidate worse by twice the margin: share of calls saved",
        value=min(1 - stops.used for stops in worse),
        limit=">= 0.5",
    )


def _planned_rows(cells: list[Cell], *, runs: int) -> Iterator[Row]:
    late, even = (
        {d: [_at_looks(c, d, runs, kind) for c in cells] for d in (0, -1, -2)}
        for kind in ("obrien-fleming", "pocock")
    )
    stubborn = [_at_looks(c, -2, 2000, "obrien-fleming", futility=None) for c in cells]
    yield Row(
        goal="6 stopping, ten planned looks, equal models: share of calls saved",
        value=min(1 - stops.used for stops in late[0]),
        limit=">= 0.12",
        beside={"Pocock": min(1 - stops.used for stops in even[0])},
    )
    yield Row(
        goal="6 stopping, ten planned looks, candidate worse by twice the margin: share of calls saved",
        value=min(1 - stops.used for stops in late[-2]),
        limit=">= 0.5",
        beside={
            "Pocock": min(1 - stops.used for stops in even[-2]),
            "without futility": min(1 - stops.used for stops in stubborn),
        },
    )
    yield Row(
        goal="6 stopping, ten planned looks, candidate worse by the margin: false passes",
        value=max(stops.passes for stops in late[-1]),
        limit="<= 0.07",
        beside={
            "Pocock": max(stops.passes for stops in even[-1]),
            "single test": max(_single_false(c) for c in cells),
        },
    )
    yield Row(
        goal="6 stopping, ten planned looks, equal models: power where the single test has .80",
        value=min(stops.passes for stops in late[0]),
        limit=">= 0.74",
        beside={"Pocock": min(stops.passes for stops in even[0])},
    )


def _planned(margin: float, discordance: float) -> int:
    plan = cases_for_power(margin=margin, discordance=discordance)
    assert plan is not None
    return plan.cases


def _single_false(cell: Cell) -> float:
    psi = max(cell.margin, cell.discordance)
    return gate_power(cell.n, difference=-cell.margin, discordance=psi, margin=cell.margin).passes


def _draws(cell: Cell, multiple: int, runs: int) -> Iterator[NDArray[np.int8]]:
    """Yield the differences of n pairs for batches of runs, the candidate better by `multiple` margins."""
    difference = multiple * cell.margin
    psi = max(cell.discordance, abs(difference))
    rng = np.random.default_rng([SEED, cell.n, -multiple])
    for start in range(0, runs, BATCH):
        u = rng.random((min(BATCH, runs - start), cell.n))
        yield (u < (psi + difference) / 2).astype(np.int8) - (u > 1 - (psi - difference) / 2)


def _first(crossed: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the index of the first crossing of each run, its length when there is none."""
    return np.where(crossed.any(axis=-1), crossed.argmax(axis=-1), crossed.shape[-1])


def _stops(
    up: NDArray[np.bool_], down: NDArray[np.bool_], futile: NDArray[np.bool_], looks: NDArray[np.int64]
) -> Stops:
    """Return what happens when each run stops at its first crossing; `looks` are the cases seen by then."""
    firsts = np.stack([_first(up), _first(down), _first(futile)])
    stop, which = firsts.min(axis=0), firsts.argmin(axis=0)
    used = looks[np.minimum(stop, len(looks) - 1)] / looks[-1]
    shares = [float(np.mean((stop < len(looks)) & (which == answer))) for answer in range(3)]
    return Stops(passes=shares[0], fails=shares[1], futile=shares[2], used=float(used.mean()))


def _mean(batches: list[Stops]) -> Stops:
    return Stops(
        **{name: float(np.mean([getattr(b, name) for b in batches])) for name in Stops.__dataclass_fields__}
    )


def _after_every_case(cell: Cell, multiple: int, runs: int, *, has_futility: bool = True) -> Stops:
    batches = []
    for d in _draws(cell, multiple, runs):
        e = margin_evidence(d, margin=cell.margin)
        assert e.futile is not None
        futile = (e.futile >= log(10)) & has_futility
        batches.append(_stops(e.passes >= log(20), e.fails >= log(20), futile, np.arange(1, cell.n + 1)))
    return _mean(batches)


def _at_looks(
    cell: Cell, multiple: int, runs: int, spending: Spending, *, futility: float | None = FUTILE_CHANCE
) -> Stops:
    looks = np.array(planned_looks([1] * cell.n, LOOKS))
    critical = np.array(critical_values((looks / cell.n).tolist(), spending=spending))
    bounds = [
        -np.inf if futility is None else predictive_bound(k / cell.n, final=critical[-1], chance=futility)
        for k in looks
    ]
    batches = []
    for d in _draws(cell, multiple, runs):
        z = _scores(cell, d, looks)
        up = (z >= critical) & (looks >= floor_cases(cell.margin))
        batches.append(_stops(up, z <= -critical, z < bounds, looks))
    return _mean(batches)


def _scores(cell: Cell, differences: NDArray[np.int8], looks: NDArray[np.int64]) -> NDArray[np.float64]:
    n10, n01 = (np.cumsum(differences == sign, axis=-1)[:, looks - 1] for sign in (-1, 1))
    return tango_z_of_tables(n10, n01, looks, difference=-cell.margin)


def _peeking(cell: Cell, runs: int, *, sign: int = 1) -> float:
    """Return the false answers of the single test, looked at after every case from its floor on."""
    looks = np.arange(floor_cases(cell.margin), cell.n + 1)
    found = [
        np.any(sign * _scores(cell, d, looks) > critical_value(0.90), axis=-1) for d in _draws(cell, -1, runs)
    ]
    return float(np.concatenate(found).mean())


def _rate_passes(minimum: float, n: int, runs: int) -> float:
    rng = np.random.default_rng([SEED, round(1000 * minimum)])
    draws = (rng.random((min(BATCH, runs - start), n)) < minimum for start in range(0, runs, BATCH))
    passes = [np.any(rate_evidence(d, minimum=minimum).passes >= log(20), axis=-1) for d in draws]
    return float(np.concatenate(passes).mean())
