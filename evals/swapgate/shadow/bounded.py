"""Bounds a search that may take for ever: Python's `re` has no limit of its own and lets nothing else run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class TooLong(Exception):
    """The block took longer than it may."""


@contextmanager
def bounded(limit_s: float) -> Iterator[None]:
    """Raise TooLong in a block that takes more seconds of processor time; `re` looks for signals meanwhile.

    Without effect outside of the main thread, which alone hears signals, and beside somebody else's timer.
    """
    if not _can_bound():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _end)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, limit_s)
        try:
            yield
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, 0)
    finally:
        signal.signal(signal.SIGVTALRM, before)


def _can_bound() -> bool:
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        return False
    return signal.getitimer(signal.ITIMER_VIRTUAL)[0] == 0 and signal.getsignal(signal.SIGVTALRM) is not None


def _end(_number: int, _frame: FrameType | None) -> None:
    raise TooLong
