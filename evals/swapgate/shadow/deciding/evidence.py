"""All that a report shows of a route: numbers of the whole, of slices and days, and the worst pairs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from swapgate.shadow.deciding import measures
from swapgate.shadow.deciding.measures import EVEN, Beside, Differing, Observations
from swapgate.shadow.deciding.observations import Observation, Traffic, sliced
from swapgate.shadow.deciding.promotion import Promotion
from swapgate.stats.excess import Excess
from swapgate.stats.interval import Interval
from swapgate.values import Value

SHOWN_CONFIDENCE = 0.95


class Evidence(Value):
    """The numbers of one scope: everything (`name` is empty), a slice, a day. Intervals are of 95%."""

    name: str
    n: int
    again: int
    judged: int
    disagreement: Excess
    distance: Excess
    structure: Interval
    control_structure: Interval
    failures: Interval
    refusals: Interval
    preference: Interval
    similarity: Interval
    latency_p95_s: Beside
    ttft_p95_s: Beside
    cost_usd: Beside
    cost_per_1k_tokens_usd: Beside
    length_ratio: float | None


class RouteReport(Value):
    """One route: the decision about it, and what it rests on. `worst` are keys of exchanges, worst first."""

    promotion: Promotion
    overall: Evidence
    slices: tuple[Evidence, ...]
    days: tuple[Evidence, ...]
    differing: tuple[Differing, ...]
    failures: Mapping[str, int]
    failed_checks: Mapping[str, int]
    worst: tuple[str, ...]


def report(traffic: Traffic, promotion: Promotion, *, worst: int = 10) -> RouteReport:
    """Return what there is to be shown of a route."""
    found = traffic.observations
    by_day = {day: [one for one in found if one.day == day] for day in traffic.days}
    checks = Counter(check for one in found for check in one.comparison.candidate_failed or ())
    failures = Counter(one.failure for one in found if one.failure is not None)
    return RouteReport(
        promotion=promotion,
        overall=evidence("", found),
        slices=tuple(evidence(name, own) for name, own in sliced(found, None)),
        days=tuple(evidence(day, own) for day, own in by_day.items()),
        differing=tuple(measures.differing(found)),
        failures=dict(sorted(failures.items())),
        failed_checks=dict(checks.most_common()),
        worst=tuple(one.key for one in worst_pairs(found)[:worst]),
    )


def evidence(name: str, observations: Observations) -> Evidence:
    """Return the numbers of one scope."""
    confidence = SHOWN_CONFIDENCE
    return Evidence(
        name=name,
        n=len(observations),
        again=sum(one.comparison.again is not None for one in observations),
        judged=sum(one.comparison.preference is not None for one in observations),
        disagreement=measures.disagreement(observations, confidence=confidence),
        distance=measures.distance(observations, confidence=confidence),
        structure=measures.structure(observations, confidence=confidence),
        control_structure=measures.control_structure(observations, confidence=confidence),
        failures=measures.failures(observations, confidence=confidence),
        refusals=measures.refusals(observations, confidence=confidence),
        preference=measures.preference(observations, confidence=confidence),
        similarity=measures.similarity(observations, confidence=confidence),
        latency_p95_s=measures.latency_p95(observations, confidence=confidence),
        ttft_p95_s=measures.ttft_p95(observations, confidence=confidence),
        cost_usd=measures.cost_per_request(observations, confidence=confidence),
        cost_per_1k_tokens_usd=measures.cost_per_1k_tokens(observations, confidence=confidence),
        length_ratio=measures.lengths(observations),
    )


def worst_pairs(observations: Observations) -> list[Observation]:
    """Return the exchanges whose answers are furthest apart, the worst first; alike ones are left out."""
    found = [(_badness(one), one.key, one) for one in observations]
    return [one for badness, _key, one in sorted(found, key=lambda each: (-each[0], each[1])) if badness > 0]


def _badness(one: Observation) -> float:
    """Return how bad a pair is: a judge's word first, then how many decisions differ, then the texts.

    A failure is no pair: there is nothing to be seen beside each other.
    """
    likeness, preference = one.likeness, one.comparison.preference
    if one.failure is not None:
        return 0.0
    broken = bool(one.comparison.candidate_failed) and not one.comparison.control_failed
    lost = 0.0 if preference is None else max(EVEN - preference, 0.0) / EVEN
    apart = 0.0 if likeness.similarity is None else 1.0 - likeness.similarity
    again, decides = one.comparison.again, len(likeness.differs_in)
    # Where the control says the same a second time, the difference is not its own noise.
    is_firm = again is not None and not again.differs_in
    return 10 * lost + 3 * broken + decides + (apart + 0.5 * is_firm if decides or lost else 0.0)
