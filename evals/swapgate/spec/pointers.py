"""JSON pointers (RFC 6901): a path of keys as text, and back."""

from __future__ import annotations

from collections.abc import Iterable


def pointer_of(keys: Iterable[str | int]) -> str:
    """Return the pointer of a path of keys and indices."""
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in keys)


def pointer_parts(pointer: str) -> list[str]:
    """Return the keys of a pointer, unescaped."""
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
