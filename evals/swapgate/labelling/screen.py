"""A response on the terminal: wrapped, cut where it is long, and harmless whatever a model wrote."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterator
from typing import TextIO

from swapgate.labelling.question import Question
from swapgate.labelling.responses import Shown
from swapgate.reporting.text import visible

WIDEST = 110
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"
HELP = "p pass   f fail   s skip   b back   n note   m more   q quit"
SCORE_HELP = "s skip   b back   n note   m more   q quit"


class Screen:
    """Writes to one stream. Headings are bold on a terminal, unless NO_COLOR is set."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_bold = stream.isatty() and not os.environ.get("NO_COLOR")
        size = shutil.get_terminal_size()
        self.width = min(size.columns, WIDEST)
        # Input, reference and answer have to share what the question leaves.
        self.most_lines = max(size.lines // 3, 8)

    def say(self, text: str = "", *, end: str = "\n") -> None:
        """Write a line of our own."""
        self._stream.write(text + end)
        self._stream.flush()

    def show(self, item: Shown, question: Question, *, place: str, now: str, is_whole: bool = False) -> None:
        """Write one response; `now` is what the person has said of it so far."""
        self.say()
        self._heading(f"── {place} " + "─" * max(self.width - len(place) - 4, 0))
        for name, text in item.inputs:
            self._text(f"Input: {visible(name)}", text, is_whole=is_whole)
        if item.reference is not None:
            self._text("Reference", item.reference, is_whole=is_whole)
        self._text("Answer", item.answer, is_whole=is_whole)
        self._heading("Question")
        for line in question.lines():
            self.say("\n".join(self._wrapped(line)))
        if now:
            self.say(f"So far you say: {now}")

    def _text(self, title: str, text: str, *, is_whole: bool) -> None:
        self._heading(title)
        lines = self._wrapped(text) or ["(nothing)"]
        shown = lines if is_whole else lines[: self.most_lines]
        for line in shown:
            self.say(f"  {line}")
        if len(lines) > len(shown):
            self.say(f"  … {len(lines) - len(shown)} more lines: press m")

    def _heading(self, text: str) -> None:
        self.say(f"{BOLD}{text}{PLAIN}" if self._is_bold else text)

    def _wrapped(self, text: str) -> list[str]:
        return [part for line in visible(text).split("\n") for part in self._parts(line)]

    def _parts(self, line: str) -> Iterator[str]:
        yield from textwrap.wrap(
            line.expandtabs(4), self.width - 2, drop_whitespace=False, replace_whitespace=False
        ) or [""]
