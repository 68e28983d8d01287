"""The limit on an answer's tokens, which goes by several names: the one nearest the request holds."""

from __future__ import annotations

from collections.abc import Mapping

from swapgate.records import Json

LIMIT_NAMES = ("max_tokens", "max_completion_tokens", "max_output_tokens", "maxOutputTokens")


def params_over(base: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    """Return parameters with others over them; a limit over them takes the place of one by another name."""
    return {**kept_below(base, over), **over}


def kept_below(base: Mapping[str, Json], over: Mapping[str, Json]) -> Mapping[str, Json]:
    """Return the parameters without the limits, where others over them name one."""
    if over.keys().isdisjoint(LIMIT_NAMES):
        return base
    return {name: value for name, value in base.items() if name not in LIMIT_NAMES}


def most_tokens(params: Mapping[str, Json]) -> int | None:
    """Return the limit, None without one. Of several in one place the highest: the provider decides there."""
    given = [params.get(name) for name in LIMIT_NAMES]
    return max((n for n in given if isinstance(n, int) and not isinstance(n, bool)), default=None)
