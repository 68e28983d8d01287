"""What is the same, gone or new from one text to another: by words, or by lines where they are long."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Literal, NamedTuple

# Above this many words lines are compared: the time grows with the square.
MOST_WORDS = 3_000
MOST_LINES = 3_000
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
Kind = Literal["same", "gone", "new"]


class Piece(NamedTuple):
    """A stretch of text that both sides have, or one of them."""

    kind: Kind
    text: str


def diff(before: str, after: str) -> list[Piece] | None:
    """Return the pieces that lead from one text to the other; None where both are too long to compare."""
    for parts, most in ((_words, MOST_WORDS), (_lines, MOST_LINES)):
        old, new = parts(before), parts(after)
        if len(old) <= most and len(new) <= most:
            return list(_pieces(old, new))
    return None


def _words(text: str) -> list[str]:
    return _WORDS.findall(text)


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _pieces(old: Sequence[str], new: Sequence[str]) -> Iterator[Piece]:
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for tag, i, i_end, j, j_end in matcher.get_opcodes():
        if tag == "equal":
            yield Piece("same", "".join(old[i:i_end]))
            continue
        if i < i_end:
            yield Piece("gone", "".join(old[i:i_end]))
        if j < j_end:
            yield Piece("new", "".join(new[j:j_end]))
