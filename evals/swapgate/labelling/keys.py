"""Keystrokes of a terminal, or lines where standard input is none."""

from __future__ import annotations

import io
import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol, TextIO

END = "q"
_END_OF_FILE = ("", "\x04")
_ESCAPE = b"\x1b"


class Keys(Protocol):
    """Where answers come from."""

    def key(self) -> str:
        """Return the next key in lower case; `q` at the end of the input."""
        ...

    def line(self) -> str:
        """Return the next line without its end; `q` at the end of the input."""
        ...


class LineKeys:
    """A key is the first character of a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def key(self) -> str:
        """Return the first character of the next line that is not blank."""
        while line := self._stream.readline():
            if line.strip():
                return line.strip()[0].lower()
        return END

    def line(self) -> str:
        """Return the next line."""
        return _line(self._stream)


class TerminalKeys:
    """Single keystrokes; Ctrl-C interrupts as ever, Ctrl-D ends."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._handle = stream.fileno()

    def key(self) -> str:
        """Return the next key; an arrow, or any other key that sends a sequence, is none."""
        pressed = os.read(self._handle, 1)
        while pressed == _ESCAPE:
            self._drop_sequence()
            pressed = os.read(self._handle, 1)
        found = pressed.decode(errors="replace").lower()
        return END if found in _END_OF_FILE else found

    def line(self) -> str:
        """Return a line that the terminal lets its user edit."""
        import termios

        with _mode(self._handle, termios.ICANON | termios.ECHO, is_on=True):
            return _line(self._stream)

    def _drop_sequence(self) -> None:
        """Read what follows an escape up to the sequence's last byte."""
        is_first = True
        while select.select([self._handle], [], [], 0.02)[0]:
            byte = os.read(self._handle, 1)
            if not (is_first and byte in b"[O") and b"@" <= byte <= b"~":
                return
            is_first = False


@contextmanager
def open_keys(stream: TextIO | None = None) -> Iterator[Keys]:
    """Yield keystrokes where the input is a terminal, else lines; the terminal is left as it was."""
    found = stream or sys.stdin
    if isinstance(found, io.TextIOWrapper):
        # A note in another encoding is no reason to end a session.
        found.reconfigure(errors="replace")
    try:
        import termios
    except ImportError:
        yield LineKeys(found)
        return
    if not found.isatty():
        yield LineKeys(found)
        return
    with _mode(found.fileno(), termios.ICANON | termios.ECHO, is_on=False):
        yield TerminalKeys(found)


@contextmanager
def _mode(handle: int, flags: int, *, is_on: bool) -> Iterator[None]:
    """Switch a terminal's local flags inside the block; what was typed ahead is kept."""
    import termios

    before = termios.tcgetattr(handle)
    inside = termios.tcgetattr(handle)
    inside[3] = inside[3] | flags if is_on else inside[3] & ~flags
    try:
        termios.tcsetattr(handle, termios.TCSADRAIN, inside)
        yield
    finally:
        termios.tcsetattr(handle, termios.TCSADRAIN, before)


def _line(stream: TextIO) -> str:
    line = stream.readline()
    return line.rstrip("\r\n") if line else END
