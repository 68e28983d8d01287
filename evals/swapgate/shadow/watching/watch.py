"""Rates of live traffic since a swap against their level before it, with a known rate of false alarms."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from scipy.special import chdtri

from swapgate.shadow.watching.series import HOUR, Bucket, Served, Swap, days, hours
from swapgate.spec.shadow_criteria import WatchedRate, WatchRules
from swapgate.stats.drift import DriftDetector
from swapgate.stats.interval import Interval
from swapgate.stats.proportion import wilson_interval
from swapgate.stats.quantiles import quantile_interval
from swapgate.values import Value, replace

WatchAnswer = Literal["alarm", "well", "not_found_out"]
_HOURS = 24  # of what the detector takes for a night
_SLOW = 0.95
_DISPERSION_TAIL = 0.2
_TAILS = 2.0


class Watched(Value):
    """One rate of a route: its level before the swap, what it is since and in the last day, and the answer.

    `since` is the hour or day in which it likeliest rose, None without an alarm. `ratio` is the last day's
    rate over the level. `reason` says why nothing could be found out.
    """

    route: str
    rate: WatchedRate
    answer: WatchAnswer
    before: Interval
    after: Interval
    last: Interval
    evidence: float | None = None
    threshold: float | None = None
    since: str | None = None
    ratio: float | None = None
    limit_s: float | None = None
    reason: str = ""


def find_swap(
    route: str,
    served: Sequence[Served],
    rules: WatchRules,
    *,
    swapped_at: str | None = None,
    model: str | None = None,
) -> Swap | str:
    """Return the last swap of a route, or why there is none to be watched.

    By default it is that to the model that served last, when it began to. During a ramp both models serve:
    `model` is the one that is watched, from `swapped_at` on.
    """
    if not served:
        return "no request is stored"
    model = model or served[-1].model
    at = swapped_at or _began(served, model)
    if at is None:
        return f"{model} served from the first stored request on: there is no level from before a swap"
    start = (datetime.fromisoformat(at) - timedelta(days=rules.reference_days)).isoformat()
    before = [one for one in served if start <= one.at < at and (swapped_at or one.model != model)]
    since = [one for one in served if one.at >= at and one.model == model]
    if len(before) < rules.reference_requests:
        return (
            f"{len(before):,} requests in the {rules.reference_days} days before the swap, "
            f"{rules.reference_requests:,} wanted: their level is not known well enough"
        )
    return Swap(
        route=route,
        model=model,
        before_model=before[-1].model,
        at=at,
        before=tuple(before),
        since=tuple(since),
        slow_s=_slow_limit(before),
    )


def watch(swap: Swap, rules: WatchRules, *, series: int) -> list[Watched]:
    """Return what each rate shows; `series` of all routes together share the false alarms."""
    return [_watched(swap, rate, rules, series=series) for rate in rules.rates]


def overall(watched: Iterable[Watched]) -> WatchAnswer:
    """Return the worst answer; nothing watched is not found out."""
    answers = {one.answer for one in watched} or {"not_found_out"}
    order: tuple[WatchAnswer, ...] = ("alarm", "not_found_out", "well")
    return next(answer for answer in order if answer in answers)


def _watched(swap: Swap, rate: WatchedRate, rules: WatchRules, *, series: int) -> Watched:
    before = hours(swap.before, rate, slow_s=swap.slow_s)
    after = hours(swap.since, rate, slow_s=swap.slow_s)
    found = Watched(
        route=swap.route,
        rate=rate,
        answer="not_found_out",
        before=_rate(before),
        after=_rate(after),
        last=_rate(_last_day(after)),
        limit_s=swap.slow_s if rate == "latency" else None,
    )
    if (reason := _why_unknown(before, after, rate, rules)) is not None:
        return replace(found, reason=reason)
    detector = hourly_detector(before, rules, series=series)
    reading = [detector.add(one.n - one.wrong, one.n) for one in after][-1]
    level, now = found.before.estimate, found.last.estimate
    return replace(
        found,
        answer="alarm" if reading.is_alarm else "well",
        evidence=reading.evidence,
        threshold=reading.threshold,
        since=None if reading.since is None else after[reading.since].name,
        ratio=now / level if level and now is not None else None,
    )


def hourly_detector(before: Sequence[Bucket], rules: WatchRules, *, series: int) -> DriftDetector:
    """Return what watches one rate hour by hour, from the hours before the swap."""
    n, wrong = sum(one.n for one in before), sum(one.wrong for one in before)
    level = (wrong + 0.5) / (n + 1)
    return DriftDetector(
        n - wrong,
        n,
        drop=min(max(level * (rules.factor - 1), rules.least), 0.9),
        false_alarms_per_year=rules.false_alarms_per_year / series / _HOURS,
        deff=max(_overdispersion(before, level), _overdispersion(days(before), level)),
    )


def _overdispersion(before: Sequence[Bucket], level: float) -> float:
    """Return how much more the counts vary from bucket to bucket than independent requests would.

    Bad hours come in a row: taking each request as independent would raise an alarm for every one of them.
    The estimate's upper bound is taken, and twice what is above 1: counts that vary so have longer tails than
    the detector's binomial, whose variance alone it corrects. Both factors are from simulations
    (benchmarks/shadow_decisions.py).
    """
    if len(before) < 2:
        return 1.0
    df = len(before) - 1
    chi2 = sum((one.wrong - one.n * level) ** 2 / (one.n * level * (1 - level)) for one in before)
    return 1 + _TAILS * max(chi2 / float(chdtri(df, 1 - _DISPERSION_TAIL)) - 1, 0.0)


def _why_unknown(
    before: Sequence[Bucket], after: Sequence[Bucket], rate: WatchedRate, rules: WatchRules
) -> str | None:
    n = sum(one.n for one in before)
    if n < rules.reference_requests:
        what = "no structural check was run on them" if rate == "structure" and n == 0 else f"{n:,} that tell"
        return f"before the swap there are too few requests: {what}"
    return None if after else "no request since the swap"


def _began(served: Sequence[Served], model: str) -> str | None:
    first = next((one.at for one in served if one.model == model), None)
    return None if first == served[0].at else first


def _slow_limit(before: Sequence[Served]) -> float | None:
    known = [one.latency_s for one in before if one.latency_s is not None]
    return quantile_interval(known, _SLOW).estimate if known else None


def _last_day(after: Sequence[Bucket]) -> list[Bucket]:
    if not after:
        return []
    start = (datetime.fromisoformat(f"{after[-1].name}:00") - timedelta(days=1)).isoformat()[:HOUR]
    return [one for one in after if one.name > start]


def _rate(found: Iterable[Bucket]) -> Interval:
    buckets = list(found)
    return wilson_interval(sum(one.wrong for one in buckets), sum(one.n for one in buckets))
