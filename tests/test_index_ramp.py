"""What follows from one look of the ramp: stages, patience, pauses, clocks that jump, summed counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import index_ramp
from retrieval_here import NEW, OLD
from swapgate.errors import UsageError
from swapgate.retrieval.metrics import Counters, Tally, tally
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.ramping.clock import Moment, elapsed_s
from swapgate.retrieval.ramping.decide import Decision, decide, require_ramp
from swapgate.retrieval.ramping.live import failures, latency, rulings
from swapgate.retrieval.ramping.looks import Look, age_h, bad_in_a_row
from swapgate.retrieval.ramping.seen import Seen, Troubles, Verified
from swapgate.retrieval.records import Change
from swapgate.spec.index_ramp import RampEntry

PLAN = RampEntry(hours=2, queries=50)
WALL = "2026-11-26T12:00:00.000+00:00"
PASSED = Verified(word="passed", reasons=("nDCG@10 +0.01",))
FAILED = Verified(word="failed", reasons=("slice medical: nDCG@10 -0.60 [-0.70, -0.50]",))
DOWN = Troubles(unreachable=("new: down",))
OPEN = Verified(word="inconclusive", reasons=("slice medical: 6 queries, 20 wanted",))


def at(hours: float, *, boot: str | None = "b1", jumped_h: float = 0.0) -> Moment:
    """Return a moment so many hours after noon; the wall's clock was put forward by `jumped_h`."""
    wall = 12 + hours + jumped_h
    day, hour = 26 + int(wall // 24), wall % 24
    minutes = round((hour % 1) * 60)
    text = f"2026-11-{day:02d}T{int(hour):02d}:{minutes:02d}:00.000+00:00"
    return Moment(wall=text, boot=boot, steady_s=hours * 3600)


def migration(phase: Phase = Phase.CANARY, share: float = 0.05, version: int = 7) -> Migration:
    if phase is not Phase.CANARY:
        share = 1.0 if phase is Phase.PROMOTED else 0.0
    return Migration(
        name="docs", phase=phase, share=share, version=version, salt="s", old=OLD, new=NEW, changed_at=WALL
    )


def counted(
    *,
    new: int = 1000,
    old: int = 1000,
    new_missed: int = 0,
    old_missed: int = 0,
    slow: float = 0.01,
    fast: int = 0,
) -> Tally:
    """Return the tally of queries as a router counts them; `fast` of the new side's are not slow."""
    counters = Counters()
    for side, n, missed, seconds in (("new", new, new_missed, slow), ("old", old, old_missed, 0.01)):
        for number in range(n - missed):
            counters.served(side, 0.01 if number < fast else seconds, version=7)  # type: ignore[arg-type]
        for _ in range(missed):
            counters.missed(side, version=7)  # type: ignore[arg-type]
    return tally([counters.as_json()], 7)


NOTHING = tally([], 7)


def seen(found: Tally | None = None, *, look: int = 1, **given: object) -> Seen:
    here = counted() if found is None else found
    told = Seen(
        moment=at(0), age_h=3.0, tally=here, ripe=True,
        rulings=tuple(rulings(PLAN, here, NOTHING, look=look)),
        verified=PASSED, disliked=(), troubles=Troubles(), in_the_way=(), bad_before=0, looks=look - 1,
    )  # fmt: skip
    return replace(told, **given)  # type: ignore[arg-type]


def test_a_stage_that_holds_goes_on_to_the_next_share_and_then_to_everybody() -> None:
    found = [decide(PLAN, migration(share=share), seen()) for share in (0.05, 0.1, 0.25, 0.5)]
    assert [(one.to, one.share) for one in found] == [
        (Phase.CANARY, 0.25), (Phase.CANARY, 0.25), (Phase.CANARY, 0.5), (Phase.PROMOTED, None),
    ]  # fmt: skip
    assert "the new index answered 1,000 queries at 5% in 3.0 hours" in found[0].reasons
    first = decide(PLAN, migration(Phase.SHADOW_READ), seen(replace(counted(new=0), shadow_served=300)))
    assert (first.word, first.to, first.share) == ("advance", Phase.CANARY, 0.05)
    assert decide(PLAN, migration(Phase.PROMOTED), seen()).word == "done"


@pytest.mark.parametrize(
    ("what", "reason"),
    [
        ({"age_h": 1.5}, "it is at 5% for 1.5 hours, 2 hours wanted (`ramp: hours`)"),
        ({"found": counted(new=20)}, "the new index answered 20 queries at 5%, 50 wanted (`ramp: queries`)"),
        ({"verified": Verified(word="missing")}, "it was not verified at 5%: `swapgate index verify`"),
        ({"verified": OPEN}, "an inconclusive verification allows 0% (`ramp: unproven`)"),
        ({"in_the_way": ("3 writes did not reach the new index",)}, "3 writes did not reach the new index"),
        ({"found": counted(new=1000, new_missed=15)}, "points above are possible, +2.0 tolerated"),
        ({"found": counted(slow=0.02, fast=940)}, "more than 1.5 times (`ramp: latency`)"),
    ],
)
def test_what_keeps_a_stage_is_said_and_takes_nothing_back(what: dict[str, object], reason: str) -> None:
    given = dict(what)
    found = decide(PLAN, migration(), seen(given.pop("found", None), look=10_000, **given))  # type: ignore[arg-type]
    assert found.word == "wait" and found.to is None
    assert any(reason in one for one in found.reasons), found.reasons


def test_a_verification_that_failed_takes_the_new_index_back_at_once_with_the_slice() -> None:
    for now in (migration(), migration(share=0.5), migration(Phase.PROMOTED)):
        found = decide(PLAN, now, seen(verified=FAILED))
        assert (found.word, found.to, found.reasons) == ("rollback", Phase.ROLLED_BACK, FAILED.reasons)
    assert (
        decide(PLAN, migration(), seen(troubles=Troubles(broken=("new: another embedding",)))).word
        == "rollback"
    )


def test_where_nobody_has_the_new_index_a_failed_gate_is_held() -> None:
    found = decide(PLAN, migration(Phase.SHADOW_READ), seen(verified=FAILED))
    assert (found.word, found.to) == ("hold", None)
    manual = RampEntry(hours=2, queries=50, rollback="manual")
    held = decide(manual, migration(), seen(verified=FAILED))
    assert held.word == "hold" and "is manual: nothing was changed" in held.reasons[-1]


@pytest.mark.parametrize(
    "trouble",
    [
        {"found": counted(new=200, new_missed=60)},
        {"found": counted(slow=0.2)},
        {"troubles": DOWN},
        {"verified": Verified(word="unread", reasons=("new: down",))},
    ],
)
def test_one_bad_look_takes_nothing_back_and_the_second_does(trouble: dict[str, object]) -> None:
    given = dict(trouble)
    found = given.pop("found", None)
    first = decide(PLAN, migration(), seen(found, **given))  # type: ignore[arg-type]
    assert first.word == "bad" and first.to is None
    assert "1 of 2 bad looks in a row" in first.reasons[-1]
    second = decide(PLAN, migration(), seen(found, bad_before=1, **given))  # type: ignore[arg-type]
    assert (second.word, second.to) == ("rollback", Phase.ROLLED_BACK)
    assert (
        decide(PLAN.model_copy(update={"patience": 1}), migration(), seen(found, **given)).word == "rollback"
    )  # type: ignore[arg-type]


def test_an_inconclusive_verification_allows_as_much_as_is_written_and_no_more() -> None:
    plan = RampEntry(hours=0, queries=0, unproven=0.05)
    shadow = seen(replace(counted(new=0), shadow_served=300), verified=OPEN)
    assert decide(plan, migration(Phase.SHADOW_READ), shadow).share == 0.05
    assert decide(plan, migration(), seen(verified=OPEN)).word == "wait"


def test_before_shadow_read_there_is_no_ramp() -> None:
    with pytest.raises(
        UsageError, match="the ramp begins at shadow_read, and the migration 'docs' is at verify"
    ):
        require_ramp(migration(Phase.VERIFY))
    require_ramp(migration(Phase.ROLLED_BACK))


@given(
    st.sampled_from([Phase.SHADOW_READ, Phase.CANARY, Phase.PROMOTED]),
    st.sampled_from([0.01, 0.05, 0.25, 0.5, 0.9]),
    st.sampled_from([PASSED, FAILED, OPEN, Verified(word="missing"), Verified(word="unread")]),
    st.integers(0, 300),
    st.integers(0, 300),
    st.floats(0, 10),
    st.integers(0, 3),
    st.booleans(),
)
def test_nothing_but_a_rollback_ever_lowers_a_share_and_no_stage_is_skipped(
    phase: Phase, share: float, verified: Verified, n: int, missed: int, age: float, bad: int, down: bool
) -> None:
    now = migration(phase, share)
    found = decide(
        PLAN, now,
        seen(counted(new=n + missed, new_missed=missed), verified=verified, age_h=age, bad_before=bad,
             troubles=DOWN if down else Troubles()),
    )  # fmt: skip
    assert found.reasons or found.word == "done"
    if found.word == "advance":
        assert verified is PASSED and age >= 2 and not down
        if found.to is Phase.CANARY:
            assert found.share == next(one for one in PLAN.stages if one > now.share)
        else:
            assert now.share >= 0.5
    elif found.word == "rollback":
        assert phase is not Phase.SHADOW_READ and found.to is Phase.ROLLED_BACK
        assert verified is FAILED or bad >= 1
    else:
        assert found.to is None


def test_failures_are_held_against_the_old_side_and_the_stage_before() -> None:
    assert failures(counted(), NOTHING, margin=0.02, part=0.01).answer == "good"
    both = counted(new_missed=100, old_missed=100)
    assert failures(both, NOTHING, margin=0.05, part=0.01).answer == "good"
    bad = failures(counted(new_missed=100), NOTHING, margin=0.02, part=0.01)
    assert bad.answer == "bad"
    assert bad.sentence == (
        "the new index failed in 10.0% of 1,000 of its queries, the old one 0.0% of 1,000: shown to be more "
        "than +2.0 points above"
    )
    everybody = counted(new=1000, new_missed=100, old=0)
    assert failures(everybody, counted(old_missed=100), margin=0.05, part=0.01).answer == "good"
    assert failures(NOTHING, NOTHING, margin=0.02, part=0.01).answer == "unknown"
    first = [next(iter(rulings(PLAN, counted(new=n, old=5000), NOTHING, look=1))) for n in (165, 180)]
    assert [one.answer for one in first] == ["unknown", "good"]


def test_a_latency_is_bad_where_that_is_shown_and_open_where_it_may_be_chance() -> None:
    assert latency(counted(slow=0.012), NOTHING, ratio=1.5, part=0.01).answer == "good"
    assert latency(counted(slow=0.05), NOTHING, ratio=1.5, part=0.01).answer == "bad"
    assert latency(counted(new=100, slow=0.05, fast=93), NOTHING, ratio=1.5, part=0.01).answer == "unknown"
    assert latency(counted(new=0), NOTHING, ratio=1.5, part=0.01).answer == "unknown"
    before = counted(old=500)
    assert latency(counted(old=0), before, ratio=1.5, part=0.01).answer == "good"


def test_many_looks_at_equal_sides_take_nothing_back_and_at_a_bad_one_do() -> None:
    """Each look has a part of the 5% that all of them may err with together; see the benchmark."""
    drawn = np.random.default_rng(3)

    def ended(rate: float) -> list[str]:
        found = [index_ramp.failing(drawn, 30, old=0.05, new=rate) for _ in range(40)]
        return [index_ramp.stage(one, goes_on=False)[0] for one in found]

    assert ended(0.05).count("rollback") <= 2
    assert ended(0.3).count("rollback") == 40


def test_time_is_the_machines_own_wherever_two_looks_share_it() -> None:
    assert elapsed_s([at(0), at(1), at(2)]) == 7200
    assert elapsed_s([at(0), at(1, jumped_h=30)]) == 3600, "the wall was put forward"
    assert elapsed_s([at(0), at(1, jumped_h=-5)]) == 3600, "the wall was put back"
    assert elapsed_s([at(0), at(1, boot="b2")]) == 3600, "after a restart the wall is all there is"
    assert elapsed_s([at(0, boot=None), at(1, boot=None, jumped_h=-5), at(2, boot=None, jumped_h=-5)]) == 3600
    assert elapsed_s([at(0)]) == 0


def look(word: str, moment: Moment, to: Phase | None = None) -> Look:
    return Look(word=word, reasons=(), moment=moment, phase=Phase.CANARY, at_share=0.05, to=to)  # type: ignore[arg-type]


def change(version: int, wall: str = WALL, phase: Phase = Phase.CANARY) -> Change:
    return Change(version=version, phase=phase, share=0.05, was=None, who="x", why="y", at=wall)


def test_a_stage_begins_with_the_look_that_led_to_it() -> None:
    made: Sequence[tuple[int, Look]] = [(6, look("advance", at(0), Phase.CANARY)), (7, look("wait", at(1)))]
    assert age_h([change(7)], made, 7, at(3)) == pytest.approx(3)
    jumped = at(3, jumped_h=100)
    assert age_h([change(7)], made, 7, jumped) == pytest.approx(3)
    assert age_h([change(7)], [], 7, at(3)) == pytest.approx(3), "somebody else changed it"
    assert age_h([change(7)], [], 7, at(0, jumped_h=-9)) == 0, "the change lies in the future"
    old = [(6, look("advance", at(-40), Phase.CANARY))]
    assert age_h([change(7)], old, 7, at(3)) == pytest.approx(3), "a ramper died before its change"


def test_bad_looks_count_in_a_row_and_at_one_version() -> None:
    made = [
        (6, look("bad", at(0))),
        (7, look("bad", at(1))),
        (7, look("wait", at(2))),
        (7, look("bad", at(3))),
    ]
    assert bad_in_a_row(made, 7) == 1
    assert bad_in_a_row([*made, (7, look("bad", at(4)))], 7) == 2
    assert bad_in_a_row(made, 8) == 0


def test_plans_that_cannot_be_are_refused() -> None:
    for wrong in ({"stages": [0.5, 0.1]}, {"stages": [0.5]}, {"patience": 0}, {"hours": -1}, {"unproven": 2}):
        with pytest.raises(ValueError, match=r"stages|patience|hours|unproven"):
            RampEntry.model_validate(wrong)
    assert Decision(word="wait", reasons=()).to is None
