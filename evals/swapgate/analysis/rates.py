"""Pass rates with their intervals, clustered where a cluster has several trials."""

from __future__ import annotations

from swapgate.analysis.table import UNKNOWN, Codes, Results
from swapgate.stats.clusters import count_codes
from swapgate.stats.interval import Method
from swapgate.stats.proportion import clustered_rate
from swapgate.values import Value, replace

# Two-sided, so that each side is wrong at most 5% of the time.
GATE_CONFIDENCE = 0.90
REPORT_CONFIDENCE = 0.95


class Rate(Value):
    """A proportion of trials with its interval; `rate`, `low` and `high` are None when n is 0.

    `clusters` is the number of independent groups (cases, or their source documents) behind the n trials;
    `note` says why an interval was refused, or beside bounds why it is rough. `effective_n` is the number of
    independent trials that the n are worth, None without an interval. `gate_low` and `gate_high` bound the
    rate at `gate_confidence`, at which the gate decides. Where a calibration corrected the rate for the
    judge's errors, `raw_rate` is the share of passing verdicts and `correction` says by what. In a run that
    may stop early the gate's bounds hold over all looks together, and `look` counts them.
    """

    passed: int
    n: int
    clusters: int
    rate: float | None
    low: float | None
    high: float | None
    confidence: float = REPORT_CONFIDENCE
    note: str = ""
    effective_n: float | None = None
    gate_low: float | None = None
    gate_high: float | None = None
    gate_confidence: float = GATE_CONFIDENCE
    raw_rate: float | None = None
    correction: str = ""
    look: int | None = None


def rate(results: Results, clusters: Codes, *, gate_confidence: float, method: Method) -> Rate:
    """Return the rate of the known results with its intervals."""
    is_known = results != UNKNOWN
    passes, groups = results[is_known], clusters[is_known]
    shown = clustered_rate(passes, groups, confidence=REPORT_CONFIDENCE, method=method)
    found = Rate(
        passed=int(passes.sum()),
        n=len(passes),
        clusters=count_codes(groups),
        rate=shown.estimate,
        low=shown.low,
        high=shown.high,
        note=shown.note,
        effective_n=shown.effective_n,
    )
    decided = clustered_rate(passes, groups, confidence=gate_confidence, method=method)
    return replace(found, gate_low=decided.low, gate_high=decided.high, gate_confidence=decided.confidence)
