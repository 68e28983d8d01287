"""report.md's part about one candidate against one baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.analysis.compare import Comparison, Difference, Flip
from swapgate.analysis.distributions import Spread
from swapgate.analysis.matrix import FEWEST_CASES
from swapgate.analysis.shifts import AmountShift, ScoreShift
from swapgate.reporting import format as show
from swapgate.reporting import worst
from swapgate.reporting.markdown.text import (
    NAME_CHARS,
    REASON_CHARS,
    SENTENCE_CHARS,
    capped,
    escaped,
    folded,
    own,
    table,
)
from swapgate.reporting.words import comparing
from swapgate.reporting.words.reasons import telling, telling_slices

_DIFFERENCES = ("Measure", "Scope", "Pairs", "Difference in points", "Interval", "p", "Candidate")


def comparison_lines(comparison: Comparison, spreads: Sequence[Spread], most: int) -> list[str]:
    """Return the lines of one comparison; what is long is folded."""
    lines = [f"### {escaped(comparison.candidate)} against {escaped(comparison.baseline)}", ""]
    lines += _differences(worst.in_order(telling(comparison)), most)
    lines += ["", *(f"- {line}" for line in (*_blind_pass(comparison), *_amounts(comparison)))]
    lines += capped([s for s in spreads if comparing.is_spread_told_apart(s)], most, _spread)
    if comparison.unpaired:
        lines.append(f"- {show.count(comparison.unpaired, 'trial')} without a partner, left out.")
    lines += _flips("Regressed", comparison.regressed, most)
    lines += _flips("Fixed", comparison.fixed, most)
    lines += _slices(telling_slices(comparison), most)
    return lines + folded("Scores of the judges", _scores(comparing.scores_of(comparison), most))


def case_line(suite: str, case: str, repeat: int, reason: str) -> str:
    """Return the line of a list that names a case and says why it stands there."""
    again = f" \\#{repeat}" if repeat > 1 else ""
    name = escaped(f"{suite}/{case}", NAME_CHARS)
    return f"- **{name}**{again}: {escaped(reason, REASON_CHARS)}"


def _differences(differences: Sequence[Difference], most: int) -> list[str]:
    return table(_DIFFERENCES, [_difference_row(d) for d in differences], left=2, most=most)


def _difference_row(difference: Difference) -> list[str]:
    bounds = own(show.points_interval(difference.low, difference.high, difference.confidence))
    corrected = "\\*" if difference.raw_estimate is not None else ""
    return [
        escaped(difference.measure),
        escaped(difference.scope.name),
        f"{difference.pairs:,}",
        show.points(difference.estimate) + corrected,
        bounds or escaped(difference.note) or show.MISSING,
        own(comparing.p_text(difference).removeprefix("p ")),
        comparing.says(difference) or show.MISSING,
    ]


def _slices(differences: Sequence[Difference], most: int) -> list[str]:
    """Return the slices that are told apart and then those with cases enough to tell, the largest first."""
    told = comparing.separated(differences)
    ordered = sorted((d for d in differences if d.clusters >= FEWEST_CASES), key=lambda d: -d.pairs)
    shown = [*told, *(d for d in ordered if d not in told)]
    left_out = len(differences) - len(shown)
    few = f", {left_out} on fewer than {FEWEST_CASES} cases left out" if left_out else ""
    title = f"By tag: {len(told)} of {show.count(len(differences), 'difference')} told apart"
    return folded(title + few, _differences(shown, most))


def _blind_pass(comparison: Comparison) -> Iterator[str]:
    change = comparing.blind_pass_of(comparison)
    if change is None:
        return
    word = comparing.blind_word(change)
    before, after = own(show.percent(change.baseline_rate)), own(show.percent(change.candidate_rate))
    bounds = own(show.points_interval(change.low, change.high, change.confidence))
    bounds = bounds or escaped(f"({change.note or 'no interval'})", SENTENCE_CHARS)
    yield (
        f"Blind passes: {before} to {after}, {show.points(change.estimate)} points {bounds}, "
        f"p {own(show.p_value(change.p_value))}{f': {word}' if word else ''}."
    )


def _amounts(comparison: Comparison) -> Iterator[str]:
    parts = [_amount(shift) for shift in comparing.amounts_of(comparison)]
    if parts:
        yield f"A trial: {'; '.join(parts)}."


def _amount(shift: AmountShift) -> str:
    before, after = (
        own(show.amount(shift.amount, mean)) for mean in (shift.baseline_mean, shift.candidate_mean)
    )
    name = escaped(comparing.AMOUNT_WORDS.get(shift.amount, shift.amount))
    p = "" if shift.p_value is None else f", p {own(show.p_value(shift.p_value))}"
    return f"{name} {before} to {after} ({show.change(shift.ratio)}{p})"


def _scores(shifts: Sequence[ScoreShift], most: int) -> list[str]:
    header = (
        "Criterion",
        "Baseline",
        "Candidate",
        "Difference",
        "Interval",
        "p",
        "Level: baseline, candidate",
    )
    return table(header, [_score_row(shift) for shift in shifts], left=1, most=most)


def _score_row(shift: ScoreShift) -> list[str]:
    bounds = escaped(shift.note) or show.MISSING
    if shift.low is not None and shift.high is not None:
        low, high = show.score_change(shift.low), show.score_change(shift.high)
        bounds = own(f"[{shift.confidence:.0%}: {low}, {high}]")
    counts = list(zip(shift.levels, shift.baseline_counts, shift.candidate_counts, strict=True))
    levels = [f"{show.number(level)}: {before:,}, {after:,}" for level, before, after in counts[:11]]
    return [
        escaped(shift.criterion),
        show.score(shift.baseline_mean),
        show.score(shift.candidate_mean),
        show.score_change(shift.difference),
        bounds,
        own(show.p_value(shift.p_value)),
        "; ".join([*levels, *(["…"] if len(counts) > len(levels) else [])]),
    ]


def _spread(spread: Spread) -> str:
    said = f"{comparing.spread_title(spread)}: {comparing.spread_text(spread)}"
    return f"- {escaped(said.replace(' -> ', ' to '), SENTENCE_CHARS)}."


def _flips(title: str, flips: Sequence[Flip], most: int) -> list[str]:
    if not flips:
        return []
    ordered = sorted(flips, key=lambda f: (f.suite, f.case, f.repeat))
    return ["", f"{title} ({len(flips):,}):", "", *capped(ordered, most, _flip_line)]


def _flip_line(flip: Flip) -> str:
    return case_line(flip.suite, flip.case, flip.repeat, flip.reason)
