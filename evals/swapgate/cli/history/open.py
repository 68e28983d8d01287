"""The history as its commands open it, the options that choose runs, and a run's state in a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from swapgate.cli.output import shown
from swapgate.errors import UsageError

if TYPE_CHECKING:
    from swapgate.memory.history import History
    from swapgate.spec.settings import Settings

ModelOption = Annotated[
    str | None, typer.Option("--model", metavar="NAME", help="Only runs in which this model answered.")
]
SuiteOption = Annotated[str | None, typer.Option("--suite", metavar="NAME", help="Only runs of this suite.")]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since", metavar="WHEN", help="Only runs since a date (2026-11-01), or so long ago (7d, 12h)."
    ),
]
_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


@contextmanager
def opened(settings: Settings) -> Iterator[History | None]:
    """Open the history, but never make one: None where there is none."""
    from swapgate.memory.history import History, has_history

    if not has_history(settings.history):
        yield None
        return
    with closing(History(settings.history)) as history:
        yield history


@contextmanager
def existing(settings: Settings) -> Iterator[History]:
    """Open the history; UsageError where there is none."""
    with opened(settings) as history:
        if history is None:
            raise UsageError(f"no history in {called(settings)}: `pytest --model=NAME` makes one")
        yield history


def called(settings: Settings) -> str:
    """Return what people call the history: its path from here, or its URL without a password."""
    from swapgate.memory.history import shown_place

    place = settings.history
    return shown(place) if isinstance(place, Path) else shown_place(place)


def moment(text: str, option: str) -> str:
    """Return a date, a time or an age as ISO 8601 in UTC, which sorts as the starts of runs do."""
    if found := re.fullmatch(r"(\d{1,5})([hdw])", text):
        at = datetime.now(UTC) - int(found[1]) * _UNITS[found[2]]
    else:
        try:
            at = datetime.fromisoformat(text)
        except ValueError as exc:
            raise UsageError(
                f"{option} {text!r} is no time: write a date (2026-11-01), a time (2026-11-01T18:00), or an "
                "age (12h, 7d, 4w)"
            ) from exc
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return at.astimezone(UTC).isoformat(timespec="milliseconds")
