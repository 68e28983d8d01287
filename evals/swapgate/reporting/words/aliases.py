"""What looks at floating models come to, in words."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.analysis.alias_watch import BehaviourSeries, Watched, WatchReport
from swapgate.analysis.night_subjects import minute
from swapgate.reporting import format as show
from swapgate.reporting.text import safe_text
from swapgate.reporting.words.nights import served_line

_WORDS = {
    "decision": "decisions",
    "structure": "the structure of answers",
    "wording": "wordings",
    "length": "the length of answers",
}


def watch_lines(report: WatchReport, *, verbose: int = 0) -> Iterator[str]:
    """Yield what each model comes to, and the answer as the last line."""
    for one in report.models:
        yield from _model(one, verbose)
    if report.models:
        models = show.count(len(report.models), "model")
        yield f"at most {report.false_alarms:g} false alarms a year are to be expected, over {models}"
    yield safe_text(watch_conclusion(report))


def watch_conclusion(report: WatchReport) -> str:
    """Return the answer in one line."""
    if report.answer == "no change shown":
        return "no change shown"
    is_changed = report.answer == "changed"
    told = [
        f"{one.model}: {'; '.join(_changes(one) if is_changed else one.reasons)}"
        for one in report.models
        if one.answer == report.answer
    ]
    word = "CHANGED" if is_changed else "COULD NOT FIND OUT"
    return f"{word}: {'; '.join(told)}" if told else word


def _model(one: Watched, verbose: int) -> Iterator[str]:
    first = f", {minute(one.first)} to {minute(one.last)}" if one.first and one.last else ""
    seen = f"{show.count(one.looks, 'look')} at {show.count(one.cases, 'case')}"
    yield safe_text(f"{one.model}: {one.answer} ({seen}{first})")
    if one.served is not None:
        yield _below(served_line(one.served))
    for series in one.series:
        yield from _series(series, verbose)
    if one.fingerprints is not None:
        now = ", ".join(one.fingerprints.now)
        yield _below(f"system fingerprint {now} since {minute(one.fingerprints.since)}: no alarm by itself")
    yield from (_below(reason) for reason in one.reasons)


def _series(series: BehaviourSeries, verbose: int) -> Iterator[str]:
    if series.since is not None:
        yield _below(_changed(series) + (": below what is worth an alarm" if series.is_small else ""))
    if series.is_changed and series.cases:
        told = ", ".join(f"{case.partition(' ')[0]} ({_size(series, far)})" for case, far in series.cases)
        yield f"  {_below(f'most of all {told}')}"
    if verbose:
        numbers = f"p {show.p_value(series.p_values[-1])}, evidence {series.evidence:,.1f}"
        yield _below(f"{series.measure}: {numbers} against {series.threshold:,.0f}")


def _below(text: str) -> str:
    return f"  {safe_text(text)}"


def _changes(one: Watched) -> Iterator[str]:
    if one.served is not None:
        yield served_line(one.served)
    yield from (_changed(series) for series in one.series if series.is_changed)


def _changed(series: BehaviourSeries) -> str:
    since = minute(series.since) if series.since else ""
    others = "" if series.measure == "length" else " of the answers are others than before"
    return f"{_WORDS[series.measure]} since {since}: {_size(series, series.effect)}{others}"


def _size(series: BehaviourSeries, far: float | None) -> str:
    """Return how far it is from what was: a share of the answers beyond what is usual, or a ratio."""
    if series.measure == "length":
        return show.change(None if far is None else 1 + far)
    return show.percent(far)
