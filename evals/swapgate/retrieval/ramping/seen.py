"""What one look of the ramp sees: the stage, its traffic, its verification, and what lies in the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Literal

from swapgate.analysis.stages import lasted
from swapgate.errors import SwapgateError, UsageError
from swapgate.records import Json
from swapgate.reporting.text import safe_text
from swapgate.retrieval.fingerprint import FingerprintError, require_same
from swapgate.retrieval.index import SIDES, Side, VectorIndex
from swapgate.retrieval.interleaving.preference import PREFERENCE
from swapgate.retrieval.metrics import Tally, tally
from swapgate.retrieval.moving import filled_at, reasons_to_wait
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.ramping.clock import Moment, wall_s
from swapgate.retrieval.ramping.live import Ruling, rulings
from swapgate.retrieval.ramping.looks import Look, age_h, bad_in_a_row, looks
from swapgate.retrieval.records import VERIFICATION, Change, Evidence
from swapgate.retrieval.state import StateStore
from swapgate.spec.index_ramp import RampEntry
from swapgate.values import Value, replace

_HOUR_S = 3600.0
# Each rollback doubles the pause, up to so many times.
_MOST_DOUBLED = 5
_LONGEST_REASON = 500


class Verified(Value):
    """What a verification said of the stage; `missing` where there is none, `unread` where it broke off."""

    word: Literal["passed", "failed", "inconclusive", "missing", "unread"]
    reasons: tuple[str, ...] = ()


class Troubles(Value):
    """What is wrong with the new index: it is another, or cannot be asked (`here`: by this process alone).

    `old` is what is wrong with the old one.
    """

    broken: tuple[str, ...] = ()
    unreachable: tuple[str, ...] = ()
    old: tuple[str, ...] = ()
    here: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.broken or self.unreachable or self.old)


class Seen(Value):
    """All that a decision is made from.

    `disliked` is that users were shown to choose the new index's results less. `in_the_way` keeps the next
    stage and takes nothing back. So does trouble of the old index: there is no way back to that.
    """

    moment: Moment
    age_h: float
    tally: Tally
    ripe: bool
    rulings: tuple[Ruling, ...]
    verified: Verified
    disliked: tuple[str, ...]
    troubles: Troubles
    in_the_way: tuple[str, ...]
    bad_before: int
    looks: int


def see(
    store: StateStore,
    now: Migration,
    plan: RampEntry,
    *,
    troubles: Troubles,
    verified: Verified,
    moment: Moment,
) -> Seen:
    """Look at a stage; StoreError where the state cannot be read, for then nothing can be said."""
    found, changes, counted = looks(store, now.name), store.changes(now.name), store.counted(now.name)
    here, before = tally(counted, now.version), tally(counted, now.version - 1)
    mine = [look for version, look in found if version == now.version]
    if troubles.unreachable and _serves(here, mine):
        # Routers reach it: that this process does not says nothing of the index.
        troubles = replace(troubles, unreachable=(), here=troubles.unreachable)
    age = age_h(changes, found, now.version, moment)
    test = 1 + sum(look.ripe for look in mine)
    return Seen(
        moment=moment,
        age_h=age,
        tally=here,
        ripe=age >= plan.hours and _served(here) >= plan.queries,
        rulings=tuple(recovered(rulings(plan, here, before, look=len(mine) + 1, test=test), here, mine)),
        verified=verified,
        disliked=_disliked(store, now),
        troubles=troubles,
        in_the_way=(
            *troubles.old,
            *(f"{one} (from here: routers reach it)" for one in troubles.here),
            *reasons_to_wait(store, now, Phase.CANARY),
            *_pause(plan, now, changes, found, moment),
        ),
        bad_before=bad_in_a_row(found, now.version),
        looks=len(mine),
    )


def troubles_of(now: Migration, index: Callable[[Side], VectorIndex]) -> Troubles:
    """Ask both indexes for their stamps."""
    broken: dict[Side, tuple[str, ...]] = {"old": (), "new": ()}
    unreachable: dict[Side, tuple[str, ...]] = {"old": (), "new": ()}
    for side in SIDES:
        wanted = now.old if side == "old" else now.new
        try:
            opened = index(side)
            require_same(opened.name, stamped=opened.stamp(), wanted=wanted)
        except FingerprintError as exc:
            broken[side] = (safe_text(str(exc), _LONGEST_REASON),)
        except UsageError:
            raise  # a variable that is not set here says nothing of the index
        except SwapgateError as exc:
            unreachable[side] = (safe_text(str(exc), _LONGEST_REASON),)
    return Troubles(
        broken=broken["new"], unreachable=unreachable["new"], old=(*broken["old"], *unreachable["old"])
    )


def last_verified(store: StateStore, now: Migration, plan: RampEntry, moment: Moment) -> Verified:
    """Return what the last verification said, where it still holds.

    One that passed does for the stage that it saw, and for later ones while it is fresh and the new index was
    not filled anew. Another does for its stage alone; an open one for an hour, since labels may come.
    """
    found = store.evidence(now.name, VERIFICATION)
    if not found or found[-1].version < filled_at(store.changes(now.name)):
        return Verified(word="missing")
    last = found[-1]
    told = said(last)
    # What a clock that was put back makes younger than nothing is not fresh.
    hours = abs(wall_s(last.at, moment.wall)) / _HOUR_S
    if last.version == now.version:
        is_valid = told.word in {"passed", "failed"} or (told.word == "inconclusive" and hours < 1)
    else:
        is_valid = told.word == "passed" and hours <= plan.verified_hours
    return told if is_valid else Verified(word="missing")


def said(evidence: Evidence) -> Verified:
    """Return what stored evidence of a verification says."""
    record = evidence.record
    told = record.get("reasons")
    reasons = tuple(str(one) for one in told) if isinstance(told, list) else ()
    if record.get("too_many_errors"):
        is_of_new = _failed(record, "new") > _failed(record, "old")
        return Verified(word="unread" if is_of_new else "missing", reasons=reasons)
    word = record.get("verdict")
    if evidence.passed:
        return Verified(word="passed", reasons=reasons)
    return Verified(word="failed" if word == "failed" else "inconclusive", reasons=reasons)


def _disliked(store: StateStore, now: Migration) -> tuple[str, ...]:
    """Return that interleaved lists have shown the new index to be chosen less, at this stage."""
    found = [one for one in store.evidence(now.name, PREFERENCE) if one.version == now.version]
    if not found or found[-1].record.get("verdict") != "failed":
        return ()
    return (f"users choose its results less: {found[-1].record.get('reason')}",)


def recovered(found: Iterable[Ruling], here: Tally, mine: Sequence[Look]) -> Iterator[Ruling]:
    """Yield the answers; what was bad and has got no worse since the last look is over, and not bad now."""
    is_over = bool(mine) and _serves(here, mine)
    for one in found:
        is_stale = is_over and one.what == "failures" and one.answer == "bad"
        yield replace(one, answer="unknown", sentence=f"{one.sentence}; none lately") if is_stale else one


def _serves(here: Tally, mine: Sequence[Look]) -> bool:
    """Whether the new index has answered since the last look, and failed nobody."""
    served, missed = (mine[-1].served, mine[-1].missed) if mine else (0, 0)
    return _served(here) > served and _missed(here) <= missed


def _served(here: Tally) -> int:
    return here.served["new"] + here.shadow_served


def _missed(here: Tally) -> int:
    return here.missed["new"] + here.shadow_missed


def _failed(record: Mapping[str, Json], side: Side) -> int:
    """Return how many queries of a verification one side did not answer."""
    told = record.get(side)
    failed = told.get("failed") if isinstance(told, dict) else None
    return failed if isinstance(failed, int) else 0


def _pause(
    plan: RampEntry,
    now: Migration,
    changes: Sequence[Change],
    found: Sequence[tuple[int, Look]],
    moment: Moment,
) -> list[str]:
    """Return that a migration which was taken back is left alone for a while, longer after each time."""
    taken = [one for one in changes if one.phase is Phase.ROLLED_BACK]
    if not taken or now.phase not in {Phase.SHADOW_READ, Phase.ROLLED_BACK}:
        return []
    wanted = plan.pause_hours * 2 ** min(len(taken) - 1, _MOST_DOUBLED)
    since = age_h(changes, found, taken[-1].version, moment)
    if since >= wanted:
        return []
    return [
        f"it was rolled back {lasted(since)} ago, for the {_nth(len(taken))} time; {wanted:g} hours are "
        "left between two tries (`ramp: pause_hours`)"
    ]


def _nth(number: int) -> str:
    return {1: "first", 2: "second", 3: "third"}.get(number, f"{number}th")
