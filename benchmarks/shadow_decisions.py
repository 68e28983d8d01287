"""What decisions about a candidate in shadow are worth: error rates over seeds, and delays of the watch.

Traffic of seven days, simulated as the numbers that comparing leaves; every seed is decided about by the
product's own `decide` and `watch`.
"""

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).resolve().parents[1])  # see statistics.py

from benchmarks.table import Row, run
from swapgate.shadow.comparing.likeness import Comparison, Likeness
from swapgate.shadow.deciding.observations import Amounts, Observation, Traffic
from swapgate.shadow.deciding.promotion import Promotion, decide
from swapgate.shadow.watching.series import Bucket
from swapgate.shadow.watching.watch import hourly_detector
from swapgate.spec.shadow_criteria import Criteria, WatchRules
from swapgate.stats import excess_rate

SEED = 20261126
DAYS, PER_DAY, USERS, AGAIN = 7, 400, 900, 0.25
SLICES = {"de": 0.5, "en": 0.3, "fr": 0.2}
NOISE, MARGIN = 0.08, 0.05
PER_HOUR = 40_000 / 30 / 24  # the article's diffs
SAME, OTHER = (
    Likeness(is_answer=True, same_fields={"/x": True}),
    Likeness(is_answer=True, same_fields={"/x": False}),
)
FAILED = Likeness(is_answer=False)
NOTHING = Amounts()


def traffic(rng: np.random.Generator, *, noise: float = NOISE, **how: Any) -> Traffic:
    """Return seven days of one route; `excess` is by slice, `fails` and `broken` are rates."""
    n = int(how.get("per_day", PER_DAY)) * DAYS
    excess: Mapping[str, float] = how.get("excess", {})
    slices: Mapping[str, float] = how.get("slices", SLICES)
    names = list(slices)
    own = rng.choice(len(names), size=n, p=np.array(list(slices.values())) / sum(slices.values()))
    users = rng.integers(0, int(how.get("users", USERS)), size=n)
    # Some users ask what is hard: their requests are noisy together.
    hard = np.where((rng.random(users.max() + 1) < 0.3)[users], 2.0, 4 / 7)
    more = np.array([excess.get(name, excess.get("", 0.0)) for name in names])[own]
    differs = rng.random(n) < noise * hard + more
    again = rng.random(n) < noise * hard
    has_again = rng.random(n) < float(how.get("again", AGAIN))
    fails = rng.random(n) < float(how.get("fails", 0.0))
    broken = rng.random(n) < float(how.get("broken", 0.0))
    found = [
        Observation(
            key=str(i),
            day=f"2026-11-{16 + i * DAYS // n}",
            unit=str(users[i]),
            setup="s",
            slices=(f"language:{names[own[i]]}",),
            control=NOTHING,
            candidate=NOTHING,
            control_refused=False,
            candidate_refused=False,
            failure="timeout" if fails[i] else None,
            comparison=Comparison(
                basis="b",
                candidate=FAILED if fails[i] else OTHER if differs[i] else SAME,
                again=(OTHER if again[i] else SAME) if has_again[i] else None,
                control_failed=(),
                candidate_failed=("json",) if broken[i] else (),
            ),
        )
        for i in range(n)
    ]
    return Traffic(route="r", control="c", candidate="d", setup="s", observations=tuple(found))


def decided(runs: int, **how: Any) -> list[Promotion]:
    """Return the decisions over seeds."""
    criteria = Criteria.model_validate(how.pop("criteria", {}))
    rng = np.random.default_rng(SEED)
    return [decide(traffic(rng, **how), criteria) for _ in range(runs)]


def share(found: list[Promotion], *verdicts: str) -> float:
    """Return how many of the decisions are one of these."""
    return sum(one.verdict in verdicts for one in found) / len(found)


def decisions(runs: int) -> Iterator[Row]:
    """Yield the error rates of `promote`."""
    good = decided(runs)
    yield Row(goal="good candidate: promoted", value=share(good, "promote"), limit=">= 0.8")
    yield Row(goal="good candidate: held", value=share(good, "hold"), limit="<= 0.05")
    noisy = decided(runs, noise=0.2)
    yield Row(
        goal="equal but noisy (20% disagree with themselves): held",
        value=share(noisy, "hold"),
        limit="<= 0.05",
    )
    at_margin = decided(runs, excess={"": MARGIN}, criteria={"slices": {"by": []}})
    yield Row(goal="worse by the margin: promoted", value=share(at_margin, "promote"), limit="<= 0.06")
    twice = decided(runs, excess={"": 2 * MARGIN})
    yield Row(goal="worse by twice the margin: promoted", value=share(twice, "promote"), limit="<= 0.01")
    yield Row(goal="worse by twice the margin: held", value=share(twice, "hold"), limit=">= 0.8")
    bad = decided(runs, excess={"fr": 0.25})
    named = [one for one in bad if any(r.slice == "language:fr" and r.answer == "fail" for r in one.rulings)]
    yield Row(goal="bad slice (25 points on a fifth): promoted", value=share(bad, "promote"), limit="<= 0.01")
    yield Row(goal="bad slice: named", value=len(named) / len(bad), limit=">= 0.9")
    many = decided(runs, slices={f"s{i}": 0.05 for i in range(20)}, per_day=800, users=2000)
    yield Row(goal="good candidate, 20 slices: held", value=share(many, "hold"), limit="<= 0.06")
    broken = decided(runs, broken=0.01, criteria={"slices": {"by": []}, "disagreement": None})
    yield Row(
        goal="structure fails in 1%, the limit: promoted", value=share(broken, "promote"), limit="<= 0.05"
    )
    failing = decided(runs, fails=0.04)
    yield Row(
        goal="no answer in 4%, the limit is 2%: promoted", value=share(failing, "promote"), limit="<= 0.01"
    )
    peeking = _ever_promoted(runs, looks=1), _ever_promoted(runs, looks=7)
    yield Row(
        goal="worse by the margin, asked on 7 days with `looks: 7`: ever promoted",
        value=peeking[1],
        limit="<= 0.06",
        beside={"looks: 1": peeking[0]},
    )


def _ever_promoted(runs: int, *, looks: int) -> float:
    """Return how often a candidate at the margin is promoted when it is asked about again every day."""
    rng = np.random.default_rng(SEED)
    criteria = Criteria.model_validate({"looks": looks, "days": 1, "slices": {"by": []}})
    ever = 0
    for _ in range(runs):
        whole = traffic(rng, excess={"": MARGIN})
        for day in whole.days:
            seen = tuple(one for one in whole.observations if one.day <= day)
            part = Traffic(route="r", control="c", candidate="d", setup="s", observations=seen)
            if decide(part, criteria).verdict == "promote":
                ever += 1
                break
    return ever / runs


def coverage(runs: int) -> Iterator[Row]:
    """Yield how often each side of the excess's interval is wrong, in its worst cell."""
    rng = np.random.default_rng(SEED)
    worst = np.zeros(4)
    for n, part, base in [(300, 0.05, 0.02), (300, 0.2, 0.12), (2000, 0.05, 0.12), (2000, 0.2, 0.02)]:
        misses = np.zeros(4)
        for _ in range(runs):
            x = rng.random(n) < base + MARGIN
            y = np.where(rng.random(n) < part, rng.random(n) < base, np.nan)
            found = excess_rate(x, y).excess
            if found.high is not None and found.low is not None:
                misses[:2] += found.high < MARGIN, found.low > MARGIN
            low, high = _bootstrap(x, y, rng)
            misses[2:] += high < MARGIN, low > MARGIN
        worst = np.maximum(worst, misses / runs)
    told = [("upper bound below", 0), ("lower bound above", 1)]
    for what, side in told:
        yield Row(
            goal=f"excess: {what} the truth, worst cell",
            value=float(worst[side]),
            limit="<= 0.07",
            beside={"bootstrap": float(worst[side + 2])},
        )


def _bootstrap(x: Any, y: Any, rng: np.random.Generator, draws: int = 100) -> tuple[float, float]:
    """Return the bounds that a percentile bootstrap of requests gives."""
    index = rng.integers(0, len(x), size=(draws, len(x)))
    known = ~np.isnan(y)
    again = np.where(known, y, 0.0)[index].sum(axis=1) / np.maximum(known[index].sum(axis=1), 1)
    low, high = np.quantile(x[index].mean(axis=1) - again, [0.05, 0.95])
    return float(low), float(high)


def hours(
    rng: np.random.Generator, n: int, level: float, *, over: float = 0.0, rise: float = 0.0
) -> list[Bucket]:
    """Return hours of errors; `over` is the squared variation from hour to hour, `rise` that over all."""
    found = []
    for hour in range(n):
        p = level * (1 + rise * hour / n) * (rng.gamma(1 / over, over) if over else 1.0)
        size = int(rng.poisson(PER_HOUR * (1 + 0.8 * np.sin(hour / 24 * 2 * np.pi))))
        name = f"{hour // 24:010d}T{hour % 24:02d}"
        found.append(Bucket(name=name, n=size, wrong=int(rng.binomial(size, min(p, 1.0)))))
    return found


def watching(runs: int) -> Iterator[Row]:
    """Yield false alarms of the watch in 60 days, and when the article's rise of 340% is seen."""
    rng, rules, days = np.random.default_rng(SEED), WatchRules(), 60
    expected = rules.false_alarms_per_year * days / 365 / len(rules.rates)
    for over, history in ((0.0, 28), (0.5, 28), (0.0, 7)):
        false, seen = 0, []
        for _ in range(runs):
            before = hours(rng, history * 24, 0.01, over=over)
            detector = hourly_detector(before, rules, series=len(rules.rates))
            quiet = hours(rng, days * 24, 0.01, over=over)
            false += any(detector.add(one.n - one.wrong, one.n).is_alarm for one in quiet)
            detector = hourly_detector(before, rules, series=len(rules.rates))
            rising = hours(rng, 21 * 24, 0.01, over=over, rise=3.4)
            alarms = [detector.add(one.n - one.wrong, one.n).is_alarm for one in rising]
            seen.append(alarms.index(True) / 24 if any(alarms) else 21.0)
        what = f"{history} days before, {'hours that vary by themselves' if over else 'steady hours'}"
        yield Row(
            goal=f"watch, {what}: false alarms of one rate in {days} days",
            value=false / runs,
            limit=f"<= {expected + 2 * (expected / runs) ** 0.5:.3f}",
            beside={"promised at most": expected},
        )
        yield Row(
            goal=f"watch, {what}: days until the article's rise is seen (median)",
            value=float(np.median(seen)),
            limit="<= 12",
            beside={"90% within": float(np.quantile(seen, 0.9))},
        )


def measure(*, quick: bool) -> Iterator[Row]:
    """Yield all rows."""
    yield from coverage(150 if quick else 1500)
    yield from decisions(15 if quick else 300)
    yield from watching(4 if quick else 100)


if __name__ == "__main__":
    run(measure, description=(__doc__ or "").partition("\n")[0])
