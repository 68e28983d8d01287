"""The report on a candidate in shadow as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.reporting.markdown.text import SENTENCE_CHARS, capped, escaped, folded, own, table
from swapgate.reporting.shadow import cells
from swapgate.shadow.deciding.evidence import RouteReport
from swapgate.shadow.deciding.pairs import Pair

_MOST = 20
_TEXT_CHARS = 600


def markdown(reports: Sequence[RouteReport], pairs: Sequence[Pair]) -> str:
    """Return the whole document."""
    lines = ["## Candidates in shadow", ""]
    for report in reports:
        mine = [pair for pair in pairs if pair.route == report.promotion.route]
        lines += _route(report, mine)
    return "\n".join(lines).rstrip() + "\n"


def _route(report: RouteReport, pairs: Sequence[Pair]) -> Iterator[str]:
    promotion = report.promotion
    word = cells.WORDS[promotion.verdict]
    yield f"### {word}: {escaped(promotion.route)}"
    yield ""
    yield escaped(cells.headline(report), SENTENCE_CHARS)
    yield ""
    yield f"**{word}**: {escaped(promotion.reason, SENTENCE_CHARS)}"
    yield ""
    yield from capped(promotion.notes, _MOST, lambda note: f"- {escaped(note, SENTENCE_CHARS)}")
    yield ""
    rulings = [
        (escaped(one.criterion), escaped(one.slice or ""), one.answer, escaped(one.reason, SENTENCE_CHARS))
        for one in promotion.rulings
    ]
    yield from table(("criterion", "slice", "answer", "reason"), rulings, left=4, most=_MOST)
    yield ""
    yield from _scopes(report)
    facts = cells.facts(report)
    yield from ["", *(f"- {escaped(line, SENTENCE_CHARS)}" for line in facts)] if facts else []
    yield from folded("The worst pairs", [line for pair in pairs for line in _pair(pair)])
    yield ""


def _scopes(report: RouteReport) -> list[str]:
    rows = [_cells(cells.short_row(one)) for one in cells.scopes(report)]
    header = [name or "scope" for name in cells.SHORT]
    differing = [_cells(row) for row in cells.differing_rows(report)]
    return [
        *table(header, rows, left=1, most=_MOST),
        "",
        *table(("differs in", "candidate", "control itself"), differing, left=1, most=_MOST),
    ]


def _cells(row: Sequence[str]) -> list[str]:
    return [escaped(row[0]), *(own(cell) for cell in row[1:])]


def _pair(pair: Pair) -> Iterator[str]:
    differs = ", ".join(cells.ASPECTS[aspect] for aspect in pair.differs_in) or "words alone"
    yield f"- {escaped(pair.key)}, {escaped(pair.at[:19])}: {differs}"
    for who, text in (("asked", pair.asked), ("control", pair.control), ("candidate", pair.candidate)):
        if text is not None:
            yield f"  - {who}: {escaped(text, _TEXT_CHARS)}"
