"""A candidate against a baseline on the same cases: differences by scope, and who flipped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import NamedTuple

import numpy as np

from swapgate.analysis.grouping import group
from swapgate.analysis.pairs import Pairs
from swapgate.analysis.rates import GATE_CONFIDENCE
from swapgate.analysis.rule_scopes import DEFAULT_MARGIN
from swapgate.analysis.scopes import OVERALL, Scope, Scoped
from swapgate.analysis.shifts import (
    AmountShift,
    BlindPassChange,
    ScoreShift,
    amount_shifts,
    blind_pass_change,
    score_shifts,
)
from swapgate.analysis.table import UNKNOWN, Codes, Results, Table
from swapgate.facts import Facts
from swapgate.stats.interval import Method
from swapgate.stats.paired import paired_difference
from swapgate.values import Value

MEASURES = ("semantic", "structural")


class Flip(Value):
    """A case whose result differs between the two models."""

    suite: str
    case: str
    repeat: int
    reason: str


class Difference(Scoped):
    """Candidate minus baseline of one rate on the pairs that both answered; None where it cannot be said.

    `low` and `high` bound the difference at `confidence` (90%: the gate's one-sided 5% on either side).
    `p_value` is McNemar's mid-p for "no difference", or its cluster-robust form when pairs come in clusters;
    `p_adjusted` allows for several candidates, and for tags (`ranking.adjust`); `p_noninferior` is the
    one-sided p-value of "worse by `margin` or more". `deff` is how many pairs are worth one independent pair.
    Where a calibration corrected the difference for the judge's errors, `raw_estimate` is that of the
    verdicts and `correction` says by what. In a run that may stop early the bounds hold over all looks
    together, and `look` counts them.
    """

    measure: str
    candidate: str
    baseline: str
    pairs: int
    clusters: int
    both: int
    only_candidate: int
    only_baseline: int
    neither: int
    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    p_value: float | None
    margin: float
    p_noninferior: float | None
    p_adjusted: float | None = None
    note: str = ""
    deff: float = 1.0
    method: Method = "score"
    raw_estimate: float | None = None
    correction: str = ""
    look: int | None = None


class Comparison(Value):
    """What is said about one candidate against one baseline. `unpaired` counts trials without a partner."""

    candidate: str
    baseline: str
    differences: tuple[Difference, ...]
    regressed: tuple[Flip, ...]
    fixed: tuple[Flip, ...]
    unpaired: int
    changed: int = 0
    blind_pass: tuple[BlindPassChange, ...] = ()
    scores: tuple[ScoreShift, ...] = ()
    amounts: tuple[AmountShift, ...] = ()


def compare(
    pairs: Pairs,
    *,
    listed: Iterable[Scope] = (),
    margins: Mapping[Scope, float] = {},
    confidence: float = GATE_CONFIDENCE,
    method: Method = "score",
) -> Comparison:
    """Compare two models on the trials that both have.

    Results come overall first, then by suite, by tag and in the `listed` scopes; differences of the semantic
    and then of the structural rate. `margins` are those of scopes; the overall one holds elsewhere.
    """
    parts = group(pairs.ours, listed=listed)
    at = {"confidence": confidence}
    return Comparison(
        candidate=pairs.candidate,
        baseline=pairs.baseline,
        differences=differences(pairs, parts, margins=margins, confidence=confidence, method=method),
        regressed=_flips(pairs.ours, pairs.theirs),
        fixed=_flips(pairs.theirs, pairs.ours),
        unpaired=pairs.unpaired,
        changed=pairs.changed,
        blind_pass=tuple(blind_pass_change(pairs, scope, inside, **at) for scope, inside in parts.items()),
        scores=tuple(s for scope, inside in parts.items() for s in score_shifts(pairs, scope, inside, **at)),
        amounts=tuple(
            a for scope, inside in parts.items() for a in amount_shifts(pairs, scope, inside, **at)
        ),
    )


def differences(
    pairs: Pairs,
    parts: Mapping[Scope, Codes],
    *,
    margins: Mapping[Scope, float],
    confidence: float = GATE_CONFIDENCE,
    method: Method = "score",
) -> tuple[Difference, ...]:
    """Return the difference of each measure in each part of the pairs."""
    return tuple(
        _difference(
            _cut(pairs, inside, measure),
            scope,
            measure,
            margin=margins.get(scope, margins.get(OVERALL, DEFAULT_MARGIN)),
            confidence=confidence,
            method=method,
        )
        for scope, inside in parts.items()
        for measure in MEASURES
    )


def overall_difference(pairs: Pairs, measure: str) -> Difference:
    """Return the difference of one measure over all pairs."""
    everything = np.arange(len(pairs.ours), dtype=np.int64)
    cut = _cut(pairs, everything, measure)
    return _difference(
        cut, OVERALL, measure, margin=DEFAULT_MARGIN, confidence=GATE_CONFIDENCE, method="score"
    )


class _Cut(NamedTuple):
    """The results of one measure on the pairs of one scope where both sides are known."""

    candidate: str
    baseline: str
    ours: Results
    theirs: Results
    clusters: Codes


def _cut(pairs: Pairs, inside: Codes, measure: str) -> _Cut:
    ours = _of(pairs.our_table, measure)[inside]
    theirs = _of(pairs.their_table, measure)[inside]
    is_known = (ours != UNKNOWN) & (theirs != UNKNOWN)
    clusters = pairs.clusters[inside]
    return _Cut(pairs.candidate, pairs.baseline, ours[is_known], theirs[is_known], clusters[is_known])


def _difference(
    cut: _Cut, scope: Scope, measure: str, *, margin: float, confidence: float, method: Method
) -> Difference:
    paired = paired_difference(cut.theirs, cut.ours, cut.clusters, confidence=confidence, method=method)
    return Difference(
        measure=measure,
        **asdict(scope),
        candidate=cut.candidate,
        baseline=cut.baseline,
        pairs=paired.pairs,
        margin=margin,
        p_noninferior=paired.p_noninferior(margin),
        **asdict(paired),
    )


def _of(table: Table, measure: str) -> Results:
    return table.semantic if measure == "semantic" else table.structural


def _flips(missing: Sequence[Facts], passing: Sequence[Facts]) -> tuple[Flip, ...]:
    """Return the pairs whose one side missed where the other passed, with what was wrong."""
    return tuple(
        Flip(suite=m.suite, case=m.case, repeat=m.repeat, reason=m.reason)
        for m, p in zip(missing, passing, strict=True)
        if m.outcome == "missed" and p.outcome == "passed"
    )
