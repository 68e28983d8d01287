"""Exchanges compared as they are mirrored, while their words are at hand and need not be stored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from swapgate.errors import SwapgateError
from swapgate.records import Json
from swapgate.shadow.mirror import Compare, no_comparison
from swapgate.shadow.plan import PlannedRoute
from swapgate.shadow.records import Exchange
from swapgate.spec.settings import Settings
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.shadow.comparing.compare import Comparer

CRITERIA_FILE = "config/promote.yml"
_LOG = logging.getLogger("swapgate.shadow")


def live_compare(settings: Settings) -> Compare:
    """Return what compares as config/promote.yml says; where there is none, or it is wrong, nothing does.

    A mistake in it must not keep anybody from being served, or traffic from being recorded: it is logged.
    """
    try:
        comparers = open_comparers(settings)
    except SwapgateError as exc:
        _LOG.error("exchanges are not compared as they are mirrored: %s", exc)
        return no_comparison
    if comparers is None:
        return no_comparison

    def compare(exchange: Exchange, planned: PlannedRoute) -> Mapping[str, Json] | None:
        try:
            return comparers.compare(exchange, planned.name)
        except SwapgateError as exc:
            _LOG.warning("the exchange %s is recorded and not compared: %s", exchange.key, exc)
            return None

    return compare


class Comparers(Value):
    """Who compares each route that is written, and under an empty name all others."""

    by_route: Mapping[str, Comparer]

    def compare(self, exchange: Exchange, route: str) -> Mapping[str, Json]:
        """Return what is to be stored of an exchange; SwapgateError where it cannot be compared."""
        from swapgate.shadow.comparing.likeness import to_stored

        return to_stored((self.by_route.get(route) or self.by_route[""]).compare(exchange))

    @property
    def is_heavy(self) -> bool:
        """Whether any of them embeds or runs checks: all else takes some microseconds."""
        return any(one.embed is not None or one.structure.checks for one in self.by_route.values())


def open_comparers(settings: Settings) -> Comparers | None:
    """Return who compares as config/promote.yml says, None where there is none; UsageError for a mistake."""
    path = settings.root / CRITERIA_FILE
    if not path.is_file():
        return None
    # Where nothing is compared the mirror begins without these: they bring suites, checks and judges.
    from swapgate.engine.workspace import Workspace
    from swapgate.shadow.comparing.compare import open_comparer
    from swapgate.spec.shadow_criteria import read_criteria

    criteria, workspace = read_criteria(path, root=settings.root), Workspace(settings)
    names = ["", *criteria.compare]
    return Comparers(by_route={name: open_comparer(workspace, criteria.comparing(name)) for name in names})
