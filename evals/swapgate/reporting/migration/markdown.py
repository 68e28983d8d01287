"""The bill of a migration as Markdown, for a pull request or a wiki."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.analysis.switching import SwitchCost
from swapgate.reporting.markdown.text import SENTENCE_CHARS, escaped, table
from swapgate.reporting.migration import cells


def markdown(cost: SwitchCost) -> str:
    """Return the whole document."""
    return "\n".join(_lines(cost)).rstrip() + "\n"


def _lines(cost: SwitchCost) -> Iterator[str]:
    yield "## The actual cost of switching"
    yield ""
    yield f"**{escaped(cells.headline(cost), SENTENCE_CHARS)}**"
    yield ""
    rows = [[escaped(cell, SENTENCE_CHARS) for cell in cells.row(item)] for item in cost.items]
    yield from table(cells.HEADER, rows, left=len(cells.HEADER), most=len(rows))
    yield ""
    for line in cells.saving_lines(cost):
        yield f"- {escaped(line, SENTENCE_CHARS)}"
    unknown = cells.unknown_lines(cost)
    if unknown:
        yield from ["", "What is not known:", ""]
        yield from (f"- {escaped(line, SENTENCE_CHARS)}" for line in unknown)
