"""What the migration of a vector index cost: embedding everything anew, and two indexes side by side."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from swapgate.analysis.switching import SwitchItem
from swapgate.errors import SwapgateError
from swapgate.migration.window import Span, span_of
from swapgate.reporting.format import count, money
from swapgate.retrieval.ledger import read_bill
from swapgate.retrieval.opening import IndexWorkspace, read_index_workspace
from swapgate.retrieval.phases import Phase
from swapgate.retrieval.records import Change
from swapgate.spec.settings import Settings

_DAY_S = 86_400.0


def index_move(
    settings: Settings, config: Path | None, *, usd_per_day: float | None
) -> tuple[tuple[SwitchItem, SwitchItem], Span]:
    """Return the items of the reindexing and of the time with two indexes, and the migration's span."""
    path = config or settings.root / "config" / "index.yml"
    if not path.is_file():
        return _none("no vector index is migrated here: config/index.yml would say so"), Span()
    try:
        workspace = read_index_workspace(settings, config)
        with closing(workspace.state()) as store:
            known = store.find(workspace.name) is not None
            changes = store.changes(workspace.name) if known else []
        reindexed = _reindexed(workspace)
    except SwapgateError as exc:
        return _none(f"it could not be read: {exc}"), Span()
    if not changes:
        return _none(f"the migration {workspace.name} has not begun: `swapgate index begin`"), Span()
    return (reindexed, _side_by_side(changes, usd_per_day)), span_of([one.at for one in changes])


def _none(why: str) -> tuple[SwitchItem, SwitchItem]:
    return (
        SwitchItem(name="reindex", did_happen=False, why_unknown=(why,)),
        SwitchItem(name="serving", did_happen=False, why_unknown=(why,)),
    )


def _reindexed(workspace: IndexWorkspace) -> SwitchItem:
    if not workspace.ledger_path.is_file():
        why = "nothing was embedded yet: `swapgate index reindex`"
        return SwitchItem(name="reindex", did_happen=False, why_unknown=(why,))
    cost, written, dead = read_bill(workspace.ledger_path)
    told = [f"{count(written, 'chunk')} written, {dead:,} dead"]
    unknown = []
    embed = workspace.entry("new").embed
    if not cost.is_known:
        unknown.append("time and money: nothing was noted when it was filled")
    elif cost.usd is None:
        unknown.append(
            "what the machine cost that embedded: nobody bills it here"
            if embed.is_local
            else "the embedding's price: `price` in models.yml"
        )
    if workspace.file.summarise is not None:
        unknown.append("what the summaries cost: their model's bill says")
    return SwitchItem(
        name="reindex",
        time_s=cost.seconds if cost.is_known else None,
        usd=cost.usd,
        is_at_least=bool(unknown),
        told=tuple(told),
        why_unknown=tuple(unknown),
    )


def _side_by_side(changes: Sequence[Change], usd_per_day: float | None) -> SwitchItem:
    """Return how long both indexes were written: from the first dual write until one of them was let go."""
    began = next((one.at for one in changes if one.phase is Phase.DUAL_WRITE), None)
    if began is None:
        never = "nobody has written two indexes: `swapgate index move dual_write`"
        return SwitchItem(name="serving", did_happen=False, why_unknown=(never,))
    ended = next((one.at for one in changes if one.phase is Phase.RETIRED), None)
    seconds = span_of([began, ended or datetime.now(UTC).isoformat()]).seconds
    assert seconds is not None
    told = [f"since {began[:16]}" + (f" until {ended[:16]}" if ended else ", still going on")]
    why = ("what a day of two indexes costs: --serving-per-day USD",)
    if usd_per_day is not None:
        told.append(f"at {money(usd_per_day)} a day, as given")
    return SwitchItem(
        name="serving",
        time_s=seconds,
        usd=None if usd_per_day is None else usd_per_day * seconds / _DAY_S,
        told=tuple(told),
        why_unknown=why if usd_per_day is None else (),
    )
