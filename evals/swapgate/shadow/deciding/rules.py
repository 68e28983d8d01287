"""The criteria applied to what was measured: pass, fail or inconclusive, each with its sentence."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from math import ceil, inf, log
from typing import Literal

from swapgate.shadow.deciding import measures
from swapgate.shadow.deciding.measures import EVEN, Beside, Observations
from swapgate.shadow.deciding.wording import Form, bounds, dollars, plain, points, seconds, share, times
from swapgate.spec.shadow_criteria import Criteria, Most
from swapgate.stats.excess import Excess
from swapgate.stats.interval import Interval, more_needed
from swapgate.values import Value, replace

RulingAnswer = Literal["pass", "fail", "inconclusive"]
# One-sided: how often a candidate at the margin is promoted, and one within it held.
ALPHA = 0.05


class Ruling(Value):
    """One criterion applied to a route, or to one slice of it.

    `low` and `high` bound `value` at `confidence` (two-sided). `needed` is how many more it would take if
    the estimate stayed, None where that is not known.
    """

    criterion: str
    answer: RulingAnswer
    reason: str
    slice: str | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    confidence: float | None = None
    n: int = 0
    needed: int | None = None


def rulings(observations: Observations, criteria: Criteria) -> Iterator[Ruling]:
    """Yield what each criterion says of a whole route."""
    confidence = 1 - 2 * ALPHA / criteria.looks
    yield _enough(len(observations), criteria.requests)
    yield _cycle(observations, criteria.days)
    if criteria.disagreement is not None:
        yield _disagreement(observations, criteria.disagreement.margin, confidence)
    if criteria.structure is not None:
        yield _structure(observations, criteria.structure.max, confidence)
    if criteria.failures is not None:
        found = measures.failures(observations, confidence=confidence)
        said = _Rule("failures", "requests that the candidate gave no answer to", share)
        yield said.below(found, criteria.failures.max, n=len(observations))
    if criteria.refusals is not None:
        found = measures.refusals(observations, confidence=confidence)
        said = _Rule("refusals", "refusals more than the control's", points)
        yield said.below(found, criteria.refusals.margin, n=len(observations))
    yield from _of_meaning(observations, criteria, confidence)
    yield from _of_amounts(observations, criteria, confidence)


def slice_rulings(
    name: str, observations: Observations, criteria: Criteria, *, tests: int
) -> Iterator[Ruling]:
    """Yield what is to be said of one slice: enough of it, nothing shown to be wrong, the margin if asked.

    To show that something is wrong takes an interval for `tests` of them together: with twenty slices one
    would else look bad by chance. To pass takes none: all of them must.
    """
    alpha = ALPHA / criteria.looks
    strict = 1 - 2 * alpha / max(tests, 1)
    slices = criteria.slices
    found = [_enough(len(observations), slices.requests)]
    if criteria.disagreement is not None:
        wrong = _disagreement(observations, criteria.disagreement.margin, strict)
        found.append(_only_failure(wrong))
        if slices.margin is not None and wrong.answer != "fail":
            found[-1] = _passing(_disagreement(observations, slices.margin, 1 - 2 * alpha))
    if criteria.structure is not None:
        found.append(_only_failure(_structure(observations, criteria.structure.max, strict)))
    if criteria.preference is not None:
        found.append(_only_failure(_preference(observations, criteria, strict)))
    yield from (replace(one, slice=name) for one in found)


def tests_per_slice(criteria: Criteria) -> int:
    """Return how many criteria could find a slice wrong."""
    return sum(one is not None for one in (criteria.disagreement, criteria.structure, criteria.preference))


class _Rule(Value, kw_only=False):
    """One criterion's name, what it measures in words, and how its numbers are written."""

    criterion: str
    what: str
    form: Form

    def below(self, found: Interval, limit: float, *, n: int, needed: int | None = None) -> Ruling:
        """Return pass where all of the interval is below the limit, fail where none of it is."""
        high = inf if found.high is None else found.high
        low = -inf if found.low is None else found.low
        answer: RulingAnswer = "pass" if high < limit else "fail" if low >= limit else "inconclusive"
        return self._ruling(found, limit, answer, "below", n=n, needed=needed)

    def above(self, found: Interval, limit: float, *, n: int, needed: int | None = None) -> Ruling:
        """Return pass where all of the interval is above the limit, fail where none of it is."""
        high = inf if found.high is None else found.high
        low = -inf if found.low is None else found.low
        answer: RulingAnswer = "pass" if low > limit else "fail" if high <= limit else "inconclusive"
        return self._ruling(found, limit, answer, "above", n=n, needed=needed)

    def _ruling(
        self, found: Interval, limit: float, answer: RulingAnswer, side: str, *, n: int, needed: int | None
    ) -> Ruling:
        if found.estimate is None:
            reason = f"{self.what}: nothing is known of them{f' ({found.note})' if found.note else ''}"
        else:
            shown = f"{self.what}: {self.form(found.estimate)}{bounds(found, self.form)}"
            reason = f"{shown}, {_ANSWERS[answer]} {side} {self.form(limit)}"
        more = more_needed(found, limit, n) if needed is None and answer == "inconclusive" else needed
        if more and answer == "inconclusive":
            reason += f"; about {more:,} more would tell"
        return Ruling(
            criterion=self.criterion,
            answer=answer,
            reason=reason,
            value=_finite(found.estimate),
            low=_finite(found.low),
            high=_finite(found.high),
            limit=limit,
            confidence=found.confidence,
            n=n,
            needed=more,
        )


_ANSWERS = {"pass": "shown to be", "fail": "shown not to be", "inconclusive": "not shown to be"}


def _enough(n: int, wanted: int) -> Ruling:
    reason = f"{n:,} requests compared, {wanted:,} wanted"
    answer: RulingAnswer = "pass" if n >= wanted else "inconclusive"
    return Ruling(
        criterion="requests",
        answer=answer,
        reason=reason,
        value=n,
        limit=wanted,
        n=n,
        needed=max(wanted - n, 0) or None,
    )


def _cycle(observations: Observations, wanted: int) -> Ruling:
    days = len({one.day for one in observations})
    reason = f"traffic of {days} {'day' if days == 1 else 'days'}, {wanted} wanted: one business cycle"
    answer: RulingAnswer = "pass" if days >= wanted else "inconclusive"
    return Ruling(
        criterion="days", answer=answer, reason=reason, value=days, limit=wanted, n=len(observations)
    )


def _disagreement(observations: Observations, margin: float, confidence: float) -> Ruling:
    found = measures.disagreement(observations, confidence=confidence)
    floors = sum(one.comparison.again is not None for one in observations)
    return _of_excess(found, margin, floors, n=len(observations), criterion="disagreement", what=_DISAGREES)


_DISAGREES = "other decisions than the control's"
_DISTANT = "distance from the control's text"


def _of_excess(found: Excess, margin: float, floors: int, *, n: int, criterion: str, what: str) -> Ruling:
    """Rule on what is above the noise floor; without one the whole difference bounds what is above it."""
    own = found.candidate
    if found.excess.low is None or found.excess.high is None:
        whole = _Rule(criterion, f"{what}, without a noise floor", points).below(own, margin, n=n)
        if whole.answer != "fail":
            return whole
        why = f"{_measured(whole)}: how much of it is the control's own noise is unknown"
        needed = f"{why}. Have the control asked again about some requests: `again_share`"
        return replace(whole, answer="inconclusive", reason=needed)
    said = _Rule(criterion, f"{what}, above its own noise", points)
    # The floor is what is scarce: it decides how wide the interval is.
    more = more_needed(found.excess, margin, floors)
    ruling = said.below(found.excess, margin, n=n, needed=0)
    beside = f" ({share(own.estimate or 0.0)} against {share(found.floor.estimate or 0.0)} of {floors:,})"
    reason = ruling.reason.replace(", above its own noise", f", above its own noise{beside}", 1)
    if ruling.answer != "inconclusive" or not more:
        return replace(ruling, reason=reason, needed=None)
    told = f"; about {more:,} more second answers of the control would tell (`again_share`)"
    return replace(ruling, reason=reason + told, needed=more)


def _structure(observations: Observations, limit: float, confidence: float) -> Ruling:
    found = measures.structure(observations, confidence=confidence)
    n = sum(one.comparison.candidate_failed is not None for one in observations)
    needed = None
    if found.estimate == 0:
        # Where requests have users, a user counts as one: 0 in n bounds the rate at about 3 / n.
        wanted = ceil(log((1 - confidence) / 2) / log(1 - limit))
        needed = max(wanted - int(found.effective_n or 0), 0)
    said = _Rule("structure", "answers of the candidate that fail a structural check", share)
    ruling = said.below(found, limit, n=n, needed=needed)
    if n == 0:
        told = "no structural check was run: name a `suite` in `compare`, or take this out: `structure: null`"
        return replace(ruling, reason=told)
    return ruling


def _of_meaning(observations: Observations, criteria: Criteria, confidence: float) -> Iterator[Ruling]:
    if criteria.preference is not None:
        yield _preference(observations, criteria, confidence)
    if criteria.distance is not None:
        floors = sum(
            one.comparison.again is not None and one.comparison.again.similarity is not None
            for one in observations
        )
        yield _of_excess(
            measures.distance(observations, confidence=confidence),
            criteria.distance.margin,
            floors,
            n=len(observations),
            criterion="distance",
            what=_DISTANT,
        )
    if criteria.similarity is not None:
        n = sum(one.likeness.similarity is not None for one in observations)
        found = measures.similarity(observations, confidence=confidence)
        yield _Rule("similarity", "mean similarity", plain).above(found, criteria.similarity.min, n=n)


def _preference(observations: Observations, criteria: Criteria, confidence: float) -> Ruling:
    wanted = criteria.preference
    assert wanted is not None
    n = sum(one.comparison.preference is not None for one in observations)
    found = measures.preference(observations, confidence=confidence)
    said = _Rule("preference", "the judge's preference for the candidate (0.5 is even)", plain)
    ruling = said.above(found, EVEN - wanted.margin, n=n)
    if n >= wanted.requests or ruling.answer == "fail":
        return ruling
    told = f"{n:,} requests judged, {wanted.requests:,} wanted: `swapgate shadow judge`"
    return replace(ruling, answer="inconclusive", reason=told, needed=wanted.requests - n)


def _of_amounts(observations: Observations, criteria: Criteria, confidence: float) -> Iterator[Ruling]:
    wanted: list[tuple[str, Most | None, Callable[..., Beside], str, Form]] = [
        (
            "latency_p95_s",
            criteria.latency_p95_s,
            measures.latency_p95,
            "95th percentile of latency",
            seconds,
        ),
        ("ttft_p95_s", criteria.ttft_p95_s, measures.ttft_p95, "95th percentile to the first token", seconds),
        ("cost_usd", criteria.cost_usd, measures.cost_per_request, "price of a request", dollars),
        (
            "cost_per_1k_tokens_usd",
            criteria.cost_per_1k_tokens_usd,
            measures.cost_per_1k_tokens,
            "price of 1,000 tokens",
            dollars,
        ),
    ]
    for name, most, measure, what, form in wanted:
        if most is None:
            continue
        found = measure(observations, confidence=confidence)
        n = len(observations)
        if most.max is not None:
            yield _Rule(name, what, form).below(found.candidate, most.max, n=n)
        if most.ratio is not None:
            yield _Rule(name, f"{what} over the control's", times).below(found.ratio, most.ratio, n=n)


def _only_failure(ruling: Ruling) -> Ruling:
    """Return the ruling where it shows something to be wrong; all else is no reason to hold."""
    if ruling.answer == "fail":
        return ruling
    reason = f"{_measured(ruling)}: not shown to be wrong"
    return replace(ruling, answer="pass", needed=None, reason=reason)


def _measured(ruling: Ruling) -> str:
    """Return what a ruling says was measured, without what was shown by it."""
    return re.split(r", (?:not )?shown ", ruling.reason, maxsplit=1)[0]


def _passing(ruling: Ruling) -> Ruling:
    """Return the ruling of a slice's own margin, which cannot fail: that takes the stricter interval."""
    return replace(ruling, answer="inconclusive") if ruling.answer == "fail" else ruling


def _finite(value: float | None) -> float | None:
    return None if value is None or abs(value) == inf else value
