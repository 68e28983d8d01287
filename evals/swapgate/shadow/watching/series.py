"""Live traffic hour by hour: how many requests, and how many of them went wrong in which way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from swapgate.errors import ErrorKind
from swapgate.shadow.deciding.observations import compared
from swapgate.shadow.records import Leg, Stored
from swapgate.spec.shadow_criteria import WatchedRate
from swapgate.values import Value

if TYPE_CHECKING:
    from swapgate.shadow.comparing.compare import Comparer

HOUR, DAY = 13, 10  # characters of an ISO time


class Served(Value):
    """One request as the application saw it: by which model, when, and what became of it.

    `is_wrong` is None for a rate that says nothing of it: no answer has no structure.
    """

    at: str
    model: str
    latency_s: float | None
    timed_out: bool
    is_wrong: Mapping[WatchedRate, bool | None]


@dataclass(slots=True, kw_only=True)
class Bucket:
    """One hour, or a day, of one rate."""

    name: str
    n: int = 0
    wrong: int = 0


class Swap(Value):
    """The requests of a route around a swap: those of the model before it, and those of the one since."""

    route: str
    model: str
    before_model: str
    at: str
    before: tuple[Served, ...]
    since: tuple[Served, ...]
    slow_s: float | None = field(default=None)


def served_requests(stored: Iterable[Stored], comparer_of: Callable[[str], Comparer]) -> list[Served]:
    """Return what the application was served, in the order of time."""
    found = []
    for one in stored:
        leg = one.exchange.served_leg
        if leg is None:
            continue
        comparison = compared(one, comparer_of(one.exchange.route))
        failed = (
            comparison.candidate_failed if one.exchange.served == "candidate" else comparison.control_failed
        )
        found.append(_served(one.exchange.at, leg, failed))
    return sorted(found, key=lambda each: each.at)


def is_slow(one: Served, slow_s: float | None) -> bool | None:
    """Whether a request took longer than the limit; a timeout did, any other failure says nothing."""
    if one.timed_out:
        return True
    return None if one.latency_s is None or slow_s is None else one.latency_s > slow_s


def hours(served: Iterable[Served], rate: WatchedRate, *, slow_s: float | None) -> list[Bucket]:
    """Return the hours that have any request, in order."""
    found: dict[str, Bucket] = {}
    for one in served:
        wrong = is_slow(one, slow_s) if rate == "latency" else one.is_wrong[rate]
        if wrong is None:
            continue
        hour = one.at[:HOUR]
        bucket = found.get(hour) or found.setdefault(hour, Bucket(name=hour))
        bucket.n += 1
        bucket.wrong += wrong
    return [found[name] for name in sorted(found)]


def _served(at: str, leg: Leg, failed: tuple[str, ...] | None) -> Served:
    is_error = not leg.has_answer and not leg.is_refusal
    return Served(
        at=at,
        model=leg.model,
        latency_s=leg.latency_s if leg.has_answer else None,
        timed_out=leg.error_kind is ErrorKind.TIMEOUT,
        is_wrong={
            "errors": is_error,
            "refusals": None if is_error else leg.is_refusal,
            "structure": None if failed is None or is_error else bool(failed),
        },
    )


def days(hourly: Iterable[Bucket]) -> list[Bucket]:
    """Return hours put together by day."""
    found: dict[str, Bucket] = {}
    for hour in hourly:
        day = found.setdefault(hour.name[:DAY], Bucket(name=hour.name[:DAY]))
        day.n += hour.n
        day.wrong += hour.wrong
    return [found[name] for name in sorted(found)]
