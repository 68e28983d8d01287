"""Keystrokes of a terminal, or lines where standard input is none."""

from __future__ import annotations

import os
import select
import sys
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
        """Return the next key, whatever follows an escape (an arrow) left out."""
        import termios
        import tty

        before = termios.tcgetattr(self._handle)
        try:
            tty.setcbreak(self._handle)
            pressed = os.read(self._handle, 1)
            while pressed == _ESCAPE:
                self._drop_sequence()
                pressed = os.read(self._handle, 1)
        finally:
            termios.tcsetattr(self._handle, termios.TCSADRAIN, before)
        found = pressed.decode(errors="replace").lower()
        return END if found in _END_OF_FILE else found

    def line(self) -> str:
        """Return a line that the terminal lets its user edit."""
        return _line(self._stream)

    def _drop_sequence(self) -> None:
        while select.select([self._handle], [], [], 0.02)[0]:
            os.read(self._handle, 1)


def _line(stream: TextIO) -> str:
    line = stream.readline()
    return line.rstrip("\r\n") if line else END


def open_keys(stream: TextIO | None = None) -> Keys:
    """Return keystrokes where the input is a terminal, else lines."""
    found = stream or sys.stdin
    try:
        import termios  # noqa: F401
    except ImportError:
        return LineKeys(found)
    return TerminalKeys(found) if found.isatty() else LineKeys(found)
