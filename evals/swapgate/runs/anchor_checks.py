"""A judge asked about its frozen anchors, told from its noise, and remembered beside the earlier checks."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from swapgate.analysis.judge_drift import JudgeDrift, Then, judge_drift
from swapgate.engine.anchors import Read, ask_anchors, cost_of
from swapgate.memory.history import History, has_history
from swapgate.records import AnchorCheck
from swapgate.runs.manifest import now
from swapgate.spec.anchors import AnchorSet, read_anchors
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.engine.judging_only import Draw
    from swapgate.engine.workspace import Workspace
    from swapgate.judging.judge import Judge
    from swapgate.spec.settings import Settings


class Checked(Value):
    """One check of a judge's anchors, with what it was held against; `paid_usd` is what it took."""

    known: AnchorSet
    reads: Sequence[Read]
    drift: JudgeDrift
    check: AnchorCheck
    earlier: Sequence[AnchorCheck]
    paid_usd: float


def check_anchors(
    workspace: Workspace,
    judge: Judge,
    *,
    draw: Draw = lambda _progress: None,
    spent_usd: float = 0.0,
) -> Checked:
    """Ask the judge about its anchors, by the workspace's cache mode, and store what came of it."""
    settings, name = workspace.settings, judge.spec.judge
    known = read_anchors(settings.judges_dir, name, definition_hash=judge.definition_hash, root=settings.root)
    workspace.require_ready({model: workspace.model(model) for model in judge.models})
    reads, paid_usd = ask_anchors(workspace, judge, known.anchors, draw=draw, spent_usd=spent_usd)
    earlier = _earlier(settings, name, known)
    drift = _drift(reads, earlier)
    check = _check(name, known, reads, drift)
    with contextlib.closing(History(settings.history)) as history:
        history.add_anchor_check(check)
    return Checked(known=known, reads=reads, drift=drift, check=check, earlier=earlier, paid_usd=paid_usd)


def _drift(reads: Sequence[Read], earlier: Sequence[AnchorCheck]) -> JudgeDrift:
    known = [
        Then(
            frozen=[(one.passed, one.scores) for one in read.anchor.readings],
            now=(read.reading.passed, read.reading.scores),
            cluster=(read.anchor.suite, read.anchor.cluster or read.anchor.case),
        )
        for read in reads
        if read.reading is not None
    ]
    return judge_drift(known, nights=[(one.agreed, one.n) for one in earlier])


def _check(judge: str, known: AnchorSet, reads: Sequence[Read], drift: JudgeDrift) -> AnchorCheck:
    said = [read.reading for read in reads if read.reading is not None]
    return AnchorCheck(
        judge=judge,
        definition_hash=known.anchors[0].judge_hash,
        anchors_hash=known.content_hash,
        checked_at=now(),
        n=len(said),
        agreed=drift.agreed,
        errors=len(reads) - len(said),
        pass_rate=sum(one.passed for one in said) / len(said) if said else None,
        answer=drift.answer,
        served=tuple(sorted({name for read in reads for name in read.served})),
        cost_usd=cost_of(reads),
    )


def _earlier(settings: Settings, judge: str, known: AnchorSet) -> list[AnchorCheck]:
    """Return the earlier checks of the same anchors, the oldest first."""
    if not has_history(settings.history):
        return []
    with contextlib.closing(History(settings.history)) as history:
        return [one for one in history.anchor_checks(judge) if one.anchors_hash == known.content_hash]
