"""Text as a reader sees it: without the characters that only a model reads."""

from __future__ import annotations

import re
import unicodedata

_JOINERS = frozenset("\u200c\u200d")
# The flags of England, Scotland and the like are spelled with tag characters after a black flag.
_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")
# Control and format characters, selectors, tags; and what is blank though it counts as a letter or a symbol:
# the fillers of Hangul, and Braille without a dot.
_HIDING = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f"
    "\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb"
    "\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
# What of them is ASCII: to look for it alone takes less than half of the time.
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def visible(text: str) -> str:
    """Return the text without what cannot be seen.

    Taken out are control and format characters, those that turn the direction of text around, tag characters
    and characters that are blank. Kept is what shapes visible text: a joiner between two characters beyond
    ASCII (emoji, Persian, Indic scripts), one variation selector after a character, the tags of a flag.
    """
    if not (_CONTROL if text.isascii() else _HIDING).search(text):
        return text
    kept: list[str] = []
    end = 0
    for flag in _FLAG.finditer(text):
        kept += [_stripped(text[end : flag.start()]), flag[0]]
        end = flag.end()
    return "".join((*kept, _stripped(text[end:])))


def is_hidden(character: str) -> bool:
    """Whether a character cannot be seen and does not part words."""
    return _HIDING.match(character) is not None


def _stripped(text: str) -> str:
    return "".join(c for place, c in enumerate(text) if not _is_dropped(text, place))


def _is_dropped(text: str, place: int) -> bool:
    character = text[place]
    if _is_selector(character):
        return not (place and not _is_selector(text[place - 1]) and _may_vary(text[place - 1], character))
    if character in _JOINERS:
        return not (place and _is_shaped(text[place - 1]) and _is_shaped(text[place + 1 : place + 2]))
    return is_hidden(character)


def _is_selector(character: str) -> bool:
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"


def _may_vary(before: str, selector: str) -> bool:
    """Whether a variation selector has something to vary: an ideograph, or for the common ones any sign."""
    if selector > "\ufe0f":
        return unicodedata.name(before, "").startswith("CJK ")
    return not before.isspace() and not is_hidden(before)


def _is_shaped(neighbour: str) -> bool:
    """Whether a character joins with others: beyond ASCII, and to be seen; a selector belongs to its sign."""
    return (
        bool(neighbour) and not neighbour.isascii() and (_is_selector(neighbour) or not is_hidden(neighbour))
    )
