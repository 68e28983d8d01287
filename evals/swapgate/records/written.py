"""Records as JSON and their hashes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from pydantic import JsonValue, TypeAdapter
from pydantic_core import PydanticSerializationError
from pydantic_core import to_json as written_json

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


Json: TypeAlias = JsonValue


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=dict)
# For more than this hashlib lets other threads in, each time, which takes longer than to hash it.
_HASHED_AT_ONCE = 2047
_SHARED_AT_MOST = 64
_Shared = ParamSpec("_Shared")
_Result = TypeVar("_Result")


def total(parts: list[float | None]) -> float | None:
    """Sum the parts; None when one of them is unknown."""
    known = [p for p in parts if p is not None]
    return sum(known) if len(known) == len(parts) else None


def content_hash(content: Json | Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a JSON value written canonically."""
    return hash_of(canonical(content))


def canonical(content: Json | Mapping[str, Any]) -> str:
    """Return a JSON value as it is hashed: sorted keys, no spaces."""
    return _CANONICAL.encode(content)


def canonical_text(text: str) -> str:
    """Return what `canonical` returns of a text; of a long one in a quarter of the time."""
    try:
        return written_json(text).decode()
    except PydanticSerializationError:  # half a character
        return canonical(text)


def canonical_texts(values: Mapping[str, Json]) -> str:
    """Return what `canonical` returns of a mapping of which some values are long texts."""
    written = [
        f"{canonical_text(name)}:{canonical_text(value) if isinstance(value, str) else canonical(value)}"
        for name, value in sorted(values.items())
    ]
    return f"{{{','.join(written)}}}"


def hash_of(written: str) -> str:
    """Return the SHA-256 (hex) of a canonical text."""
    encoded = written.encode("utf-8", "surrogatepass")
    digest = hashlib.sha256()
    for start in range(0, len(encoded), _HASHED_AT_ONCE):
        digest.update(encoded[start : start + _HASHED_AT_ONCE])
    return digest.hexdigest()


def once_for_each(work_out: Callable[_Shared, _Result]) -> Callable[_Shared, _Result]:
    """Return the function with its results kept by the objects themselves, which nobody changes.

    For what thousands of requests share, such as a schema: to compare it with itself takes as long again.
    """
    kept: dict[tuple[int, ...], tuple[tuple[object, ...], _Result]] = {}

    def known(*shared: _Shared.args, **named: _Shared.kwargs) -> _Result:
        ids = tuple(map(id, shared))
        found = kept.get(ids)
        if found is None:
            if len(kept) >= _SHARED_AT_MOST:
                kept.clear()
            found = kept[ids] = shared, work_out(*shared, **named)
        return found[1]

    return known


@cache
def adapter(record_type: Any) -> TypeAdapter[Any]:
    """Return the (cached) pydantic adapter that reads and writes one kind of record, or a union, as JSON."""
    return TypeAdapter(record_type)


def to_text(record: DataclassInstance) -> str:
    """Return the record as one line of JSON, which the kind's adapter reads back."""
    return adapter(type(record)).dump_json(record).decode()


def to_json(record: DataclassInstance) -> Any:
    """Return the record as plain JSON values (dicts, lists, strings, numbers)."""
    return adapter(type(record)).dump_python(record, mode="json")
