"""What a run's trials add up to, per suite and model."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A proportion of trials with its interval; `rate`, `low` and `high` are None when n is 0.

    `clusters` is the number of independent groups (cases, or their source documents) behind the n trials;
    `note` says why an interval was refused.
    """

    passed: int
    n: int
    clusters: int
    rate: float | None
    low: float | None
    high: float | None
    confidence: float = 0.95
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCount:
    """How often one check or judge passed: of `n` trials that it saw."""

    name: str
    kind: str
    passed: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One model on one suite (suite None: on all). Costs are list prices in US dollars, None when unknown.

    `paid_usd` counts only what was called this time (cache hits are free). `fallbacks` counts trials that
    another model answered: they are errored for the model under test. `recoverable_json` is the share of
    strict-JSON failures that a permissive parser would have hidden (None without any).
    """

    model: str
    suite: str | None
    role: str
    trials: int
    errored: int
    structural: Rate
    semantic: Rate
    blind_pass: Rate
    tokens_in: int
    tokens_out: int
    cost_usd: float | None
    judge_tokens_in: int
    judge_tokens_out: int
    judge_cost_usd: float | None
    paid_usd: float | None
    latency_p50_s: float | None
    latency_p95_s: float | None
    from_cache: int
    fallbacks: int
    recoverable_json: float | None
    json_kinds: dict[str, int]
    errors: dict[str, int]
    checks: tuple[CheckCount, ...]
