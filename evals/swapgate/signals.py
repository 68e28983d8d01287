"""What ends a process: SIGTERM and SIGHUP do it as Ctrl-C does, so that what was paid for is stored."""

from __future__ import annotations

import _thread
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import CodeType, FrameType

# Of a CI job that is cancelled or a container that stops, and of a terminal that is closed. None on Windows.
ENDING = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))
_Handler = Callable[[int, FrameType | None], object]
_PYTHONS_OWN = (signal.SIG_DFL, signal.default_int_handler)
_IMPORTING = "<frozen importlib._bootstrap>"
_MOMENT_S = 0.001


def take(numbers: Iterable[int], handler: _Handler) -> Callable[[], None]:
    """Handle signals that nobody has taken, as nohup takes SIGHUP; return what gives them back.

    Only a main thread can take any. One that comes while Python takes a lock of its imports is handled once
    it has it: an exception there would keep the lock for ever, and any other thread's import waiting. So is
    one that comes while a class names its fields: of an exception there Python 3.11 makes another one.
    """
    if threading.current_thread() is not threading.main_thread():
        return lambda: None
    before = {number: signal.getsignal(number) for number in numbers}
    taken = {number: was for number, was in before.items() if was in _PYTHONS_OWN}

    def handle(number: int, frame: FrameType | None) -> None:
        if frame is not None and _is_to_end_first(frame.f_code):
            _again_soon(number)
        else:
            handler(number, frame)

    def give_back() -> None:
        for number, was in taken.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, was)

    for number in taken:
        signal.signal(number, handle)

    return give_back


def _is_to_end_first(code: CodeType) -> bool:
    return code.co_filename == _IMPORTING or code.co_name == "__set_name__"


def _again_soon(number: int) -> None:
    """Have a signal come once more in a moment, when what it came upon is over.

    A thread sends it: what a handler sends itself comes while it runs, and what is then raised ends what it
    is to spare. Where no thread can be had it is sent all the same.
    """
    again = signal.Signals(number)

    def send() -> None:
        time.sleep(_MOMENT_S)
        _thread.interrupt_main(again)

    try:
        _thread.start_new_thread(send, ())
    except RuntimeError:
        _thread.interrupt_main(again)


@contextlib.contextmanager
def ended_as_by_ctrl_c() -> Iterator[None]:
    """Let the signals of a process's end raise KeyboardInterrupt within the block."""
    give_back = take(ENDING, interrupt)
    try:
        yield
    finally:
        give_back()


def interrupt(number: int, _frame: FrameType | None = None) -> None:
    """Raise KeyboardInterrupt as Ctrl-C does, with the name of any other signal."""
    raise KeyboardInterrupt(*([] if number == signal.SIGINT else [signal.Signals(number).name]))
