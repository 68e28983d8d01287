"""What can be stored: JSON and records whose text is whole, so that it can be written and read again."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
from pydantic import ValidationError
from pydantic_core import PydanticSerializationError, from_json

from swapgate.errors import SwapgateError
from swapgate.records import Json, adapter

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Record = TypeVar("Record", bound="DataclassInstance")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class Unstorable(SwapgateError):
    """A record holds what its type does not allow; the text names the place in it."""


def whole(value: Any) -> Any:
    """Return the value with lone surrogates replaced by U+FFFD in every text of it, keys included."""
    if isinstance(value, str):
        return value if value.isascii() else _whole_text(value)
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        items = [whole(item) for item in value]
        return items if isinstance(value, list) else tuple(items)
    return value


def parse_json(text: str) -> Json:
    """Return the JSON of a text; ValueError when it is none.

    An escaped lone surrogate (`\\ud83d`, an emoji that a token limit cut in two) is JSON, although most
    readers refuse it: U+FFFD takes its place.
    """
    try:
        value: Json = from_json(text)
    except ValueError:
        if not _SURROGATE_ESCAPE.search(text):
            raise
        try:
            value = whole(json.loads(text))
        except RecursionError as exc:
            raise ValueError("nested too deeply") from exc
    return value


def storable(record: Record) -> Record:
    """Return the record, mended where its text has lone surrogates or its lists should be tuples.

    Raises Unstorable when it could not be written and read again even so.
    """
    return storable_text(record)[0]


def storable_text(record: Record, *, is_ours: bool = False) -> tuple[Record, str]:
    """Return the record as `storable` does, and the JSON that it is stored as.

    `is_ours` says that no code of anybody else has made a part of it: its parts are of their types, and what
    can be written of them can be read again. To make sure of either takes many times as long as to write it.
    """
    written = (_written_as_it_is(record) if is_ours else None) or _written(record)
    if written is not None:
        return record, written.decode()
    kind = adapter(type(record))
    try:
        mended: Record = kind.validate_python(whole(kind.dump_python(record, warnings=False)))
        written = kind.dump_json(mended)
        kind.validate_json(written)
    except ValidationError as exc:
        first = exc.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise Unstorable(f"{place}: {first['msg']}") from exc
    except (PydanticSerializationError, RecursionError) as exc:
        raise Unstorable(str(exc)) from exc
    return mended, written.decode()


def _written_as_it_is(record: DataclassInstance) -> bytes | None:
    """Return the JSON of a record whose parts are of their types, None where a text of it is not whole."""
    try:
        return msgspec.json.encode(record)
    except (ValueError, TypeError, RecursionError):
        return None


def _written(record: DataclassInstance) -> bytes | None:
    """Return the record as JSON that can be read again, None where there is none without mending."""
    kind = adapter(type(record))
    try:
        written = kind.dump_json(record, warnings="error")
        kind.validate_json(written)
    except (PydanticSerializationError, ValidationError, RecursionError):
        return None
    return written


def _whole_text(text: str) -> str:
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
