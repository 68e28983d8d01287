"""The bill of a migration on the terminal."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.analysis.switching import SwitchCost
from swapgate.reporting.migration import cells
from swapgate.reporting.terminal.line import MESSAGE_CHARS, aligned
from swapgate.reporting.text import safe_text


def bill_lines(cost: SwitchCost) -> Iterator[str]:
    """Yield the total, a line for each item, the saving, and what is not known."""
    yield safe_text(cells.headline(cost), MESSAGE_CHARS)
    yield ""
    rows = [cells.HEADER, *map(cells.row, cost.items)]
    for line, row in zip(aligned([row[:-1] for row in rows]), rows, strict=True):
        yield f"{line}  {safe_text(row[-1], MESSAGE_CHARS)}".rstrip()
    yield ""
    for line in cells.saving_lines(cost):
        yield safe_text(line, MESSAGE_CHARS)
    for line in cells.unknown_lines(cost):
        yield safe_text(f"not known: {line}", MESSAGE_CHARS)
