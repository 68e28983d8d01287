"""One rule of a gate applied to one model's summary: rates, ceilings, every case."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from swapgate.analysis.decision import Decision, GateAnswer
from swapgate.analysis.summary import Rate, Summary
from swapgate.analysis.wording import limit_percent, percent, settle, usd, where
from swapgate.spec.suite import RateRule
from swapgate.stats.power import cases_for_rate
from swapgate.stats.proportion import wilson_bounds

# Two-sided, so that each side is wrong at most 5% of the time.
GATE_CONFIDENCE = 0.90
# With fewer than ceil(ln 0.05 / ln 0.95) values even the largest may lie below the true 95th percentile.
LATENCIES_FOR_P95 = 59

Measure = Literal["semantic", "structural", "blind_pass"]
Bound = Literal["min", "max"]
CeilingName = Literal["cost_usd", "latency_p95_s"]
EVERY_CASE = "every-case"
MEASURES: tuple[Measure, ...] = ("semantic", "structural", "blind_pass")
MEASURE_WORDS: dict[str, str] = {
    "semantic": "semantic pass rate",
    "structural": "structural pass rate",
    "blind_pass": "blind pass rate",
}
_NOTHING_TO_RATE: dict[Measure, str] = {
    "semantic": "nothing scored the meaning",
    "structural": "no trial was answered",
    "blind_pass": "nothing scored the meaning of an answer with the right structure",
}
_LIMIT_WORDS: dict[tuple[Bound, GateAnswer], str] = {
    ("min", "pass"): "at or above the required",
    ("min", "fail"): "below the required",
    ("min", "inconclusive"): "which does not settle the required",
    ("max", "pass"): "at or below the allowed",
    ("max", "fail"): "above the allowed",
    ("max", "inconclusive"): "which does not settle the allowed",
}


def rate_of(summary: Summary, measure: Measure) -> Rate:
    """Return the rate that a rule of this name is about."""
    rates = {
        "semantic": summary.semantic,
        "structural": summary.structural,
        "blind_pass": summary.blind_pass,
    }
    return rates[measure]


def rate_decisions(summary: Summary, measure: Measure, rule: RateRule) -> list[Decision]:
    """Return one decision for each bound that the rule sets."""
    bounds: list[tuple[Bound, float | None]] = [("min", rule.min), ("max", rule.max)]
    return [
        _rate_decision(summary, measure, bound, limit, on=rule.on)
        for bound, limit in bounds
        if limit is not None
    ]


def ceiling_decision(summary: Summary, rule: CeilingName, limit: float) -> Decision:
    """Return whether the cost or the latency stays under its ceiling: two answers, unless it is unknown."""
    is_cost = rule == "cost_usd"
    value = summary.cost_usd if is_cost else summary.latency_p95_s
    subject = f"{'cost' if is_cost else 'p95 latency'} of {summary.model}{where(summary.suite)}"
    unknown = "the price of an answer is not known" if is_cost else "no latency was recorded"
    undecided = undecided_of(summary, rule, f"{subject} is unknown: {unknown}", limit=limit)
    if value is None:
        return undecided
    answer = _side(value, value, "max", limit)
    reason = f"{subject} is {_amount(value, rule)}, {_LIMIT_WORDS['max', answer]} {_amount(limit, rule)}"
    if not is_cost and summary.timed < LATENCIES_FOR_P95:
        reason += f" (a weak estimate: {summary.timed} latencies, at least {LATENCIES_FOR_P95} are needed)"
    return replace(undecided, answer=answer, value=value, reason=reason)


def every_case_decision(summary: Summary, *, missing: int) -> Decision:
    """Return a fail for any missed or errored trial; `missing` planned trials keep a pass open."""
    subject = f"every case{where(summary.suite)} must pass for {summary.model}"
    share = 1 - (summary.missed + summary.errored) / summary.trials
    undecided = replace(undecided_of(summary, EVERY_CASE, subject, limit=1.0), value=share)
    if summary.missed or summary.errored:
        return replace(undecided, answer="fail", reason=f"{subject}: {_failures(summary)}")
    if missing:
        return replace(undecided, reason=f"{subject}: {missing} planned trials are missing from the run")
    return replace(undecided, answer="pass", reason=f"{subject}: all {summary.trials} trials do")


def undecided_of(summary: Summary, rule: str, reason: str, *, limit: float | None = None) -> Decision:
    """Return an inconclusive decision about the summary's model and suite."""
    return Decision(
        rule=rule,
        suite=summary.suite,
        model=summary.model,
        answer="inconclusive",
        reason=reason,
        limit=limit,
    )


def with_need(decision: Decision, needed: int | None, *, have: int, summary: Summary) -> Decision:
    """Return the inconclusive decision with the cases that would settle it and what the ones to add cost."""
    if needed is not None:
        needed = max(needed, have + 1)
    each_usd = _cost_per_case(summary)
    cost_usd = (needed - have) * each_usd if needed is not None and each_usd is not None else None
    reason = f"{decision.reason}: {settle(needed, have=have, cost_usd=cost_usd)}"
    return replace(decision, reason=reason, needed_cases=needed, needed_cost_usd=cost_usd)


def _rate_decision(
    summary: Summary, measure: Measure, bound: Bound, limit: float, *, on: Literal["interval", "point"]
) -> Decision:
    rate = rate_of(summary, measure)
    subject = f"{MEASURE_WORDS[measure]} of {summary.model}{where(summary.suite)}"
    undecided = undecided_of(summary, f"{measure}.{bound}", subject, limit=limit)
    if rate.rate is None:
        return replace(undecided, reason=f"{subject} is unknown: {_NOTHING_TO_RATE[measure]}")
    shown = f"{subject} is {percent(rate.rate, against=limit)}"
    undecided = replace(undecided, value=rate.rate, reason=shown)
    if on == "point":
        answer = _side(rate.rate, rate.rate, bound, limit)
        reason = f"{shown}, {_LIMIT_WORDS[bound, answer]} {limit_percent(limit)}"
        return replace(undecided, answer=answer, reason=reason)
    return _on_interval(undecided, summary, rate, bound=bound, limit=limit)


def _on_interval(
    undecided: Decision, summary: Summary, rate: Rate, *, bound: Bound, limit: float
) -> Decision:
    n_eff = _effective_n(rate)
    if rate.rate is None or n_eff is None:
        return replace(undecided, reason=f"{undecided.reason} without an interval: {rate.note}")
    df = rate.clusters - 1 if rate.clusters < rate.n else None
    low, high = wilson_bounds(rate.rate, n_eff, confidence=GATE_CONFIDENCE, df=df)
    answer = _side(low, high, bound, limit)
    interval = (
        f"{GATE_CONFIDENCE:.0%} interval {percent(low, against=limit)} to {percent(high, against=limit)}"
    )
    reason = f"{undecided.reason} ({interval}), {_LIMIT_WORDS[bound, answer]} {limit_percent(limit)}"
    decision = replace(undecided, answer=answer, reason=reason, low=low, high=high)
    if answer != "inconclusive":
        return decision
    needed = cases_for_rate(rate.rate, limit, confidence=GATE_CONFIDENCE, deff=rate.clusters / n_eff)
    return with_need(decision, needed, have=rate.clusters, summary=summary)


def _effective_n(rate: Rate) -> float | None:
    """Return the independent trials behind a rate, None where its interval was refused."""
    is_clustered = rate.clusters < rate.n
    return rate.effective_n if is_clustered else float(rate.n)


def _cost_per_case(summary: Summary) -> float | None:
    """Return what one independent case costs, candidate and judges, in US dollars; None when unknown."""
    if summary.cost_usd is None or summary.judge_cost_usd is None or not summary.structural.clusters:
        return None
    return (summary.cost_usd + summary.judge_cost_usd) / summary.structural.clusters


def _side(low: float, high: float, bound: Bound, limit: float) -> GateAnswer:
    holds, broken = (low >= limit, high < limit) if bound == "min" else (high <= limit, low > limit)
    if holds:
        return "pass"
    return "fail" if broken else "inconclusive"


def _amount(value: float, rule: CeilingName) -> str:
    return usd(value) if rule == "cost_usd" else f"{value:.4g} s"


def _failures(summary: Summary) -> str:
    kinds = ", ".join(f"{kind} {count}" for kind, count in summary.errors.items())
    missed = f"{summary.missed} missed" if summary.missed else ""
    errored = f"{summary.errored} errored ({kinds})" if summary.errored else ""
    return f"of {summary.trials} trials {' and '.join(part for part in (missed, errored) if part)}"
