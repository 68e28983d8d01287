"""A candidate against a baseline on the same cases."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A case whose result differs between the two models."""

    suite: str
    case: str
    repeat: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Candidate minus baseline of one rate on the pairs that both answered; None where it cannot be said.

    `low` and `high` bound the difference at `confidence` (90%: the gate's one-sided 5% on either side);
    `p_value` is McNemar's mid-p for "no difference".
    """

    measure: str
    suite: str | None
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
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Everything said about one candidate against one baseline. `unpaired` counts trials without a partner."""

    candidate: str
    baseline: str
    differences: tuple[Difference, ...]
    regressed: tuple[Flip, ...]
    fixed: tuple[Flip, ...]
    unpaired: int
