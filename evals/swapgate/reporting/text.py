"""Text from outside made safe to show: what is invisible or steers a terminal becomes a visible escape."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Characters that steer a terminal or a reader's eye and show nothing themselves. U+200C and U+200D stay:
# Persian, Hindi and emoji need them. A variation selector stays behind the one character that it varies; in a
# row, or behind a letter of ASCII, selectors spell out what only a model reads.
_SELECTORS = r"\ufe00-\ufe0f\U000e0100-\U000e01ef"
INVISIBLE = (
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b\u200e\u200f"
    r"\u2028-\u202e\u2060-\u206f\u2800\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3"
    r"\U0001d173-\U0001d17a\U000e0000-\U000e00ff\U000e01f0-\U000e0fff]"
    rf"|(?<![0-9#*\u0080-\ufdff\ufe10-\U000e00ff\U000e01f0-\U0010ffff])[{_SELECTORS}]"
)
_INVISIBLE = re.compile(INVISIBLE)
# Of plain ASCII, which most texts are, this much is known in a tenth of the time.
_STEERING = dict.fromkeys((*range(9), *range(11, 32), 127))
_BLANK = re.compile(r"[ \t\r\n]+")
# What GitHub's and Azure's runners and TeamCity take for a command, wherever in a line of the log it stands.
_COMMAND = re.compile(r"##(?=[A-Za-z]*\[)")


def visible(text: str) -> str:
    r"""Return the text with invisible characters written as escapes (`\x1b`); newlines and tabs stay."""
    if text.isascii() and len(text.translate(_STEERING)) == len(text):
        return text
    return _INVISIBLE.sub(_escape, text.replace("\r\n", "\n"))


def safe_text(text: str, limit: int | None = None) -> str:
    """Return the text on one line, cut to `limit` characters with an ellipsis.

    Nothing in it steers a terminal or commands a CI service that reads the log.
    """
    # Twice the limit and some more is enough to decide the cut; the rest of a long answer is never scanned.
    head = text if limit is None else text[: 2 * limit + 1000]
    line = _COMMAND.sub(r"\\x23#", visible(_BLANK.sub(" ", head)).strip())
    if limit is None or (len(line) <= limit and len(head) == len(text)):
        return line
    return line[: max(limit - 1, 0)] + "…"


def clipped(text: str, limit: int) -> str:
    """Return the text made visible, cut to `limit` characters with a line that says how much is missing."""
    if len(text) <= limit:
        return visible(text)
    return f"{visible(text[:limit])}\n… {len(text) - limit:,} more characters are in report.json"


def columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table's lines, each column as wide as its widest cell; the cells are made safe to show."""
    lines = [header, *([safe_text(cell) for cell in row] for row in rows)]
    widths = [max(len(cell) for cell in column) for column in zip(*lines, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in lines
    ]


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
