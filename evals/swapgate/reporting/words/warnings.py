"""Warnings, which a run of many suites has many of: one for each rule that so few cases cannot satisfy."""

from __future__ import annotations

from collections.abc import Sequence

# The most that are told one by one, and how many of more.
_ALL = 40
_FEW = 8


def shown(warnings: Sequence[str], *, verbose: int) -> list[str]:
    """Return the warnings; of many the first ones, and how many there are more."""
    if verbose > 0 or len(warnings) <= _ALL:
        return list(warnings)
    return [*warnings[:_FEW], f"and {len(warnings) - _FEW:,} more: -v shows all"]
