"""What is measured of a set of observations: each number with its interval."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import exp, inf, log, nan
from statistics import median
from typing import TYPE_CHECKING

from swapgate.shadow.comparing.likeness import ASPECTS, Likeness
from swapgate.shadow.deciding.observations import Amounts, Observation, clusters_of
from swapgate.stats.excess import (
    Excess,
    difference_of_intervals,
    excess_mean,
    excess_rate,
    share_mean_interval,
)
from swapgate.stats.interval import Interval
from swapgate.stats.means import mean_interval
from swapgate.stats.paired import paired_difference
from swapgate.stats.proportion import clustered_rate
from swapgate.stats.quantiles import quantile_interval
from swapgate.stats.ratios import ratio_interval
from swapgate.values import Value, replace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

P95 = 0.95
EVEN = 0.5
_TIMEOUT = "timeout"
Observations = Sequence[Observation]


class Beside(Value):
    """An amount of both models, and the ratio candidate over control, each with its interval."""

    control: Interval
    candidate: Interval
    ratio: Interval


class Differing(Value):
    """In what answers differ: how often the candidate's do, and the control's own second ones."""

    aspect: str
    candidate: int
    candidate_n: int
    again: int
    again_n: int


def disagreement(observations: Observations, *, confidence: float) -> Excess:
    """Return how much more often the candidate decides otherwise than the control does by itself.

    An answer that failed is no answer: it counts as another decision, on both sides.
    """

    return excess_rate(
        [bool(one.likeness.differs_in) for one in observations],
        [_again(one, lambda likeness: bool(likeness.differs_in)) for one in observations],
        clusters_of(observations),
        confidence=confidence,
    )


def distance(observations: Observations, *, confidence: float) -> Excess:
    """Return how much further the candidate's texts are from the control's than its own second ones.

    The distance is one minus the cosine; an answer that failed is as far as an empty one.
    """

    return excess_mean(
        [_distance(one.likeness) for one in observations],
        [_again(one, _distance) for one in observations],
        clusters_of(observations),
        confidence=confidence,
    )


def similarity(observations: Observations, *, confidence: float) -> Interval:
    """Return the mean cosine of the candidate's texts with the control's."""
    known = [one for one in observations if one.likeness.similarity is not None]
    values = [one.likeness.similarity or 0.0 for one in known]
    return share_mean_interval(values, clusters_of(known), confidence=confidence)


def structure(observations: Observations, *, confidence: float) -> Interval:
    """Return the share of the candidate's answers that fail a structural check."""
    known = [one for one in observations if one.comparison.candidate_failed is not None]
    return _rate(known, lambda one: bool(one.comparison.candidate_failed), confidence=confidence)


def control_structure(observations: Observations, *, confidence: float) -> Interval:
    """Return the share of the control's answers that fail a structural check."""
    known = [one for one in observations if one.comparison.control_failed is not None]
    return _rate(known, lambda one: bool(one.comparison.control_failed), confidence=confidence)


def failures(observations: Observations, *, confidence: float) -> Interval:
    """Return the share of requests to which the candidate gave no answer."""
    return _rate(observations, lambda one: one.failure is not None, confidence=confidence)


def refusals(observations: Observations, *, confidence: float) -> Interval:
    """Return by how much more often the candidate refuses than the control, on the same requests."""
    known = [one for one in observations if one.failure is None]
    # "Passing" is refusing here: the difference is candidate minus control.
    return _paired(known, lambda one: one.control_refused, lambda one: one.candidate_refused, confidence)


def preference(observations: Observations, *, confidence: float) -> Interval:
    """Return how often the judge found the candidate's answer better, ties by half.

    It is one half and half the difference of wins and losses, which are paired by nature: so there is an
    interval too where the judge always says the same.
    """
    known = [one for one in observations if one.comparison.preference is not None]
    found = _paired(
        known,
        lambda one: (one.comparison.preference or 0.0) < EVEN,
        lambda one: (one.comparison.preference or 0.0) > EVEN,
        confidence,
    )
    estimate, low, high = (
        None if value is None else EVEN + value / 2 for value in (found.estimate, found.low, found.high)
    )
    return replace(found, estimate=estimate, low=low, high=high)


def latency_p95(observations: Observations, *, confidence: float) -> Beside:
    """Return the 95th percentiles of the whole answer's time; a candidate's timeout is never over."""
    pairs = [one for one in observations if one.control.latency_s is not None and _ended(one) is not None]
    return _percentiles(
        pairs,
        [one.control.latency_s or 0.0 for one in pairs],
        [_ended(one) or 0.0 for one in pairs],
        confidence=confidence,
    )


def ttft_p95(observations: Observations, *, confidence: float) -> Beside:
    """Return the 95th percentiles of the time to the first token, where both streamed."""
    pairs = [one for one in observations if None not in (one.control.ttft_s, one.candidate.ttft_s)]
    return _percentiles(
        pairs,
        [one.control.ttft_s or 0.0 for one in pairs],
        [one.candidate.ttft_s or 0.0 for one in pairs],
        confidence=confidence,
    )


def cost_per_request(observations: Observations, *, confidence: float) -> Beside:
    """Return the list price of a request, where both are known."""
    pairs = [one for one in observations if None not in (one.control.cost_usd, one.candidate.cost_usd)]
    groups = clusters_of(pairs)
    control = [one.control.cost_usd or 0.0 for one in pairs]
    candidate = [one.candidate.cost_usd or 0.0 for one in pairs]
    return Beside(
        control=_mean(control, groups, confidence),
        candidate=_mean(candidate, groups, confidence),
        ratio=ratio_interval(candidate, control, groups, confidence=confidence),
    )


def cost_per_1k_tokens(observations: Observations, *, confidence: float) -> Beside:
    """Return the list price of a thousand tokens, those of the request and of the answer together."""

    def per_1k(leg: Callable[[Observation], Amounts]) -> Interval:
        known = [one for one in observations if leg(one).cost_usd is not None and leg(one).tokens]
        costs = [1000 * (leg(one).cost_usd or 0.0) for one in known]
        tokens = [leg(one).tokens or 0 for one in known]
        return ratio_interval(costs, tokens, clusters_of(known), confidence=confidence)

    control, candidate = per_1k(lambda one: one.control), per_1k(lambda one: one.candidate)
    return Beside(control=control, candidate=candidate, ratio=_quotient(candidate, control))


def lengths(observations: Observations) -> float | None:
    """Return the median of the candidate's characters over the control's."""

    known = [one.likeness.length_ratio for one in observations if one.likeness.length_ratio is not None]
    return median(known) if known else None


def differing(observations: Observations) -> list[Differing]:
    """Return in what the answers differ; one answer may differ in several aspects."""
    again = [one.comparison.again for one in observations if one.comparison.again is not None]
    return [
        Differing(
            aspect=aspect,
            candidate=sum(aspect in one.likeness.differs_in for one in observations),
            candidate_n=len(observations),
            again=sum(aspect in likeness.differs_in for likeness in again),
            again_n=len(again),
        )
        for aspect in ASPECTS
    ]


def _rate(
    observations: Observations, is_one: Callable[[Observation], bool], *, confidence: float
) -> Interval:

    # Exact: these bounds are about few events or none, of which 0 in n must bound the rate at 3/n.
    results = [is_one(one) for one in observations]
    return clustered_rate(results, clusters_of(observations), confidence=confidence, method="exact")


def _paired(
    known: Observations,
    of_control: Callable[[Observation], bool],
    of_candidate: Callable[[Observation], bool],
    confidence: float,
) -> Interval:
    """Return the difference of two shares of the same requests, candidate minus control."""
    found = paired_difference(
        [of_control(one) for one in known],
        [of_candidate(one) for one in known],
        clusters_of(known),
        confidence=confidence,
    )
    return Interval(
        estimate=found.estimate, low=found.low, high=found.high, confidence=confidence, note=found.note
    )


def _mean(values: list[float], groups: NDArray[np.int64] | None, confidence: float) -> Interval:
    found = mean_interval(values, groups, confidence=confidence)
    return Interval(
        estimate=found.estimate, low=found.low, high=found.high, confidence=confidence, note=found.note
    )


def _percentiles(
    pairs: Observations, control: list[float], candidate: list[float], *, confidence: float
) -> Beside:

    groups = clusters_of(pairs)
    ours = quantile_interval(candidate, P95, groups, confidence=confidence)
    theirs = quantile_interval(control, P95, groups, confidence=confidence)
    return Beside(control=theirs, candidate=ours, ratio=_quotient(ours, theirs))


def _quotient(top: Interval, bottom: Interval) -> Interval:
    """Return the ratio of two amounts whose intervals are known, recovered on the scale of logarithms."""

    found = difference_of_intervals(_log(top), _log(bottom))
    return replace(
        found,
        estimate=None if found.estimate is None else exp(found.estimate),
        low=None if found.low is None else exp(found.low),
        high=None if found.high is None else exp(found.high),
    )


def _log(interval: Interval) -> Interval:

    values = (interval.estimate, interval.low, interval.high)
    if any(value is not None and (value <= 0 or value == inf) for value in values):
        return replace(
            interval, estimate=None, low=None, high=None, note="no ratio: an amount is 0 or endless"
        )
    estimate, low, high = (None if value is None else log(value) for value in values)
    return replace(interval, estimate=estimate, low=low, high=high)


def _ended(one: Observation) -> float | None:
    return inf if one.failure == _TIMEOUT else None if one.failure else one.candidate.latency_s


def _distance(likeness: Likeness) -> float:
    if not likeness.is_answer:
        return 1.0
    return nan if likeness.similarity is None else 1.0 - likeness.similarity


def _again(one: Observation, measure: Callable[[Likeness], float]) -> float:
    again = one.comparison.again
    return nan if again is None else float(measure(again))
