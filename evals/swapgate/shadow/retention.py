"""How long exchanges are kept: what a store drops by itself."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from swapgate.errors import SwapgateError
from swapgate.shadow.plan import Plan
from swapgate.shadow.spool import purge_spool
from swapgate.shadow.store import ShadowStore

_LOG = logging.getLogger("swapgate.shadow")


def sweep(path: Path, plan: Plan, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> int:
    """Drop what is older than it may be, and mark what died with its process; return how much changed."""
    today, kept = clock().date(), plan.config.retention
    content_from = (today - timedelta(days=kept.content_days)).isoformat()
    with closing(ShadowStore(path)) as store:
        changed = store.mark_lost()
        changed += store.purge((today - timedelta(days=kept.days)).isoformat())
        changed += store.purge(content_from, only_content=True)
    if plan.spool is not None:
        changed += purge_spool(plan.spool, content_from)
    return changed


def sweep_or_warn(path: Path, plan: Plan) -> None:
    """Drop what is older than it may be; a mirror goes on where that cannot be done now."""
    try:
        sweep(path, plan)
    except (SwapgateError, OSError) as exc:
        _LOG.warning("what is older than it may be was not dropped: %s", exc)
