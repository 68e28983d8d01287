"""The terminal's lines about one candidate against one baseline."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from swapgate.analysis.compare import Comparison, Difference, Flip
from swapgate.analysis.distributions import Spread
from swapgate.analysis.shifts import AmountShift, BlindPassChange, ScoreShift
from swapgate.reporting import format as show
from swapgate.reporting import worst
from swapgate.reporting.terminal.line import MESSAGE_CHARS, NAME_CHARS, Colour, Line, listed, more, name
from swapgate.reporting.text import safe_text
from swapgate.reporting.words import comparing
from swapgate.reporting.words.reasons import telling, telling_slices

FLIPS = 10
SLICES = 6
SCORES = 6
_COLOURS: dict[str | None, Colour] = {"worse": "red", "better": "green"}


def comparison_lines(comparison: Comparison, spreads: Sequence[Spread], *, verbose: int) -> Iterator[Line]:
    """Yield what the comparison says; with `verbose` all slices, levels, intervals and (at 2) flips."""
    yield Line(text="")
    yield Line(text=f"{name(comparison.candidate)} against {name(comparison.baseline)}", bold=True)
    yield from _differences(telling(comparison), verbose=verbose)
    yield from _slices(telling_slices(comparison), verbose=verbose)
    change = comparing.blind_pass_of(comparison)
    if change is not None:
        yield _blind_pass(change)
    yield from _scores(comparing.scores_of(comparison), verbose=verbose)
    yield from _amounts(comparing.amounts_of(comparison), verbose=verbose)
    yield from _spreads(spreads, verbose=verbose)
    if comparison.unpaired:
        yield Line(text=f"  {show.count(comparison.unpaired, 'trial')} without a partner, left out")
    most = FLIPS if verbose < 2 else None
    yield from _flips("regressed", comparison.regressed, colour="red", most=most)
    yield from _flips("fixed", comparison.fixed, colour="green", most=0 if most else None)


def _differences(found: Sequence[Difference], *, verbose: int) -> Iterator[Line]:
    """Yield the differences of the whole and of each suite; of many those suites that are told apart."""
    shown = found
    if verbose <= 0 and len(found) > worst.ALL_ROWS:
        told_apart = comparing.separated(found)
        shown = [d for d in worst.differences(found).shown if d.suite is None or d in told_apart]
    yield from map(_difference, shown)
    others = [d for d in found if d not in shown]
    told = len(comparing.separated(others))
    yield from more(len(others), "difference", told=f" by suite, {told:,} of them told apart")


def _difference(difference: Difference) -> Line:
    what = name(difference.measure)
    what += f" in {name(difference.scope.name)}" if difference.scope.name != "all suites" else ""
    bounds = show.points_interval(difference.low, difference.high, difference.confidence)
    bounds = bounds or f"({safe_text(difference.note, MESSAGE_CHARS) or 'no interval'})"
    says = f"{show.points(difference.estimate)} points {bounds} on {show.count(difference.pairs, 'pair')}"
    if difference.raw_estimate is not None:
        says += f", corrected for the judge's errors ({show.points(difference.raw_estimate)} as judged)"
    word = comparing.says(difference)
    text = f"  {what}: {says}, {comparing.p_text(difference)}{f': {word}' if word else ''}"
    return Line(text=text, colour=_COLOURS.get(comparing.word_of(difference)))


def _slices(differences: Sequence[Difference], *, verbose: int) -> Iterator[Line]:
    """Yield the tags that are told apart, or all of them."""
    if verbose > 0:
        yield from map(_difference, differences)
        return
    found = comparing.separated(differences)
    yield from map(_difference, found[:SLICES])
    if found:
        told = f"{len(found)} of {show.count(len(differences), 'difference')} by tag told apart"
        yield Line(text=f"  {told}, allowing for their number")


def _blind_pass(change: BlindPassChange) -> Line:
    bounds = show.points_interval(change.low, change.high, change.confidence)
    bounds = bounds or f"({safe_text(change.note, MESSAGE_CHARS) or 'no interval'})"
    word = comparing.blind_word(change)
    text = (
        f"  blind passes: {show.percent(change.baseline_rate)} -> {show.percent(change.candidate_rate)}, "
        f"{show.points(change.estimate)} points {bounds}, p {show.p_value(change.p_value)}"
    )
    return Line(text=text + (f": {word}" if word else ""), colour=_COLOURS.get(word))


def _scores(shifts: Sequence[ScoreShift], *, verbose: int) -> Iterator[Line]:
    shown = shifts if verbose > 0 else shifts[:SCORES]
    for shift in shown:
        bounds = f"({safe_text(shift.note, MESSAGE_CHARS) or 'no interval'})"
        if shift.low is not None and shift.high is not None:
            low, high = show.score_change(shift.low), show.score_change(shift.high)
            bounds = f"[{shift.confidence:.0%}: {low}, {high}]"
        yield Line(
            text=f"  score {name(shift.criterion, 2 * NAME_CHARS)}: {show.score(shift.baseline_mean)} -> "
            f"{show.score(shift.candidate_mean)}, {show.score_change(shift.difference)} {bounds}, "
            f"p {show.p_value(shift.p_value)}"
        )
        if verbose > 0:
            levels = zip_longest(shift.levels, shift.baseline_counts, shift.candidate_counts)
            counted = ", ".join(f"{show.number(level)}: {b} -> {c}" for level, b, c in levels)
            yield Line(text=f"    {counted}")
    if len(shifts) > len(shown):
        yield Line(text=f"  and {show.count(len(shifts) - len(shown), 'score')} more")


def _amounts(shifts: Sequence[AmountShift], *, verbose: int) -> Iterator[Line]:
    """Yield one line for all amounts that moved; with their intervals one line each for all."""
    if verbose <= 0:
        moved = [_amount(shift) for shift in shifts if shift.difference]
        said = [f"{part} ({more})" for part, more in moved]
        yield from [Line(text=f"  a trial: {', '.join(said)}")] if said else []
        return
    for shift in shifts:
        part, more = _amount(shift)
        bounds = f" ({safe_text(shift.note, MESSAGE_CHARS)})" if shift.note else ""
        if shift.low is not None and shift.high is not None:
            low, high = (show.signed_amount(shift.amount, bound) for bound in (shift.low, shift.high))
            bounds = f" [{shift.confidence:.0%}: {low}, {high}]"
        yield Line(text=f"  {part} a trial ({more}){bounds}")


def _amount(shift: AmountShift) -> tuple[str, str]:
    before, after = (show.amount(shift.amount, mean) for mean in (shift.baseline_mean, shift.candidate_mean))
    p = "" if shift.p_value is None else f", p {show.p_value(shift.p_value)}"
    changed = f"{show.change(shift.ratio)}{p}"
    return f"{comparing.AMOUNT_WORDS.get(shift.amount, shift.amount)} {before} -> {after}", changed


def _spreads(spreads: Sequence[Spread], *, verbose: int) -> Iterator[Line]:
    """Yield the distributions over all suites that are told apart, or all of them."""
    for spread in spreads:
        if verbose > 0 or (spread.suite is None and comparing.is_spread_told_apart(spread)):
            said = comparing.spread_text(spread) or spread.comparison.note
            yield Line(text=f"  {safe_text(f'{comparing.spread_title(spread)}: {said}', MESSAGE_CHARS)}")


def _flips(title: str, flips: Sequence[Flip], *, colour: Colour, most: int | None) -> Iterator[Line]:
    if not flips:
        return
    ordered = sorted(flips, key=lambda f: (f.suite, f.case, f.repeat))
    names = listed([_flip_name(flip) for flip in ordered], most)
    yield Line(text=f"  {title} {len(flips):,}{f': {names}' if names else ''}", colour=colour)


def _flip_name(flip: Flip) -> str:
    again = f"#{flip.repeat}" if flip.repeat > 1 else ""
    return safe_text(f"{flip.suite}/{flip.case}", 2 * NAME_CHARS) + again
