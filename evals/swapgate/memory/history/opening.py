"""A history opened, and what a database may refuse told as a user can mend it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.errors import StoreError
from swapgate.memory.history.migrations import prepare, require_prepared
from swapgate.memory.history.places import Place, broken, open_engine, reading_engine, shown_place
from swapgate.memory.wal import may_write, sqlite_name

if TYPE_CHECKING:
    from sqlalchemy import Engine


def open_prepared(place: Place) -> Engine:
    """Return an engine whose history has this version's form; StoreError when it cannot be had."""
    engine = open_engine(place)
    try:
        with telling(place):
            prepare(engine, place)
    except BaseException:
        engine.dispose()
        raise
    return engine


def open_reading(place: Place) -> tuple[Engine, bool]:
    """Return an engine to read by, and whether nothing can be written through it.

    That is so where the file or its folder may not be written, and where its disk is full.
    """
    if not isinstance(place, Path) or not place.is_file():
        return open_prepared(place), False
    if not may_write(place):
        return _open_unwritable(place), True
    try:
        return open_prepared(place), False
    except StoreError as refusal:
        if not _is_for_want_of_writing(refusal):
            raise
        try:
            return _open_unwritable(place, is_full=True), True
        except StoreError:
            raise refusal from refusal.__cause__


def _open_unwritable(path: Path, *, is_full: bool = False) -> Engine:
    engine = reading_engine(path, is_full=is_full)
    with telling(path):
        require_prepared(engine, path)
    return engine


def _is_for_want_of_writing(refusal: StoreError) -> bool:
    """Whether a history was refused for what SQLite would have had to write to read it."""
    said = sqlite_name(getattr(refusal.__cause__, "orig", None) or refusal)
    return said.startswith(("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN"))


@contextmanager
def telling(place: Place) -> Iterator[None]:
    """Turn what a database refuses, or holds that cannot be read, into a StoreError."""
    from pydantic import ValidationError
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as exc:
        raise broken(place, exc) from exc
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        raise unreadable(place, exc.title, first["msg"]) from exc


def unreadable(place: Place, kind: str, why: object) -> StoreError:
    """Return what a user is told of a record that is there, and is not what it should be."""
    return StoreError(
        f"{shown_place(place)}: holds a record that cannot be read as {kind}: {why}. "
        "Was it written by a newer swapgate, or changed by hand?"
    )
