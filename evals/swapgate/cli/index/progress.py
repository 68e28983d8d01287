"""The line of progress of a reindexing."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from swapgate.reporting.format import money, seconds

if TYPE_CHECKING:
    from swapgate.retrieval.reindex import Progress

_DRAWN_EVERY_S = 0.2
_LOGGED_EVERY_S = 30.0
_HOUR_S = 3600.0


class ProgressLine:
    """The line of progress: on a terminal it is drawn anew, elsewhere a new one comes every half minute."""

    def __init__(self, spent: Callable[[], float] | None) -> None:
        self._spent = spent
        self._is_terminal = sys.stderr.isatty()
        self._drawn_at = time.monotonic() - (_DRAWN_EVERY_S if self._is_terminal else 0.0)

    def __call__(self, progress: Progress) -> None:
        """Draw it, if that is due."""
        now = time.monotonic()
        if now - self._drawn_at < (_DRAWN_EVERY_S if self._is_terminal else _LOGGED_EVERY_S):
            return
        self._drawn_at = now
        text = progress_text(progress, None if self._spent is None else self._spent())
        sys.stderr.write(f"\r\x1b[K{text}" if self._is_terminal else f"{text}\n")
        sys.stderr.flush()

    def close(self) -> None:
        """Wipe the line."""
        if self._is_terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def progress_text(progress: Progress, spent_usd: float | None) -> str:
    """Return how far a pass is, on one line."""
    of = f" of {progress.total:,}" if progress.total else ""
    parts = [
        f"pass {progress.number}: {progress.documents:,}{of} documents",
        f"{progress.written:,} written",
        f"{progress.per_s:,.0f}/s",
    ]
    if progress.unchanged:
        parts.insert(2, f"{progress.unchanged:,} as before")
    if progress.dead:
        parts.append(f"{progress.dead:,} dead")
    if progress.left_s is not None:
        parts.append(f"{duration(progress.left_s)} left")
    if spent_usd is not None:
        parts.append(money(spent_usd))
    return ", ".join(parts)


def duration(duration_s: float) -> str:
    """Return a duration that may be hours."""
    if duration_s < _HOUR_S:
        return seconds(duration_s)
    hours, rest = divmod(round(duration_s / 60), 60)
    return f"{hours} h {rest} min"
