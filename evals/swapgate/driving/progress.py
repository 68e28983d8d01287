"""The live line beside pytest's own progress letters, on a terminal only; and the one word that cannot wait.

It is drawn where pytest's cursor stands, and the cursor is put back: rich's own live display redraws whole
lines, and would wipe what pytest and its other plugins have written.
"""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import pytest

from swapgate.engine.runner import Progress
from swapgate.reporting.terminal.progress import Speed, may_draw, progress_text
from swapgate.values import replace

if TYPE_CHECKING:
    from swapgate.facts import Facts

_SAVE, _RESTORE, _CLEAR = "\x1b7", "\x1b8", "\x1b[K"
_REDRAW_S = 0.2
_LEAST_ROOM = 12


class LiveLine:
    """Draws the state of a run; `max_cost` is its budget, of which `paid_usd` were spent before.

    What is drawn starts and ends where pytest's cursor stands, so that pytest's own output is never touched.
    """

    def __init__(
        self, config: pytest.Config, *, max_cost: float | None = None, paid_usd: float = 0.0
    ) -> None:
        reporter = config.pluginmanager.get_plugin("terminalreporter")
        self._writer = reporter._tw if reporter is not None else None
        self._file: TextIO | None = getattr(self._writer, "_file", None)
        # Where the cursor of another reporter stands (pytest-sugar's, say), only that one knows.
        is_pytests_own = type(reporter) is pytest.TerminalReporter
        is_wanted = reporter is not None and reporter.isatty and config.get_verbosity() > -2
        has_markup = self._writer is not None and self._writer.hasmarkup
        self._is_on = bool(
            is_wanted and is_pytests_own and has_markup and self._file is not None and may_draw(self._file)
        )
        # While a test runs, pytest captures standard output, the terminal's file included.
        capture = config.pluginmanager.get_plugin("capturemanager")
        self._uncaptured = capture.global_and_fixture_disabled if capture else contextlib.nullcontext
        self._is_drawn = False
        self._drawn_at = 0.0
        self._max_cost = max_cost
        self._paid_usd = paid_usd
        self._speed = Speed(time.monotonic())

    def draw(self, progress: Progress) -> None:
        """Draw the state, at most five times a second."""
        now = time.monotonic()
        if not self._is_on or now - self._drawn_at < _REDRAW_S or self._file is None or self._writer is None:
            return
        speed = self._speed.at(now, progress.finished)
        progress = replace(progress, cost_usd=progress.cost_usd + self._paid_usd)
        with self._uncaptured():
            # Captured, standard output has no columns, and 80 are taken for granted. pytest itself takes a
            # terminal of fewer than 40 for one of 80.
            room = shutil.get_terminal_size().columns - self._writer.width_of_current_line - 2
            if room < _LEAST_ROOM:
                return
            text = progress_text(progress, speed=speed, max_cost=self._max_cost, room=room)
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


class HeldWords:
    """Says at once, on a terminal or not, that a service takes no batch yet: that may last for hours."""

    def __init__(self, config: pytest.Config, line: LiveLine) -> None:
        is_wanted = config.get_verbosity() > -2
        self._reporter = config.pluginmanager.get_plugin("terminalreporter") if is_wanted else None
        capture = config.pluginmanager.get_plugin("capturemanager")
        self._uncaptured = capture.global_and_fixture_disabled if capture else contextlib.nullcontext
        self._line = line
        self._told = 0

    def tell(self, held: Sequence[str]) -> None:
        """Write what has been added to these sentences since the last time, each on a line of its own."""
        new = held[self._told :]
        self._told += len(new)  # the engine's thread may have added to them by now
        if not new or self._reporter is None:
            return
        self._line.clear()
        with self._uncaptured():
            for sentence in new:
                self._reporter.write_line(f"swapgate: batch: {sentence}")
            self._reporter.flush()


class WorkersLine:
    """The live line in xdist's controller, which knows of a trial what its worker's report brings."""

    def __init__(self, line: LiveLine, *, planned: int) -> None:
        self._line = line
        self._planned = planned
        self._finished = self._errored = 0
        self._cost_usd = 0.0

    def count(self, facts: Facts) -> None:
        """Count a trial that has come in."""
        self._finished += 1
        self._errored += facts.outcome == "errored"
        self._cost_usd += (facts.paid_usd or 0.0) + (facts.judge_paid_usd or 0.0)

    def clear(self) -> None:
        """Take the line away before pytest writes."""
        self._line.clear()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self) -> None:
        """Leave nothing behind."""
        self.clear()

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self) -> None:
        """Draw, once pytest has written its letter."""
        self._line.draw(
            Progress(
                planned=self._planned,
                finished=self._finished,
                in_flight=None,
                calls=0,
                cost_usd=self._cost_usd,
                errored=self._errored,
            )
        )
