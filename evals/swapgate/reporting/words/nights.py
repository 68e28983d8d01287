"""What nights come to, in words: one line a series, a conclusion, what every page of nights says alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.night_changes import Change
from swapgate.analysis.night_flaky import Flakiness, FlakyCase
from swapgate.analysis.night_report import Gap, NightReport
from swapgate.analysis.night_series import FEWEST_NIGHTS, NightSeries
from swapgate.analysis.night_subjects import Served, Subject, minute
from swapgate.reporting import format as show
from swapgate.reporting.text import safe_text

ANSWERS = {
    "drift": "DRIFT",
    "no drift shown": "no drift shown",
    "cannot tell": "CANNOT TELL",
    "not watched": "not watched",
    "could not find out": "COULD NOT FIND OUT",
}
MEASURES = {
    "semantic": "semantic pass rate",
    "structural": "structural pass rate",
    "latency": "latency",
    "ttft": "time to first token",
    "errors": "errors",
    "refusals": "refusals",
    "agreement": "agreement with the frozen verdicts",
}
_FLAKY = 5
_CHANGES = 6
_GAPS = 5
_TEXT = 160


def night_lines(report: NightReport, *, verbose: int = 0) -> Iterator[str]:
    """Yield what the nights show, subject by subject; `verbose` adds every series and flaky case."""
    yield nights_line(report)
    for night in report.nights[-1:] if not verbose else report.nights:
        for problem in night.problems:
            yield f"  {minute(night.at)} does not count: {safe_text(problem, _TEXT)}"
    for gap in report.gaps[-_GAPS:]:
        yield f"  {gap_line(gap)}"
    for subject in report.subjects:
        yield from subject_lines(subject, verbose=verbose)
    for one in report.flaky:
        yield from flaky_lines(one, most=None if verbose else _FLAKY)
    yield alarms_line(report)
    yield conclusion(report)


def nights_line(report: NightReport) -> str:
    """Return how many nights there are, and since when."""
    if not report.nights:
        return "no nights"
    counting = [night for night in report.nights if night.counts]
    left_out = f"; {show.count(report.left_out, 'other run')} left out" if report.left_out else ""
    if len(report.nights) == 1:
        counts = "it counts" if counting else "it does not count"
        return f"1 night, {minute(report.nights[0].at)}, {counts}{left_out}"
    span = f"{minute(report.nights[0].at)} to {minute(report.nights[-1].at)}"
    verb = "counts" if len(counting) == 1 else "count"
    return f"{len(report.nights):,} nights, {span}, {len(counting):,} of them {verb}{left_out}"


def gap_line(gap: Gap) -> str:
    """Return how many nights are missing, and where."""
    nights = show.count(gap.missed, "night")
    if gap.before is None:
        return f"missed: {nights} since {minute(gap.after)}"
    return f"missed: {nights} between {minute(gap.after)} and {minute(gap.before)}"


def subject_lines(subject: Subject, *, verbose: int = 0) -> Iterator[str]:
    """Yield the answer for one subject, then why, then its series."""
    yield f"{subject.kind} {safe_text(subject.name)}: {ANSWERS[subject.answer]}"
    for reason in subject.reasons:
        yield f"  {safe_text(reason, _TEXT)}"
    if subject.served is not None:
        yield f"  {safe_text(served_line(subject.served))}"
    if subject.fingerprint is not None:
        yield f"  {safe_text(_fingerprint_line(subject.fingerprint))}"
    for series in subject.series:
        if verbose or series.answer == "drift":
            yield f"  {safe_text(series_line(series))}"
        for line in change_lines(series.changes) if series.answer == "drift" else ():
            yield f"    {safe_text(line, _TEXT)}"


def served_line(served: Served) -> str:
    """Return since when a model is served under another id."""
    now, before = ", ".join(served.now), ", ".join(served.before)
    return f"served as {now} since {minute(served.since)}, before as {before}"


def _fingerprint_line(told: Served) -> str:
    now, before = ", ".join(told.now), ", ".join(told.before)
    return f"system fingerprint {now} since {minute(told.since)}, before {before}: no drift by itself"


def series_line(series: NightSeries) -> str:
    """Return what a series shows, in one sentence."""
    name = series_name(series)
    last = value(series, series.points[-1].value) if series.points else show.MISSING
    if series.answer == "too few nights":
        return f"{name}: {last} last night; {len(series.points):,} of {FEWEST_NIGHTS} nights"
    if series.answer == "drift" and series.since is not None:
        moved = f"{value(series, series.before)} -> {value(series, series.now)}"
        return f"{name}: {moved}, likeliest since {minute(series.since)}{_between(series)}{_evidence(series)}"
    note = f"; {series.note}" if series.note else ""
    return f"{name}: no drift shown, {last} last night{_evidence(series)}{note}"


def _moved(subject: Subject) -> str:
    """Return the first thing that a subject drifted in, and how many more there are."""
    drifted = [one for one in subject.series if one.answer == "drift"]
    told = [served_line(subject.served)] if subject.served is not None else []
    told += [
        f"{series_name(one)} {value(one, one.before)} -> {value(one, one.now)} since {(one.since or '')[:10]}"
        for one in drifted
    ]
    more = f" (and {len(told) - 1:,} more)" if len(told) > 1 else ""
    return f"{subject.kind} {subject.name}: {told[0]}{more}"


def _between(series: NightSeries) -> str:
    """Return when else a change may have begun, where that is not one night."""
    if series.earliest is None or series.latest is None or series.earliest == series.latest:
        return ""
    return f", between {series.earliest[:10]} and {series.latest[:10]}"


def _evidence(series: NightSeries) -> str:
    if series.evidence is None or series.threshold is None:
        return ""
    return f" (evidence {number(series.evidence)} against {number(series.threshold)})"


def series_name(series: NightSeries) -> str:
    """Return what a series is called: its suite and its measure."""
    measure = MEASURES.get(series.measure, series.measure)
    return f"{series.suite}, {measure}" if series.suite else measure


def value(series: NightSeries, found: float | None) -> str:
    """Return a series' value as people read it."""
    if series.measure in {"latency", "ttft"}:
        return show.seconds(found)
    if series.measure.startswith("score "):
        return show.score(found)
    return show.percent(found)


def number(evidence: float) -> str:
    """Return a number that may be very large or small in a few characters."""
    if evidence < 0.1:
        return "<0.1"
    return f"{evidence:,.0f}" if 10 <= evidence < 1e6 else f"{evidence:.2g}"


def change_lines(changes: Sequence[Change]) -> Iterator[str]:
    """Yield what changed when it began; that nothing did is worth a line too."""
    if not changes:
        yield "nothing that is recorded changed in these nights"
        return
    for change in changes[:_CHANGES]:
        yield f"changed on {minute(change.at)}: {change_text(change)}"
    if len(changes) > _CHANGES:
        yield f"and {len(changes) - _CHANGES:,} more changes, in --json"


def change_text(change: Change) -> str:
    """Return one change as `git commit 1a2b3c4d5e -> 6f7a8b9c0d`."""
    return f"{change.what} {change.before} -> {change.now}"


def flaky_lines(found: Flakiness, *, most: int | None = None) -> Iterator[str]:
    """Yield what flaky cases do to the gate, then the cases."""
    yield f"flaky on {safe_text(found.suite)} under {safe_text(found.model)}: {flaky_line(found)}"
    for one in found.flaky[:most]:
        yield f"  {safe_text(flaky_case(one))}"
    if most is not None and len(found.flaky) > most:
        yield f"  and {len(found.flaky) - most:,} more (-v lists all)"


def flaky_line(found: Flakiness) -> str:
    """Return what the flaky cases of a suite do to its pass rate and its gate."""
    counting = [one for one in found.flaky if not one.is_quarantined]
    quarantined = len(found.flaky) - len(counting)
    also = f", and {show.count(quarantined, 'quarantined one')}" if quarantined else ""
    head = f"{show.count(len(counting), 'case')} of {found.cases:,} in {found.nights:,} nights{also}"
    if not counting:
        return f"{head}; they count for nothing"
    bounds = f"{show.percent(found.lowest)} to {show.percent(found.highest)}"
    moved = f"by chance alone they put a night's {found.measure} pass rate anywhere from {bounds}"
    said = f"{head}; {moved}"
    return f"{said}; chance has a say in {'; '.join(found.tossed)}" if found.tossed else said


def flaky_case(one: FlakyCase) -> str:
    """Return one flaky case."""
    mark = ", quarantined" if one.is_quarantined else ""
    return f"{one.case}: passed {one.passed:,} of {one.nights:,} nights, changed {one.flips:,} times{mark}"


def alarms_line(report: NightReport) -> str:
    """Return how many false alarms are to be expected."""
    count = sum(1 for _ in report.series)
    return (
        f"at most {report.false_alarms:g} false alarms a year are to be expected, over all {count:,} series"
    )


def conclusion(report: NightReport) -> str:
    """Return what it comes to, in one sentence."""
    if report.answer == "drift":
        found = [_moved(subject) for subject in report.subjects if subject.answer == "drift"]
        also = f"; beside that, {report.reasons[0]}" if report.reasons else ""
        return safe_text(f"DRIFT: {'; '.join(found)}{also}")
    if report.answer == "no drift shown":
        return "no drift shown"
    unknown = [
        f"{subject.kind} {subject.name}: {reason}"
        for subject in report.subjects
        if subject.answer == "cannot tell"
        for reason in subject.reasons[:1]
    ]
    why = [*report.reasons, *unknown] or ["nothing is watched"]
    more = f" (and {len(why) - 1:,} more)" if len(why) > 1 else ""
    return safe_text(f"COULD NOT FIND OUT: {why[0]}{more}")
