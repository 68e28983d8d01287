"""What a migration needs before it moves on: an index, writers that know of it, contents that hold."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import field

from swapgate.errors import UsageError
from swapgate.retrieval.fingerprint import require_same
from swapgate.retrieval.index import VectorIndex
from swapgate.retrieval.phases import Migration, Phase, is_before, require_allowed, share_in
from swapgate.retrieval.records import CONTENTS, VERIFICATION, Change, Evidence
from swapgate.retrieval.state import StateStore
from swapgate.values import Value


class Moved(Value):
    """The migration after a move, and what the user should know of it."""

    migration: Migration
    warnings: tuple[str, ...] = field(default=())


def move(
    store: StateStore,
    now: Migration,
    to: Phase,
    *,
    new: Callable[[], VectorIndex],
    who: str,
    why: str,
    share: float | None = None,
    force: bool = False,
) -> Moved:
    """Move a migration on once its conditions hold; with `force` they are told as warnings instead.

    `new` opens the new index, which only one phase needs. A rollback has no conditions.
    """
    require_allowed(now.phase, to)
    share_in(to, share)
    warnings: list[str] = []
    if to is Phase.DUAL_WRITE:
        index = new()
        index.create(now.new)
        require_same(index.name, stamped=index.stamp(), wanted=now.new)
    elif to is Phase.BACKFILL:
        warnings += _unaware(store, now)
    elif to is Phase.ROLLED_BACK:
        warnings += _missing_writes(store, now)
    elif not is_before(to, Phase.SHADOW_READ):
        reasons = reasons_to_wait(store, now, to)
        if reasons and not force:
            raise UsageError(f"{'; '.join(reasons)}. Mend that first, or go on all the same with --force")
        warnings += reasons
    moved = store.change(now, to, share=share, who=who, why=why)
    return Moved(migration=moved, warnings=tuple(warnings))


def _unaware(store: StateStore, now: Migration) -> list[str]:
    """Wait for the routers, and strike those off that are silent: one that lives comes back by itself."""
    silent = store.wait_until_seen(now.name, now.version)
    for reader in silent:
        store.leave(now.name, reader.reader)
    return [
        f"the router {reader.reader} has not been heard of and may still write the old index alone. If it is "
        "dead, all is well; if it lives, end it"
        for reader in silent
    ]


def _missing_writes(store: StateStore, now: Migration) -> list[str]:
    missing = store.count_repairs(now.name)["old"]
    if not missing:
        return []
    return [f"{missing:,} writes did not reach the old index: `swapgate index repair --side old`"]


def reasons_to_wait(store: StateStore, now: Migration, to: Phase) -> list[str]:
    """Return what speaks against letting the new index be asked."""
    reasons = []
    found = contents_evidence(store, now)
    if found is None:
        reasons.append("the new index was not examined since it was filled: `swapgate index check`")
    elif not found.passed:
        reasons.append("the new index did not pass its examination: `swapgate index check` says why")
    verified = _last(store, now, VERIFICATION)
    if (
        not is_before(to, Phase.CANARY)
        and verified is not None
        and verified.record.get("verdict") == "failed"
    ):
        reasons.append("the new index failed its verification: `swapgate index verify` says on what")
    missing = store.count_repairs(now.name)
    if missing["new"]:
        reasons.append(f"{missing['new']:,} writes did not reach the new index: `swapgate index repair`")
    if to is Phase.RETIRED and missing["old"]:
        reasons.append(f"{missing['old']:,} writes did not reach the old index: `swapgate index repair`")
    return reasons


def filled_at(changes: Sequence[Change]) -> int:
    """Return the version at which the new index was filled last, 0 where it never was."""
    return max((one.version for one in changes if one.phase is Phase.BACKFILL), default=0)


def contents_evidence(store: StateStore, now: Migration) -> Evidence | None:
    """Return the last examination of the new index, None when there was none since it was filled last."""
    return _last(store, now, CONTENTS)


def _last(store: StateStore, now: Migration, kind: str) -> Evidence | None:
    since = filled_at(store.changes(now.name))
    found = [one for one in store.evidence(now.name, kind) if one.version >= since]
    return found[-1] if found else None
