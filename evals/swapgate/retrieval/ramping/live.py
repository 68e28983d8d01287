"""How the new side does on real queries beside the old one: failures and latency, as routers count them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import pi
from typing import Literal

from swapgate.reporting.format import milliseconds, percent, points
from swapgate.retrieval.index import Side
from swapgate.retrieval.metrics import Tally
from swapgate.spec.index_ramp import RampEntry
from swapgate.stats import difference_of_intervals, quantile_interval, wilson_interval
from swapgate.stats.interval import Interval
from swapgate.values import Value

ALPHA = 0.05
# More durations tell no more, and would be held in memory.
_MOST_DURATIONS = 100_000


class Ruling(Value):
    """One answer about live traffic, as a sentence. `unknown`: neither shown to be well nor to be bad."""

    what: Literal["failures", "latency"]
    answer: Literal["good", "bad", "unknown"]
    sentence: str


def rulings(plan: RampEntry, here: Tally, before: Tally, *, look: int, test: int = 1) -> Iterator[Ruling]:
    """Yield the answers about one stage, of which this is the look number `look` (from 1).

    `before` are the counts of the stage before: it stands in for the old side where that serves nobody now.
    All looks together may take a good index back at ALPHA, and let a bad one go on at ALPHA, so each has a
    part of it. `test` counts the looks that could go on, from 1 too.
    """
    if plan.failures is not None:
        yield failures(here, before, margin=plan.failures, part=_part(look), pass_part=_part(test))
    if plan.latency is not None:
        yield latency(here, before, ratio=plan.latency, part=_part(look))


def _part(number: int) -> float:
    """Return the part of ALPHA of one of any number of looks: all parts together are ALPHA."""
    return ALPHA * 6 / (pi * number) ** 2


def failures(here: Tally, before: Tally, *, margin: float, part: float, pass_part: float = ALPHA) -> Ruling:
    """Return whether the new side fails by less than `margin` more often than the old one."""
    old = here if _asked(here, "old") else before

    def difference(alpha: float) -> Interval:
        both = (_missed(here, "new"), _missed(old, "old"))
        new, held = (wilson_interval(bad, n, confidence=1 - 2 * alpha) for bad, n in both)
        # Without a query of the old side nothing is known of it but that it cannot fail less than never.
        return new if held.low is None else difference_of_intervals(new, held)

    loose, strict = difference(pass_part), difference(part)
    said = (
        f"the new index failed in {_of(*_missed(here, 'new'))} of its queries, the old one "
        f"{_of(*_missed(old, 'old'))}"
    )
    if loose.high is None or strict.low is None:
        return Ruling(what="failures", answer="unknown", sentence="the new index was asked nothing yet")
    if strict.low > margin:
        return Ruling(
            what="failures",
            answer="bad",
            sentence=f"{said}: shown to be more than {points(margin)} points above",
        )
    if loose.high <= margin:
        return Ruling(what="failures", answer="good", sentence=said)
    bound = f"up to {points(loose.high)} points above are possible, {points(margin)} tolerated"
    return Ruling(what="failures", answer="unknown", sentence=f"{said}: {bound} (`ramp: failures`)")


def latency(here: Tally, before: Tally, *, ratio: float, part: float) -> Ruling:
    """Return whether the 95th percentile of the new side is below so many times the old one's."""
    slow = here if here.buckets["old"] else before
    new, old = _durations(here, "new"), _durations(slow, "old")
    ours, theirs = (quantile_interval(side, 0.95, confidence=1 - 2 * part) for side in (new, old))
    if ours.estimate is None or theirs.estimate is None:
        return Ruling(
            what="latency",
            answer="unknown",
            sentence="latencies of both indexes are not known yet (`ramp: latency`)",
        )
    said = f"p95 {milliseconds(ours.estimate)}, the old one's {milliseconds(theirs.estimate)}"
    if ours.low is not None and theirs.high is not None and ours.low > ratio * theirs.high:
        return Ruling(
            what="latency", answer="bad", sentence=f"{said}: shown to be more than {ratio:g} times as long"
        )
    if ours.estimate <= ratio * theirs.estimate:
        return Ruling(what="latency", answer="good", sentence=said)
    return Ruling(
        what="latency", answer="unknown", sentence=f"{said}: more than {ratio:g} times (`ramp: latency`)"
    )


def _missed(tally: Tally, side: Side) -> tuple[int, int]:
    """Return how many queries a side missed, and how many it was meant to serve, in the shadow too."""
    missed, served = tally.missed[side], tally.served[side]
    if side == "new":
        missed, served = missed + tally.shadow_missed, served + tally.shadow_served
    return missed, missed + served


def _asked(tally: Tally, side: Side) -> int:
    return _missed(tally, side)[1]


def _durations(tally: Tally, side: Side) -> Sequence[float]:
    import numpy as np

    buckets = tally.buckets[side]
    most = max(1.0, sum(n for _end, n in buckets) / _MOST_DURATIONS)
    ends = [end for end, _n in buckets]
    found: Sequence[float] = np.repeat(ends, [round(n / most) for _end, n in buckets]).tolist()
    return found


def _of(number: int, n: int) -> str:
    return f"{percent(number / n)} of {n:,}" if n else "none yet"
