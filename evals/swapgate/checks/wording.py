"""How values and places of an answer are shown in findings: short, on one line, safe for any terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from swapgate.spec.pointers import pointer_of, pointer_parts

TYPE_NAMES: Final[Mapping[type, str]] = {
    dict: "object",
    list: "array",
    str: "string",
    bool: "boolean",
    int: "number",
    float: "number",
    type(None): "null",
}
MISSING: Final = object()


def json_type(value: Any) -> str:
    """Return JSON's own name of the value's type."""
    return next((name for kind, name in TYPE_NAMES.items() if isinstance(value, kind)), type(value).__name__)


def an(noun: str) -> str:
    """Return the noun with its article; null stands alone."""
    if noun == "null":
        return noun
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def printable(text: str, limit: int = 60) -> str:
    """Return the text on one line, at most `limit` characters, what a terminal cannot show escaped."""
    shown = text if len(text) <= limit else text[: limit - 3] + "..."
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in shown)


def quoted(value: Any, limit: int = 60) -> str:
    """Return a value of an answer in short: text in quotes, everything else as JSON."""
    if isinstance(value, str):
        return f"'{printable(value, limit)}'"
    return printable(json.dumps(value, ensure_ascii=False, default=str), limit)


def listed(values: Iterable[Any], limit: int = 12) -> str:
    """Return `'a', 'b', 'c'`; more than `limit` values are counted."""
    shown = [quoted(v) for v in values]
    more = f" and {len(shown) - limit} more" if len(shown) > limit else ""
    return ", ".join(shown[:limit]) + more


def excerpt(text: str, start: int, end: int, *, around: int = 20) -> str:
    """Return `text[start:end]` in quotes with what stands around it."""
    first, last = max(0, start - around), min(len(text), end + around)
    lead, tail = "..." if first else "", "..." if last < len(text) else ""
    return f"'{lead}{printable(text[first:last], 100)}{tail}'"


def pointer_shown(path: Iterable[str | int]) -> str:
    """Return the JSON pointer of a path of keys that a model wrote: cut and escaped as `printable` does."""
    return pointer_of(printable(str(p), 200) for p in path)


def resolve(value: Any, pointer: str) -> Any:
    """Return what the JSON pointer leads to, or MISSING."""
    for part in pointer_parts(pointer):
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif isinstance(value, list) and part.isascii() and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        else:
            return MISSING
    return value


def place(pointer: str) -> str:
    """Return the subject of a sentence about the value at the pointer."""
    return pointer or "The answer"
