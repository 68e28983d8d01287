"""Trials as arrays: what rates and sums are made from, worked out once for all the scopes that they enter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from swapgate.facts import Facts

# A result that is not known; 1 is right and 0 wrong.
UNKNOWN = -1
Codes = npt.NDArray[np.int64]
Results = npt.NDArray[np.int8]
Amounts = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Columns:
    """Trials in their order, an entry a trial. `clusters` are numbers; an unknown amount is nan."""

    structural: Results
    semantic: Results
    blind: Results
    clusters: Codes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger:
    """What else a summary adds up, an entry a trial. Amounts of a fallback's answer are nan, but for paid.

    `checks` are results by name and kind (judges have the kind `judge`), UNKNOWN where they saw nothing.
    """

    results: Columns
    is_own: Flags
    is_fallback: Flags
    from_cache: Flags
    is_missed: Flags
    error_kinds: npt.NDArray[Any]
    json_kinds: npt.NDArray[Any]
    recoverable: Results
    latency_s: Amounts
    tokens_in: Amounts
    tokens_out: Amounts
    cost_usd: Amounts
    paid_usd: Amounts
    judge_tokens_in: Codes
    judge_tokens_out: Codes
    judge_counted: Codes
    judge_cost_usd: Amounts
    repeats: Codes
    checks: Mapping[tuple[str, str], Results]


def columns(facts: Sequence[Facts]) -> Columns:
    """Return the results of some trials."""
    numbers: dict[str, int] = {}
    structural = _results([f.structural for f in facts])
    semantic = _results([f.semantic for f in facts])
    is_counted = (structural == 1) & (semantic != UNKNOWN)
    return Columns(
        structural=structural,
        semantic=semantic,
        blind=np.where(is_counted, 1 - semantic, UNKNOWN).astype(np.int8),
        clusters=np.fromiter((numbers.setdefault(f.cluster, len(numbers)) for f in facts), np.int64),
    )


def take(table: Columns, inside: Codes) -> Columns:
    """Return the columns of the trials at these positions."""
    return Columns(
        structural=table.structural[inside],
        semantic=table.semantic[inside],
        blind=table.blind[inside],
        clusters=table.clusters[inside],
    )


def ledger(facts: Sequence[Facts], *, results: Columns | None = None) -> Ledger:
    """Return all columns of some trials, `results` among them where they are at hand."""
    return Ledger(
        results=columns(facts) if results is None else results,
        is_own=np.array([f.is_answered and not f.is_fallback for f in facts], dtype=bool),
        is_fallback=np.array([f.is_fallback for f in facts], dtype=bool),
        from_cache=np.array([f.from_cache for f in facts], dtype=bool),
        is_missed=np.array([f.outcome == "missed" for f in facts], dtype=bool),
        error_kinds=np.array([f.error_kind for f in facts], dtype=object),
        json_kinds=np.array([f.json_kind for f in facts], dtype=object),
        recoverable=_results([f.is_recoverable for f in facts]),
        latency_s=_amounts([f.latency_s for f in facts]),
        tokens_in=_amounts([f.tokens_in for f in facts]),
        tokens_out=_amounts([f.tokens_out for f in facts]),
        cost_usd=_amounts([f.cost_usd for f in facts]),
        paid_usd=_amounts([f.paid_usd for f in facts]) + _amounts([f.judge_paid_usd for f in facts]),
        judge_tokens_in=np.array([f.judge_tokens_in for f in facts], dtype=np.int64),
        judge_tokens_out=np.array([f.judge_tokens_out for f in facts], dtype=np.int64),
        judge_counted=np.array([f.judge_counted for f in facts], dtype=np.int64),
        judge_cost_usd=_amounts([f.judge_cost_usd for f in facts]),
        repeats=np.array([f.repeat for f in facts], dtype=np.int64),
        checks=_checks(facts),
    )


def _checks(facts: Sequence[Facts]) -> dict[tuple[str, str], Results]:
    """Return the results of each check and judge, in order of appearance, of the model's own answers."""
    found: dict[tuple[str, str], Results] = {}
    for place, one in enumerate(facts):
        if not one.is_answered or one.is_fallback:
            continue
        for name, kind, passed in one.checks:
            if (name, kind) not in found:
                found[name, kind] = np.full(len(facts), UNKNOWN, dtype=np.int8)
            has_failed = found[name, kind][place] == 0  # where a name occurs twice, all of them must pass
            found[name, kind][place] = passed and not has_failed
        for judge, _hash, status, verdict in one.verdicts:
            if (judge, "judge") not in found:
                found[judge, "judge"] = np.full(len(facts), UNKNOWN, dtype=np.int8)
            if status == "scored":
                found[judge, "judge"][place] = verdict is True
    return found


def _results(values: Sequence[bool | None]) -> Results:
    return np.array([UNKNOWN if value is None else value for value in values], dtype=np.int8)


def _amounts(values: Sequence[float | None]) -> Amounts:
    return np.array(values, dtype=np.float64)  # None becomes nan
