"""The phases of a migration: who serves and who is written in each, and which may follow which. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import StrEnum

from swapgate.errors import UsageError
from swapgate.retrieval.fingerprint import Fingerprint
from swapgate.retrieval.index import SIDES, Side
from swapgate.values import Value


class Phase(StrEnum):
    """Where a migration stands; in this order, but for `rolled_back`."""

    PLAN = "plan"
    DUAL_WRITE = "dual_write"
    BACKFILL = "backfill"
    VERIFY = "verify"
    SHADOW_READ = "shadow_read"
    CANARY = "canary"
    PROMOTED = "promoted"
    BAKE = "bake"
    RETIRED = "retired"
    ROLLED_BACK = "rolled_back"


_ORDER = tuple(phase for phase in Phase if phase is not Phase.ROLLED_BACK)
# What a phase's successor may be, beside a rollback. Going back one to repeat it is allowed where it is safe.
_NEXT: Mapping[Phase, tuple[Phase, ...]] = {
    Phase.PLAN: (Phase.DUAL_WRITE,),
    Phase.DUAL_WRITE: (Phase.BACKFILL, Phase.PLAN),
    Phase.BACKFILL: (Phase.VERIFY,),
    Phase.VERIFY: (Phase.SHADOW_READ, Phase.BACKFILL),
    Phase.SHADOW_READ: (Phase.CANARY, Phase.BACKFILL),
    Phase.CANARY: (Phase.CANARY, Phase.PROMOTED, Phase.SHADOW_READ),
    Phase.PROMOTED: (Phase.BAKE,),
    Phase.BAKE: (Phase.RETIRED,),
    Phase.RETIRED: (),
    Phase.ROLLED_BACK: (Phase.BACKFILL, Phase.PLAN),
}
_NEW_SERVES = {Phase.PROMOTED, Phase.BAKE, Phase.RETIRED}
_SHARES = 2.0**64


class Migration(Value):
    """The state that all processes share. `version` grows by one with every change.

    `share` is that of the keys which the new index serves; `salt` makes it other keys in every migration.
    """

    name: str
    phase: Phase
    share: float
    version: int
    salt: str
    old: Fingerprint
    new: Fingerprint
    changed_at: str

    @property
    def writes(self) -> tuple[Side, ...]:
        """The sides that are written, the one that serves most first."""
        if self.phase is Phase.PLAN:
            return ("old",)
        if self.phase is Phase.RETIRED:
            return ("new",)
        return ("new", "old") if self.phase in _NEW_SERVES else SIDES

    @property
    def shadows(self) -> bool:
        """Whether the index that does not serve is asked as well."""
        return self.phase is Phase.SHADOW_READ

    def side(self, key: str) -> Side:
        """Return who serves a key: always the same at one share, and at a greater one never the old again."""
        if self.share <= 0.0:
            return "old"
        if self.share >= 1.0:
            return "new"
        return "new" if place(self.salt, key) < self.share else "old"


def place(salt: str, key: str) -> float:
    """Return where a key lies in [0, 1): evenly spread, and independent of other salts."""
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=salt.encode()).digest()
    return int.from_bytes(digest, "big") / _SHARES


def share_in(phase: Phase, share: float | None) -> float:
    """Return the share of a phase; only `canary` takes one, between 0 and 1."""
    if phase is not Phase.CANARY:
        if share is not None:
            raise UsageError(f"only the phase canary has a share, not {phase}")
        return 1.0 if phase in _NEW_SERVES else 0.0
    if share is None or not 0.0 < share < 1.0:
        raise UsageError(f"the share of a canary lies between 0 and 1, as 0.05, got {share!r}")
    return share


def require_allowed(now: Phase, to: Phase) -> None:
    """Raise UsageError unless one phase may follow the other."""
    if to is Phase.ROLLED_BACK:
        _require_rollback(now)
    elif to not in _NEXT[now]:
        following = ", ".join(_NEXT[now]) or "nothing: the old index is no longer written"
        raise UsageError(
            f"{to} cannot follow {now}. After {now} comes {following}"
            + ("" if now in {Phase.PLAN, Phase.ROLLED_BACK, Phase.RETIRED} else ", or a rollback")
        )


def _require_rollback(now: Phase) -> None:
    if now is Phase.PLAN:
        raise UsageError(
            "there is nothing to roll back: the migration is still at plan, where the old index serves "
            "everybody and alone is written"
        )
    if now is Phase.ROLLED_BACK:
        raise UsageError("the migration is rolled back already")
    if now is Phase.RETIRED:
        raise UsageError(
            "the migration is retired: the old index has not been written since, and a rollback would lose "
            "what was. Migrate back as a migration of its own, with old and new exchanged"
        )


def is_before(one: Phase, other: Phase) -> bool:
    """Whether one phase comes before another on the way forward; a rollback is before all."""
    return one is Phase.ROLLED_BACK or (other in _ORDER and _ORDER.index(one) < _ORDER.index(other))
