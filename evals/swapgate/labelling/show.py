"""The report on a judge as lines for a terminal, and as a Markdown page with every disagreement."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator

from swapgate.labelling.measured import Disagreement, JudgeReport, Measure, Section, count
from swapgate.reporting.format import percent
from swapgate.reporting.markdown.text import escaped, own, table
from swapgate.reporting.text import clipped, columns, safe_text

NAME_WIDTH = 50
NAMES = {"sensitivity": "sensitivity (TPR)", "specificity": "specificity (TNR)", "youden": "Youden's index"}
SIDE = 52
MOST_ROWS = 1000
TEXT_CHARS = 4000
SHORT_CHARS = 600


def terminal_lines(report: JudgeReport, *, disagreements: int) -> Iterator[str]:
    """Yield the report as plain lines, with the first disagreements side by side."""
    yield safe_text(_head(report))
    for section in report.sections:
        yield ""
        yield safe_text(section.title)
        for measure in section.measures:
            yield f"  {safe_text(_name(measure)):<{NAME_WIDTH}} {safe_text(shown(measure))}"
        if section.table is not None:
            yield from (f"  {line}" for line in columns(section.table.header, section.table.rows))
        for line in section.lines:
            yield from textwrap.wrap(safe_text(line), 100, initial_indent="  ", subsequent_indent="    ")
    yield from _terminal_disagreements(report, disagreements)
    if report.advice:
        yield ""
        yield from (safe_text(f"next: {line}") for line in report.advice)


def markdown(report: JudgeReport) -> str:
    """Return the report as Markdown, in which nothing that a model or a person wrote is markup."""
    lines = [f"# Judge {escaped(report.judge)}", "", f"{escaped(_head(report), 400)}.", ""]
    for section in report.sections:
        lines += [f"## {escaped(section.title)}", "", *_markdown_section(section), ""]
    if report.advice:
        lines += ["## Next", "", *(f"- {escaped(line, 1000)}" for line in report.advice), ""]
    if report.disagreements:
        lines += [f"## {_differing(report)}", ""]
        for one in report.disagreements:
            lines += _markdown_disagreement(one)
    return "\n".join(lines).rstrip() + "\n"


def shown(measure: Measure) -> str:
    """Return a measure as people read it: `91.7% [81.6, 97.2], n 48`, or why there is none."""
    if measure.estimate is None:
        return f"- ({measure.note})" if measure.note else "-"
    value = percent(measure.estimate) if measure.is_share else f"{measure.estimate:.3f}"
    if measure.low is not None and measure.high is not None:
        low, high = measure.low, measure.high
        bounds = f"{100 * low:.1f}, {100 * high:.1f}" if measure.is_share else f"{low:.3f}, {high:.3f}"
        value += f" [{bounds}]"
    if measure.n is not None:
        value += f", n {measure.n:,}"
    return value + (f" ({measure.note})" if measure.note else "")


def _name(measure: Measure) -> str:
    return NAMES.get(measure.name, measure.name)


def _head(report: JudgeReport) -> str:
    drawn = report.design.replace("_", " ")
    parts = [count(report.labels, "label") + f" ({drawn})"] if report.labels or not report.pairs else []
    parts += [count(report.pairs, "pair")] if report.pairs else []
    of = f" of definition {report.judge_hash[:8]}" if report.judge_hash else ""
    return f"judge {report.judge}: {', '.join(parts)}{of}"


def _differing(report: JudgeReport) -> str:
    passed = sum(one.verdict == "pass" for one in report.disagreements)
    failed = len(report.disagreements) - passed
    return f"Where judge and people differ: {passed} wrongly passed, {failed} wrongly failed"


def _terminal_disagreements(report: JudgeReport, most: int) -> Iterator[str]:
    if not report.disagreements:
        return
    yield ""
    yield _differing(report)
    for one in report.disagreements[:most]:
        yield f"  {safe_text(_where(one))}"
        for title, text in _texts(one):
            line = f"{safe_text(title)}: {safe_text(text, SHORT_CHARS)}"
            yield from textwrap.wrap(line, 100, initial_indent="    ", subsequent_indent="      ")
        yield from (f"    {line}" for line in _side_by_side(*_sides(one)))
    if len(report.disagreements) > most:
        yield f"  and {len(report.disagreements) - most:,} more in the report"


def _where(one: Disagreement) -> str:
    repeat = f" repeat {one.repeat}" if one.repeat not in (None, 1) else ""
    return f"{one.suite or '-'}/{one.case or '-'} by {one.model or 'a model that nobody noted'}{repeat}"


def _texts(one: Disagreement) -> Iterator[tuple[str, str]]:
    yield from ((name, text) for name, text in one.inputs)
    if one.reference is not None:
        yield "reference", one.reference
    if one.answer is not None:
        yield "answer", one.answer


def _sides(one: Disagreement) -> tuple[str, str]:
    judge = f"judge: {one.verdict}" + (f": {one.reason}" if one.reason else "")
    people = f"people: {one.truth} ({one.votes})" + "".join(f"; {note}" for note in one.notes)
    return safe_text(judge, SHORT_CHARS), safe_text(people, SHORT_CHARS)


def _side_by_side(left: str, right: str) -> Iterator[str]:
    columns = [textwrap.wrap(text, SIDE - 2) or [""] for text in (left, right)]
    for row in range(max(map(len, columns))):
        one, two = (column[row] if row < len(column) else "" for column in columns)
        yield f"{one:<{SIDE}}| {two}".rstrip()


def _markdown_section(section: Section) -> list[str]:
    rows = [(escaped(_name(m)), own(_one_line(m))) for m in section.measures]
    lines = table(("measure", "value [95%]"), rows, left=2, most=MOST_ROWS)
    if section.table is not None:
        cells = [tuple(escaped(cell) for cell in row) for row in section.table.rows]
        header = tuple(escaped(cell) for cell in section.table.header)
        lines += ["", *table(header, cells, left=1, most=MOST_ROWS)]
    return [*lines, *[part for line in section.lines for part in ("", escaped(line, 1000))]]


def _one_line(measure: Measure) -> str:
    """Return the measure as shown, on one line of a table."""
    return safe_text(shown(measure)).replace("|", "/")


def _markdown_disagreement(one: Disagreement) -> list[str]:
    lines = [f"### {escaped(_where(one), 200)}", ""]
    for title, text in _texts(one):
        lines += [f"{escaped(title)}:", "", *_fenced(text), ""]
    judge, people = _sides(one)
    said = f"| {escaped(judge, SHORT_CHARS)} | {escaped(people, SHORT_CHARS)} |"
    return [*lines, "| judge | people |", "| :-- | :-- |", said, ""]


def _fenced(text: str) -> list[str]:
    """Return a text in a block whose fence it cannot close."""
    body = clipped(text, TEXT_CHARS)
    fence = "`" * max(3, max(map(len, re.findall("`+", body)), default=0) + 1)
    return [f"{fence}text", *body.split("\n"), fence]
