"""Shares of real traffic: sticky, monotone, seen by every process, and every change has its reason."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate.analysis.stages import next_share
from swapgate.errors import StoreError, UsageError
from swapgate.shadow.ramp.ramp import LONGEST_BLIND_S, Ramp
from swapgate.shadow.ramp.stages import why_not
from swapgate.shadow.ramp.state import RampState, RampStore, SaidVerdict
from swapgate.spec.shadow_criteria import RampPlan

ROUTE = "code_review"
UNITS = [f"user-{number}" for number in range(4000)]


class Clock:
    """Tells the time that a test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def started(path: Path, share: float) -> RampStore:
    store = RampStore(path)
    store.start(ROUTE, candidate="new", setup="s", share=share, who="ada", why="promoted")
    return store


def drawn(ramp: Ramp) -> set[str]:
    return {unit for unit in UNITS if ramp.leg_for(ROUTE, unit) == "candidate"}


def test_whoever_has_the_candidate_keeps_it_as_the_share_grows(tmp_path: Path) -> None:
    clock, path, before = Clock(), tmp_path / "ramp.db", set[str]()
    with closing(started(path, 0.01)) as store:
        ramp = Ramp(path, clock=clock)
        for share in (0.01, 0.05, 0.25, 0.5, 1.0):
            if share > 0.01:
                known = store.state(ROUTE)
                assert known is not None
                store.advance(ROUTE, expected=known.share, share=share, who="ada", why="well")
            clock.now += 2
            now = drawn(ramp)
            assert before <= now
            assert len(now) / len(UNITS) == pytest.approx(
                share, abs=0.035
            )  # five deviations: the salt is drawn
            before = now
        store.roll_back(ROUTE, who="ada", why="enough")
        clock.now += 2
        assert drawn(ramp) == set()
        ramp.close()


@given(st.text(max_size=30), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_any_unit_is_served_by_the_same_model_each_time(unit: str, one: float, other: float) -> None:
    from swapgate.shadow.sampling import is_drawn

    small, large = sorted((one, other))
    assert is_drawn(unit, small, salt="s") <= is_drawn(unit, large, salt="s")
    assert is_drawn(unit, small, salt="s") == is_drawn(unit, small, salt="s")


def test_another_ramp_begins_with_other_people(tmp_path: Path) -> None:
    path = tmp_path / "ramp.db"
    with closing(started(path, 0.1)) as store:
        first = Ramp(path)
        before = drawn(first)
        store.roll_back(ROUTE, who="ada", why="bad")
        store.start(ROUTE, candidate="new", setup="s", share=0.1, who="ada", why="again")
        second = Ramp(path)
        now = drawn(second)
        assert len(before & now) < 0.3 * len(before)
        first.close()
        second.close()


def test_a_process_sees_a_rollback_of_another_one_within_two_seconds(tmp_path: Path) -> None:
    clock, path = Clock(), tmp_path / "ramp.db"
    ramp = Ramp(path, clock=clock)
    assert ramp.leg_for(ROUTE, "u") == "control"  # nobody has ramped anything yet
    with closing(started(path, 1.0)) as store:
        clock.now += 1.1
        assert ramp.leg_for(ROUTE, "u") == "candidate"
        store.roll_back(ROUTE, who="watch", why="errors")
        assert ramp.leg_for(ROUTE, "u") == "candidate"
        clock.now += 1.1
        assert ramp.leg_for(ROUTE, "u") == "control"
    ramp.close()


def test_while_the_state_cannot_be_read_the_last_one_stands_and_then_the_control_serves(
    tmp_path: Path,
) -> None:
    clock, path = Clock(), tmp_path / "ramp.db"
    started(path, 1.0).close()
    ramp = Ramp(path, clock=clock)
    assert ramp.leg_for(ROUTE, "u") == "candidate"
    ramp.close()
    for name in ("ramp.db", "ramp.db-wal", "ramp.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    path.write_bytes(b"no database" * 100)
    clock.now += 5
    assert ramp.leg_for(ROUTE, "u") == "candidate"
    clock.now += LONGEST_BLIND_S
    assert ramp.leg_for(ROUTE, "u") == "control"


def test_who_answers_is_decided_in_microseconds(tmp_path: Path) -> None:
    path = tmp_path / "ramp.db"
    started(path, 0.25).close()
    ramp = Ramp(path)

    def best_of(runs: int, calls: Callable[[], object]) -> float:
        taken = []
        for _ in range(runs):
            began = time.thread_time()  # what others do on this core is not counted
            calls()
            taken.append(time.thread_time() - began)
        return min(taken)

    seconds = best_of(5, lambda: drawn(ramp))
    assert seconds / len(UNITS) < 20e-6  # about 2 on an idle core
    ramp.close()


def test_of_many_that_advance_at_once_one_does(tmp_path: Path) -> None:
    path = tmp_path / "ramp.db"
    started(path, 0.05).close()

    def advance(number: int) -> bool:
        with closing(RampStore(path)) as store:
            try:
                store.advance(ROUTE, expected=0.05, share=0.25, who=str(number), why="well")
            except UsageError as exc:
                assert "somebody changed it" in str(exc)
                return False
            return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(advance, range(8))) == 1
    with closing(RampStore(path)) as store:
        assert [change.action for change in store.changes()] == ["start", "advance"]


def test_every_change_is_kept_with_who_and_why(tmp_path: Path) -> None:
    with closing(started(tmp_path / "ramp.db", 0.01)) as store:
        store.advance(ROUTE, expected=0.01, share=0.05, who="bob", why="a quiet day")
        store.roll_back(ROUTE, who="watch", why="errors")
        told = [(c.action, c.before, c.after, c.who, c.why) for c in store.changes(ROUTE)]
        assert told == [
            ("start", 0.0, 0.01, "ada", "promoted"),
            ("advance", 0.01, 0.05, "bob", "a quiet day"),
            ("rollback", 0.05, 0.0, "watch", "errors"),
        ]
        with pytest.raises(UsageError, match="has no ramp yet"):
            store.roll_back("other", who="x", why="y")


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "ramp.db").write_text("nothing " * 200, encoding="utf-8")
    with pytest.raises(StoreError, match="the ramp's state cannot be read or written"):
        RampStore(tmp_path / "ramp.db")


def test_the_stages_are_those_of_the_plan() -> None:
    plan = RampPlan()
    assert [next_share(plan, share) for share in (0, 0.01, 0.03, 0.5, 1)] == [0.01, 0.05, 0.05, 1.0, None]


NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def said(verdict: str = "promote", hours: float = 1) -> SaidVerdict:
    at = (NOW - timedelta(hours=hours)).isoformat()
    return SaidVerdict(at=at, route=ROUTE, candidate="new", setup="s", verdict=verdict, reason="so")


def at_stage(hours: float) -> RampState:
    at = (NOW - timedelta(hours=hours)).isoformat()
    return RampState(route=ROUTE, candidate="new", setup="s", share=0.05, salt="x", changed_at=at)


@pytest.mark.parametrize(
    ("state", "verdict", "served", "reasons"),
    [
        (None, said(), 0, []),
        (None, None, 0, ["nobody decided"]),
        (None, said("hold"), 0, ["the last decision was hold"]),
        (None, said(hours=100), 0, ["100 hours old"]),
        (at_stage(30), said(), 500, []),
        (at_stage(3), said(), 500, ["for 3.0 hours, 24 hours wanted"]),
        (at_stage(30), said(), 7, ["answered 7 requests at 5%, 100 wanted"]),
    ],
)
def test_what_speaks_against_the_next_stage_is_said(
    state: RampState | None, verdict: SaidVerdict | None, served: int, reasons: list[str]
) -> None:
    found = list(why_not(RampPlan(), state, verdict, served=served, now=NOW))
    assert len(found) == len(reasons)
    assert all(wanted in got for wanted, got in zip(reasons, found, strict=True))
