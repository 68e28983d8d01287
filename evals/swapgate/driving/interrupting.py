"""A session that is interrupted: once, whatever sends how many signals, and its workers with it."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Generator, Iterator
from types import FrameType
from typing import Any

import pytest

from swapgate import signals
from swapgate.driving.workers import is_worker


class Interruptions:
    """What Ctrl-C, SIGTERM and SIGHUP do to a session.

    The first one interrupts it. While the session then closes its files, a second one waits until the run is
    concluded, and breaks that off; a third does what it would without us. Also one that comes right upon
    another waits: raised while the first one is on its way to pytest, it would pass for a bug of pytest's.
    Where a test has caught the first one the session goes on, and the next test's is a first one again. A
    worker is interrupted once: a terminal and its controller may both do so.

    `by` is the signal that the session was interrupted by, None for Ctrl-C and where it was not.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._is_on_its_way = self._is_ending = self._may_break_off = self._is_hurried = False
        self._give_back: Callable[[], None] = lambda: None
        self._running: dict[str, int] = {}
        self.by: str | None = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Take the signals; a debugger needs Ctrl-C for itself."""
        own = () if self._config.getvalue("usepdb") else (signal.SIGINT,)
        self._give_back = signals.take((*own, *signals.ENDING), self._handle)

    @pytest.hookimpl
    def pytest_unconfigure(self) -> None:
        """Give the signals back; a worker's process does nothing any more that could be interrupted."""
        if not is_worker(self._config):
            self._give_back()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if not (self._is_on_its_way or self._is_ending) or self._may_break_off:
            if not self._is_ending:
                self.by = None if number == signal.SIGINT else signal.Signals(number).name
            self._is_on_its_way, self._may_break_off = True, False
            signals.interrupt(number, frame)
        if not is_worker(self._config):
            self._is_hurried = True
            self._give_back()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self) -> None:
        """See that the session goes on: a signal that was on its way has been caught."""
        self._is_on_its_way = False

    def begin_end(self) -> None:
        """Let nothing but the conclusion be interrupted from here on."""
        self._is_ending = True

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Close what is open in peace; where pytest tells no more than the place, leave it no way to parse.

        It would read and parse every module between itself and there, for a text that it throws away.
        """
        self.begin_end()
        self._interrupt_workers()
        if not self._config.getoption("fulltrace"):
            excinfo.traceback = excinfo.traceback.filter(excinfo)[-1:]

    @contextlib.contextmanager
    def may_break_off(self) -> Iterator[None]:
        """Let the block be interrupted, at once where that was asked for while it could not be."""
        if self._is_hurried:
            raise KeyboardInterrupt
        self._may_break_off = True
        try:
            yield
        finally:
            self._may_break_off = False

    # Workers

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodeready(self, node: Any) -> None:
        """Remember a worker's process, where it is one of this machine."""
        process = getattr(getattr(node.gateway, "_io", None), "popen", None)
        if process is not None:
            self._running[node.gateway.id] = process.pid

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Leave a worker alone that has ended."""
        self._running.pop(node.gateway.id, None)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self) -> Generator[None, None, None]:
        """Interrupt the workers that still run, however the session ends."""
        self.begin_end()
        self._interrupt_workers()
        return (yield)

    def _interrupt_workers(self) -> None:
        """Interrupt the workers that still run: nobody takes their trials any more, and they are paid for."""
        for pid in self._running.values():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGINT)
        self._running.clear()
