"""Floating models held against their own past: whether they behave otherwise, since when, in which cases."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Literal

from swapgate.analysis.alias_looks import Look, side_by_side
from swapgate.analysis.alias_measures import LEAST, MEASURES, SHARES, Counted, counted, distances, effect
from swapgate.analysis.night_subjects import LATE, Served, minute, time_of
from swapgate.stats.odd_last import odd_last_p
from swapgate.stats.rank_drift import RankDrift, p_evidence
from swapgate.values import Value, replace

# Looks that are needed before anything is said of the last of them.
FEWEST_LOOKS = 6
FEWEST_CASES = 5
HOURS_PER_YEAR = 365 * 24.0
_LISTED = 5

WatchAnswer = Literal["changed", "no change shown", "could not find out"]


class BehaviourSeries(Value):
    """One respect over the looks: p-values of each look against those before it, and what they add up to.

    `evidence` reaches `threshold` at an alarm, first at the look of `alarm`. `since` is when the look began
    with which the change most likely came, `effect` how large it is, and `cases` are the farthest; None and
    empty without an alarm.
    `is_small` says that an alarm was of a change below what is worth one.
    """

    measure: str
    cases_seen: int
    share: float
    p_values: tuple[float, ...]
    evidence: float
    threshold: float
    alarm: str | None = None
    since: str | None = None
    effect: float | None = None
    cases: tuple[tuple[str, float], ...] = ()
    is_small: bool = False

    @property
    def is_changed(self) -> bool:
        """Whether the behaviour changed in this respect."""
        return self.since is not None and not self.is_small


class Watched(Value):
    """One model and what its looks come to. `fingerprints` is a change of those, which is no alarm."""

    model: str
    answer: WatchAnswer
    reasons: tuple[str, ...]
    looks: int
    first: str | None
    last: str | None
    cases: int
    series: tuple[BehaviourSeries, ...] = ()
    served: Served | None = None
    fingerprints: Served | None = None


class WatchReport(Value):
    """All watched models. `false_alarms` are how many a year are to be expected at most, over all of them."""

    at: str
    answer: WatchAnswer
    models: tuple[Watched, ...]
    false_alarms: float
    every_h: float


def watch_report(
    looks: dict[str, Sequence[Look]], *, at: str, every_h: float, false_alarms: float
) -> WatchReport:
    """Conclude from the looks of each model, the oldest first; `at` is now."""
    allowed = false_alarms / max(len(looks), 1)
    models = tuple(
        watched(model, own, at=at, every_h=every_h, false_alarms=allowed) for model, own in looks.items()
    )
    answers = {one.answer for one in models}
    answer: WatchAnswer = "no change shown"
    if "changed" in answers:
        answer = "changed"
    elif not models or "could not find out" in answers:
        answer = "could not find out"
    return WatchReport(at=at, answer=answer, models=models, false_alarms=false_alarms, every_h=every_h)


def watched(model: str, looks: Sequence[Look], *, at: str, every_h: float, false_alarms: float) -> Watched:
    """Return what the looks at one model come to; `false_alarms` are its part of those a year."""
    chosen, cases, note = side_by_side(looks)
    series = tuple(_series(chosen, cases, every_h=every_h, false_alarms=false_alarms))
    served, fingerprints = _told(chosen, "ids"), _told(chosen, "fingerprints")
    changed = served is not None or any(one.is_changed for one in series)
    unknown = list(_why_unknown(looks, chosen, cases, note, at=at, every_h=every_h))
    return Watched(
        model=model,
        answer="changed" if changed else "could not find out" if unknown else "no change shown",
        reasons=tuple(unknown),
        looks=len(chosen),
        first=chosen[0].at if chosen else None,
        last=looks[-1].at if looks else None,
        cases=len(cases),
        series=series,
        served=served,
        fingerprints=fingerprints,
    )


def _series(
    looks: Sequence[Look], cases: Sequence[str], *, every_h: float, false_alarms: float
) -> Iterator[BehaviourSeries]:
    if len(looks) < 2:
        return
    found = {measure: counted(looks, cases, measure) for measure in MEASURES}
    total = sum(SHARES[measure] for measure, own in found.items() if own)
    for measure, own in found.items():
        if own:
            share = SHARES[measure] / total
            threshold = HOURS_PER_YEAR / every_h / (false_alarms * share)
            yield _one_series(looks, own, measure, share=share, threshold=threshold)


def _one_series(
    looks: Sequence[Look], own: Sequence[Counted], measure: str, *, share: float, threshold: float
) -> BehaviourSeries:
    is_length = measure == "length"
    p_values = [1.0]
    for number in range(2, len(looks) + 1):
        p_values.append(odd_last_p(distances(own, number, measure), is_two_sided=is_length))
    alarm = _first_alarm(p_values, threshold)
    last = p_evidence(p_values, threshold=threshold).evidence[-1]
    series = BehaviourSeries(
        measure=measure,
        cases_seen=len(own),
        share=share,
        p_values=tuple(p_values),
        evidence=last,
        threshold=threshold,
    )
    return series if alarm is None else _dated(series, looks, own, *alarm)


def _first_alarm(p_values: Sequence[float], threshold: float) -> tuple[int, RankDrift] | None:
    """Return the first look with an alarm, and what was known then: a model that moved has moved."""
    evidence = p_evidence(p_values, threshold=threshold).evidence
    for number, value in enumerate(evidence):
        if value >= threshold:
            return number, p_evidence(p_values[: number + 1], threshold=threshold)
    return None


def _dated(
    series: BehaviourSeries, looks: Sequence[Look], own: Sequence[Counted], number: int, found: RankDrift
) -> BehaviourSeries:
    since = max(found.since or 1, 1)
    size, cases = effect(own, since, number + 1, series.measure)
    least = LEAST[series.measure]
    return replace(
        series,
        alarm=looks[number].at,
        since=looks[since].at,
        effect=size,
        cases=tuple(one for one in cases if abs(one[1]) >= least)[:_LISTED],
        is_small=abs(size) < least,
    )


def _told(looks: Sequence[Look], what: Literal["ids", "fingerprints"]) -> Served | None:
    """Return what the service tells since when, where that was not among what it told first."""
    told = [(look.at, getattr(look.served, what)) for look in looks if look.served is not None]
    told = [(at, names) for at, names in told if names]
    if len(told) < 2:
        return None
    before, now = told[0][1], told[-1][1]
    new = set(now) - set(before)
    since = next((at for at, names in told if new & set(names)), None)
    return Served(since=since, before=before, now=now) if since is not None else None


def _why_unknown(
    looks: Sequence[Look], chosen: Sequence[Look], cases: Sequence[str], note: str, *, at: str, every_h: float
) -> Iterator[str]:
    """Yield why the last look does not tell of the model, or why all of them tell too little."""
    if not looks:
        yield "no look at it is stored"
        return
    last = looks[-1]
    if last.problem:
        yield f"the look of {minute(last.at)} (run {last.run}) does not count: {last.problem}"
    if time_of(at) - time_of(last.at) > timedelta(hours=LATE * every_h):
        yield f"no look since {minute(last.at)}"
    if len(chosen) < FEWEST_LOOKS:
        yield f"{len(chosen)} of the {FEWEST_LOOKS} looks needed{f': {note}' if note else ''}"
    if len(cases) < FEWEST_CASES:
        yield f"{len(cases)} of the {FEWEST_CASES} cases needed"
