"""Spans and events as plain values, before a library of OpenTelemetry's makes its own of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from swapgate.records import Json
from swapgate.values import Value

Kind = Literal["client", "internal"]
NS = 1_000_000_000


class Event(Value):
    """What happened at one instant."""

    name: str
    at_ns: int
    attributes: Mapping[str, Json]


class Span(Value):
    """What took a while, in nanoseconds since 1970. `error` is empty where it went well."""

    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Json]
    kind: Kind = "internal"
    error: str = ""
    events: tuple[Event, ...] = ()
    children: tuple[Span, ...] = ()


def nanoseconds(moment: str) -> int:
    """Return an ISO 8601 moment in nanoseconds since 1970."""
    # In whole milliseconds, as runs are recorded: a float of nanoseconds is off by hundreds of them.
    return round(datetime.fromisoformat(moment).timestamp() * 1000) * 1_000_000


def known(attributes: Mapping[str, Json]) -> dict[str, Json]:
    """Return the attributes that have a value: what is not known is left out, never sent as 0 or ""."""
    return {name: value for name, value in attributes.items() if value is not None}
