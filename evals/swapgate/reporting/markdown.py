"""report.md: the run in a form that fits a pull-request comment. What models wrote is escaped."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from swapgate.analysis.compare import Comparison, Difference, Flip
from swapgate.analysis.gate import GateAnswer
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.summary import Summary
from swapgate.records import Trial
from swapgate.reporting import format as show
from swapgate.reporting.files import write_text
from swapgate.reporting.reasons import (
    GATE_WORDS,
    by_suite,
    first_reason,
    headline,
    in_order,
    interval_notes,
    overall,
    rate_title,
    standing,
    telling,
)
from swapgate.reporting.text import safe_text

_Item = TypeVar("_Item")
# A GitHub comment holds 65,536 characters.
MAX_CHARS = 60_000
# The most lines of a list or a table; the next number is taken when the report is too long with this one.
LIST_LINES = (50, 25, 12, 6, 3, 1)
COMPARISONS = 3
HEADLINES = 5
NAME_CHARS = 80
REASON_CHARS = 200
SENTENCE_CHARS = 400

_SUMMARY_HEADER = (
    "Model",
    "Trials",
    "structural",
    "semantic",
    "Blind pass",
    "Errored",
    "Tokens in / out",
    "Cost",
    "Judge cost",
    "Latency p50 / p95",
)
# Columns with an interval: their titles name its confidence.
_RATES = ("structural", "semantic")
_TITLES: dict[GateAnswer, str] = {
    "pass": "gate passed",
    "fail": "gate failed",
    "inconclusive": "gate inconclusive",
    "not_judged": "gate not judged",
}
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"}
_MARKUP = re.compile(r"[\\`*_\[\]~]|[&<>|$]")
# GitHub links these after the Markdown is read, so no escape of Markdown's own stops it.
_AUTOLINK = re.compile(r"(?<=[@#])(?=\w)|(?<=GH-)(?=\d)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
_ZERO_WIDTH_SPACE = "\u200b"


class MarkdownReporter:
    """Writes report.md."""

    name = "md"
    filename = "report.md"

    def write(self, outcome: RunOutcome, folder: Path) -> Path:
        """Write report.md into the folder and return its path."""
        path = folder / self.filename
        write_text(path, render(outcome))
        return path


def render(outcome: RunOutcome) -> str:
    """Return the report as Markdown of fewer than MAX_CHARS characters."""
    text = ""
    for most in LIST_LINES:
        text = _text(outcome, most)
        if len(text) < MAX_CHARS:
            break
    return text


def escaped(text: str, limit: int) -> str:
    """Return text from outside on one line: no Markdown, no HTML, no mention, no link."""
    calm = _AUTOLINK.sub(_ZERO_WIDTH_SPACE, safe_text(text, limit))
    return _MARKUP.sub(lambda match: _ENTITIES.get(match[0], "\\" + match[0]), calm)


def _text(outcome: RunOutcome, most: int) -> str:
    sections = (
        _verdict(outcome),
        _models(outcome, most),
        *_comparisons(outcome, most),
        _misses(outcome, most),
        _errors(outcome, most),
        _section("Notes", [*outcome.gate.notes, *interval_notes(outcome)], most),
        _section("Warnings", outcome.warnings, most),
        _cost(outcome),
        ["Everything in detail: [report.html](report.html)"],
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _verdict(outcome: RunOutcome) -> list[str]:
    gate = outcome.gate
    lines = [
        f"## swapgate: {_TITLES[gate.answer]}",
        "",
        f"**{GATE_WORDS[gate.answer]}**: {escaped(gate.reason, SENTENCE_CHARS)}",
        "",
    ]
    heads = [s for s in overall(outcome) if s.role == "candidate"]
    return [*lines, *_capped(heads, HEADLINES, lambda s: f"- {escaped(headline(s), SENTENCE_CHARS)}")]


def _models(outcome: RunOutcome, most: int) -> list[str]:
    rows = []
    for summary in overall(outcome):
        role = " (baseline)" if summary.role == "baseline" else ""
        rows.append(_summary_row(f"**{escaped(summary.model, NAME_CHARS)}**{role}", summary))
        rows += [_summary_row(_suite_name(s), s) for s in by_suite(outcome, summary)]
    rates = {name: escaped(rate_title(outcome, name.capitalize()), NAME_CHARS) for name in _RATES}
    header = [rates.get(title, title) for title in _SUMMARY_HEADER]
    return _table(header, rows, left=1, most=most)


def _summary_row(name: str, summary: Summary) -> list[str]:
    return [
        name,
        f"{summary.trials:,}",
        show.rate_with_interval(summary.structural, absent=show.MISSING).replace("[", "\\["),
        show.rate_with_interval(summary.semantic).replace("[", "\\["),
        show.percent(summary.blind_pass.rate),
        f"{summary.errored:,}",
        " / ".join(show.tokens_used(summary)),
        _money(summary.cost_usd),
        _money(summary.judge_cost_usd),
        f"{show.seconds(summary.latency_p50_s)} / {show.seconds(summary.latency_p95_s)}",
    ]


def _suite_name(summary: Summary) -> str:
    return escaped(summary.suite or "all suites", NAME_CHARS)


def _comparisons(outcome: RunOutcome, most: int) -> list[list[str]]:
    shown = [_comparison(comparison, most) for comparison in outcome.comparisons[:COMPARISONS]]
    more = len(outcome.comparisons) - len(shown)
    return [*shown, [f"and {show.count(more, 'comparison')} more"]] if more else shown


def _comparison(comparison: Comparison, most: int) -> list[str]:
    names = [escaped(name, NAME_CHARS) for name in (comparison.candidate, comparison.baseline)]
    lines = [f"### {names[0]} against {names[1]}", ""]
    header = ["Measure", "Suite", "Pairs", "Difference in points", "Interval", "p"]
    lines += _table(header, [_difference_row(d) for d in telling(comparison)], left=2, most=most)
    if comparison.unpaired:
        lines += ["", f"{show.count(comparison.unpaired, 'trial')} without a partner, left out."]
    lines += _flips("Regressed", comparison.regressed, most)
    return lines + _flips("Fixed", comparison.fixed, most)


def _difference_row(difference: Difference) -> list[str]:
    bounds = escaped(difference.note, NAME_CHARS) or show.MISSING
    if difference.low is not None and difference.high is not None:
        low, high = show.points(difference.low), show.points(difference.high)
        bounds = f"{difference.confidence:.0%} \\[{low}, {high}]"
    return [
        escaped(difference.measure, NAME_CHARS),
        escaped(difference.suite or "all suites", NAME_CHARS),
        f"{difference.pairs:,}",
        show.points(difference.estimate),
        bounds,
        show.p_value(difference.p_value),
    ]


def _flips(title: str, flips: Sequence[Flip], most: int) -> list[str]:
    if not flips:
        return []
    ordered = sorted(flips, key=lambda f: (f.suite, f.case, f.repeat))
    return ["", f"{title} ({len(flips):,}):", "", *_capped(ordered, most, _flip_line)]


def _flip_line(flip: Flip) -> str:
    return _case_line(flip.suite, flip.case, flip.repeat, flip.reason)


def _misses(outcome: RunOutcome, most: int) -> list[str]:
    missed = [t for t in in_order(outcome.trials) if t.outcome == "missed" and t.role == "candidate"]
    if not missed:
        return []
    blind = sum(t.is_blind_pass for t in missed)
    title = f"### Misses ({len(missed):,}; blind passes: {blind:,})"
    return [title, "", *_capped(missed, most, _miss_line)]


def _miss_line(trial: Trial) -> str:
    kind = "blind pass" if standing(trial) == "blind" else "missed"
    who = f"{safe_text(trial.model, NAME_CHARS)}, {kind}"
    return _case_line(trial.suite, trial.case, trial.repeat, f"({who}) {first_reason(trial)}")


def _case_line(suite: str, case: str, repeat: int, reason: str) -> str:
    again = f" \\#{repeat}" if repeat > 1 else ""
    name = escaped(f"{suite}/{case}", NAME_CHARS)
    return f"- **{name}**{again}: {escaped(reason, REASON_CHARS)}"


def _errors(outcome: RunOutcome, most: int) -> list[str]:
    rows = [
        [escaped(s.model, NAME_CHARS), escaped(kind, NAME_CHARS), f"{number:,}"]
        for s in overall(outcome)
        for kind, number in sorted(s.errors.items())
    ]
    return ["### Errors", "", *_table(["Model", "Kind", "Trials"], rows, left=2, most=most)] if rows else []


def _cost(outcome: RunOutcome) -> list[str]:
    rows = overall(outcome)
    trials, cached = sum(s.trials for s in rows), sum(s.from_cache for s in rows)
    models = show.money_sum([s.cost_usd for s in rows])
    judges = show.money_sum([s.judge_cost_usd for s in rows])
    paid = show.money_sum([s.paid_usd for s in rows])
    said = f"Models {models} and judges {judges} at list price; paid this time: {paid}. ".replace("<", "&lt;")
    return [
        "### Cost",
        "",
        f"{said}{cached:,} of {show.count(trials, 'response')} came from the cache.",
    ]


def _section(title: str, lines: Sequence[str], most: int) -> list[str]:
    return [f"### {title}", "", *_capped(lines, most, _note_line)] if lines else []


def _note_line(line: str) -> str:
    return f"- {escaped(line, 2 * REASON_CHARS)}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int, most: int) -> list[str]:
    if not rows:
        return []
    rule = [":--" if column < left else "--:" for column in range(len(header))]
    body = [_row(row) for row in rows[: 2 * most]]
    more = ["", f"and {show.count(len(rows) - len(body), 'row')} more"] if len(rows) > len(body) else []
    return [_row(header), _row(rule), *body, *more]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _capped(items: Sequence[_Item], most: int, line: Callable[[_Item], str]) -> list[str]:
    shown = [line(item) for item in items[:most]]
    more = len(items) - len(shown)
    return [*shown, f"- and {more:,} more"] if more else shown


def _money(usd: float | None) -> str:
    return show.money(usd).replace("<", "&lt;")
