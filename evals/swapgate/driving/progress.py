"""The live line to the right of pytest's own progress letters, on a terminal only."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, TextIO

from swapgate.engine.batch import BatchProgress
from swapgate.engine.runner import Progress
from swapgate.reporting.format import count, money

if TYPE_CHECKING:
    import pytest

_SAVE, _RESTORE, _CLEAR = "\x1b7", "\x1b8", "\x1b[K"
_REDRAW_S = 0.2
_LEAST_ROOM = 24


class LiveLine:
    """Draws where pytest's cursor stands and puts it back, so that pytest's own output is never touched."""

    def __init__(self, config: pytest.Config) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._writer = reporter._tw if reporter is not None else None
        self._file: TextIO | None = getattr(self._writer, "_file", None)
        is_wanted = reporter is not None and reporter.isatty and config.get_verbosity() > -2
        self._is_on = bool(is_wanted and self._writer is not None and self._writer.hasmarkup)
        # While a test runs, pytest captures standard output, the terminal's file included.
        capture = config.pluginmanager.get_plugin("capturemanager")
        self._uncaptured = capture.global_and_fixture_disabled if capture else contextlib.nullcontext
        self._is_drawn = False
        self._drawn_at = 0.0
        self._started_at = time.monotonic()

    def draw(self, progress: Progress) -> None:
        """Draw the state, at most five times a second."""
        now = time.monotonic()
        if not self._is_on or now - self._drawn_at < _REDRAW_S or self._file is None or self._writer is None:
            return
        room = self._writer.fullwidth - self._writer.width_of_current_line - 2
        if room < _LEAST_ROOM:
            return
        text = progress_text(progress, elapsed_s=now - self._started_at)[:room]
        with self._uncaptured():
            self._file.write(f"{_SAVE} {_CLEAR}\x1b[2m{text}\x1b[22m{_RESTORE}")
            self._file.flush()
        self._is_drawn, self._drawn_at = True, now

    def clear(self) -> None:
        """Take the line away before pytest writes."""
        if self._is_drawn and self._file is not None:
            with self._uncaptured():
                self._file.write(f"{_SAVE}{_CLEAR}{_RESTORE}")
                self._file.flush()
            self._is_drawn = False


def progress_text(progress: Progress, *, elapsed_s: float) -> str:
    """Return `12/60 | 16 in flight | $0.0042 | 3.1/s | 0:15 left`."""
    parts = [f"{progress.finished}/{progress.planned}", f"{progress.in_flight} in flight"]
    rate = progress.finished / elapsed_s if elapsed_s > 0 else 0.0
    if rate:
        left_s = round((progress.planned - progress.finished) / rate)
        parts.append(f"{rate:.1f}/s")
        parts.append(f"{left_s // 60}:{left_s % 60:02d} left")
    parts.insert(2, money(progress.cost_usd))
    if progress.batch is not None:
        parts.insert(0, batch_text(progress.batch))
    return " | ".join(parts)


def batch_text(batch: BatchProgress) -> str:
    """Return `batch: 847 requests at openai, 312 done, submitted 0:42 ago`."""
    minutes, seconds = divmod(int(batch.age_s), 60)
    hours, minutes = divmod(minutes, 60)
    age = f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
    where = ", ".join(batch.services)
    return f"batch: {count(batch.requests, 'request')} at {where}, {batch.done:,} done, submitted {age} ago"
