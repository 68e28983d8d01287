"""What a run's trials add up to, per model and scope."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from math import ceil, fsum, isnan
from typing import Any

import numpy as np
import numpy.typing as npt

from swapgate.analysis.grouping import group
from swapgate.analysis.rates import GATE_CONFIDENCE, Rate, rate
from swapgate.analysis.scopes import Scope, Scoped
from swapgate.analysis.table import UNKNOWN, Amounts, Codes, ModelTrials, Results, Table
from swapgate.stats.interval import Method
from swapgate.values import Value


class CheckCount(Value):
    """How often one check or judge passed: of `n` trials it saw. `kind`: structural, semantic or judge."""

    name: str
    kind: str
    passed: int
    n: int


class Summary(Scoped):
    """One model on one scope: `suite`, `prompt` and `tag` name it, all None means everything.

    Costs are list prices in US dollars, None when unknown.

    `paid_usd` counts only what was called this time (cache hits are free), `saved_usd` what the rest of the
    model's and its judges' answers would have cost. `fallbacks` counts trials that
    another model answered: they are errored for the model under test, and their tokens, prices and latencies
    are no part of its own, only of `paid_usd`. `missed` counts trials that failed a check or a judge.
    `timed` is the number of latencies behind the two percentiles, `counted` and `judge_counted` those of the
    answers whose tokens the provider counted: sums of none of them say nothing. `recoverable_json` is the
    share of strict-JSON failures that a permissive parser would have hidden (None without any). `ttft` are
    the seconds to the first token, of the answers that were streamed. `unscored` trials are those on which a
    judge's panel agreed too little; `judge_latency` are the seconds of a trial's slowest call of a judge.
    """

    model: str
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
    missed: int = 0
    timed: int = 0
    counted: int = 0
    judge_counted: int = 0
    repeats: int = 1
    saved_usd: float | None = None
    ttft_p50_s: float | None = None
    ttft_p95_s: float | None = None
    unscored: int = 0
    judge_latency_p50_s: float | None = None
    judge_latency_p95_s: float | None = None


def summarise(
    models: Sequence[ModelTrials],
    *,
    listed: Iterable[Scope] = (),
    gate_confidence: float = GATE_CONFIDENCE,
    method: Method = "score",
) -> tuple[Summary, ...]:
    """Return each model's summaries, in order of appearance: overall, by suite, by tag, then those listed."""
    listed = tuple(listed)
    return tuple(
        _summary(one, scope, inside, gate_confidence=gate_confidence, method=method)
        for one in models
        for scope, inside in group(one.facts, listed=listed).items()
    )


def _summary(
    trials: ModelTrials, scope: Scope, inside: Codes, *, gate_confidence: float, method: Method
) -> Summary:
    book = trials.table
    own = inside[book.is_own[inside]]
    latencies, first_tokens = _sorted(book.latency_s[inside]), _sorted(book.ttft_s[inside])
    judge_latencies = _sorted(book.judge_latency_s[inside])
    errors = _count(book.error_kinds[inside])
    structural, semantic, blind = (
        rate(results[inside], book.clusters[inside], gate_confidence=gate_confidence, method=method)
        for results in (book.structural, book.semantic, book.blind)
    )
    tokens_in, tokens_out = book.tokens_in[own], book.tokens_out[own]
    return Summary(
        model=trials.model,
        **asdict(scope),
        role=trials.role,
        trials=len(inside),
        errored=sum(errors.values()),
        structural=structural,
        semantic=semantic,
        blind_pass=blind,
        tokens_in=int(np.nansum(tokens_in)),
        tokens_out=int(np.nansum(tokens_out)),
        cost_usd=_sum(book.cost_usd[own]),
        judge_tokens_in=int(book.judge_tokens_in[inside].sum()),
        judge_tokens_out=int(book.judge_tokens_out[inside].sum()),
        judge_cost_usd=_sum(book.judge_cost_usd[inside]),
        paid_usd=_sum(book.paid_usd[inside]),
        latency_p50_s=nearest_rank(latencies, 0.50),
        latency_p95_s=nearest_rank(latencies, 0.95),
        from_cache=int(book.from_cache[own].sum()),
        fallbacks=int(book.is_fallback[inside].sum()),
        recoverable_json=_share(book.recoverable[own]),
        json_kinds=_count(book.json_kinds[own]),
        errors=errors,
        checks=tuple(_check_counts(book, inside)),
        missed=int(book.is_missed[inside].sum()),
        timed=len(latencies),
        counted=int((~np.isnan(tokens_in) | ~np.isnan(tokens_out)).sum()),
        judge_counted=int(book.judge_counted[inside].sum()),
        repeats=int(book.repeats[inside].max()),
        saved_usd=_sum((book.cost_usd + book.judge_cost_usd - book.paid_usd)[own]),
        ttft_p50_s=nearest_rank(first_tokens, 0.50),
        ttft_p95_s=nearest_rank(first_tokens, 0.95),
        unscored=int(book.is_unscored[inside].sum()),
        judge_latency_p50_s=nearest_rank(judge_latencies, 0.50),
        judge_latency_p95_s=nearest_rank(judge_latencies, 0.95),
    )


def nearest_rank(ordered: Sequence[float], quantile: float) -> float | None:
    """Return the smallest value that at least a share `quantile` of the sorted values does not exceed."""
    return ordered[max(ceil(quantile * len(ordered)), 1) - 1] if ordered else None


def _sorted(amounts: Amounts) -> list[float]:
    """Return what is known in ascending order."""
    known: list[float] = np.sort(amounts[~np.isnan(amounts)]).tolist()
    return known


def _sum(amounts: Amounts) -> float | None:
    """Return the sum; None when an amount is unknown."""
    # A plain sum of a hundred cents is a little more than a dollar, and a ceiling of a dollar would fail.
    total = fsum(amounts.tolist())
    return None if isnan(total) else total


def _share(results: Results) -> float | None:
    known = results[results != UNKNOWN]
    return float(known.mean()) if known.size else None


def _count(kinds: npt.NDArray[Any]) -> dict[str, int]:
    """Count what is not None, the most frequent first."""
    return dict(Counter(kind for kind in kinds.tolist() if kind is not None).most_common())


def _check_counts(book: Table, inside: Codes) -> Iterator[CheckCount]:
    """Yield the checks and judges of these trials; a judge that was skipped or failed saw nothing."""
    for (name, kind), everything in book.checks.items():
        results = everything[inside]
        known = results[results != UNKNOWN]
        if known.size:
            yield CheckCount(name=name, kind=kind, passed=int(known.sum()), n=int(known.size))
