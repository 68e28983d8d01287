"""What looks at a floating model notice: false alarms a year, and looks until a change is seen.

A look asks 15 cases three times each. Five of them are decided the same way 60% of the time, the others 90%;
answers are of some wordings, and their lengths vary by 20%. All respects are watched together, as `swapgate
models watch` does, once a day.
"""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import log1p
from pathlib import Path

import numpy as np
from scipy.stats import poisson

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.analysis.alias_looks import Behaviour, Look
from swapgate.analysis.alias_measures import SHARES
from swapgate.analysis.alias_watch import Watched, watched
from swapgate.stats.rank_drift import p_evidence

SEED = 20261128
LIMIT = 0.15
START = datetime(2026, 1, 1, 2, tzinfo=UTC)
PATIENCE = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """How a model answers. From look `since` on a `share` of the cases are decided otherwise, answers are
    `longer`. With `sticky` the repeats of one look are all alike, as at temperature 0."""

    cases: int = 15
    repeats: int = 3
    since: int = 10**6
    share: float = 0.0
    longer: float = 1.0
    sticky: bool = False


def looks(number: int, world: World, rng: np.random.Generator) -> list[Look]:
    """Return so many looks, a day apart."""
    return [_look(place, world, rng) for place in range(number)]


def at(day: int) -> str:
    """Return when the look of a day began."""
    return (START + timedelta(days=day)).isoformat()


def _look(day: int, world: World, rng: np.random.Generator) -> Look:
    answers = {f"s/c{case:02} h p": _case(day, case, world, rng) for case in range(world.cases)}
    return Look(run=f"run-{day:04}", at=at(day), identity=None, served=None, answers=answers)


def _case(day: int, case: int, world: World, rng: np.random.Generator) -> list[Behaviour]:
    is_changed = day >= world.since
    rate = 0.9 if case % 3 else 0.6
    first = _answer(case, rate, world, rng, is_changed=is_changed)
    more = [_answer(case, rate, world, rng, is_changed=is_changed) for _ in range(world.repeats - 1)]
    return [first] * world.repeats if world.sticky else [first, *more]


def _answer(case: int, rate: float, world: World, rng: np.random.Generator, *, is_changed: bool) -> Behaviour:
    is_other = is_changed and case < world.share * world.cases
    says = bool(rng.random() < rate) is not is_other
    chars = 300 * np.exp(rng.normal(0, 0.2)) * (world.longer if is_changed else 1.0)
    return Behaviour(
        text=f"{says}{rng.integers(4 if case % 2 else 10**9)}",
        shape="json" if rng.random() < 0.97 else "text",
        length=log1p(float(chars)),
        decisions={"/label": str(says)},
    )


def conclude(world: World, number: int, seed: list[int]) -> Watched:
    """Return what so many looks come to."""
    made = looks(number, world, np.random.default_rng(seed))
    return watched("m", made, at=made[-1].at, every_h=24, false_alarms=LIMIT)


def rows(*, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    yield _detector(years=200 if quick else 2000)
    runs, days = (40, 90) if quick else (100, 180)
    for name, world in (
        ("repeats independent", World()),
        ("repeats of a look all alike", World(sticky=True)),
        ("five cases", World(cases=5)),
    ):
        yield _false_alarms(name, world, runs, days)
    some = 6 if quick else 60
    yield _delay("every decision is another", World(share=1.0), 10, some, limit=1)
    for history in (10, 30):
        yield _delay("a third of the cases are decided otherwise", World(share=0.34), history, some, limit=3)
    yield _delay("answers are half as long again", World(longer=1.5), 30, some, limit=2)
    yield _speed()


def _detector(*, years: int) -> Row:
    """The detector of all respects on p-values that are uniform; those of looks are rather larger."""
    rng = np.random.default_rng([SEED, 3])
    alarms = 0
    for share in SHARES.values():
        threshold = 365 / (LIMIT * share)
        for _ in range(years):
            evidence = np.array(p_evidence(rng.random(365).tolist(), threshold=threshold).evidence)
            is_alarm = evidence >= threshold
            alarms += int((is_alarm & ~np.roll(is_alarm, 1)).sum())
    return Row(
        goal="looks: false alarms a year of the detector, all respects together, p-values exact",
        value=alarms / years,
        limit=f"<= {LIMIT:g}",
        beside={"years": years},
    )


def _false_alarms(name: str, world: World, runs: int, days: int) -> Row:
    """The limit is what the allowed number would keep in 99 of 100 such simulations."""
    found = [conclude(world, days, [SEED, 1, i]) for i in range(runs)]
    alarms = [one for w in found for one in w.series if one.since is not None]
    years = runs * days / 365
    return Row(
        goal=f"looks: false alarms a year, all respects of a model together, {name}",
        value=len(alarms) / years,
        limit=f"<= {poisson.ppf(0.99, LIMIT * years) / years:.3g}",
        beside={"large enough to be told": sum(one.is_changed for one in alarms) / years, "years": years},
    )


def _delay(name: str, world: World, history: int, runs: int, *, limit: int) -> Row:
    days = history + PATIENCE

    def seen(changed: World, seed: int) -> int:
        found = conclude(replace(changed, since=history), days, [SEED, 2, history, seed])
        alarms = [datetime.fromisoformat(s.alarm) for s in found.series if s.alarm and s.is_changed]
        late = [(when - START).days - history + 1 for when in alarms]
        return min((looks for looks in late if looks > 0), default=PATIENCE)

    found = [seen(world, seed) for seed in range(runs)]
    beside = {"at once": float(np.mean([after == 1 for after in found]))}
    if world.share:
        one = [seen(replace(world, share=1 / world.cases), seed) for seed in range(runs)]
        beside[f"one case alone, within {PATIENCE}"] = float(np.mean([after < PATIENCE for after in one]))
    return Row(
        goal=f"looks until it is seen, the median: {name}, after {history} quiet looks",
        value=float(np.median(found)),
        limit=f"<= {limit}",
        beside=beside,
    )


def _speed() -> Row:
    made = looks(180, World(), np.random.default_rng(SEED))
    started = time.process_time()
    watched("m", made, at=made[-1].at, every_h=24, false_alarms=LIMIT)
    return Row(
        goal="seconds of a processor to conclude from 180 looks at 15 cases",
        value=time.process_time() - started,
        limit="<= 10",
    )


if __name__ == "__main__":
    run(rows, description=__doc__ or "")
