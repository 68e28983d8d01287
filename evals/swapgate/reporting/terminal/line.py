"""A line for the terminal, and the cells of a table in it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from swapgate.reporting import format as show
from swapgate.reporting.text import safe_text
from swapgate.values import Value

Colour = Literal["green", "red", "yellow"]
NAME_CHARS = 32
MESSAGE_CHARS = 500


class Line(Value):
    """Text that cannot steer a terminal, with pytest's names for how it looks."""

    text: str
    colour: Colour | None = None
    bold: bool = False


def name(text: str, limit: int = NAME_CHARS) -> str:
    """Return a name from outside, short and on one line."""
    return safe_text(text, limit)


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the rows of a table: the first column to the left, the others to the right."""
    from rich.cells import cell_len  # characters of Chinese, Japanese and Korean are two columns wide

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    gaps = [[" " * (w - cell_len(c)) for c, w in zip(row, widths, strict=True)] for row in rows]
    return [
        "  ".join(
            gap + cell if index else cell + gap
            for index, (cell, gap) in enumerate(zip(row, own_gaps, strict=True))
        )
        for row, own_gaps in zip(rows, gaps, strict=True)
    ]


def more(number: int, noun: str, *, told: str = "") -> Iterator[Line]:
    """Yield the line that counts what is not shown, nothing where all is."""
    if number:
        yield Line(text=f"  and {show.count(number, f'more {noun}')}{told}: -v shows all")


def listed(names: Sequence[str], most: int | None) -> str:
    """Return the names, the first `most` of them and how many more there are."""
    shown = list(names if most is None else names[:most])
    more = [f"and {len(names) - len(shown):,} more"] if len(names) > len(shown) > 0 else []
    return ", ".join([*shown, *more])
