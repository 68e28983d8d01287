"""A judge's own drift: what it says of frozen answers now, against what it said when they were frozen."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence

from swapgate.stats.drift import DriftDetector
from swapgate.stats.multiple import holm
from swapgate.stats.paired import paired_difference
from swapgate.stats.scores import paired_scores
from swapgate.values import Value, replace

# Of a judge that does not change one night in a hundred shows a drift: three or four a year.
LEVEL = 0.01
CONFIDENCE = 0.95
FEWEST = 10
PASS_RATE, DISAGREEMENT = "pass rate", "disagreement"


class Then(Value):
    """An anchor's frozen readings and the one of now: (passed, scores) each; equal clusters count as one."""

    frozen: Sequence[tuple[bool, dict[str, float]]]
    now: tuple[bool, dict[str, float]]
    cluster: Hashable


class Shift(Value):
    """One measure then and now, with the interval of its difference; None where `note` says why.

    `disagreement` is how often two readings of an answer differ: the last two frozen ones, then the last of
    them and the one of now. `p_adjusted` is Holm's over all measures.
    """

    measure: str
    before: float | None
    now: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    p_adjusted: float | None = None
    note: str = ""


class JudgeDrift(Value):
    """What the anchors show. `answer` is drift, none shown, or too few anchors to tell.

    `agreed` of `n` anchors have the verdict of their last frozen reading; `since` is the likeliest first of
    the checks, counted from 0, since when agreement is lower, None where it is not.
    """

    answer: str
    n: int
    agreed: int
    shifts: tuple[Shift, ...]
    since: int | None = None
    confidence: float = CONFIDENCE
    level: float = LEVEL


def judge_drift(anchors: Sequence[Then], *, nights: Sequence[tuple[int, int]] = ()) -> JudgeDrift:
    """Return what the anchors show of the judge's drift.

    The judge's own noise is no drift: the tests are of shifts in one direction, and of whether it agrees less
    with its frozen reading than that did with the one before. `nights` are the (agreed, n) of earlier checks
    of the same anchors.
    """
    agreed = sum(one.now[0] is one.frozen[-1][0] for one in anchors)
    if len(anchors) < FEWEST:
        return JudgeDrift(answer="too few anchors", n=len(anchors), agreed=agreed, shifts=())
    shifts = _adjusted([*_rates(anchors), *_scores(anchors)])
    since = _since(anchors, [*nights, (agreed, len(anchors))])
    is_shown = since is not None or any(_is_drift(shift) for shift in shifts)
    return JudgeDrift(
        answer="drift" if is_shown else "no drift shown",
        n=len(anchors),
        agreed=agreed,
        shifts=shifts,
        since=since,
    )


def _is_drift(shift: Shift) -> bool:
    """Whether a shift is shown; a judge that agrees more with itself has not drifted."""
    is_less = shift.measure == DISAGREEMENT and (shift.difference or 0.0) <= 0
    return shift.p_adjusted is not None and shift.p_adjusted < LEVEL and not is_less


def _rates(anchors: Sequence[Then]) -> Iterator[Shift]:
    clusters = [one.cluster for one in anchors]
    before = [sum(passed for passed, _ in one.frozen) / len(one.frozen) for one in anchors]
    yield _mean_shift(PASS_RATE, before, [float(one.now[0]) for one in anchors], clusters)
    if all(len(one.frozen) > 1 for one in anchors):
        earlier = [one.frozen[-1][0] is not one.frozen[-2][0] for one in anchors]
        now = [one.now[0] is not one.frozen[-1][0] for one in anchors]
        found = paired_difference(earlier, now, clusters, confidence=CONFIDENCE)
        yield Shift(
            measure=DISAGREEMENT,
            before=sum(earlier) / len(earlier),
            now=sum(now) / len(now),
            difference=found.estimate,
            low=found.low,
            high=found.high,
            p_value=found.p_value,
            note=found.note,
        )


def _scores(anchors: Sequence[Then]) -> Iterator[Shift]:
    for name in dict.fromkeys(name for one in anchors for name in one.now[1]):
        known = [
            (sum(said) / len(said), one.now[1][name], one.cluster)
            for one in anchors
            if name in one.now[1] and (said := [s[name] for _, s in one.frozen if name in s])
        ]
        if len(known) >= FEWEST:
            before, now, clusters = map(list, zip(*known, strict=True))
            yield _mean_shift(name, before, now, clusters)


def _mean_shift(
    measure: str, before: Sequence[float], now: Sequence[float], clusters: Sequence[Hashable]
) -> Shift:
    found = paired_scores(before, now, clusters, confidence=CONFIDENCE)
    difference = found.means.difference
    return Shift(
        measure=measure,
        before=found.means.baseline,
        now=found.means.candidate,
        difference=difference.estimate,
        low=difference.low,
        high=difference.high,
        p_value=found.test.p_value,
        note=difference.note,
    )


def _adjusted(shifts: Sequence[Shift]) -> tuple[Shift, ...]:
    adjusted = holm([shift.p_value for shift in shifts])
    return tuple(replace(shift, p_adjusted=p) for shift, p in zip(shifts, adjusted, strict=True))


def _since(anchors: Sequence[Then], nights: Sequence[tuple[int, int]]) -> int | None:
    """Return the likeliest check since which the judge agrees less with its frozen readings than they did."""
    if any(len(one.frozen) < 2 for one in anchors):
        return None
    agreed = sum(one.frozen[-1][0] is one.frozen[-2][0] for one in anchors)
    detector = DriftDetector(agreed, len(anchors), nights=nights[:-1])
    return detector.add(*nights[-1]).since
