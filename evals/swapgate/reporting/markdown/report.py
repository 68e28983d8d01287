"""report.md: the run in a form that fits a pull-request comment. What models wrote is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swapgate.analysis.decision import GateAnswer
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.summary import Summary
from swapgate.facts import Facts
from swapgate.reporting import format as show
from swapgate.reporting import worst
from swapgate.reporting.files import write_text
from swapgate.reporting.markdown.comparison import case_line, comparison_lines
from swapgate.reporting.markdown.findings import finding_sections
from swapgate.reporting.markdown.text import (
    NAME_CHARS,
    REASON_CHARS,
    SENTENCE_CHARS,
    capped,
    escaped,
    own,
    table,
)
from swapgate.reporting.text import safe_text
from swapgate.reporting.words.judges import escalation_text, has_unscored, tokens_of
from swapgate.reporting.words.reasons import (
    GATE_WORDS,
    correction_notes,
    headline,
    interval_notes,
    is_streamed,
    overall,
    paid_this_time,
    rate_title,
)

__all__ = ["MAX_CHARS", "MarkdownReporter", "escaped", "render"]

# A GitHub comment holds 65,536 characters.
MAX_CHARS = 60_000
# The most lines of a list or a table; the next number is taken when the report is too long with this one.
LIST_LINES = (50, 25, 12, 6, 3, 1)
COMPARISONS = 3
_TOO_LONG = "The rest does not fit into a comment: see report.html."
HEADLINES = 5

_SUMMARY_HEADER = (
    "Model",
    "Trials",
    "structural",
    "semantic",
    "Blind pass",
    "Errored",
    "Unscored",
    "Tokens in / out",
    "Cost",
    "Judge cost",
    "Latency p50 / p95",
    "First token p50 / p95",
)
_UNSCORED = _SUMMARY_HEADER.index("Unscored")
# Columns with an interval: their titles name its confidence.
_RATES = ("structural", "semantic")
_TITLES: dict[GateAnswer, str] = {
    "pass": "gate passed",
    "fail": "gate failed",
    "inconclusive": "gate inconclusive",
    "not_judged": "gate not judged",
}


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
            return text
    return _cut(text)


def _cut(text: str) -> str:
    """Return the sections that fit: the verdict and the models come first."""
    end = f"\n\n{_TOO_LONG}\n"
    kept = text[: MAX_CHARS - len(end) - 1].rpartition("\n\n### ")[0]
    return kept + end


def _text(outcome: RunOutcome, most: int) -> str:
    notes = [*outcome.gate.notes, *correction_notes(outcome), *interval_notes(outcome)]
    sections = (
        _verdict(outcome),
        _models(outcome, most),
        *_comparisons(outcome, most),
        *finding_sections(outcome, most),
        _misses(outcome, most),
        _errors(outcome, most),
        _unscored(outcome, most),
        _judges(outcome, most),
        _section("Notes", notes, most),
        _section("Warnings", outcome.warnings, most),
        _cost(outcome),
        _full_report(outcome),
    )
    return "\n\n".join("\n".join(lines) for lines in sections if lines) + "\n"


def _full_report(outcome: RunOutcome) -> list[str]:
    """Return where everything stands; a comparison of stored runs has no trials, and so no page of them."""
    if not len(outcome.trials):
        return []
    if outcome.report_url is None:
        return ["Everything in detail: [report.html](report.html)"]
    return [
        f"Everything in detail: report.html of run {escaped(outcome.run.id)}, [here]({outcome.report_url})"
    ]


def _verdict(outcome: RunOutcome) -> list[str]:
    gate = outcome.gate
    lines = [
        f"## swapgate: {_TITLES[gate.answer]}",
        "",
        f"**{GATE_WORDS[gate.answer]}**: {escaped(gate.reason, SENTENCE_CHARS)}",
        "",
    ]
    heads = [s for s in overall(outcome) if s.role == "candidate"]
    return [*lines, *capped(heads, HEADLINES, lambda s: f"- {escaped(headline(s), SENTENCE_CHARS)}")]


def _models(outcome: RunOutcome, most: int) -> list[str]:
    models = overall(outcome)
    suites = worst.suites_of(outcome, models, few=max(most // max(len(models), 1), 1), most=0)
    rows = []
    for summary, own_suites in zip(models, suites.shown, strict=True):
        role = " (baseline)" if summary.role == "baseline" else ""
        rows.append(_summary_row(f"**{escaped(summary.model)}**{role}", summary))
        rows += [_summary_row(escaped(s.scope.name), s) for s in own_suites]
    if not has_unscored(outcome):
        rows = [[*row[:_UNSCORED], *row[_UNSCORED + 1 :]] for row in rows]
    rates = {name: escaped(rate_title(outcome, name.capitalize())) for name in _RATES}
    titles = [title for title in _SUMMARY_HEADER if title != "Unscored" or has_unscored(outcome)]
    header = [rates.get(title, title) for title in titles]
    if not is_streamed(outcome):
        header, rows = header[:-1], [row[:-1] for row in rows]
    more = ["", f"and {show.count(suites.left_out, 'more suite')}"] if suites.left_out else []
    return [*table(header, rows, left=1, most=most), *more]


def _summary_row(name: str, summary: Summary) -> list[str]:
    return [
        name,
        f"{summary.trials:,}",
        own(show.rate_with_interval(summary.structural, absent=show.MISSING)),
        own(show.rate_with_interval(summary.semantic)),
        own(show.marked_percent(summary.blind_pass)),
        f"{summary.errored:,}",
        f"{summary.unscored:,}",
        " / ".join(show.tokens_used(summary)),
        own(show.money(summary.cost_usd)),
        own(show.money(summary.judge_cost_usd)),
        f"{show.seconds(summary.latency_p50_s)} / {show.seconds(summary.latency_p95_s)}",
        f"{show.seconds(summary.ttft_p50_s)} / {show.seconds(summary.ttft_p95_s)}",
    ]


def _comparisons(outcome: RunOutcome, most: int) -> list[list[str]]:
    shown = []
    for comparison in outcome.comparisons[:COMPARISONS]:
        sides = (comparison.candidate, comparison.baseline)
        spreads = [s for s in outcome.spreads if (s.candidate, s.baseline) == sides]
        shown.append(comparison_lines(comparison, spreads, most))
    more = len(outcome.comparisons) - len(shown)
    return [*shown, [f"and {show.count(more, 'comparison')} more"]] if more else shown


def _misses(outcome: RunOutcome, most: int) -> list[str]:
    missed = sorted(
        (f for f in outcome.facts if f.outcome == "missed" and f.role == "candidate"),
        key=lambda f: (f.suite, f.case, f.model, f.repeat),
    )
    if not missed:
        return []
    blind = sum(f.is_blind_pass is True for f in missed)
    title = f"### Misses ({len(missed):,}; blind passes: {blind:,})"
    told = _told_as_regressed(outcome)
    others = [f for f in missed if (f.model, f.suite, f.case, f.repeat) not in told]
    above = len(missed) - len(others)
    said = [f"{above:,} regressed: see above.", ""] if above else []
    return [title, "", *said, *capped(others, most, _miss_line)]


def _told_as_regressed(outcome: RunOutcome) -> set[tuple[str, str, str, int]]:
    """Return the trials that a comparison above has told already: most misses, in a swap that goes wrong."""
    return {
        (comparison.candidate, flip.suite, flip.case, flip.repeat)
        for comparison in outcome.comparisons[:COMPARISONS]
        for flip in comparison.regressed
    }


def _miss_line(miss: Facts) -> str:
    kind = "blind pass" if miss.is_blind_pass else "missed"
    who = f"{safe_text(miss.model, NAME_CHARS)}, {kind}"
    return case_line(miss.suite, miss.case, miss.repeat, f"({who}) {miss.reason}")


def _errors(outcome: RunOutcome, most: int) -> list[str]:
    rows = [
        [escaped(s.model), escaped(kind), f"{number:,}"]
        for s in overall(outcome)
        for kind, number in sorted(s.errors.items())
    ]
    return ["### Errors", "", *table(["Model", "Kind", "Trials"], rows, left=2, most=most)] if rows else []


def _unscored(outcome: RunOutcome, most: int) -> list[str]:
    found = sorted(
        (f for f in outcome.facts if f.outcome == "unscored" and f.role == "candidate"),
        key=lambda f: (f.suite, f.case, f.model, f.repeat),
    )
    if not found:
        return []
    lines = capped(found, most, lambda f: case_line(f.suite, f.case, f.repeat, _unscored_reason(f)))
    return [f"### Unscored ({len(found):,})", "", "The judges disagree: neither right nor wrong.", "", *lines]


def _unscored_reason(facts: Facts) -> str:
    return f"({safe_text(facts.model, NAME_CHARS)}) {facts.reason}"


def _judges(outcome: RunOutcome, most: int) -> list[str]:
    header = ("Judge", "Models", "Verdicts", "Calls", "Tokens in / out", "Cost", "Latency p50 / p95")
    rows = [
        [
            escaped(use.judge),
            escaped(", ".join(use.models), SENTENCE_CHARS),
            f"{use.verdicts:,}",
            f"{use.calls:,}",
            " / ".join(tokens_of(use)),
            own(show.money(use.cost_usd)),
            f"{show.seconds(use.latency_p50_s)} / {show.seconds(use.latency_p95_s)}",
        ]
        for use in outcome.judges
    ]
    if not rows:
        return []
    saving = [
        f"{use.judge}: {escalation_text(use.escalation)}"
        for use in outcome.judges
        if use.escalation is not None
    ]
    saved = capped(saving, most, lambda text: f"- {escaped(text, SENTENCE_CHARS)}")
    return ["### Judges", "", *table(header, rows, left=2, most=most), *([""] if saved else []), *saved]


def _cost(outcome: RunOutcome) -> list[str]:
    rows = overall(outcome)
    trials, cached = sum(s.trials for s in rows), sum(s.from_cache for s in rows)
    models = show.money_sum([s.cost_usd for s in rows])
    judges = show.money_sum([s.judge_cost_usd for s in rows])
    said = own(f"Models {models} and judges {judges} at list price; {paid_this_time(outcome)}. ")
    return [
        "### Cost",
        "",
        f"{said}{cached:,} of {show.count(trials, 'response')} came from the cache.",
    ]


def _section(title: str, lines: Sequence[str], most: int) -> list[str]:
    return [f"### {title}", "", *capped(lines, most, _note_line)] if lines else []


def _note_line(line: str) -> str:
    return f"- {escaped(line, 2 * REASON_CHARS)}"
