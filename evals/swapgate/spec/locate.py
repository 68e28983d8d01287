"""Find the key that a pydantic error means: its location followed through the declared types and the data."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, JsonValue

from swapgate.values import Value


class Spot(Value):
    """Where an error's location leads.

    `keys` is the path in the data, `owners` the types of what lies on it, outermost first, `wanted` and
    `value` are the type and the value at its end. `is_key` says that the last key itself is wrong.
    `choice` is the part of the path down to the last union on the way and `choice_type` that union;
    `fits` says that the value is of the same kind as the union's member that the error speaks of.
    """

    keys: tuple[str | int, ...]
    owners: tuple[Any, ...]
    wanted: Any
    value: Any
    is_key: bool = False
    choice: tuple[str | int, ...] | None = None
    choice_type: Any = None
    fits: bool = True


def locate(model: type, location: Sequence[str | int], data: object) -> Spot:
    """Follow the location, leaving out what pydantic adds to it for unions and keys."""
    spot = Spot(keys=(), owners=(), wanted=model, value=data)
    for part in location:
        spot = _step(spot, part)
    return spot


def _step(spot: Spot, part: str | int) -> Spot:
    wanted = bare(spot.wanted)
    if part == "[key]":
        return dataclasses.replace(spot, is_key=True)
    if is_union(wanted):
        member = _member(wanted, str(part))
        fits = spot.fits and kind(member) == kind_of(spot.value)
        return dataclasses.replace(spot, wanted=member, choice=spot.keys, choice_type=wanted, fits=fits)
    if wanted is JsonValue and part in {"dict", "list"} and within(spot.value, part) is None:
        return spot
    return dataclasses.replace(
        spot,
        keys=(*spot.keys, part),
        owners=(*spot.owners, wanted),
        wanted=bare(_inside(wanted, part)),
        value=within(spot.value, part),
    )


def within(value: Any, key: str | int) -> Any:
    """Return the value at a key or an index, None when there is none."""
    if isinstance(value, dict):
        return value.get(key)
    return value[key] if isinstance(value, list) and isinstance(key, int) and key < len(value) else None


def bare(annotation: Any) -> Any:
    """Return the type without Annotated and without `| None`."""
    if get_origin(annotation) is Annotated:
        return bare(get_args(annotation)[0])
    if is_union(annotation) and len(members(annotation)) == 1:
        return members(annotation)[0]
    return annotation


def is_union(annotation: Any) -> bool:
    """Whether the type is a choice between types."""
    return get_origin(annotation) in {Union, types.UnionType}


def members(union: Any) -> list[Any]:
    """Return the types to choose from, None left out."""
    return [bare(a) for a in get_args(union) if a is not type(None)]


def _member(union: Any, label: str) -> Any:
    """Return the member of a union that pydantic names by this label."""
    named = [m for m in members(union) if getattr(m, "__name__", "") == label]
    wanted = {"dict": "mapping", "tuple": "list", "list": "list"}.get(label.partition("[")[0], "scalar")
    return next(iter(named or [m for m in members(union) if kind(m) == wanted]), Any)


def kind(annotation: Any) -> str:
    """Return which kind of value a type takes: mapping, list or scalar."""
    origin = get_origin(annotation) or annotation
    if origin in {dict, Mapping} or fields(annotation):
        return "mapping"
    return "list" if origin in {list, tuple} else "scalar"


def kind_of(value: object) -> str:
    """Return the kind of a value: mapping, list or scalar."""
    if isinstance(value, dict):
        return "mapping"
    return "list" if isinstance(value, list | tuple) else "scalar"


def fields(annotation: Any) -> dict[str, Any]:
    """Return the keys that a model or a record takes, with their types."""
    if not isinstance(annotation, type):
        return {}
    if issubclass(annotation, BaseModel):
        return {field.alias or name: field.annotation for name, field in annotation.model_fields.items()}
    if not dataclasses.is_dataclass(annotation):
        return {}
    types_by_name = typing.get_type_hints(annotation)
    return {field.name: types_by_name[field.name] for field in dataclasses.fields(annotation)}


def _inside(annotation: Any, part: str | int) -> Any:
    args = get_args(annotation)
    if declared := fields(annotation):
        return declared.get(str(part), Any)
    if kind(annotation) == "mapping":
        return args[1] if args else Any
    if get_origin(annotation) is tuple and Ellipsis not in args and isinstance(part, int):
        return args[part] if part < len(args) else Any
    return args[0] if args else annotation
