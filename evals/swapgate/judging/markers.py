"""The markers around text that a judge must read as data, and never as instructions."""

from __future__ import annotations

import re

from swapgate.records import Json, canonical, hash_of
from swapgate.values import Value

CODE_LENGTH = 16
# Every repetition is bounded: a hostile text must not take longer than its length.
LOOKALIKE = re.compile(r"<<\s{0,4}/?\s{0,4}(?:BEGIN|END)\b[^<>\n]{0,80}>>", re.IGNORECASE)
_ROUND = str.maketrans("<>", "()")


class Markers(Value, kw_only=False):
    """A begin and an end that share a code which the text between them cannot contain."""

    code: str

    @classmethod
    def of(cls, *content: Json) -> Markers:
        """Derive the code from the call's content: new for every answer, the same when a call is repeated.

        No text contains its own hash, so an answer cannot close its own markers; and equal calls stay
        equal, so that the cache and a replay find them.
        """
        return cls.of_written(*map(canonical, content))

    @classmethod
    def of_written(cls, *content: str) -> Markers:
        """Derive the code from parts as `canonical` writes them: two codes share the longest one."""
        return cls(hash_of(f"[{','.join(content)}]")[:CODE_LENGTH])

    @property
    def begin(self) -> str:
        """The line before the text."""
        return f"<<<BEGIN {self.code}>>>"

    @property
    def end(self) -> str:
        """The line after the text."""
        return f"<<<END {self.code}>>>"

    def without(self, text: str) -> str:
        """Return the text with every occurrence of the code removed, also those that a removal makes.

        What looks like a marker loses its angle brackets: a judge may not compare codes as it should.
        """
        while self.code in text:
            text = text.replace(self.code, "")
        if "<<" not in text:
            return text
        return LOOKALIKE.sub(lambda found: found[0].translate(_ROUND), text)

    def around(self, text: str) -> str:
        """Return the text between the markers."""
        return f"{self.begin}\n{self.without(text)}\n{self.end}"
