"""What a prompt's text promises about the answer, and what a schema wants: keys, and the values of a key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from swapgate.records import Json
from swapgate.values import Value

_KEY = re.compile(r"""["“]([A-Za-z_][\w-]{0,60})["”]\s*:""")
# "a" | "b" | "c", or "a|b|c" in one pair of quotes.
_CHOICES = re.compile(r"""["“]([A-Za-z_][\w-]{0,60})["”]\s*:\s*((?:"[^"\n]{1,60}"\s*\|\s*)+"[^"\n]{1,60}")""")
_PIPED = re.compile(r"""["“]([A-Za-z_][\w-]{0,60})["”]\s*:\s*"([\w .-]{1,60}(?:\|[\w .-]{1,60})+)\"""")
_QUOTED = re.compile(r'"([^"\n]{1,60})"')
_DEEPEST = 6


class Promised(Value):
    """The keys that a text writes as JSON does, and the choices that it gives for some of them."""

    keys: frozenset[str]
    choices: Mapping[str, frozenset[str]]


def promised(text: str) -> Promised:
    """Return what a prompt's text says about the JSON that it asks for."""
    choices = {key: frozenset(_QUOTED.findall(values)) for key, values in _CHOICES.findall(text)}
    choices |= {key: frozenset(v.strip() for v in values.split("|")) for key, values in _PIPED.findall(text)}
    return Promised(keys=frozenset(_KEY.findall(text)), choices=choices)


class Wanted(Value):
    """What a JSON Schema wants: every key anywhere in it, those required at the top, and listed values.

    `is_closed` says that an object at the top may have no other keys.
    """

    keys: frozenset[str]
    required: tuple[str, ...]
    values: Mapping[str, tuple[str, ...]]
    is_closed: bool


def wanted(schema: Mapping[str, Json]) -> Wanted:
    """Return what a schema wants of an answer, as far as its own text says it (no references followed)."""
    properties: dict[str, Json] = {}
    for name, below in _properties(dict(schema)):
        properties.setdefault(name, below)
    required = schema.get("required")
    return Wanted(
        keys=frozenset(properties),
        required=tuple(str(name) for name in required) if isinstance(required, list) else (),
        values={name: texts for name, below in properties.items() if (texts := _listed(below))},
        is_closed=schema.get("additionalProperties") is False,
    )


def _properties(schema: Json, depth: int = 0) -> Iterator[tuple[str, Json]]:
    """Yield every property of a schema with its own, the outermost first."""
    if depth > _DEEPEST:
        return
    if isinstance(schema, dict):
        named = schema.get("properties")
        if isinstance(named, dict):
            yield from named.items()
        for value in schema.values():
            yield from _properties(value, depth + 1)
    elif isinstance(schema, list):
        for value in schema:
            yield from _properties(value, depth + 1)


def _listed(schema: Json) -> tuple[str, ...]:
    values = schema.get("enum") if isinstance(schema, dict) else None
    return tuple(value for value in values if isinstance(value, str)) if isinstance(values, list) else ()
