"""What refusals of more and of fewer calls at once tell: how many are borne, or that fewer do not help."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

# What is refused of few calls, where more than are borne make the difference.
_STRAY = 0.03
_FINENESS = 1.1
# Refused calls come back when a place is free again, but for those on their way: the bound seen is blurred.
_BLUR, _BLUR_SHARE = 0.1, 0.01
# So much likelier (logarithm) must an explanation be, before it is believed; more where no fewer calls go.
_SURE, _SURER = 3.0, 6.0


class Tally(NamedTuple):
    """Calls that were sent while so many were in flight, and how many of them were refused."""

    at_once: float
    sent: int
    refused: int


class Count(NamedTuple):
    """How many calls were answered and refused of those that found so many being answered."""

    answered: int
    refused: int


class Borne(NamedTuple):
    """How many calls at once a server takes, infinite where it refuses a share of any; and that share."""

    at_once: float
    refused_anyway: float


def explain(tallies: Sequence[Tally], least: float) -> Borne | None:
    """Return the likeliest explanation of what was refused; None while two are nearly as likely.

    A server answers `min(1, borne / at once)` of the calls, or a share of any, or that share of those. The
    last one has two things to fit, and so must be likelier than both of the others.
    """
    share = _share_answered(tallies, math.inf)
    anyway = _likelihood(tallies, math.inf, share), Borne(math.inf, 1 - share)
    bound = max((_likelihood(tallies, n, 1 - _STRAY), Borne(n, 0.0)) for n in _numbers(tallies, least))
    shares = ((n, _share_answered(tallies, n)) for n in _numbers(tallies, least))
    both = max((_likelihood(tallies, n, share), Borne(n, 1 - share)) for n, share in shares)
    if both[0] - max(anyway[0], bound[0]) > _SURER:
        return both[1]
    if bound[0] - anyway[0] > _SURE:
        return bound[1]
    return anyway[1] if anyway[0] - bound[0] > _SURER else None


def explain_one_by_one(found: Mapping[int, Count], least: float) -> Borne | None:
    """Return the likeliest explanation of which calls were refused, by how many they found being answered.

    A server that bears so many at once answers those that find fewer; one that refuses a share of any does so
    whatever they find. None while two explanations are nearly as likely, or neither explains much.
    """
    calls = sorted((inside, *count) for inside, count in found.items())
    answered = sum(count.answered for count in found.values())
    refused = sum(count.refused for count in found.values())
    if not answered or not refused:
        return None
    share = answered / (answered + refused)
    anyway = _log(answered, share) + _log(refused, 1 - share)
    numbers = (max(1, inside + part) for inside in found for part in (0.0, 0.5))
    bound, borne = max((_likelihood_of_room(calls, n), n) for n in numbers)
    two_shares = max(_likelihood_of_shares(calls, n) for n in found)
    if two_shares - max(anyway, bound) > _SURER:
        return None
    if bound - anyway > _SURE:
        return Borne(max(least, borne), 0.0)
    return Borne(math.inf, 1 - share) if anyway - bound > _SURER else None


def _likelihood_of_room(calls: Iterable[tuple[int, int, int]], borne: float) -> float:
    total, width = 0.0, _BLUR + _BLUR_SHARE * borne
    for inside, answered, refused in calls:
        steps = max(-50.0, min(50.0, (inside - borne + 0.5) / width))
        share = 1 / (1 + math.exp(steps))
        total += _log(answered, share) + _log(refused, 1 - share)
    return total


def _likelihood_of_shares(calls: Iterable[tuple[int, int, int]], at: int) -> float:
    """Return how likely it is that of calls which find fewer one share is answered, of the others another."""
    sums = [[0, 0], [0, 0]]
    for inside, answered, refused in calls:
        sums[inside >= at][0] += answered
        sums[inside >= at][1] += refused
    return sum(_log(a, a / max(1, a + r)) + _log(r, r / max(1, a + r)) for a, r in sums)


def _log(times: int, share: float) -> float:
    return times * math.log(min(1 - _STRAY, max(_STRAY, share))) if times else 0.0


def _numbers(tallies: Iterable[Tally], least: float) -> Iterator[float]:
    most = max(one.at_once for one in tallies)
    while most > least:
        yield most
        most /= _FINENESS
    yield least


def _share_answered(tallies: Iterable[Tally], borne: float) -> float:
    """Return the share that is answered of calls that are not too many at once."""
    answered = sum(one.sent - one.refused for one in tallies)
    return min(1.0, answered / sum(one.sent * min(1.0, borne / one.at_once) for one in tallies))


def _likelihood(tallies: Iterable[Tally], borne: float, share: float) -> float:
    total = 0.0
    for one in tallies:
        answered = min(0.999, max(0.001, share * min(1.0, borne / one.at_once)))
        total += (one.sent - one.refused) * math.log(answered) + one.refused * math.log(1 - answered)
    return total
