"""Cases that pass one night and miss another under the same model, and what they do to the gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import sqrt

import numpy as np
import numpy.typing as npt

from swapgate.analysis.nights import Night, segment
from swapgate.analysis.table import UNKNOWN
from swapgate.records.written import adapter
from swapgate.spec.suite import GateEntry, GateSpec
from swapgate.values import Value

# One flip is a change, and no wavering.
FEWEST_FLIPS = 2
FEWEST_NIGHTS = 3
_WIDE = 2.0


class FlakyCase(Value):
    """A case that passed in some nights and missed in others; `flips` are the changes between nights."""

    case: str
    passed: int
    nights: int
    flips: int
    is_quarantined: bool


class Flakiness(Value):
    """The flaky cases of one model on one suite, those nearest to one half first.

    `rate` is the mean of the nights' pass rates, `spread` the standard deviation that the flaky cases give
    that of a night. By chance alone a night falls between `lowest` and `highest`, two of them to either
    side. `tossed` are the rules of the gate whose limit lies there: chance has a say in their answer.
    Quarantined cases are listed, and count for none of these numbers.
    """

    suite: str
    model: str
    measure: str
    nights: int
    cases: int
    flaky: tuple[FlakyCase, ...]
    rate: float
    lowest: float
    highest: float
    spread: float
    tossed: tuple[str, ...] = ()


def flakiness(nights: Sequence[Night], keys: Sequence[tuple[str, str]]) -> tuple[Flakiness, ...]:
    """Return one entry for each suite and model that has a flaky case."""
    found = (_of(nights, key) for key in keys)
    return tuple(one for one in found if one is not None)


def _of(nights: Sequence[Night], key: tuple[str, str]) -> Flakiness | None:
    found = segment(nights, key)
    numbers, shared = found.numbers, found.cases
    if len(numbers) < FEWEST_NIGHTS:
        return None
    newest = nights[numbers[-1]].parts[key]
    measure = "semantic" if (newest.table.semantic != UNKNOWN).any() else "structural"
    names = sorted(shared)
    results = _results(nights, numbers, key, names, measure)
    quarantined = newest.quarantined
    flaky = tuple(sorted(_flaky(names, results, quarantined), key=_from_half))
    if not flaky:
        return None
    counts = np.array([name not in quarantined for name in names])
    rates = np.array([column[column != UNKNOWN].mean() if (column != UNKNOWN).any() else np.nan
                      for column in results.T])  # fmt: skip
    known = counts & ~np.isnan(rates)
    wavers = np.array([_is_flaky(column) for column in results.T]) & known
    total = max(int(known.sum()), 1)
    rate = float(rates[known].mean()) if known.any() else 0.0
    spread = sqrt(float((rates[wavers] * (1 - rates[wavers])).sum())) / total
    lowest, highest = max(rate - _WIDE * spread, 0.0), min(rate + _WIDE * spread, 1.0)
    return Flakiness(
        suite=key[0],
        model=key[1],
        measure=measure,
        nights=len(numbers),
        cases=int(known.sum()),
        flaky=flaky,
        rate=rate,
        lowest=lowest,
        highest=highest,
        spread=spread,
        tossed=tuple(_tossed(nights[numbers[-1]], key[0], measure, lowest, highest)),
    )


def _results(
    nights: Sequence[Night], numbers: Sequence[int], key: tuple[str, str], names: Sequence[str], measure: str
) -> npt.NDArray[np.int8]:
    """Return the result of each case in each night."""
    places = {name: place for place, name in enumerate(names)}
    found = np.full((len(numbers), len(names)), UNKNOWN, dtype=np.int8)
    for row, number in enumerate(numbers):
        part = nights[number].parts[key]
        for name, result in zip(part.cases, part.of(measure).tolist(), strict=True):
            if name in places:
                found[row, places[name]] = result
    return found


def _flaky(
    names: Sequence[str], results: npt.NDArray[np.int8], quarantined: frozenset[str]
) -> Iterator[FlakyCase]:
    for name, column in zip(names, results.T, strict=True):
        if _is_flaky(column):
            known = column[column != UNKNOWN]
            yield FlakyCase(
                case=name.partition(" ")[0].removesuffix("#1"),
                passed=int(known.sum()),
                nights=int(known.size),
                flips=_flips(known),
                is_quarantined=name in quarantined,
            )


def _is_flaky(column: npt.NDArray[np.int8]) -> bool:
    return _flips(column[column != UNKNOWN]) >= FEWEST_FLIPS


def _flips(known: npt.NDArray[np.int8]) -> int:
    return int(np.count_nonzero(np.diff(known)))


def _from_half(one: FlakyCase) -> tuple[float, str]:
    return abs(one.passed / one.nights - 0.5), one.case


def _tossed(night: Night, suite: str, measure: str, lowest: float, highest: float) -> Iterator[str]:
    """Yield the bounds on the measure that lie between the two rates, as they are written."""
    gates = night.run.settings.get("suite_gates")
    written = [("gate", night.run.settings.get("gate"))]
    written += [(f"gate of {suite}", gates.get(suite))] if isinstance(gates, dict) else []
    for place, entry in written:
        gate = adapter(GateEntry | None).validate_python(entry)
        rule = getattr(gate, measure, None) if isinstance(gate, GateSpec) else None
        bounds = () if rule is None else (("min", rule.min), ("max", rule.max))
        for name, limit in bounds:
            if limit is not None and lowest <= limit <= highest:
                yield f"{place}: {measure} {name} {100 * limit:g}%"
