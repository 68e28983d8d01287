"""What an address asks for, read strictly: a mistake is told, not guessed at."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from swapgate.viewing.problems import Refused

_DAY = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?", re.ASCII)
MOST_PAGES = 1_000_000
LONGEST = 2_000


class Asked:
    """The terms of one address."""

    def __init__(self, terms: Mapping[str, str], *, known: Sequence[str]) -> None:
        for name, value in terms.items():
            if name not in known:
                raise Refused(400, f"This page knows no {name!r}: it takes {', '.join(known)}")
            if len(value) > LONGEST:
                raise Refused(400, f"{name!r} is longer than {LONGEST} characters")
        self._terms = terms

    def text(self, name: str) -> str | None:
        """Return a term, None where it is not given or empty."""
        return self._terms.get(name, "").strip() or None

    def needed(self, name: str) -> str:
        """Return a term that the page cannot do without."""
        found = self.text(name)
        if found is None:
            raise Refused(400, f"This page needs {name!r} in its address")
        return found

    def number(self, name: str, default: int, *, most: int = MOST_PAGES) -> int:
        """Return a whole number from 1 on."""
        text = self.text(name)
        if text is None:
            return default
        if not (text.isascii() and text.isdecimal() and 1 <= int(text[:10]) <= most):
            raise Refused(400, f"{name!r} is a number from 1 to {most:,}, got {text[:50]!r}")
        return int(text)

    def day(self, name: str) -> str | None:
        """Return a day, or the beginning of one: `2026-03`; None where none is given."""
        text = self.text(name)
        if text is not None and not _DAY.fullmatch(text):
            raise Refused(400, f"{name!r} is a day such as 2026-03-01, got {text[:50]!r}")
        return text

    def end_of_day(self, name: str) -> str | None:
        """Return what sorts after every moment of a day: who says until Friday means Friday too."""
        day = self.day(name)
        return None if day is None else f"{day}~"

    def one_of(self, name: str, choices: Sequence[str]) -> str | None:
        """Return one of the choices, None where none is given."""
        text = self.text(name)
        if text is not None and text not in choices:
            raise Refused(400, f"{name!r} is one of {', '.join(choices)}, got {text[:50]!r}")
        return text

    def is_set(self, name: str) -> bool:
        """Return whether a box is ticked."""
        return self.text(name) is not None
