"""What else moved from the baseline to the candidate: blind passes, scores, tokens, cost and latency."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np

from swapgate.analysis.columns import UNKNOWN, Codes
from swapgate.analysis.pairs import Pairs
from swapgate.analysis.scopes import Scope, Scoped
from swapgate.facts import Facts
from swapgate.stats.change import conditional_change
from swapgate.stats.means import paired_mean_difference
from swapgate.stats.scores import paired_scores

AMOUNTS: Mapping[str, Callable[[Facts], float | None]] = {
    "tokens_in": lambda facts: facts.tokens_in,
    "tokens_out": lambda facts: facts.tokens_out,
    "cost_usd": lambda facts: facts.cost_usd,
    "latency_s": lambda facts: facts.latency_s,
}


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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


@dataclass(frozen=True, slots=True, kw_only=True)
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
    theirs, ours = pairs.their_columns.blind[inside], pairs.our_columns.blind[inside]
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
    for criterion in dict.fromkeys(name for i in inside.tolist() for name in pairs.ours[i].scores):
        values = _both(pairs, inside, partial(_score, criterion))
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


def _score(criterion: str, facts: Facts) -> float | None:
    return facts.scores.get(criterion)


def amount_shifts(pairs: Pairs, scope: Scope, inside: Codes, *, confidence: float) -> Iterator[AmountShift]:
    """Yield one shift for every amount that is known on both sides of at least one pair."""
    for amount, of in AMOUNTS.items():
        values = _both(pairs, inside, of)
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


def _both(
    pairs: Pairs, inside: Codes, of: Callable[[Facts], float | None]
) -> tuple[list[float], list[float], Codes | None] | None:
    """Return a value on both sides, and the clusters where one has several pairs; None without a pair."""
    found = [(i, of(pairs.theirs[i]), of(pairs.ours[i])) for i in inside.tolist()]
    known = [(i, theirs, ours) for i, theirs, ours in found if theirs is not None and ours is not None]
    if not known:
        return None
    clusters = pairs.clusters[[i for i, _, _ in known]]
    is_clustered = len(np.unique(clusters)) < len(clusters)
    return [b for _, b, _ in known], [c for _, _, c in known], clusters if is_clustered else None
