"""What nights notice: false alarms a year over all series of a suite, and nights until a change is seen.

Every run is a year, or a history and a change, of a suite with 50 cases that a judge scores. All series are
watched together, as `swapgate drift` does: two pass rates, a score, latency, time to first token, errors and
refusals. Latencies vary from call to call by 30%, and from night to night by 10%.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.analysis.night_report import NightReport, night_report
from swapgate.analysis.night_series import DROPS, REFERENCE_NIGHTS, NightSeries
from swapgate.analysis.nights import Night, Part
from swapgate.analysis.table import table_of
from swapgate.facts import facts_of
from swapgate.records import Answer, Response, Run, Trial
from swapgate.stats.drift import drift_evidence

SEED = 20261127
CASES, RATE, DROP = 50, 0.95, 0.08
LIMIT = 0.15
YEAR = 365
START = datetime(2026, 1, 1, 2, tzinfo=UTC)
NIGHT_SPREAD, CALL_SPREAD = 0.10, 0.30
# A change that is not seen by then counts as seen then.
PATIENCE = 60
TRIAL = Trial(
    suite="s", case="c", model="m", case_hash="h", answer=Answer(response=Response(text=""), model="m")
)
TABLE = table_of([facts_of(replace(TRIAL, case=f"c{i}")) for i in range(CASES)])
NAMES = tuple(f"c{i}#1 h" for i in range(CASES))
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How nights are: the pass rate and the latency's factor by night, and the load that nights share."""

    rate: Callable[[int], float] = lambda _night: RATE
    slower: Callable[[int], float] = lambda _night: 1.0
    dependence: float = 0.0
    weekly: float = 0.0


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    runs = 40 if quick else 200
    yield _false_alarms(World(), runs, name="nights alike and independent", limit=LIMIT)
    yield _false_alarms(World(weekly=0.15), runs, name="weekends 15% faster", limit=LIMIT)
    yield _false_alarms(
        World(dependence=0.5), runs, name="the load of a night half that of the night before", limit=1.5
    )
    for history, limit in ((30, 5), (70, 5), (15, 12)):
        yield _delay(history, 1000 if quick else 4000, limit=limit)
    yield from _latency(runs // 2)
    yield from _change_point(runs // 2)
    yield from _speed(cases=200 if quick else 1000)


def _false_alarms(world: World, runs: int, *, name: str, limit: float) -> Row:
    reports = [_report(world, YEAR, seed=[SEED, 1, i]) for i in range(runs)]
    by_measure = {
        measure: sum(_starts(one) for report in reports for one in report.series if one.measure == measure)
        / runs
        for measure in ("semantic", "structural", "latency")
    }
    total = sum(_starts(one) for report in reports for one in report.series) / runs
    return Row(
        goal=f"nights: false alarms a year, all series of a suite together, {name}",
        value=total,
        limit=f"<= {limit:g}",
        beside=by_measure,
    )


def _delay(history: int, runs: int, *, limit: float) -> Row:
    """The same counts and thresholds as in a report, for many runs at once."""
    series = _series(_report(World(), 2 * REFERENCE_NIGHTS, seed=[SEED, 2]), "semantic")
    threshold = np.log(series.threshold or np.inf)
    rng = np.random.default_rng([SEED, 2, history])

    def seen(drop: float) -> float:
        quiet = rng.binomial(CASES, RATE, (runs, history))
        passed = np.hstack([quiet, rng.binomial(CASES, RATE - drop, (runs, PATIENCE))])
        evidence = drift_evidence(
            passed[:, REFERENCE_NIGHTS:],
            CASES,
            reference_passed=passed[:, :REFERENCE_NIGHTS].sum(axis=1),
            reference_n=CASES * REFERENCE_NIGHTS,
            drop=DROPS,
        )
        late = evidence[:, history - REFERENCE_NIGHTS :] >= threshold
        return float(np.where(late.any(axis=1), late.argmax(axis=1) + 1, PATIENCE).mean())

    return Row(
        goal=f"nights to see a drop of 8 points in the semantic pass rate, after {history} quiet nights",
        value=seen(DROP),
        limit=f"<= {limit:g}",
        beside={"5 points": seen(0.05), "15 points": seen(0.15), "everything": seen(RATE)},
    )


def _latency(runs: int) -> Iterator[Row]:
    def seen(history: int, factor: float) -> float:
        world = World(slower=lambda night: 1.0 if night < history else factor)
        seeds = ([SEED, 3, history, i] for i in range(runs))
        return float(np.mean([_seen(world, history, "latency", seed) for seed in seeds]))

    for history, limit in ((30, 10), (90, 7)):
        yield Row(
            goal=f"nights to see a latency half as long again, after {history} quiet nights",
            value=seen(history, 1.5),
            limit=f"<= {limit}",
            beside={"20% longer": seen(history, 1.2), "twice as long": seen(history, 2.0)},
        )


def _change_point(runs: int) -> Iterator[Row]:
    """The night that is named six nights after a drop, against the night of the drop."""
    off = []
    for i in range(runs):
        world = World(rate=lambda night: RATE if night < 40 else RATE - DROP)
        found = _series(_report(world, 48, seed=[SEED, 4, i]), "semantic")
        if found.since is not None:
            off.append(abs((datetime.fromisoformat(found.since) - START).days - 40))
    yield Row(
        goal="nights between a drop of 8 points and the night that is named for it, the median",
        value=float(np.median(off)),
        limit="<= 2",
        beside={"within 3 nights": float(np.mean([days <= 3 for days in off])), "seen": len(off) / runs},
    )


def _speed(*, cases: int) -> Iterator[Row]:
    from contextlib import closing
    from tempfile import TemporaryDirectory

    from swapgate.memory.history import History, HistoryWriter
    from swapgate.nightly.reading import Wanted, read_nights
    from swapgate.spec.settings import Settings

    with TemporaryDirectory() as folder:
        place = Path(folder) / "history.db"
        for night in range(180):
            record = replace(_run(night), planned=cases, is_complete=True, finished_at=_run(night).started_at)
            writer = HistoryWriter(place, record)
            for i in range(cases):
                writer.add(replace(TRIAL, case=f"c{i}"))
            writer.finish(record)
        with closing(History(place)):
            started = time.perf_counter()
            found = read_nights(Settings(root=Path(folder), history=place), Wanted())
            night_report(found.nights, at=_at(181))
            taken = time.perf_counter() - started
    yield Row(
        goal=f"seconds to read 180 nights of {cases:,} cases and to conclude", value=taken, limit="<= 30"
    )


def _seen(world: World, history: int, measure: str, seed: list[int]) -> int:
    series = _series(_report(world, history + PATIENCE, seed=seed), measure)
    late = [(datetime.fromisoformat(at) - START).days - history + 1 for at in series.alarms]
    return min((nights for nights in late if nights > 0), default=PATIENCE)


def _series(report: NightReport, measure: str) -> NightSeries:
    return next(one for one in report.series if one.measure == measure)


def _starts(series: NightSeries) -> int:
    """Return how many times an alarm began: in a night after one without."""
    days = [(datetime.fromisoformat(at) - START).days for at in series.alarms]
    return sum(day - 1 not in days for day in days)


def _report(world: World, nights: int, *, seed: list[int]) -> NightReport:
    rng = np.random.default_rng(seed)
    load = _load(world, nights, rng)
    return night_report([_night(world, i, load[i], rng) for i in range(nights)], at=_at(nights))


def _load(world: World, nights: int, rng: np.random.Generator) -> Floats:
    """Return the logarithm of each night's factor of the latency."""
    own = rng.normal(0, NIGHT_SPREAD, nights)
    for night in range(1, nights):
        own[night] = world.dependence * own[night - 1] + own[night] * np.sqrt(1 - world.dependence**2)
    return np.asarray(own - world.weekly * (np.arange(nights) % 7 >= 5))


def _night(world: World, night: int, load: float, rng: np.random.Generator) -> Night:
    semantic = rng.random(CASES) < world.rate(night)
    structural = semantic | (rng.random(CASES) < 0.5)
    seconds = world.slower(night) * np.exp(load + rng.normal(0, CALL_SPREAD, CASES))
    table = replace(
        TABLE,
        structural=structural.astype(np.int8),
        semantic=semantic.astype(np.int8),
        latency_s=seconds,
        ttft_s=seconds * rng.uniform(0.1, 0.2, CASES),
        scores={"judge.accuracy": np.where(semantic, 4.0, 2.0) + rng.integers(0, 2, CASES)},
    )
    part = Part(
        suite="s",
        model="m",
        identity=None,
        cases=NAMES,
        table=table,
        is_errored=rng.random(CASES) < 0.005,
        is_refused=rng.random(CASES) < 0.005,
        judges=(),
        asked=CASES,
        cached=0,
    )
    return Night(run=_run(night), parts={("s", "m"): part})


def _run(night: int) -> Run:
    return Run(id=f"run-{night:04}", started_at=_at(night), models=())


def _at(night: int) -> str:
    return (START + timedelta(days=night)).isoformat()


if __name__ == "__main__":
    run(rows, description=__doc__ or "")
