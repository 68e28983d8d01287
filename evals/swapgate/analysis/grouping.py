"""Which trials belong to which scope."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.facts import Facts

Positions = npt.NDArray[np.int64]


def group(facts: Sequence[Facts], *, listed: Iterable[Scope] = ()) -> dict[Scope, Positions]:
    """Return the positions of the trials in each scope: overall, by suite, by tag, then those listed.

    Suites come in order of appearance, tags by name. A listed scope without a trial is left out.
    """
    suites: dict[Scope, list[int]] = {}
    prompts: dict[Scope, list[int]] = {}
    tags: dict[Scope, list[int]] = {}
    for position, one in enumerate(facts):
        suites.setdefault(Scope(one.suite), []).append(position)
        prompts.setdefault(Scope(prompt=one.prompt), []).append(position)
        for tag in one.tags:
            tags.setdefault(Scope(tag=tag), []).append(position)
    found = {OVERALL: np.arange(len(facts), dtype=np.int64)}
    found |= {scope: _positions(suites[scope]) for scope in suites}
    found |= {scope: _positions(tags[scope]) for scope in sorted(tags, key=lambda s: s.tag or "")}
    everything = suites | prompts | tags
    for scope in listed:
        named = {Scope(scope.suite), Scope(prompt=scope.prompt), Scope(tag=scope.tag)}
        parts = [part for part in named if part != OVERALL]
        if scope not in found and all(part in everything for part in parts):
            inside = _in_all([everything[part] for part in parts])
            found |= {scope: inside} if inside.size else {}
    return found


def _positions(inside: Sequence[int]) -> Positions:
    return np.asarray(inside, dtype=np.int64)


def _in_all(parts: Sequence[Sequence[int]]) -> Positions:
    """Return the positions that are in every part, ascending."""
    first, *others = map(_positions, parts)
    for other in others:
        first = np.intersect1d(first, other, assume_unique=True)
    return first
