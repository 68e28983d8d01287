"""The gate's margin: a candidate must not be worse than the baseline by more than it."""

from __future__ import annotations

from swapgate.analysis.compare import Comparison, Difference
from swapgate.analysis.decision import Decision, GateAnswer
from swapgate.analysis.rule_scopes import MEASURE_WORDS, floor_of
from swapgate.analysis.rules import undecided_of, with_need
from swapgate.analysis.shifts import BlindPassChange
from swapgate.analysis.summary import Summary
from swapgate.analysis.wording import confidence_percent, limit_points, over_looks, points, where
from swapgate.stats.power import cases_for_margin, implied_icc, repeats_for_margin
from swapgate.values import replace

RULE = "margin"
RISE_RULE = "blind_pass.rise"


def margin_decision(summary: Summary, comparison: Comparison | None, margin: float) -> Decision:
    """Return whether the candidate stays within the margin of its baseline, in the summary's scope."""
    undecided = undecided_of(summary, RULE, "", limit=-margin)
    if comparison is None:
        return replace(undecided, reason=f"{summary.model} has no trial to pair with the baseline")
    difference = _difference(summary, comparison)
    if difference is None or difference.estimate is None:
        what = f"{summary.model} and {comparison.baseline}{where(summary.scope)}"
        return replace(undecided, reason=f"no pair of trials of {what} was scored on both sides")
    undecided = replace(undecided, value=difference.estimate, low=difference.low, high=difference.high)
    return _judged(undecided, difference, summary, margin)


def _difference(summary: Summary, comparison: Comparison) -> Difference | None:
    """Return the semantic difference; the structural one only where nothing scored the meaning."""
    in_scope = {d.measure: d for d in comparison.differences if d.scope == summary.scope}
    semantic = in_scope.get("semantic")
    if summary.semantic.n or (semantic is not None and semantic.pairs):
        return semantic
    return in_scope.get("structural")


def _judged(undecided: Decision, difference: Difference, summary: Summary, margin: float) -> Decision:
    subject = (
        f"{MEASURE_WORDS[difference.measure]} of {difference.candidate} minus that of {difference.baseline}"
        f"{where(difference.scope)}{', corrected for the judge errors,' if difference.correction else ''}"
    )
    if difference.low is None or difference.high is None:
        return replace(undecided, reason=f"{subject} has no interval: {difference.note}")
    floor = floor_of(margin)
    answer = _answer(difference.low, difference.high, margin)
    # Too few cases can never show that a candidate is good enough; that it is worse they can.
    if difference.clusters < floor and answer != "fail":
        cases = f"{difference.clusters} independent cases cannot settle a margin of {margin:g}"
        decision = replace(undecided, reason=f"{subject}: {cases}, which takes at least {floor}")
        if difference.look is not None:
            return decision
        return with_need(decision, _needed(difference, margin), have=difference.clusters, summary=summary)
    decision = replace(undecided, answer=answer, reason=_reason(subject, difference, margin, answer))
    if answer != "inconclusive" or difference.correction or difference.look is not None:
        return decision
    repeats = _needed_repeats(difference, summary, margin)
    needed = _needed(difference, margin)
    return with_need(decision, needed, have=difference.clusters, summary=summary, repeats=repeats)


def _answer(low: float, high: float, margin: float) -> GateAnswer:
    if low > -margin:
        return "pass"
    return "fail" if high < -margin else "inconclusive"


def _reason(subject: str, difference: Difference, margin: float, answer: GateAnswer) -> str:
    assert difference.estimate is not None and difference.low is not None and difference.high is not None
    says = {
        "pass": f"not worse by more than the margin of {limit_points(margin)}",
        "fail": f"worse by more than the margin of {limit_points(margin)}",
        "inconclusive": f"which does not settle the margin of {limit_points(margin)}",
    }
    bounds = f"{points(difference.low)} to {points(difference.high)}"
    looks = over_looks(difference.look)
    interval = f"{confidence_percent(difference.confidence)} interval{looks} {bounds}"
    return (
        f"{subject} is {points(difference.estimate)} points "
        f"({interval}, {difference.pairs:,} pairs), {says[answer]}"
    )


def rise_decision(summary: Summary, change: BlindPassChange | None, rise: float) -> Decision:
    """Return whether the blind pass rate rose by no more than it may."""
    undecided = undecided_of(summary, RISE_RULE, "", limit=rise)
    subject = f"blind pass rate of {summary.model}{where(summary.scope)}"
    if change is None or change.estimate is None:
        return replace(undecided, reason=f"{subject} has no baseline's to be held against")
    subject += f" differs from its baseline's by {points(change.estimate)} points"
    if change.low is None or change.high is None:
        return replace(
            undecided, value=change.estimate, reason=f"{subject}, without an interval: {change.note}"
        )
    answer = _answer(-change.high, -change.low, rise)
    says = {
        "pass": f"not risen by more than {limit_points(rise)}",
        "fail": f"risen by more than {limit_points(rise)}",
        "inconclusive": f"which does not settle the allowed rise of {limit_points(rise)}",
    }
    bounds = f"{points(change.low)} to {points(change.high)}"
    reason = f"{subject} ({confidence_percent(change.confidence)} interval {bounds}), {says[answer]}"
    return replace(
        undecided, answer=answer, reason=reason, value=change.estimate, low=change.low, high=change.high
    )


def _needed_repeats(difference: Difference, summary: Summary, margin: float) -> int | None:
    """Return the repeats of today's cases that would settle the margin; None when unknown or never."""
    assert difference.estimate is not None
    icc = implied_icc(difference.deff, difference.pairs / difference.clusters)
    # Where a cluster holds several cases, how much of the variance lies between repeats is not told apart.
    if icc is None or summary.repeats < 2 or difference.pairs > difference.clusters * summary.repeats:
        return None
    return repeats_for_margin(
        difference.estimate,
        (difference.only_baseline + difference.only_candidate) / difference.pairs,
        margin,
        cases=difference.clusters,
        icc=icc,
        confidence=difference.confidence,
    )


def _needed(difference: Difference, margin: float) -> int | None:
    """Return the independent cases that would settle the margin, the floor at least."""
    assert difference.estimate is not None
    needed = cases_for_margin(
        difference.estimate,
        (difference.only_baseline + difference.only_candidate) / difference.pairs,
        margin,
        confidence=difference.confidence,
        deff=difference.deff * difference.clusters / difference.pairs,
    )
    return None if needed is None else max(needed, floor_of(margin))
