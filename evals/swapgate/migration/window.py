"""The time that a migration took place in, as it was given."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from swapgate.values import Value


class Window(Value):
    """From `since` to before `until`, both ISO 8601 in UTC; None is open."""

    since: str | None = None
    until: str | None = None

    @property
    def days(self) -> tuple[str | None, str | None]:
        """The first and the last day, as stores that count by days take them."""
        return self.since and self.since[:10], self.until and self.until[:10]

    def holds(self, at: str) -> bool:
        """Whether a moment (ISO 8601 in UTC) lies in it."""
        return (self.since is None or at >= self.since) and (self.until is None or at < self.until)


class Span(Value):
    """The first and the last moment of something; None where nothing was."""

    first: str | None = None
    last: str | None = None

    @property
    def seconds(self) -> float | None:
        """How long that is."""
        if self.first is None or self.last is None:
            return None
        return (datetime.fromisoformat(self.last) - datetime.fromisoformat(self.first)).total_seconds()


def span_of(moments: Iterable[str | None]) -> Span:
    """Return the span of moments in ISO 8601, in whatever zones; unknown ones count for nothing."""
    known = sorted((moment for moment in moments if moment), key=datetime.fromisoformat)
    return Span(first=known[0], last=known[-1]) if known else Span()
