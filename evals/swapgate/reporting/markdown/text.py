"""Pieces of Markdown: escaped text, tables and lists of a limited length, folded parts."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeVar

from swapgate.reporting import format as show
from swapgate.reporting.text import safe_text

_Item = TypeVar("_Item")
NAME_CHARS = 80
REASON_CHARS = 200
SENTENCE_CHARS = 400
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "|": "&#124;", "$": "&#36;"}
_MARKUP = re.compile(r"[\\`*_\[\]~]|[&<>|$]")
# GitHub links these after the Markdown is read, so no escape of Markdown's own stops it.
_AUTOLINK = re.compile(r"(?<=[@#])(?=\w)|(?<=GH-)(?=\d)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
# Names of emoji, which become pictures the same way: of those that are all digits there are two.
_EMOJI = re.compile(r":(?=(?:1234|100|[\w+-]*[a-z_+-][\w+-]*):)", re.IGNORECASE)
# Where a line of a list begins so, it would be a heading, a list or a rule.
_BLOCK = re.compile(r"^(\d*(?=[.)])|(?=[-+#]))")
_ZERO_WIDTH_SPACE = "\u200b"
# In numbers of our own only these would be markup: an interval is no link, `<0.001` no tag, `*` no emphasis.
_OWN = str.maketrans({"[": "\\[", "*": "\\*", "<": "&lt;", ">": "&gt;", "~": "\\~"})


def escaped(text: str, limit: int = NAME_CHARS) -> str:
    """Return text from outside on one line: no Markdown, no HTML, no mention, no link, no emoji."""
    calm = _EMOJI.sub(f":{_ZERO_WIDTH_SPACE}", _AUTOLINK.sub(_ZERO_WIDTH_SPACE, safe_text(text, limit)))
    marked = _MARKUP.sub(lambda match: _ENTITIES.get(match[0], "\\" + match[0]), calm)
    return _BLOCK.sub(r"\1\\", marked)


def own(text: str) -> str:
    """Return numbers and words of our own so that they read as they are."""
    return text.translate(_OWN)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, left: int, most: int) -> list[str]:
    """Return a table of at most twice `most` rows, nothing without a row; `left` columns are text."""
    if not rows:
        return []
    rule = [":--" if column < left else "--:" for column in range(len(header))]
    body = [_row(row) for row in rows[: 2 * most]]
    more = ["", f"and {show.count(len(rows) - len(body), 'row')} more"] if len(rows) > len(body) else []
    return [_row(header), _row(rule), *body, *more]


def capped(items: Sequence[_Item], most: int, line: Callable[[_Item], str]) -> list[str]:
    """Return a line for each of the first items, and one that counts the others."""
    shown = [line(item) for item in items[:most]]
    more = len(items) - len(shown)
    return [*shown, f"- and {more:,} more"] if more else shown


def folded(title: str, lines: Sequence[str]) -> list[str]:
    """Return the lines folded under a title (escaped already); nothing without a line."""
    if not lines:
        return []
    # GitHub reads Markdown inside an element of HTML only after an empty line.
    return ["", "<details>", f"<summary>{title}</summary>", "", *lines, "", "</details>"]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
