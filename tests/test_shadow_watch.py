"""After the swap: the article's error rate rose by 340% over 21 days and nobody saw it. This does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest

from swapgate.shadow.watching.series import Served
from swapgate.shadow.watching.watch import Watched, find_swap, overall, watch
from swapgate.spec.shadow_criteria import WatchRules

SWAP = datetime(2026, 11, 3, 14, tzinfo=UTC)
PER_DAY = 1333  # the article's 40,000 diffs a month
RULES = WatchRules()
SERIES = len(RULES.rates)


def requests(
    days: float,
    *,
    start: datetime,
    model: str,
    errors: float,
    rise: float = 0.0,
    seed: int = 0,
    slow: float = 1.0,
) -> Iterator[Served]:
    """Yield what was served; the rate of errors ends at (1 + rise) times what it began with."""
    random = np.random.default_rng(seed)
    n = int(days * PER_DAY)
    for number in range(n):
        at = start + timedelta(days=days * number / n)
        is_error = random.random() < errors * (1 + rise * number / n)
        yield Served(
            at=at.isoformat(timespec="milliseconds"),
            model=model,
            latency_s=None if is_error else slow * float(random.lognormal(0.5, 0.4)),
            timed_out=bool(is_error and random.random() < 0.3),
            is_wrong={
                "errors": bool(is_error),
                "refusals": None if is_error else bool(random.random() < 0.002),
                "structure": None if is_error else bool(random.random() < 0.01),
            },
        )


@cache
def before(seed: int = 1, days: float = 28) -> Sequence[Served]:
    start = SWAP - timedelta(days=days)
    return list(requests(days, start=start, model="gpt-4o", errors=0.01, seed=seed))


def after(days: float, **what: float) -> list[Served]:
    seed = int(what.pop("seed", 2))
    return list(requests(days, start=SWAP, model="cheaper", errors=0.01, seed=seed, **what))  # type: ignore[arg-type]


def watched(served: Sequence[Served]) -> dict[str, Watched]:
    swap = find_swap("r", served, RULES)
    assert not isinstance(swap, str), swap
    assert swap.at.startswith("2026-11-03T14")
    return {one.rate: one for one in watch(swap, RULES, series=SERIES)}


def test_the_articles_rise_of_340_percent_is_seen_in_the_first_half_of_its_21_days() -> None:
    known, rising = before(), after(21, rise=3.4)
    of_days = {day: (SWAP + timedelta(days=day)).isoformat() for day in (1, 11)}
    first, found = (watched([*known, *(one for one in rising if one.at < end)]) for end in of_days.values())
    assert {one.answer for one in first.values()} == {"well"}
    errors = found["errors"]
    assert errors.answer == "alarm"
    assert errors.since is not None
    assert errors.ratio > 1.3
    assert {name for name, one in found.items() if one.answer == "alarm"} == {"errors"}


def test_a_swap_that_changes_nothing_is_well_for_three_weeks() -> None:
    for seed in range(3):
        found = watched([*before(seed + 10), *after(21, seed=seed + 20)])
        assert {one.answer for one in found.values()} == {"well"}


def test_an_outage_is_seen_within_the_hour() -> None:
    known = before()
    broken = list(requests(1 / 24, start=SWAP, model="cheaper", errors=0.6, seed=5))
    found = watched([*known, *broken])
    assert found["errors"].answer == "alarm"


def test_slower_answers_raise_an_alarm_of_their_own() -> None:
    found = watched([*before(), *after(3, slow=1.5)])
    latency = found["latency"]
    assert latency.answer == "alarm"
    assert latency.before.estimate == pytest.approx(0.05, abs=0.01)
    assert found["errors"].answer == "well"


def test_bad_hours_that_were_there_before_are_no_alarm() -> None:
    def bad_hours(start: datetime, days: int, model: str, seed: int) -> list[Served]:
        random = np.random.default_rng(seed)
        found = []
        for hour in range(24 * days):
            level = 0.08 if random.random() < 0.1 else 0.005
            at = start + timedelta(hours=hour)
            found += requests(1 / 24, start=at, model=model, errors=level, seed=int(random.integers(1 << 30)))
        return found

    known = bad_hours(SWAP - timedelta(days=28), 28, "gpt-4o", 1)
    found = watched([*known, *bad_hours(SWAP, 14, "cheaper", 2)])
    assert found["errors"].answer == "well"


def test_nothing_since_the_swap_is_not_well() -> None:
    swap = find_swap("r", before(), RULES, swapped_at=SWAP.isoformat(), model="cheaper")
    assert not isinstance(swap, str)
    found = watch(swap, RULES, series=SERIES)
    assert {one.answer for one in found} == {"not_found_out"}
    assert {one.reason for one in found} == {"no request since the swap"}
    assert overall(found) == "not_found_out"


def test_rates_that_were_never_measured_are_not_found_out() -> None:
    bare = [
        Served(
            at=o.at,
            model=o.model,
            latency_s=o.latency_s,
            timed_out=False,
            is_wrong={**o.is_wrong, "structure": None},
        )
        for o in [*before(days=3), *after(1)]
    ]
    found = watched(bare)
    assert found["structure"].answer == "not_found_out"
    assert "no structural check was run" in found["structure"].reason
    assert found["errors"].answer == "well"


@pytest.mark.parametrize(
    ("served", "why"),
    [
        ([], "no request is stored"),
        (before(days=1), "there is no level from before a swap"),
        ([*before(days=0.1), *after(1)], "133 requests in the 28 days before the swap, 200 wanted"),
    ],
)
def test_a_swap_that_cannot_be_watched_says_why(served: Sequence[Served], why: str) -> None:
    found = find_swap("r", served, RULES)
    assert isinstance(found, str)
    assert why in found


def test_during_a_ramp_the_candidate_is_watched_though_both_serve() -> None:
    control = list(requests(2, start=SWAP, model="gpt-4o", errors=0.01, seed=8))
    canary = list(requests(2, start=SWAP, model="cheaper", errors=0.2, seed=9))[::20]
    served = sorted([*before(), *control, *canary], key=lambda one: one.at)
    swap = find_swap("r", served, RULES, swapped_at=SWAP.isoformat(), model="cheaper")
    assert not isinstance(swap, str)
    assert {one.model for one in swap.since} == {"cheaper"}
    assert overall(watch(swap, RULES, series=SERIES)) == "alarm"
