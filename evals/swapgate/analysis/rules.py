"""One rule of a gate applied to one model's summary: rates, ceilings, every case."""

from __future__ import annotations

from dataclasses import asdict
from typing import Literal

from swapgate.analysis.decision import Decision, GateAnswer
from swapgate.analysis.rates import Rate
from swapgate.analysis.rule_scopes import EVERY_CASE, MEASURE_WORDS, Measure
from swapgate.analysis.summary import Summary
from swapgate.analysis.wording import (
    confidence_percent,
    limit_percent,
    over_looks,
    percent,
    settle,
    usd,
    where,
)
from swapgate.spec.suite import RateRule
from swapgate.stats.power import cases_for_rate, implied_icc, repeats_for_rate
from swapgate.values import replace

# With fewer than ceil(ln 0.05 / ln 0.95) values even the largest may lie below the true 95th percentile.
LATENCIES_FOR_P95 = 59

Bound = Literal["min", "max"]
CeilingName = Literal["cost_usd", "latency_p95_s"]
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
    subject = f"{'cost' if is_cost else 'p95 latency'} of {summary.model}{where(summary.scope)}"
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
    """Return a fail for any missed or errored trial; unscored and `missing` ones keep a pass open."""
    subject = f"every case{where(summary.scope)} must pass for {summary.model}"
    share = 1 - (summary.missed + summary.errored + summary.unscored) / summary.trials
    undecided = replace(undecided_of(summary, EVERY_CASE, subject, limit=1.0), value=share)
    if summary.missed or summary.errored:
        return replace(undecided, answer="fail", reason=f"{subject}: {_failures(summary)}")
    if summary.unscored:
        unscored = f"{summary.unscored:,} of {summary.trials:,} trials are unscored, the judges disagree"
        return replace(undecided, reason=f"{subject}: {unscored}")
    if missing:
        return replace(undecided, reason=f"{subject}: {missing:,} planned trials are missing from the run")
    return replace(undecided, answer="pass", reason=f"{subject}: all {summary.trials:,} trials do")


def undecided_of(summary: Summary, rule: str, reason: str, *, limit: float | None = None) -> Decision:
    """Return an inconclusive decision about the summary's model and suite."""
    return Decision(
        rule=rule,
        **asdict(summary.scope),
        model=summary.model,
        answer="inconclusive",
        reason=reason,
        limit=limit,
    )


def with_need(
    decision: Decision, needed: int | None, *, have: int, summary: Summary, repeats: int | None = None
) -> Decision:
    """Return the inconclusive decision with the cases that would settle it and what the ones to add cost.

    `repeats` is how many repeats of each case in all would settle it with the cases at hand.
    """
    if needed is not None:
        needed = max(needed, have + 1)
    each_usd = _cost_per_case(summary)
    cost_usd = (needed - have) * each_usd if needed is not None and each_usd is not None else None
    reason = f"{decision.reason}: {settle(needed, have=have, cost_usd=cost_usd)}"
    if repeats is not None:
        repeats = max(repeats, summary.repeats + 1)
        reason += f", or {repeats} repeats of each case in the place of {summary.repeats}"
    return replace(
        decision, reason=reason, needed_cases=needed, needed_cost_usd=cost_usd, needed_repeats=repeats
    )


def _rate_decision(
    summary: Summary, measure: Measure, bound: Bound, limit: float, *, on: Literal["interval", "point"]
) -> Decision:
    rate = rate_of(summary, measure)
    subject = f"{MEASURE_WORDS[measure]} of {summary.model}{where(summary.scope)}"
    undecided = undecided_of(summary, f"{measure}.{bound}", subject, limit=limit)
    if rate.rate is None:
        return replace(undecided, reason=f"{subject} is unknown: {_NOTHING_TO_RATE[measure]}")
    corrected = ", corrected for the judge's errors," if rate.correction else ""
    shown = f"{subject}{corrected} is {percent(rate.rate, against=limit)}"
    undecided = replace(undecided, value=rate.rate, reason=shown)
    if on == "point":
        answer = _side(rate.rate, rate.rate, bound, limit)
        reason = f"{shown}, {_LIMIT_WORDS[bound, answer]} {limit_percent(limit)}"
        return replace(undecided, answer=answer, reason=reason)
    return _on_interval(undecided, summary, rate, bound=bound, limit=limit)


def _on_interval(
    undecided: Decision, summary: Summary, rate: Rate, *, bound: Bound, limit: float
) -> Decision:
    low, high = rate.gate_low, rate.gate_high
    if rate.rate is None or low is None or high is None:
        return replace(undecided, reason=f"{undecided.reason} without an interval: {rate.note}")
    answer = _side(low, high, bound, limit)
    bounds = f"{percent(low, against=limit)} to {percent(high, against=limit)}"
    looks = over_looks(rate.look)
    interval = f"{confidence_percent(rate.gate_confidence)} interval{looks} {bounds}"
    reason = f"{undecided.reason} ({interval}), {_LIMIT_WORDS[bound, answer]} {limit_percent(limit)}"
    decision = replace(undecided, answer=answer, reason=reason, low=low, high=high)
    if answer != "inconclusive" or rate.correction or rate.look is not None or not rate.effective_n:
        return decision
    deff = rate.clusters / rate.effective_n
    needed = cases_for_rate(rate.rate, limit, confidence=rate.gate_confidence, deff=deff)
    repeats = _needed_repeats(rate, summary, limit)
    return with_need(decision, needed, have=rate.clusters, summary=summary, repeats=repeats)


def _needed_repeats(rate: Rate, summary: Summary, limit: float) -> int | None:
    """Return the repeats of today's cases that would settle the limit; None when unknown or never."""
    assert rate.rate is not None and rate.effective_n
    icc = implied_icc(rate.n / rate.effective_n, rate.n / rate.clusters)
    # Where a cluster holds several cases, how much of the variance lies between repeats is not told apart.
    if icc is None or summary.repeats < 2 or rate.n > rate.clusters * summary.repeats:
        return None
    return repeats_for_rate(rate.rate, limit, cases=rate.clusters, icc=icc, confidence=rate.gate_confidence)


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
    kinds = ", ".join(f"{kind} {count:,}" for kind, count in summary.errors.items())
    missed = f"{summary.missed:,} missed" if summary.missed else ""
    errored = f"{summary.errored:,} errored ({kinds})" if summary.errored else ""
    noun = "trial" if summary.trials == 1 else "trials"
    return f"of {summary.trials:,} {noun} {' and '.join(part for part in (missed, errored) if part)}"
