"""The section at the end of a terminal run: rates, costs, differences to the baseline, the gate's answer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from swapgate.analysis.decision import Decision, GateAnswer
from swapgate.analysis.outcome import RunOutcome
from swapgate.records import is_stored_baseline
from swapgate.reporting import format as show
from swapgate.reporting import worst
from swapgate.reporting.terminal.comparison import comparison_lines
from swapgate.reporting.terminal.findings import finding_lines
from swapgate.reporting.terminal.line import MESSAGE_CHARS, Colour, Line, more, name
from swapgate.reporting.terminal.rates import summary_table
from swapgate.reporting.text import safe_text
from swapgate.reporting.words import judges, warnings
from swapgate.reporting.words.reasons import (
    GATE_WORDS,
    correction_notes,
    gate_line,
    interval_notes,
    overall,
    paid_this_time,
)

__all__ = ["WriteLine", "safe_text", "summary_lines", "write_summary"]

_COLOURS: dict[GateAnswer, Colour | None] = {
    "pass": "green",
    "fail": "red",
    "inconclusive": "yellow",
    "not_judged": None,
}


class WriteLine(Protocol):
    """Writes one line, as `TerminalReporter.write_line` does; markup names are pytest's."""

    def __call__(self, line: str, **markup: bool) -> None: ...


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


def _lines(outcome: RunOutcome, *, verbose: int, width: int, reports: Sequence[Path]) -> Iterator[Line]:
    """Yield the whole summary, with -qq the gate's answer alone."""
    if verbose < -1:
        yield Line(text=gate_line(outcome.gate, MESSAGE_CHARS), colour=_COLOURS[outcome.gate.answer])
        return
    yield from summary_table(outcome, width=width, verbose=verbose)
    if verbose > 0:
        yield from _checks(outcome)
    yield from _judges(outcome)
    for comparison in outcome.comparisons:
        sides = (comparison.candidate, comparison.baseline)
        spreads = [s for s in outcome.spreads if (s.candidate, s.baseline) == sides]
        yield from comparison_lines(comparison, spreads, verbose=verbose)
    yield from finding_lines(outcome, verbose=verbose)
    yield from _cached(outcome)
    if any(s.saved_usd for s in overall(outcome)):
        yield Line(text=paid_this_time(outcome))
    for note in (*correction_notes(outcome), *interval_notes(outcome, with_slices=verbose > 0)):
        yield Line(text=f"note: {safe_text(note, MESSAGE_CHARS)}")
    yield from _gate(outcome, verbose=verbose)
    for warning in warnings.shown(outcome.warnings, verbose=verbose):
        yield Line(text=f"warning: {safe_text(warning, MESSAGE_CHARS)}", colour="yellow")
    for path in reports:
        yield Line(text=f"report: {path}")


def _checks(outcome: RunOutcome) -> Iterator[Line]:
    for summary in overall(outcome):
        failing = [c for c in summary.checks if c.passed < c.n]
        for check in sorted(failing, key=lambda c: (c.passed - c.n, c.name)):
            missed = f"failed {check.n - check.passed:,} of {check.n:,}"
            yield Line(text=f"{name(summary.model)}: {check.kind} {name(check.name)} {missed}")
        for kind, number in sorted(summary.errors.items()):
            yield Line(text=f"{name(summary.model)}: error {name(kind)}: {show.count(number, 'trial')}")


def _judges(outcome: RunOutcome) -> Iterator[Line]:
    """Yield what each judge took, apart from what the models took."""
    for use in outcome.judges:
        yield Line(text=safe_text(judges.use_text(use), MESSAGE_CHARS))
        if use.escalation is not None:
            yield Line(text=f"  {safe_text(judges.escalation_text(use.escalation), MESSAGE_CHARS)}")


def _cached(outcome: RunOutcome) -> Iterator[Line]:
    """Yield how much of the run was not asked again; a stored baseline is no part of it."""
    own = [f for f in outcome.facts if f.is_answered and not is_stored_baseline(f)]
    if cached := sum(f.from_cache for f in own):
        yield Line(text=f"from the cache: {cached:,} of {show.count(len(own), 'response')}")


def _gate(outcome: RunOutcome, *, verbose: int) -> Iterator[Line]:
    gate = outcome.gate
    yield Line(text="")
    deciding = gate.decisions if verbose > 0 else _deciding(outcome)
    for decision in deciding:
        yield Line(text=_decision(decision), colour=_COLOURS[decision.answer])
    yield from more(len(gate.decisions) - len(deciding) if deciding else 0, "rule")
    yield Line(text=gate_line(gate, MESSAGE_CHARS), colour=_COLOURS[gate.answer], bold=True)
    for note in gate.notes:
        yield Line(text=f"note: {safe_text(note, MESSAGE_CHARS)}")


def _deciding(outcome: RunOutcome) -> Sequence[Decision]:
    """Return the rules that decided, where there are so many suites that the sentence on one says little."""
    gate = outcome.gate
    if not worst.has_many_suites(outcome) or gate.answer not in {"fail", "inconclusive"}:
        return ()
    return [decision for decision in gate.decisions if decision.answer == gate.answer][: worst.FEW]


def _decision(decision: Decision) -> str:
    where = f"{name(decision.model or 'all models')}, {name(decision.scope.name)}"
    reason = safe_text(decision.reason, MESSAGE_CHARS)
    return f"  {GATE_WORDS[decision.answer]}  {decision.rule} ({where}): {reason}"
