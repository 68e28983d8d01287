"""A history opened, and what a database may refuse told as a user can mend it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from swapgate.errors import StoreError
from swapgate.memory.history.migrations import prepare
from swapgate.memory.history.places import Place, broken, open_engine, shown_place

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
