"""What the nights come to: for the candidate, the judge and the provider whether they drifted, since when."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Literal

from swapgate.analysis.night_flaky import Flakiness, flakiness
from swapgate.analysis.night_measures import raw_series
from swapgate.analysis.night_series import FEWEST_NIGHTS, NightSeries, decided, weighed
from swapgate.analysis.night_subjects import (
    LATE,
    Subject,
    Watched,
    judge_raw,
    judge_subject,
    minute,
    model_subjects,
    time_of,
)
from swapgate.analysis.nights import Night
from swapgate.values import Value

FALSE_ALARMS_PER_YEAR = 0.15
EVERY_H = 24.0
# What no night of the last week had is not watched any more: its suite or model was taken away.
WATCHED_D = 7

NightAnswer = Literal["drift", "no drift shown", "could not find out"]


class NightLine(Value):
    """One run among the nights; `problems` say why it, or a part of it, does not count."""

    run: str
    at: str
    problems: tuple[str, ...] = ()
    counts: bool = True


class Gap(Value):
    """Nights that are missing: how many between two runs, or since the last (`before` is None)."""

    after: str
    before: str | None
    missed: int


class NightReport(Value):
    """All nights and what they come to. `at` is when this was asked.

    `false_alarms` are how many a year are to be expected at most, over all series together. `left_out`
    counts runs that are no nights: partial selections, shards, answers judged again.
    """

    at: str
    nights: tuple[NightLine, ...]
    gaps: tuple[Gap, ...]
    subjects: tuple[Subject, ...]
    flaky: tuple[Flakiness, ...]
    answer: NightAnswer
    reasons: tuple[str, ...]
    false_alarms: float
    every_h: float
    left_out: int = 0
    since: str | None = None

    @property
    def series(self) -> Iterator[NightSeries]:
        """Every series of every subject."""
        for subject in self.subjects:
            yield from subject.series


def night_report(
    nights: Sequence[Night],
    judges: Sequence[Watched] = (),
    *,
    at: str,
    every_h: float = EVERY_H,
    false_alarms: float = FALSE_ALARMS_PER_YEAR,
    left_out: int = 0,
    since: str | None = None,
) -> NightReport:
    """Conclude from the nights, the oldest first, and the judges that they were judged by."""
    keys = watched_keys(nights)
    raws = [raw for key in keys for raw in raw_series(nights, key)]
    raws += [raw for one in judges if (raw := judge_raw(one)) is not None]
    series = [
        decided(
            raw,
            nights,
            share=share,
            false_alarms=false_alarms,
            fewest=1 if raw.series.subject == "judge" else FEWEST_NIGHTS,
        )
        for raw, share in weighed(raws)
    ]
    gaps = _gaps(nights, at=at, every_h=every_h)
    subjects = [
        *model_subjects(nights, keys, series),
        *(judge_subject(one, nights, series, every_h=every_h) for one in judges),
    ]
    reasons = _why_unknown(nights, gaps, since)
    answer = _answer(subjects, reasons)
    return NightReport(
        at=at,
        nights=tuple(map(_line, nights)),
        gaps=tuple(gaps),
        subjects=tuple(subjects),
        flaky=flakiness(nights, keys),
        answer=answer,
        reasons=tuple(reasons),
        false_alarms=false_alarms,
        every_h=every_h,
        left_out=left_out,
        since=since,
    )


def watched_keys(nights: Sequence[Night]) -> list[tuple[str, str]]:
    """Return the suites and models of the last week of nights, in order."""
    if not nights:
        return []
    start = (time_of(nights[-1].at) - timedelta(days=WATCHED_D)).isoformat()
    recent = [night for night in nights if night.at >= start]
    return sorted({key for night in recent for key in night.parts})


def _answer(subjects: Sequence[Subject], reasons: Sequence[str]) -> NightAnswer:
    said = {subject.answer for subject in subjects}
    if "drift" in said:
        return "drift"
    return "could not find out" if reasons or "cannot tell" in said or not subjects else "no drift shown"


def _why_unknown(nights: Sequence[Night], gaps: Sequence[Gap], since: str | None) -> list[str]:
    """Return why tonight cannot be told of at all."""
    if not nights:
        after = f" since {since}" if since else " yet"
        return [f"there is no night{after}: `swapgate nightly --model=NAME` makes one"]
    late = [
        f"no night since {minute(gap.after)}: {gap.missed:,} missed" for gap in gaps if gap.before is None
    ]
    last = nights[-1]
    problem = [f"the night of {minute(last.at)} (run {last.run.id}) does not count: {last.problem}"]
    return [*late, *(problem if last.problem else ())]


def _gaps(nights: Sequence[Night], *, at: str, every_h: float) -> list[Gap]:
    times = [night.at for night in nights]
    pairs: list[tuple[str, str | None]] = [*pairwise(times), *([(times[-1], None)] if times else [])]
    found = []
    for after, before in pairs:
        hours = (time_of(before or at) - time_of(after)).total_seconds() / 3600
        if hours > LATE * every_h:
            found.append(Gap(after=after, before=before, missed=max(round(hours / every_h) - 1, 1)))
    return found


def _line(night: Night) -> NightLine:
    parts = [f"{p.model} on {p.suite}: {p.problem}" for p in night.parts.values() if p.problem]
    problems = [night.problem] if night.problem else parts
    counts = not night.problem and len(parts) < max(len(night.parts), 1)
    return NightLine(run=night.run.id, at=night.at, problems=tuple(problems), counts=counts)
