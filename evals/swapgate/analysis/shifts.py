"""What else moved from the baseline to the candidate: blind passes, scores, tokens, cost and latency."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from swapgate.analysis.pairs import Pairs
from swapgate.analysis.scopes import Scope, Scoped
from swapgate.analysis.table import UNKNOWN, Amounts, Codes
from swapgate.stats.change import conditional_change
from swapgate.stats.clusters import count_codes
from swapgate.stats.means import paired_mean_difference
from swapgate.stats.scores import paired_scores

AMOUNTS = ("tokens_in", "tokens_out", "cost_usd", "latency_s")


class BlindPassChange(Scoped):
    """How P(meaning wrong | structure right) differs: candidate minus baseline, each over its own answers.

    The bounds hold at `confidence`; they are None where `note` says why.
    """

    baseline_hits: int
    baseline_counted: int
    candidate_hits: int
    candidate_counted: int
    clusters: int
    baseline_rate: float | None
    candidate_rate: float | None
    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    p_value: float | None
    note: str = ""


class ScoreShift(Scoped):
    """One judge's criterion on both sides: how often each level was given, and how the scores moved.

    `p_value` is Wilcoxon's signed-rank test with Pratt's zeros, the interval that of the mean difference.
    """

    criterion: str
    levels: tuple[float, ...]
    baseline_counts: tuple[int, ...]
    candidate_counts: tuple[int, ...]
    pairs: int
    baseline_mean: float | None
    candidate_mean: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: float
    p_value: float | None
    note: str = ""


class AmountShift(Scoped):
    """Tokens, dollars or seconds a trial on both sides: their means, the difference, the ratio."""

    amount: str
    pairs: int
    baseline_mean: float | None
    candidate_mean: float | None
    ratio: float | None
    difference: float | None
    low: float | None
    high: float | None
    confidence: float
    p_value: float | None
    note: str = ""


def blind_pass_change(pairs: Pairs, scope: Scope, inside: Codes, *, confidence: float) -> BlindPassChange:
    """Return the change of the blind pass rate in one scope."""
    theirs, ours = pairs.their_table.blind[inside], pairs.our_table.blind[inside]
    change = conditional_change(
        theirs != UNKNOWN,
        theirs == 1,
        ours != UNKNOWN,
        ours == 1,
        pairs.clusters[inside],
        confidence=confidence,
    )
    found = asdict(change)
    known = {name: found[name] for name in BlindPassChange.__dataclass_fields__ if name in found}
    return BlindPassChange(**asdict(scope), **known)


def score_shifts(pairs: Pairs, scope: Scope, inside: Codes, *, confidence: float) -> Iterator[ScoreShift]:
    """Yield one shift for every criterion that both sides were scored by."""
    for criterion, ours in pairs.our_table.scores.items():
        theirs = pairs.their_table.scores.get(criterion)
        values = None if theirs is None else _both(theirs[inside], ours[inside], pairs.clusters[inside])
        if values is not None:
            shift = paired_scores(*values, confidence=confidence)
            yield ScoreShift(
                **asdict(scope),
                criterion=criterion,
                levels=shift.levels,
                baseline_counts=shift.baseline_counts,
                candidate_counts=shift.candidate_counts,
                pairs=shift.pairs,
                baseline_mean=shift.means.baseline,
                candidate_mean=shift.means.candidate,
                difference=shift.means.difference.estimate,
                low=shift.means.difference.low,
                high=shift.means.difference.high,
                confidence=confidence,
                p_value=shift.test.p_value,
                note=shift.means.difference.note or shift.test.note,
            )


def amount_shifts(pairs: Pairs, scope: Scope, inside: Codes, *, confidence: float) -> Iterator[AmountShift]:
    """Yield one shift for every amount that is known on both sides of at least one pair."""
    for amount in AMOUNTS:
        theirs, ours = (getattr(side, amount)[inside] for side in (pairs.their_table, pairs.our_table))
        values = _both(theirs, ours, pairs.clusters[inside])
        if values is not None:
            means = paired_mean_difference(*values, confidence=confidence)
            yield AmountShift(
                **asdict(scope),
                amount=amount,
                pairs=means.difference.n,
                baseline_mean=means.baseline,
                candidate_mean=means.candidate,
                ratio=means.ratio,
                difference=means.difference.estimate,
                low=means.difference.low,
                high=means.difference.high,
                confidence=confidence,
                p_value=means.p_value,
                note=means.difference.note,
            )


def _both(theirs: Amounts, ours: Amounts, clusters: Codes) -> tuple[Amounts, Amounts, Codes | None] | None:
    """Return what is known on both sides, and the clusters where one has several pairs; None without any."""
    known = ~np.isnan(theirs) & ~np.isnan(ours)
    if not known.any():
        return None
    groups = clusters[known]
    is_clustered = count_codes(groups) < len(groups)
    return theirs[known], ours[known], groups if is_clustered else None
