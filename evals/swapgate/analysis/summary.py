"""What a run's trials add up to, per suite and model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from swapgate.analysis.measures import cluster_of, own_answer, semantic_result, structural_result
from swapgate.analysis.spending import (
    count_known,
    judge_answers,
    list_price,
    nearest_rank,
    price_paid,
    token_sums,
)
from swapgate.records import Answer, CheckResult, Trial
from swapgate.stats.proportion import clustered_rate, wilson_interval

MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """A proportion of trials with its interval; `rate`, `low` and `high` are None when n is 0.

    `clusters` is the number of independent groups (cases, or their source documents) behind the n trials;
    `note` says why an interval was refused, or beside bounds why it is rough. `effective_n` is the number of
    independent trials that the n are worth, None without an interval.
    """

    passed: int
    n: int
    clusters: int
    rate: float | None
    low: float | None
    high: float | None
    confidence: float = 0.95
    note: str = ""
    effective_n: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckCount:
    """How often one check or judge passed: of `n` trials it saw. `kind`: structural, semantic or judge."""

    name: str
    kind: str
    passed: int
    n: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """One model on one suite (suite None: on all). Costs are list prices in US dollars, None when unknown.

    `paid_usd` counts only what was called this time (cache hits are free). `fallbacks` counts trials that
    another model answered: they are errored for the model under test, and their tokens, prices and latencies
    are no part of its own, only of `paid_usd`. `missed` counts trials that failed a check or a judge.
    `timed` is the number of latencies behind the two percentiles, `counted` and `judge_counted` those of the
    answers whose tokens the provider counted: sums of none of them say nothing. `recoverable_json` is the
    share of strict-JSON failures that a permissive parser would have hidden (None without any).
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
    missed: int = 0
    timed: int = 0
    counted: int = 0
    judge_counted: int = 0


class _Scored(NamedTuple):
    """A trial with its results, worked out once for all the sums that it enters."""

    trial: Trial
    cluster: str
    structural: bool | None
    semantic: bool | None


def summarise(trials: Sequence[Trial]) -> tuple[Summary, ...]:
    """Return one summary a model over all suites, then one for each of its suites, in order of appearance."""
    models: dict[tuple[str, str], list[_Scored]] = {}
    for trial in trials:
        scored = _Scored(trial, cluster_of(trial), structural_result(trial), semantic_result(trial))
        models.setdefault((trial.model, trial.role), []).append(scored)
    return tuple(summary for group in models.values() for summary in _model_summaries(group))


def _model_summaries(group: list[_Scored]) -> list[Summary]:
    suites: dict[str, list[_Scored]] = {}
    for scored in group:
        suites.setdefault(scored.trial.suite, []).append(scored)
    return [_summary(None, group), *(_summary(suite, part) for suite, part in suites.items())]


def _summary(suite: str | None, group: list[_Scored]) -> Summary:
    trials = [s.trial for s in group]
    answers = [t.answer for t in trials if t.answer is not None]
    own, judges = [a for a in answers if not a.is_fallback], list(judge_answers(trials))
    tokens_in, tokens_out = token_sums(own)
    judge_tokens_in, judge_tokens_out = token_sums(judges)
    latencies = _latencies(own)
    checks = [c for t in trials if own_answer(t) for c in t.checks]
    errors = _errors(trials)
    errored = sum(errors.values())
    return Summary(
        model=trials[0].model,
        suite=suite,
        role=trials[0].role,
        trials=len(trials),
        errored=errored,
        structural=_rate([(s.structural, s.cluster) for s in group]),
        semantic=_rate([(s.semantic, s.cluster) for s in group]),
        blind_pass=_rate([_blind_pass(s) for s in group]),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost_usd=list_price(own),
        judge_tokens_in=judge_tokens_in,
        judge_tokens_out=judge_tokens_out,
        judge_cost_usd=list_price(judges),
        paid_usd=price_paid([*answers, *judges]),
        latency_p50_s=nearest_rank(latencies, 0.50),
        latency_p95_s=nearest_rank(latencies, 0.95),
        from_cache=sum(a.from_cache for a in own),
        fallbacks=len(answers) - len(own),
        recoverable_json=_recoverable_json(checks),
        json_kinds=_json_kinds(checks),
        errors=errors,
        checks=_check_counts(trials),
        missed=sum(t.outcome == "missed" for t in trials),
        timed=len(latencies),
        counted=count_known(own),
        judge_counted=count_known(judges),
    )


def _rate(results: Sequence[tuple[bool | None, Hashable]]) -> Rate:
    """Return the rate of the known results; its interval is clustered when a cluster has several trials."""
    known = [(passed, cluster) for passed, cluster in results if passed is not None]
    passes, clusters = [passed for passed, _ in known], [cluster for _, cluster in known]
    distinct = len(set(clusters))
    is_clustered = distinct < len(known)
    interval = clustered_rate(passes, clusters) if is_clustered else wilson_interval(sum(passes), len(passes))
    return Rate(
        passed=sum(passes),
        n=len(passes),
        clusters=distinct,
        rate=interval.estimate,
        low=interval.low,
        high=interval.high,
        confidence=interval.confidence,
        note=interval.note,
        effective_n=interval.effective_n,
    )


def _blind_pass(scored: _Scored) -> tuple[bool | None, str]:
    is_counted = scored.structural is True and scored.semantic is not None
    return (not scored.semantic if is_counted else None), scored.cluster


def _latencies(answers: Sequence[Answer]) -> list[float]:
    return sorted(a.response.latency_s for a in answers if a.response.latency_s is not None)


def _errors(trials: Sequence[Trial]) -> dict[str, int]:
    """Count the errored trials by kind, the most frequent first."""
    kinds = Counter(
        t.error.kind.value if t.error is not None else MISSING for t in trials if t.outcome == "errored"
    )
    return dict(kinds.most_common())


def _json_kinds(checks: Sequence[CheckResult]) -> dict[str, int]:
    kinds = (c.facts.get("json_kind") for c in checks if c.check == "json")
    return dict(Counter(str(kind) for kind in kinds if kind is not None).most_common())


def _recoverable_json(checks: Sequence[CheckResult]) -> float | None:
    failing = [c for c in checks if c.check == "json" and not c.passed]
    return sum(c.facts.get("recoverable") is True for c in failing) / len(failing) if failing else None


def _check_counts(trials: Sequence[Trial]) -> tuple[CheckCount, ...]:
    """Count checks and judges in order of appearance; a judge that was skipped or failed saw nothing."""
    counts: dict[tuple[str, str], list[int]] = {}
    for trial in trials:
        if not own_answer(trial):
            continue
        for check in trial.checks:
            _count(counts, (check.check, check.kind), saw=True, passed=check.passed)
        for verdict in trial.verdicts:
            passed = verdict.passed is True
            _count(counts, (verdict.judge, "judge"), saw=verdict.status == "scored", passed=passed)
    return tuple(
        CheckCount(name=name, kind=kind, passed=passed, n=n) for (name, kind), (passed, n) in counts.items()
    )


def _count(
    counts: dict[tuple[str, str], list[int]], key: tuple[str, str], *, saw: bool, passed: bool
) -> None:
    passed_and_n = counts.setdefault(key, [0, 0])
    passed_and_n[0] += saw and passed
    passed_and_n[1] += saw
