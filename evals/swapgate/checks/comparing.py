"""Equality of JSON values: numbers by value, booleans apart from numbers, keys in any order."""

from __future__ import annotations

from typing import Any


def is_same(one: Any, other: Any, *, ignore_case: bool = False, tolerance: float = 0.0) -> bool:
    """Whether two JSON values are equal; numbers may differ by `tolerance`, text by case where told so."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(
            is_same(one[k], other[k], ignore_case=ignore_case, tolerance=tolerance) for k in one
        )
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(
            is_same(a, b, ignore_case=ignore_case, tolerance=tolerance)
            for a, b in zip(one, other, strict=True)
        )
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, int | float) and isinstance(other, int | float):
        return one == other or (tolerance > 0 and abs(one - other) <= tolerance)
    if ignore_case and isinstance(one, str) and isinstance(other, str):
        return one.casefold() == other.casefold()
    return type(one) is type(other) and bool(one == other)
