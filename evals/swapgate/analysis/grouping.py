"""Which trials belong to which scope."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.facts import Facts

Positions = npt.NDArray[np.int64]
Name = TypeVar("Name", bound=Hashable)


def group(facts: Sequence[Facts], *, listed: Iterable[Scope] = ()) -> dict[Scope, Positions]:
    """Return the positions of the trials in each scope: overall, by suite, by tag, then those listed.

    Suites come in order of appearance, tags by name. A listed scope without a trial is left out.
    """
    suites = {Scope(name): at for name, at in _places([f.suite for f in facts]).items()}
    prompts = {Scope(prompt=name): at for name, at in _places([f.prompt for f in facts]).items()}
    tags: dict[Scope, list[Positions]] = {}
    for several, at in _places([f.tags for f in facts]).items():
        for tag in dict.fromkeys(several):
            tags.setdefault(Scope(tag=tag), []).append(at)
    by_tag = {scope: np.sort(np.concatenate(parts)) for scope, parts in tags.items()}
    found = {OVERALL: np.arange(len(facts), dtype=np.int64), **suites}
    found |= {scope: by_tag[scope] for scope in sorted(by_tag, key=lambda s: s.tag or "")}
    everything = suites | prompts | by_tag
    for scope in listed:
        named = {Scope(scope.suite), Scope(prompt=scope.prompt), Scope(tag=scope.tag)}
        parts = [part for part in named if part != OVERALL]
        if scope not in found and all(part in everything for part in parts):
            inside = _in_all([everything[part] for part in parts])
            found |= {scope: inside} if inside.size else {}
    return found


def _places(names: Sequence[Name]) -> dict[Name, Positions]:
    """Return the positions of each name, ascending, in order of appearance."""
    numbers: dict[Name, int] = {}
    codes = np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int64)
    ends = np.cumsum(np.bincount(codes, minlength=len(numbers)))[:-1]
    return (
        dict(zip(numbers, np.split(np.argsort(codes, kind="stable"), ends), strict=True)) if numbers else {}
    )


def _in_all(parts: Sequence[Positions]) -> Positions:
    """Return the positions that are in every part, ascending."""
    first, *others = parts
    for other in others:
        first = np.intersect1d(first, other, assume_unique=True)
    return first
