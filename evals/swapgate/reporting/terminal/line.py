"""A line for the terminal, and the cells of a table in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from swapgate.reporting.text import safe_text

Colour = Literal["green", "red", "yellow"]
NAME_CHARS = 32
MESSAGE_CHARS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Text that cannot steer a terminal, with pytest's names for how it looks."""

    text: str
    colour: Colour | None = None
    bold: bool = False


def name(text: str, limit: int = NAME_CHARS) -> str:
    """Return a name from outside, short and on one line."""
    return safe_text(text, limit)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table: the first column to the left, the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


def listed(names: Sequence[str], most: int | None) -> str:
    """Return the names, the first `most` of them and how many more there are."""
    shown = list(names if most is None else names[:most])
    more = [f"and {len(names) - len(shown):,} more"] if len(names) > len(shown) > 0 else []
    return ", ".join([*shown, *more])
