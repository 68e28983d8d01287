"""What commands print: JSON for machines, plain columns for people. No colour: pipes read the same."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from swapgate.reporting.text import columns

if TYPE_CHECKING:
    from swapgate.engine.runner import Progress
    from swapgate.reporting.terminal.progress import Speed

PATIENCE_S = 2.0


def print_json(value: Mapping[str, Any] | Sequence[Any]) -> None:
    """Print the value as indented JSON in ASCII, which every terminal encoding can carry."""
    typer.echo(json.dumps(value, indent=2))


def print_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as columns that are as wide as their widest cell."""
    for line in columns(header, rows):
        typer.echo(line)


def shown(path: Path, start: Path | None = None) -> str:
    """Return the path as seen from the working directory (or `start`) when it lies below it."""
    start = start or Path.cwd()
    return path.relative_to(start).as_posix() if path.is_relative_to(start) else str(path)


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[float], None]]:
    """Yield what takes the share that is done; on a terminal it is drawn once that takes over two seconds."""
    started = time.monotonic()
    with ExitStack() as stack:
        drawn: list[Callable[[float], None]] = []

        def draw(share: float) -> None:
            if not drawn and sys.stderr.isatty() and time.monotonic() - started > PATIENCE_S:
                drawn.append(stack.enter_context(_bar(label)))
            for one in drawn:
                one(share)

        yield draw


@contextmanager
def _bar(label: str) -> Iterator[Callable[[float], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=1.0)
        yield lambda share: progress.update(task, completed=share)


@contextmanager
def live_line() -> Iterator[Callable[[Progress], None]]:
    """Yield what takes an engine's progress; on a terminal it is drawn on stderr, and wiped at the end."""
    drawn: list[str] = []
    speeds: list[Speed] = []

    def draw(progress: Progress) -> None:
        from swapgate.reporting.terminal.progress import Speed, may_draw, progress_text

        now = time.monotonic()
        if may_draw(sys.stderr):
            speeds[:] = speeds or [Speed(now)]
            room = shutil.get_terminal_size().columns - 1
            drawn[:] = [progress_text(progress, speed=speeds[0].at(now, progress.finished), room=room)]
            sys.stderr.write(f"\r\x1b[K{drawn[0]}")
            sys.stderr.flush()

    try:
        yield draw
    finally:
        if drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


def warn(message: str) -> None:
    """Print a warning on stderr."""
    typer.echo(f"swapgate: warning: {message}", err=True)


def warn_of_budget(max_cost: float | None) -> None:
    """Say which budget ended a command before it was through: its own, or that of the day."""
    limit = "the budget of the day" if max_cost is None else f"--max-cost={max_cost:g}"
    warn(f"stopped: another call could have exceeded {limit}")
