"""One number over nights: whether it drifted, since when, and what changed in that night."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal, NamedTuple

from swapgate.analysis.night_changes import Change, changes
from swapgate.analysis.nights import Night
from swapgate.analysis.rates import REPORT_CONFIDENCE
from swapgate.stats.drift import NIGHTS_PER_YEAR, DriftDetector
from swapgate.stats.proportion import wilson_interval
from swapgate.values import Value, replace

# The nights that a pass rate is held against; one more is the first that can be told from them.
REFERENCE_NIGHTS = 10
FEWEST_NIGHTS = REFERENCE_NIGHTS + 1
# Drops of a pass rate that are looked for, with their weights: nearly all of it lies on small ones, and the
# others let a suite of few cases see that everything fails.
DROPS = {0.06: 0.9, 0.2: 0.05, 0.5: 0.05}
# How the false alarms that are allowed are shared out: most of them to what the gate is about.
SHARES: Mapping[str, float] = {
    "semantic": 0.65,
    "structural": 0.16,
    "score": 0.04,
    "latency": 0.05,
    "ttft": 0.03,
    "errors": 0.04,
    "refusals": 0.03,
    "agreement": 0.20,
}
SubjectKind = Literal["candidate", "provider", "judge"]
SeriesAnswer = Literal["drift", "no drift shown", "too few nights"]


class Point(Value):
    """A series in one night: when it began (ISO 8601), by which run, and what the value is made from.

    `run` is empty for a check of a judge's anchors.
    """

    at: str
    run: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None


class NightSeries(Value):
    """One number over nights. `share` is its part of the false alarms that are allowed.

    `evidence` reaches `threshold` at an alarm; both are None where nothing can be told yet. `since` is when
    the night began with which the change most likely came, and it came between `earliest` and `latest` with
    90% probability. `before` and `now` are the values on either side of `since`, `changes` what else was not
    the same in a night of that time. `alarms` are all nights that ended with one.
    """

    subject: SubjectKind
    name: str
    suite: str | None
    measure: str
    points: tuple[Point, ...]
    share: float = 0.0
    answer: SeriesAnswer = "too few nights"
    evidence: float | None = None
    threshold: float | None = None
    since: str | None = None
    earliest: str | None = None
    latest: str | None = None
    before: float | None = None
    now: float | None = None
    changes: tuple[Change, ...] = ()
    alarms: tuple[str, ...] = ()
    note: str = ""


class Found(NamedTuple):
    """What a detector says: the evidence after each point, the likeliest start, and where else it may be."""

    evidence: Sequence[float]
    since: int | None
    earliest: int | None = None
    latest: int | None = None
    before: float | None = None
    now: float | None = None
    is_material: bool = True


Detector = Callable[[float], Found]


class Raw(Value, eq=False):
    """A series before it is judged: `weight` is relative to the others, `numbers` are its points' nights.

    `detect` is told how many false alarms a year it may raise.
    """

    series: NightSeries
    weight: float
    detect: Detector
    numbers: tuple[int, ...] = ()


def judge_series(
    judge: str, counts: Sequence[Point], *, frozen: tuple[int, int], agreed: Sequence[int]
) -> Raw:
    """Return how often a judge agrees with its frozen verdicts; `frozen` is how often it did with itself."""
    rows = list(zip(agreed, (point.n for point in counts), strict=True))

    def detect(false_alarms: float) -> Found:
        detector = DriftDetector(*frozen, drop=DROPS, false_alarms_per_year=false_alarms)
        readings = [detector.add(passed, n) for passed, n in rows]
        since = readings[-1].since
        return Found(
            evidence=[one.evidence for one in readings],
            since=since,
            earliest=readings[-1].earliest,
            latest=readings[-1].latest,
            before=pooled([frozen, *rows[:since]]) if since is not None else None,
            now=pooled(rows[since:]) if since is not None else None,
        )

    series = NightSeries(subject="judge", name=judge, suite=None, measure="agreement", points=tuple(counts))
    return Raw(series=series, weight=SHARES["agreement"], detect=detect)


def decided(
    raw: Raw, nights: Sequence[Night], *, share: float, false_alarms: float, fewest: int = FEWEST_NIGHTS
) -> NightSeries:
    """Return a series with its answer: `share` is its part of the `false_alarms` a year allowed to all."""
    series = replace(raw.series, share=share)
    if len(series.points) < fewest:
        return series
    allowed = false_alarms * share
    found = raw.detect(allowed)
    threshold = NIGHTS_PER_YEAR / allowed
    late = len(series.points) - len(found.evidence)
    times = [point.at for point in series.points]
    alarms = tuple(at for at, e in zip(times[late:], found.evidence, strict=True) if e >= threshold)
    is_drift = bool(alarms) and alarms[-1] == times[-1] and found.is_material and found.since is not None
    series = replace(
        series,
        answer="drift" if is_drift else "no drift shown",
        evidence=found.evidence[-1],
        threshold=threshold,
        alarms=alarms,
    )
    if not is_drift or found.since is None:
        return series
    ends = (found.earliest if found.earliest is not None else found.since, found.latest or found.since)
    return replace(
        series,
        since=times[found.since],
        earliest=times[ends[0]],
        latest=times[ends[1]],
        before=found.before,
        now=found.now,
        changes=tuple(_changes(raw, nights, *ends)),
    )


def _changes(raw: Raw, nights: Sequence[Night], first: int, last: int) -> Iterator[Change]:
    """Yield what was not the same as in the night before, in each of these places of the series."""
    if not raw.numbers or raw.series.suite is None:
        return
    for place in range(max(first, 1), last + 1):
        before, now = nights[raw.numbers[place - 1]].run, nights[raw.numbers[place]].run
        yield from changes(before, now, suite=raw.series.suite, model=raw.series.name)


def rate_point(at: str, passed: int, n: int, *, run: str = "") -> Point:
    """Return a rate with its interval as a point."""
    shown = wilson_interval(passed, n, confidence=REPORT_CONFIDENCE)
    return Point(at=at, run=run, value=passed / n, n=n, low=shown.low, high=shown.high)


def sums(rows: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Return all passes and all results of some nights."""
    return sum(passed for passed, _ in rows), sum(n for _, n in rows)


def pooled(rows: Sequence[tuple[int, int]]) -> float | None:
    """Return the rate of some nights together."""
    passed, n = sums(rows)
    return passed / n if n else None


def weighed(raws: Sequence[Raw]) -> Iterator[tuple[Raw, float]]:
    """Yield each series with its share of the false alarms."""
    total = sum(raw.weight for raw in raws)
    yield from ((raw, raw.weight / total) for raw in raws)
