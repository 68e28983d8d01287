"""What a text forbids: the sentences of a prompt, and the questions to a judge, that say what must not be."""

from __future__ import annotations

import re

# Where one instruction ends and the next begins: a sentence's end, a line, a bullet.
_ENDS = re.compile(r"(?<=[.!?;])\s+|\n+")
_FORBIDS = re.compile(
    r"\b(?:do not|don['’]t|never|must not|mustn['’]t|should not|shouldn['’]t|may not|cannot|avoid|without"
    r"|leave out|refrain from|no)\b",
    re.IGNORECASE,
)
# A question that asks whether something was left undone. "Concrete, not vague?" asks for something instead.
_ASKS_WHETHER_LEFT = re.compile(
    r"\b(?:avoids?|refrains?|abstains?|leaves? out|omits?|free (?:of|from)|without|never|does not|do not"
    r"|doesn['’]t|don['’]t|is not|are not|must not)\b",
    re.IGNORECASE,
)
_MOST = 300


def forbidding(text: str) -> list[str]:
    """Return the sentences and lines of a text that forbid something, each on one line."""
    parts = (" ".join(part.split()).lstrip("-*• ") for part in _ENDS.split(text))
    return [part[:_MOST] for part in parts if _FORBIDS.search(part)]


def asks_whether_left(question: str) -> bool:
    """Whether a question to a judge is about something that must not be in the answer."""
    return _ASKS_WHETHER_LEFT.search(question) is not None
