"""The gate's margin: a candidate must not be worse than the baseline by more than it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from swapgate.analysis.compare import Comparison, Difference
from swapgate.analysis.decision import Decision, GateAnswer
from swapgate.analysis.rules import GATE_CONFIDENCE, MEASURE_WORDS, undecided_of, with_need
from swapgate.analysis.summary import Summary
from swapgate.analysis.wording import limit_points, points, where
from swapgate.spec.suite import GateEntry, GateSpec
from swapgate.stats.power import cases_for_margin, floor_cases

RULE = "margin"
DEFAULT_MARGIN = 0.05


def margins(
    overall: GateEntry | None, suites: Mapping[str, GateEntry | None], present: Iterable[str]
) -> dict[str | None, float]:
    """Return the margin of each scope, None standing for all suites together.

    The default holds over all suites when nothing is said overall, unless each suite present says its own.
    """
    own = {suite: margin for suite in present if (margin := _margin(suites.get(suite))) is not None}
    everywhere = _margin(overall)
    if everywhere is None and (not own or set(own) != set(present)):
        everywhere = DEFAULT_MARGIN
    return ({} if everywhere is None else {None: everywhere}) | dict(own)


def floor_of(margin: float) -> int:
    """Return the fewest cases at which a margin is judged; 0 for a margin of 0: that asks for superiority."""
    return floor_cases(margin) if margin else 0


def margin_decision(summary: Summary, comparison: Comparison | None, margin: float) -> Decision:
    """Return whether the candidate stays within the margin of its baseline, in the summary's scope."""
    undecided = undecided_of(summary, RULE, "", limit=-margin)
    if comparison is None:
        return replace(undecided, reason=f"{summary.model} has no trial to pair with the baseline")
    difference = _difference(summary, comparison)
    if difference is None or difference.estimate is None:
        what = f"{summary.model} and {comparison.baseline}{where(summary.suite)}"
        return replace(undecided, reason=f"no pair of trials of {what} was scored on both sides")
    undecided = replace(undecided, value=difference.estimate, low=difference.low, high=difference.high)
    return _judged(undecided, difference, summary, margin)


def _margin(entry: GateEntry | None) -> float | None:
    return entry.margin if isinstance(entry, GateSpec) else None


def _difference(summary: Summary, comparison: Comparison) -> Difference | None:
    """Return the semantic difference; the structural one only where nothing scored the meaning."""
    in_scope = {d.measure: d for d in comparison.differences if d.suite == summary.suite}
    semantic = in_scope.get("semantic")
    if summary.semantic.n or (semantic is not None and semantic.pairs):
        return semantic
    return in_scope.get("structural")


def _judged(undecided: Decision, difference: Difference, summary: Summary, margin: float) -> Decision:
    subject = (
        f"{MEASURE_WORDS[difference.measure]} of {difference.candidate} minus that of {difference.baseline}"
        f"{where(difference.suite)}"
    )
    if difference.low is None or difference.high is None:
        return replace(undecided, reason=f"{subject} has no interval: {difference.note}")
    floor = floor_of(margin)
    answer = _answer(difference.low, difference.high, margin)
    # Too few cases can never show that a candidate is good enough; that it is worse they can.
    if difference.clusters < floor and answer != "fail":
        cases = f"{difference.clusters} independent cases cannot settle a margin of {margin:g}"
        decision = replace(undecided, reason=f"{subject}: {cases}, which takes at least {floor}")
        return with_need(decision, _needed(difference, margin), have=difference.clusters, summary=summary)
    decision = replace(undecided, answer=answer, reason=_reason(subject, difference, margin, answer))
    if answer != "inconclusive":
        return decision
    return with_need(decision, _needed(difference, margin), have=difference.clusters, summary=summary)


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
    return (
        f"{subject} is {points(difference.estimate)} points "
        f"({GATE_CONFIDENCE:.0%} interval {bounds}, {difference.pairs} pairs), {says[answer]}"
    )


def _needed(difference: Difference, margin: float) -> int | None:
    """Return the independent cases that would settle the margin, the floor at least."""
    assert difference.estimate is not None
    needed = cases_for_margin(
        difference.estimate,
        (difference.only_baseline + difference.only_candidate) / difference.pairs,
        margin,
        confidence=GATE_CONFIDENCE,
        deff=difference.deff * difference.clusters / difference.pairs,
    )
    return None if needed is None else max(needed, floor_of(margin))
