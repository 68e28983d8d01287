"""Whose results people chose: wins and losses of lists, users as clusters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from swapgate.retrieval.interleaving.records import Click, Impression, picked_by
from swapgate.retrieval.verifying.verification import VerdictWord
from swapgate.spec.index_verify import PreferenceVerify
from swapgate.stats.excess import share_mean_interval
from swapgate.stats.interval import Interval, more_needed
from swapgate.stats.sign_flips import sign_flip_test
from swapgate.values import Value

PREFERENCE = "preference"
EVEN = 0.5
_ALPHA = 0.05


class Preference(Value):
    """How often the new index won a list that was clicked, ties by half: above 0.5 it is preferred.

    `users` are different keys. `p_worse` is that of a permutation test: the sides of all lists of a user are
    exchanged together. `strangers` are clicks on no list that is known, or on nothing that is in it.
    """

    migration: str
    version: int
    verdict: VerdictWord
    reason: str
    shown: int
    clicked: int
    users: int
    new_won: int
    old_won: int
    ties: int
    strangers: int
    preference: Interval
    p_worse: float | None
    margin: float


def preference_of(
    impressions: Iterable[Impression],
    clicks: Iterable[Click],
    settings: PreferenceVerify,
    *,
    migration: str,
    version: int,
) -> Preference:
    """Return what the clicks say; lists that nobody clicked say nothing."""
    known = {one.id: one for one in impressions}
    credited, strangers = _credits(known, clicks)
    outcomes = [(known[name], _outcome(credited[name])) for name in known if name in credited]
    values = [value for _one, value in outcomes]
    users = [one.key_hash for one, _value in outcomes]
    found = share_mean_interval(values, users, confidence=1 - 2 * _ALPHA)
    verdict, reason = _decided(found, len(values), settings)
    return Preference(
        migration=migration,
        version=version,
        verdict=verdict,
        reason=reason,
        shown=len(known),
        clicked=len(values),
        users=len(set(users)),
        new_won=sum(value > EVEN for value in values),
        old_won=sum(value < EVEN for value in values),
        ties=sum(value == EVEN for value in values),
        strangers=strangers,
        preference=found,
        p_worse=sign_flip_test([value - EVEN for value in values], users)[0] if values else None,
        margin=settings.margin,
    )


def _credits(
    known: Mapping[str, Impression], clicks: Iterable[Click]
) -> tuple[dict[str, dict[str, int]], int]:
    """Return the clicks of each list by side, an entry counting once; and how many belong nowhere."""
    credited: dict[str, dict[str, int]] = {}
    seen: set[Click] = set()
    strangers = 0
    for click in clicks:
        impression = known.get(click.impression)
        side = None if impression is None else picked_by(impression, click.item)
        if side is None:
            strangers += 1
        elif click not in seen:
            seen.add(click)
            of_list = credited.setdefault(click.impression, {"old": 0, "new": 0})
            of_list[side] += 1
    return credited, strangers


def _outcome(credit: Mapping[str, int]) -> float:
    if credit["new"] == credit["old"]:
        return EVEN
    return 1.0 if credit["new"] > credit["old"] else 0.0


def _decided(found: Interval, lists: int, settings: PreferenceVerify) -> tuple[VerdictWord, str]:
    limit = EVEN - settings.margin
    if lists == 0 or found.estimate is None:
        return "inconclusive", f"no list was clicked, {settings.min_lists:,} wanted"
    told = f"the new index wins {found.estimate:.3f} of {lists:,} clicked lists"
    if found.low is None or found.high is None:
        return "inconclusive", f"{told} (no interval: {found.note})"
    told += f" [{100 * found.confidence:.3g}%: {found.low:.3f}, {found.high:.3f}], ties by half"
    if found.high < limit:
        return "failed", f"{told}: less than {limit:g}"
    if lists < settings.min_lists:
        return "inconclusive", f"{told}; {settings.min_lists:,} lists wanted"
    if found.low > limit:
        return "passed", f"{told}: more than {limit:g}"
    more = more_needed(found, limit, lists)
    return "inconclusive", f"{told}: not shown to be above {limit:g}" + (
        f"; about {more:,} more would tell" if more else ""
    )


def lists_since(impressions: Iterable[Impression], version: int) -> Sequence[Impression]:
    """Return the lists that were shown since a version of the migration."""
    return [one for one in impressions if one.version >= version]
