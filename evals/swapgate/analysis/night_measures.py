"""What is measured of a model on a suite in every night, made into series that a detector can look at."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from math import exp

import numpy as np
import numpy.typing as npt

from swapgate.analysis.night_series import (
    DROPS,
    REFERENCE_NIGHTS,
    SHARES,
    Detector,
    Found,
    NightSeries,
    Point,
    Raw,
    SubjectKind,
    pooled,
    rate_point,
    sums,
)
from swapgate.analysis.nights import Night, Part, Segment, pin, rate_counts, segment
from swapgate.stats.drift import DriftDetector
from swapgate.stats.rank_drift import rank_evidence
from swapgate.values import replace

# What a series must have moved by, for nights differ a little without anybody's doing.
LEAST_RATIO, LEAST_SHARE = 1.10, 0.01
_SHORTEST_S = 1e-4
Floats = npt.NDArray[np.float64]


@dataclass(slots=True, eq=False)
class _Columns:
    """The nights of one segment side by side, on the cases that are in all of them."""

    nights: Sequence[Night]
    segment: Segment
    key: tuple[str, str]
    parts: list[Part] = field(init=False)
    inside: list[npt.NDArray[np.int64]] = field(init=False)

    def __post_init__(self) -> None:
        self.parts = [self.nights[number].parts[self.key] for number in self.numbers]
        self.inside = [part.among(self.shared) for part in self.parts]

    def since(self, start: int, note: str) -> _Columns:
        """Return the nights from this place on."""
        later = replace(self.segment, numbers=self.segment.numbers[start:], note=note)
        return _Columns(self.nights, later, self.key)

    @property
    def numbers(self) -> Sequence[int]:
        """The nights' numbers."""
        return self.segment.numbers

    @property
    def shared(self) -> frozenset[str]:
        """The cases that are in all of them."""
        return self.segment.cases

    def matrix(self, column: Callable[[Part], Floats | None]) -> Floats:
        """Return a number of each case in each night, nan where it is unknown."""
        places = {name: place for place, name in enumerate(sorted(self.shared))}
        found = np.full((len(self.parts), len(places)), np.nan)
        for row, (part, inside) in enumerate(zip(self.parts, self.inside, strict=True)):
            values = column(part)
            if values is not None:
                found[row, [places[part.cases[i]] for i in inside.tolist()]] = values[inside]
        return found


def raw_series(nights: Sequence[Night], key: tuple[str, str]) -> list[Raw]:
    """Return all series of one model on one suite, the candidate's first, then the provider's."""
    found_nights = segment(nights, key)
    if not found_nights.numbers:
        return []
    columns = _Columns(nights, found_nights, key)
    judged = _since_the_judges(columns)
    found = [_passes(columns, "structural"), _passes(judged, "semantic")]
    names = sorted({name for part in judged.parts for name in part.table.scores})
    found += [_scores(judged, name, 1 / len(names)) for name in names]
    found += [_seconds(columns, "latency"), _seconds(columns, "ttft")]
    found += [_shares(columns, "errors"), _shares(columns, "refusals")]
    return [raw for raw in found if raw is not None]


def _since_the_judges(columns: _Columns) -> _Columns:
    """Return the nights that today's judges judged."""

    def judges(place: int) -> object:
        run = columns.nights[columns.numbers[place]].run
        return columns.parts[place].judges, sorted((one.name, pin(one)) for one in run.judges)

    last = judges(len(columns.parts) - 1)
    count = sum(1 for _ in takewhile(lambda i: judges(i) == last, reversed(range(len(columns.parts)))))
    start = len(columns.parts) - count
    if not start:
        return columns
    day = columns.nights[columns.numbers[start]].day
    return columns.since(start, f"begins anew on {day}: the judge was another one before")


def _passes(columns: _Columns, measure: str) -> Raw | None:
    counts = [
        (number, *rate_counts(part, inside, measure))
        for number, part, inside in zip(columns.numbers, columns.parts, columns.inside, strict=True)
    ]
    numbers = tuple(number for number, _passed, n in counts if n)
    rows = [(passed, n) for _number, passed, n in counts if n]
    if not rows:
        return None

    def detect(false_alarms: float) -> Found:
        reference = sums(rows[:REFERENCE_NIGHTS])
        detector = DriftDetector(*reference, drop=DROPS, false_alarms_per_year=false_alarms)
        readings = [detector.add(passed, n) for passed, n in rows[REFERENCE_NIGHTS:]]
        since = readings[-1].since
        start = _later(since)
        return Found(
            evidence=[one.evidence for one in readings],
            since=start,
            earliest=_later(readings[-1].earliest),
            latest=_later(readings[-1].latest),
            before=None if start is None else pooled(rows[:start]),
            now=None if start is None else pooled(rows[start:]),
        )

    points = [_rate_point(columns.nights[i], *row) for i, row in zip(numbers, rows, strict=True)]
    return _raw(columns, measure, numbers, points, detect=detect, weight=SHARES[measure])


def _scores(columns: _Columns, name: str, part: float) -> Raw | None:
    values = columns.matrix(lambda one: one.table.scores.get(name))
    return _by_rank(
        columns,
        f"score {name}",
        subject="candidate",
        shown=values,
        ranked=-(values - _over_nights(values)),
        mean=np.nanmean,
        weight=SHARES["score"] * part,
    )


def _seconds(columns: _Columns, measure: str) -> Raw | None:
    is_latency = measure == "latency"
    values = columns.matrix(lambda one: one.table.latency_s if is_latency else one.table.ttft_s)
    logs = np.log(np.maximum(values, _SHORTEST_S))
    return _by_rank(
        columns,
        measure,
        subject="provider",
        shown=values,
        ranked=logs - _over_nights(logs),
        mean=np.nanmedian,
        weight=SHARES[measure],
        is_ratio=True,
    )


def _shares(columns: _Columns, measure: str) -> Raw | None:
    is_errors = measure == "errors"
    values = columns.matrix(lambda one: (one.is_errored if is_errors else one.is_refused).astype(float))
    return _by_rank(
        columns,
        measure,
        subject="provider",
        shown=values,
        ranked=values,
        mean=np.nanmean,
        weight=SHARES[measure],
        least=LEAST_SHARE,
    )


def _by_rank(
    columns: _Columns,
    measure: str,
    *,
    subject: SubjectKind,
    shown: Floats,
    ranked: Floats,
    mean: Callable[..., Floats],
    weight: float,
    is_ratio: bool = False,
    least: float = 0.0,
) -> Raw | None:
    """Return a series of which a rise of the `ranked` numbers' mean over cases is drift.

    `shown` are the numbers as people know them. A ratio is of logarithms. `least` is what it must rise by.
    """
    has_any = ~np.isnan(ranked).all(axis=1)
    if not has_any.any():
        return None
    nightly, values = mean(ranked[has_any], axis=1), mean(shown[has_any], axis=1)
    sizes = (~np.isnan(ranked[has_any])).sum(axis=1)
    numbers = tuple(np.array(columns.numbers)[has_any].tolist())

    def detect(_false_alarms: float) -> Found:
        found = rank_evidence(nightly.tolist())
        start = found.since or 0
        if not start:
            return Found(evidence=found.evidence, since=None)
        rise = float(np.median(nightly[start:]) - np.median(nightly[:start]))
        if measure in {"errors", "refusals"}:
            rise = float(nightly[start:].mean() - nightly[:start].mean())
        return Found(
            evidence=found.evidence,
            since=start,
            earliest=found.earliest,
            latest=found.latest,
            before=float(np.median(values[:start]) if is_ratio else values[:start].mean()),
            now=float(np.median(values[start:]) if is_ratio else values[start:].mean()),
            is_material=exp(min(rise, 700.0)) >= LEAST_RATIO if is_ratio else rise >= least,
        )

    points = [
        Point(at=columns.nights[i].at, run=columns.nights[i].run.id, value=float(value), n=int(n))
        for i, value, n in zip(numbers, values, sizes, strict=True)
    ]
    return _raw(columns, measure, numbers, points, detect=detect, weight=weight, subject=subject)


def _raw(
    columns: _Columns,
    measure: str,
    numbers: Sequence[int],
    points: Sequence[Point],
    *,
    detect: Detector,
    weight: float,
    subject: SubjectKind = "candidate",
) -> Raw:
    suite, model = columns.key
    series = NightSeries(
        subject=subject,
        name=model,
        suite=suite,
        measure=measure,
        points=tuple(points),
        note=columns.segment.note,
    )
    return Raw(series=series, weight=weight, detect=detect, numbers=tuple(numbers))


def _later(place: int | None) -> int | None:
    """Return a place among the nights behind the reference as one among all."""
    return None if place is None else place + REFERENCE_NIGHTS


def _over_nights(values: Floats) -> Floats:
    """Return each case's median over the nights, nan where it has none."""
    has_any = ~np.isnan(values).all(axis=0)
    found = np.full(values.shape[1], np.nan)
    found[has_any] = np.nanmedian(values[:, has_any], axis=0)
    return found


def _rate_point(night: Night, passed: int, n: int) -> Point:
    return rate_point(night.at, passed, n, run=night.run.id)
