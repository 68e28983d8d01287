"""The section at the end of a terminal run: rates, costs, differences to the baseline, the gate's answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from swapgate.analysis.compare import Comparison, Difference, Flip
from swapgate.analysis.gate import Decision, GateAnswer
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.summary import Summary
from swapgate.reporting import format as show
from swapgate.reporting.reasons import (
    GATE_WORDS,
    by_suite,
    gate_line,
    interval_notes,
    overall,
    rate_title,
    telling,
)
from swapgate.reporting.text import safe_text

__all__ = ["WriteLine", "safe_text", "summary_lines", "write_summary"]

Colour = Literal["green", "red", "yellow"]
NAME_CHARS = 32
MESSAGE_CHARS = 500
FLIPS = 10
_COLOURS: dict[GateAnswer, Colour | None] = {
    "pass": "green",
    "fail": "red",
    "inconclusive": "yellow",
    "not_judged": None,
}
_USAGE = ("tokens in/out", "cost", "judge cost", "p50/p95")


class WriteLine(Protocol):
    """Writes one line, as `TerminalReporter.write_line` does; markup names are pytest's."""

    def __call__(self, line: str, **markup: bool) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    text: str
    colour: Colour | None = None
    bold: bool = False


def write_summary(
    outcome: RunOutcome,
    write_line: WriteLine,
    *,
    verbose: int = 0,
    width: int = 80,
    reports: Sequence[Path] = (),
) -> None:
    """Write the summary line by line, with pytest's names for colours."""
    for line in _lines(outcome, verbose=verbose, width=width, reports=reports):
        names = [line.colour or "", "bold" if line.bold else ""]
        write_line(line.text, **{name: True for name in names if name})


def summary_lines(
    outcome: RunOutcome, *, verbose: int = 0, width: int = 80, reports: Sequence[Path] = ()
) -> list[str]:
    """Return the summary as plain lines: nothing in them can steer a terminal."""
    return [line.text for line in _lines(outcome, verbose=verbose, width=width, reports=reports)]


def _lines(outcome: RunOutcome, *, verbose: int, width: int, reports: Sequence[Path]) -> Iterator[_Line]:
    yield from _summaries(outcome, width=width)
    if verbose > 0:
        yield from _checks(outcome)
    for comparison in outcome.comparisons:
        yield from _comparison(comparison, most=FLIPS if verbose < 2 else None)
    for note in interval_notes(outcome):
        yield _Line(text=f"note: {safe_text(note, MESSAGE_CHARS)}")
    yield from _gate(outcome, verbose=verbose)
    for warning in outcome.warnings:
        yield _Line(text=f"warning: {safe_text(warning, MESSAGE_CHARS)}", colour="yellow")
    for path in reports:
        yield _Line(text=f"report: {path}")


def _summaries(outcome: RunOutcome, *, width: int) -> Iterator[_Line]:
    rows = []
    for summary in overall(outcome):
        role = " (baseline)" if summary.role == "baseline" else ""
        rows.append((_name(summary.model) + role, summary))
        rows += [(f"  {_name(s.suite or 'all suites')}", s) for s in by_suite(outcome, summary)]
    rates = _rates(outcome, rows, width=width)
    usage = [_USAGE, *(_usage_cells(s) for _, s in rows)]
    joined = _aligned([(*left, *right) for left, right in zip(rates, usage, strict=True)])
    if len(joined[0]) <= width:
        yield from map(_row_line, joined)
        return
    yield from map(_row_line, _aligned(rates))
    yield _Line(text="")
    yield from map(_row_line, _aligned([(left[0], *right) for left, right in zip(rates, usage, strict=True)]))


def _rates(outcome: RunOutcome, rows: Sequence[tuple[str, Summary]], *, width: int) -> list[tuple[str, ...]]:
    """Return the cells of the rates; the structural interval is left out where it would be too wide."""
    header = ("", rate_title(outcome, "structural"), rate_title(outcome, "semantic"), "blind pass", "errored")
    rates = [header, *((name, *_rate_cells(s)) for name, s in rows)]
    is_scored = any(s.semantic.n for _, s in rows)
    if not is_scored or len(_aligned(rates)[0]) <= width:
        return rates
    structural = ["structural", *(show.percent(s.structural.rate) for _, s in rows)]
    return [(row[0], short, *row[2:]) for row, short in zip(rates, structural, strict=True)]


def _row_line(text: str) -> _Line:
    # A model's own row begins at the margin, those of its suites are indented.
    return _Line(text=text.rstrip(), bold=not text.startswith(" "))


def _rate_cells(summary: Summary) -> tuple[str, ...]:
    return (
        show.rate_with_interval(summary.structural, absent=show.MISSING),
        show.rate_with_interval(summary.semantic),
        show.percent(summary.blind_pass.rate),
        f"{summary.errored:,}/{summary.trials:,}",
    )


def _usage_cells(summary: Summary) -> tuple[str, ...]:
    p50, p95 = show.seconds(summary.latency_p50_s), show.seconds(summary.latency_p95_s)
    return (
        "/".join(show.tokens_used(summary)),
        show.money(summary.cost_usd),
        show.money(summary.judge_cost_usd),
        f"{p50.removesuffix(' s')}/{p95}",
    )


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def _checks(outcome: RunOutcome) -> Iterator[_Line]:
    for summary in overall(outcome):
        failing = [c for c in summary.checks if c.passed < c.n]
        for check in sorted(failing, key=lambda c: (c.passed - c.n, c.name)):
            missed = f"failed {check.n - check.passed:,} of {check.n:,}"
            yield _Line(text=f"{_name(summary.model)}: {check.kind} {_name(check.name)} {missed}")
        for kind, number in sorted(summary.errors.items()):
            yield _Line(text=f"{_name(summary.model)}: error {_name(kind)}: {show.count(number, 'trial')}")


def _comparison(comparison: Comparison, *, most: int | None) -> Iterator[_Line]:
    yield _Line(text="")
    yield _Line(text=f"{_name(comparison.candidate)} against {_name(comparison.baseline)}", bold=True)
    for difference in telling(comparison):
        yield _Line(text=f"  {_difference(difference)}")
    if comparison.unpaired:
        yield _Line(text=f"  {show.count(comparison.unpaired, 'trial')} without a partner, left out")
    yield from _flips("regressed", comparison.regressed, colour="red", most=most)
    yield from _flips("fixed", comparison.fixed, colour="green", most=0 if most else None)


def _difference(difference: Difference) -> str:
    what = safe_text(difference.measure, NAME_CHARS)
    what += f" in {_name(difference.suite)}" if difference.suite else ""
    says = f"{show.points(difference.estimate)} points"
    if difference.low is not None and difference.high is not None:
        low, high = show.points(difference.low), show.points(difference.high)
        says += f" [{difference.confidence:.0%}: {low}, {high}]"
    else:
        says += f" ({safe_text(difference.note, MESSAGE_CHARS) or 'no interval'})"
    return f"{what}: {says} on {show.count(difference.pairs, 'pair')}, p {show.p_value(difference.p_value)}"


def _flips(title: str, flips: Sequence[Flip], *, colour: Colour, most: int | None) -> Iterator[_Line]:
    if not flips:
        return
    names = [_flip_name(flip) for flip in sorted(flips, key=lambda f: (f.suite, f.case, f.repeat))]
    shown = names if most is None else names[:most]
    if len(names) > len(shown) > 0:
        shown = [*shown, f"and {len(names) - len(shown):,} more"]
    listed = f": {', '.join(shown)}" if shown else ""
    yield _Line(text=f"  {title} {len(names):,}{listed}", colour=colour)


def _flip_name(flip: Flip) -> str:
    again = f"#{flip.repeat}" if flip.repeat > 1 else ""
    return safe_text(f"{flip.suite}/{flip.case}", 2 * NAME_CHARS) + again


def _gate(outcome: RunOutcome, *, verbose: int) -> Iterator[_Line]:
    gate = outcome.gate
    yield _Line(text="")
    if verbose > 0:
        for decision in gate.decisions:
            yield _Line(text=_decision(decision), colour=_COLOURS[decision.answer])
    yield _Line(text=gate_line(gate, MESSAGE_CHARS), colour=_COLOURS[gate.answer], bold=True)
    for note in gate.notes:
        yield _Line(text=f"note: {safe_text(note, MESSAGE_CHARS)}")


def _decision(decision: Decision) -> str:
    where = f"{_name(decision.model)}, {_name(decision.suite or 'all suites')}"
    reason = safe_text(decision.reason, MESSAGE_CHARS)
    return f"  {GATE_WORDS[decision.answer]}  {decision.rule} ({where}): {reason}"


def _name(name: str) -> str:
    return safe_text(name, NAME_CHARS)
