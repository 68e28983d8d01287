"""A verification as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from swapgate.reporting.markdown.text import SENTENCE_CHARS, capped, escaped, folded, own, table
from swapgate.reporting.verification import cells
from swapgate.retrieval.verifying.verification import Verification, WorstQuery

_MOST = 20


def markdown(found: Verification) -> str:
    """Return the whole document."""
    return "\n".join(_lines(found)).rstrip() + "\n"


def _lines(found: Verification) -> Iterator[str]:
    yield f"## {cells.WORDS[found.verdict]}: index of {escaped(found.migration)}"
    yield ""
    yield escaped(cells.headline(found), SENTENCE_CHARS)
    yield ""
    yield from capped(found.reasons, _MOST, lambda reason: f"- {escaped(reason, SENTENCE_CHARS)}")
    yield ""
    yield from table(
        _head(cells.header(found)), [_cells(row) for row in cells.rows(found)], left=2, most=_MOST
    )
    yield ""
    sides = [_cells(row) for row in cells.side_rows(found)]
    yield from table(_head(cells.SIDES_HEADER), sides, left=2, most=_MOST)
    yield ""
    yield from capped(cells.facts(found), _MOST, lambda line: f"- {escaped(line, SENTENCE_CHARS)}")
    yield from folded("The worst queries", [line for one in found.worst for line in _worst(one)])


def _worst(one: WorstQuery) -> Iterator[str]:
    yield ""
    yield f"**{escaped(one.id)}**: {escaped(cells.worst_head(one), SENTENCE_CHARS)}"
    yield ""
    rows = [tuple(escaped(cell, SENTENCE_CHARS) for cell in row) for row in cells.worst_results(one)]
    yield from table(("rank", "old", "new"), rows, left=3, most=_MOST)


def _head(header: Sequence[str]) -> list[str]:
    return [escaped(name) or "&nbsp;" for name in header]


def _cells(row: Sequence[str]) -> list[str]:
    # The second cell of an index is the name of its embedding, which is the user's.
    return [escaped(row[0]), escaped(row[1]), *(own(cell) for cell in row[2:])]
