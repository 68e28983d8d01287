"""Exchanges compared as they are mirrored, while their words are at hand and need not be stored."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from swapgate.errors import SwapgateError
from swapgate.records import Json
from swapgate.shadow.mirror import Compare, no_comparison
from swapgate.shadow.plan import PlannedRoute
from swapgate.shadow.records import Exchange
from swapgate.spec.settings import Settings

if TYPE_CHECKING:
    from swapgate.shadow.comparing.compare import Comparer

CRITERIA_FILE = "config/promote.yml"
_LOG = logging.getLogger("swapgate.shadow")


def live_compare(settings: Settings) -> Compare:
    """Return what compares as config/promote.yml says; where there is none, or it is wrong, nothing does.

    A mistake in it must not keep anybody from being served, or traffic from being recorded: it is logged.
    """
    path = settings.root / CRITERIA_FILE
    if not path.is_file():
        return no_comparison
    try:
        comparers = _opened(settings, path)
    except SwapgateError as exc:
        _LOG.error("exchanges are not compared as they are mirrored: %s", exc)
        return no_comparison

    from swapgate.shadow.comparing.likeness import to_stored

    def compare(exchange: Exchange, planned: PlannedRoute) -> Mapping[str, Json] | None:
        comparer = comparers.get(planned.name) or comparers[""]
        try:
            return to_stored(comparer.compare(exchange))
        except SwapgateError as exc:
            _LOG.warning("the exchange %s is recorded and not compared: %s", exchange.key, exc)
            return None

    return compare


def _opened(settings: Settings, path: Path) -> dict[str, Comparer]:
    """Return who compares each route that is written, and under an empty name all others."""
    # Where nothing is compared the mirror begins without these: they bring suites, checks and judges.
    from swapgate.engine.workspace import Workspace
    from swapgate.shadow.comparing.compare import open_comparer
    from swapgate.spec.shadow_criteria import read_criteria

    criteria, workspace = read_criteria(path, root=settings.root), Workspace(settings)
    names = ["", *criteria.compare]
    return {name: open_comparer(workspace, criteria.comparing(name)) for name in names}
