"""What a ramp remembers of each look, stored before anything is changed: a kill loses nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from typing import Literal

from swapgate.records import adapter, to_json
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.ramping.clock import Moment, at_wall, elapsed_s, wall_s
from swapgate.retrieval.records import Change
from swapgate.retrieval.state import StateStore
from swapgate.values import Value

RAMP = "ramp"
# wait: not enough is known yet; bad: one bad look, which may pass; hold: the gate failed, and nobody is to be
# taken back, or people do that; done: everybody has the new index.
Word = Literal["advance", "wait", "bad", "hold", "rollback", "done"]
# A change that came so long after the look that decided it is somebody else's.
_AT_ONCE_S = 60.0


class Look(Value):
    """One look at one version: what was decided and why, and what was counted until then.

    `to` and `share` are where it leads, None where it stays. `served` and `missed` are queries of the new
    side. A `ripe` stage had lasted long enough and answered enough: the look could have gone on.
    """

    word: Word
    reasons: tuple[str, ...]
    moment: Moment
    phase: Phase
    at_share: float
    to: Phase | None = None
    share: float | None = None
    served: int = 0
    missed: int = 0
    ripe: bool = False
    verified: str | None = None
    facts: tuple[str, ...] = field(default=())


def store_look(store: StateStore, now: Migration, look: Look) -> None:
    """Store a look as evidence about the version that it saw."""
    passed = look.word in {"advance", "done"}
    store.add_evidence(now.name, RAMP, version=now.version, passed=passed, record=to_json(look))


def looks(store: StateStore, name: str) -> list[tuple[int, Look]]:
    """Return all looks with their versions, the oldest first."""
    reads = adapter(Look)
    return [(one.version, reads.validate_python(one.record)) for one in store.evidence(name, RAMP)]


def age_h(changes: Sequence[Change], found: Sequence[tuple[int, Look]], version: int, now: Moment) -> float:
    """Return for how long the version has been in force, in hours."""
    change = next(one for one in changes if one.version == version)
    moments = [look.moment for one, look in found if one >= version]
    return elapsed_s([_begun(change, found), *moments, now]) / 3600


def _begun(change: Change, found: Sequence[tuple[int, Look]]) -> Moment:
    """Return when a change was made: by two clocks where a look led to it, else by the one that it holds."""
    before = [look for version, look in found if version == change.version - 1]
    if before and before[-1].to is change.phase:
        moment = before[-1].moment
        if abs(wall_s(moment.wall, change.at)) <= _AT_ONCE_S:
            return moment
    return at_wall(change.at)


def bad_in_a_row(found: Sequence[tuple[int, Look]], version: int) -> int:
    """Return how many of the last looks at a version were bad, one after the other."""
    count = 0
    for one, look in reversed(found):
        if one != version or look.word != "bad":
            break
        count += 1
    return count
