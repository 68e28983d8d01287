"""Where a migration stands: its stages and what was found out in each, its routers, its history."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing

from swapgate.errors import SwapgateError
from swapgate.records import adapter
from swapgate.reporting.text import safe_text
from swapgate.retrieval.index import SIDES, Side, VectorIndex
from swapgate.retrieval.ledger import Ledger
from swapgate.retrieval.metrics import Metrics, summed, tally
from swapgate.retrieval.moving import contents_evidence
from swapgate.retrieval.opening import IndexWorkspace
from swapgate.retrieval.phases import Phase
from swapgate.retrieval.ramping.looks import Look, looks
from swapgate.retrieval.records import FILLED, VERIFICATION, Change, Evidence
from swapgate.retrieval.state import StateStore
from swapgate.retrieval.verifying import Verification
from swapgate.values import Value

_RAMPED = {Phase.SHADOW_READ, Phase.CANARY, Phase.PROMOTED}


class IndexStanding(Value):
    """What is known of one index; one that is down has a problem, and the rest is shown."""

    model: str
    fingerprint: str
    entries: int | None
    problem: str | None


class Router(Value):
    """One process that routes: the version that it acts on, and a beat that grows."""

    router: str
    version: int
    beat: int


class Stage(Value):
    """One version of the ramp: what the new index answered in it, and what the ramp and a verification said.

    `until` is None for the present one. `answered` and `missed` are queries of the new index, those in the
    shadow among them.
    """

    version: int
    phase: Phase
    share: float
    since: str
    until: str | None
    answered: int
    missed: int
    looks: int
    last: Look | None
    verdict: str | None
    verified_at: str | None


class Standing(Value):
    """A migration as it stands. `verification` is the last one.

    `verified_usd` is what all of them cost, `filled_usd` what reindexings did that came to their end. None
    where no service is asked for vectors, or nobody knows its price.
    """

    migration: str
    phase: Phase
    share: float
    version: int
    changed_at: str
    indexes: Mapping[Side, IndexStanding]
    ledger: Mapping[str, int] | None
    contents: Evidence | None
    repairs: Mapping[Side, int]
    shadow_reads: int
    routers: Sequence[Router]
    metrics: Metrics
    stages: Sequence[Stage]
    verification: Verification | None
    verified_usd: float | None
    filled_usd: float | None
    changes: Sequence[Change]

    @property
    def behind(self) -> int:
        """How many routers act on an older version."""
        return sum(one.version < self.version for one in self.routers)


def standing(
    workspace: IndexWorkspace,
    store: StateStore,
    *,
    index: Callable[[Side], VectorIndex],
    ledger: Callable[[], Ledger],
) -> Standing:
    """Return where a migration stands; UsageError where there is none of that name."""
    name = workspace.name
    now = store.get(name)
    readers, changes = store.readers(name), store.changes(name)
    verifications = store.evidence(name, VERIFICATION)
    return Standing(
        migration=name,
        phase=now.phase,
        share=now.share,
        version=now.version,
        changed_at=now.changed_at,
        indexes={side: _index(workspace, side, index) for side in SIDES},
        ledger=_ledger_counts(workspace, ledger),
        contents=contents_evidence(store, now),
        repairs=store.count_repairs(name),
        shadow_reads=store.count_shadow_reads(name),
        routers=[Router(router=one.reader, version=one.version, beat=one.beat) for one in readers],
        metrics=summed(store.counted(name)),
        stages=_stages(store, name, changes, verifications),
        verification=_verification(verifications),
        verified_usd=_cost(verifications),
        filled_usd=_filled(store.evidence(name, FILLED)),
        changes=changes,
    )


def _index(workspace: IndexWorkspace, side: Side, index: Callable[[Side], VectorIndex]) -> IndexStanding:
    wanted = workspace.fingerprint(side)
    entries: int | None = None
    try:
        stamped = index(side).stamp()
        if stamped is None:
            problem: str | None = "no index, or one without a stamp"
        else:
            problem = "; ".join(stamped.differences(wanted)) or None
            entries = index(side).count()
    except SwapgateError as exc:
        problem = safe_text(str(exc))
    model = f"{wanted.provider}:{wanted.model}"
    return IndexStanding(model=model, fingerprint=wanted.digest, entries=entries, problem=problem)


def _ledger_counts(workspace: IndexWorkspace, ledger: Callable[[], Ledger]) -> Mapping[str, int] | None:
    if not workspace.ledger_path.is_file():
        return None
    try:
        with closing(ledger()) as opened:
            written, dead = opened.counts()
    except SwapgateError:
        return None
    return {"written": written, "dead": dead}


def _stages(
    store: StateStore, name: str, changes: Sequence[Change], verifications: Sequence[Evidence]
) -> list[Stage]:
    """Return the versions at which the new index was asked, in the shadow or by its share."""
    seen, counted = looks(store, name), store.counted(name)
    found = []
    for change, following in zip(changes, [*changes[1:], None], strict=True):
        if change.phase not in _RAMPED:
            continue
        mine = [look for version, look in seen if version == change.version]
        said = [one for one in verifications if one.version == change.version]
        here = tally(counted, change.version)
        answered, missed = (here.served["new"] + here.shadow_served, here.missed["new"] + here.shadow_missed)
        last = mine[-1] if mine else None
        found.append(
            Stage(
                version=change.version,
                phase=change.phase,
                share=change.share,
                since=change.at,
                until=None if following is None else following.at,
                # Counters of processes that ended long ago are gone: what the last look saw is not.
                answered=max(answered, last.served if last else 0),
                missed=max(missed, last.missed if last else 0),
                looks=len(mine),
                last=last,
                verdict=_verdict(said[-1]) if said else None,
                verified_at=said[-1].at if said else None,
            )
        )
    return found


def _verdict(evidence: Evidence) -> str:
    word = evidence.record.get("verdict")
    return word if isinstance(word, str) else "passed" if evidence.passed else "failed"


def _verification(found: Sequence[Evidence]) -> Verification | None:
    """Return the last verification; None where there is none, or one of a version that is not known here."""
    if not found:
        return None
    try:
        read: Verification = adapter(Verification).validate_python(found[-1].record)
    except ValueError:
        return None
    return read


def _cost(found: Sequence[Evidence]) -> float | None:
    """Return what all verifications cost, None where nobody knows the price of one."""
    total = 0.0
    for evidence in found:
        read = _verification([evidence])
        if read is None or read.old.cost_usd is None or read.new.cost_usd is None:
            return None
        total += read.old.cost_usd + read.new.cost_usd + (read.graded.paid_usd if read.graded else 0.0)
    return total


def _filled(found: Sequence[Evidence]) -> float | None:
    costs = [one.record.get("cost_usd") for one in found]
    known = [cost for cost in costs if isinstance(cost, int | float)]
    return sum(known) if known and len(known) == len(costs) else None
