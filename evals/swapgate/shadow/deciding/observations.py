"""What decisions are made from: the numbers of each compared exchange, without a word of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from swapgate.shadow.comparing.likeness import UNCOMPARED, Comparison, Likeness, from_stored
from swapgate.shadow.records import Exchange, Leg, Stored
from swapgate.values import Value, replace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from swapgate.shadow.comparing.compare import Comparer

LATER_TURN, FIRST_TURN = "turns:later", "turns:first"


class Amounts(Value):
    """What a leg took; None where it is not known."""

    latency_s: float | None = None
    ttft_s: float | None = None
    tokens: int | None = None
    cost_usd: float | None = None


class Observation(Value):
    """One exchange whose candidate was asked. `slices` are its tags and whether it is a later turn.

    `failure` is why the candidate has no answer, None where it has one; `again_failure` that of control'.
    """

    key: str
    day: str
    unit: str | None
    setup: str
    slices: tuple[str, ...]
    control: Amounts
    candidate: Amounts
    comparison: Comparison
    control_refused: bool
    candidate_refused: bool
    failure: str | None = None
    again_failure: str | None = None

    @property
    def likeness(self) -> Likeness:
        """How the candidate's answer stands to the control's."""
        assert self.comparison.candidate is not None
        return self.comparison.candidate


class Traffic(Value):
    """The observations of one route's present setup, and what was left out.

    `older` exchanges are of another setup (models, parameters or prompt): they are no part of this
    comparison. `waiting` are still to be asked, `lost` never will be. `multi_turn` hold earlier answers of
    the control, which the candidate did not give.
    """

    route: str
    control: str
    candidate: str
    setup: str
    observations: tuple[Observation, ...]
    older: int = 0
    waiting: int = 0
    lost: int = 0
    unpaired: int = 0

    @property
    def days(self) -> tuple[str, ...]:
        """The dates that have any, sorted."""
        return tuple(sorted({one.day for one in self.observations}))

    @property
    def multi_turn(self) -> int:
        """How many of them are later turns of a conversation."""
        return sum(LATER_TURN in one.slices for one in self.observations)

    @property
    def again(self) -> int:
        """How many have a second answer of the control."""
        return sum(one.comparison.again is not None for one in self.observations)


def read_traffic(
    stored: Iterable[Stored], comparer_of: Callable[[str], Comparer], *, setup: str | None = None
) -> list[Traffic]:
    """Return the traffic of each route, by name, of the setup of its newest exchange.

    What was compared when its content was at hand is taken as it is; else it is compared now.
    """
    routes: dict[str, _Route] = {}
    for one in stored:
        routes.setdefault(one.exchange.route, _Route()).add(one, comparer_of)
    return [found for name in sorted(routes) if (found := routes[name].traffic(setup)) is not None]


class _Route:
    """One route's exchanges as they are read, by setup."""

    def __init__(self) -> None:
        self._by_setup: dict[str, list[Observation]] = {}
        self._newest: dict[str, Exchange] = {}
        self._counts: dict[str, dict[str, int]] = {}

    def add(self, stored: Stored, comparer_of: Callable[[str], Comparer]) -> None:
        exchange = stored.exchange
        newest = self._newest.get(exchange.setup)
        if newest is None or exchange.at >= newest.at:
            self._newest[exchange.setup] = exchange
        if exchange.state != "whole" or exchange.candidate is None or exchange.control is None:
            counts = self._counts.setdefault(exchange.setup, {})
            state = exchange.state if exchange.state != "whole" else "unpaired"
            counts[state] = counts.get(state, 0) + 1
            return
        comparison = compared(stored, comparer_of(exchange.route))
        if comparison.candidate is not None:
            found = observed(exchange, exchange.control, exchange.candidate, comparison)
            self._by_setup.setdefault(exchange.setup, []).append(found)

    def traffic(self, setup: str | None) -> Traffic | None:
        """Return the traffic of a setup, by default of the newest one that has a candidate's answers."""
        with_any = [self._newest[name] for name in self._by_setup]
        newest = max(with_any or self._newest.values(), key=lambda exchange: exchange.at)
        chosen = newest.setup if setup is None else setup
        last = self._newest.get(chosen)
        if last is None:
            return None
        counts = self._counts.get(chosen, {})
        others = {name: found for name, found in self._by_setup.items() if name != chosen}
        return Traffic(
            route=last.route,
            control="" if last.control is None else last.control.model,
            candidate="" if last.candidate is None else last.candidate.model,
            setup=chosen,
            observations=tuple(self._by_setup.get(chosen, ())),
            older=sum(map(len, others.values())),
            waiting=counts.get("waiting", 0),
            lost=counts.get("lost", 0),
            unpaired=counts.get("unpaired", 0),
        )


def compared(stored: Stored, comparer: Comparer) -> Comparison:
    """Return the comparison of an exchange: the stored one, made anew where the way to compare has changed.

    Without content it cannot be made anew. What a judge said stays.
    """
    known = None if stored.comparison is None else from_stored(stored.comparison)
    is_whole = known is not None and known.basis != UNCOMPARED
    if known is not None and is_whole and (known.basis == comparer.basis or not stored.exchange.has_content):
        return known
    fresh = comparer.compare(stored.exchange)
    if known is None:
        return fresh
    return replace(fresh, preference=known.preference, judged_by=known.judged_by)


def observed(exchange: Exchange, control: Leg, candidate: Leg, comparison: Comparison) -> Observation:
    """Return the numbers of an exchange that both answered."""
    again = exchange.again
    turn = LATER_TURN if exchange.is_multi_turn else FIRST_TURN
    return Observation(
        key=exchange.key,
        day=exchange.day,
        unit=exchange.unit,
        setup=exchange.setup,
        slices=(*exchange.tags, turn),
        control=_amounts(control),
        candidate=_amounts(candidate),
        comparison=comparison,
        control_refused=control.is_refusal,
        candidate_refused=candidate.is_refusal,
        failure=failure(candidate),
        again_failure=None if again is None else failure(again),
    )


def failure(leg: Leg) -> str | None:
    """Return why a leg has no answer, None where it has one; a refusal is an answer."""
    return None if leg.error_kind is None or leg.is_refusal else leg.error_kind.value


def clusters_of(observations: Sequence[Observation]) -> NDArray[np.int64] | None:
    """Return whose requests they are as codes, None where each stands for itself."""
    import numpy as np

    if all(one.unit is None for one in observations):
        return None
    codes: dict[Any, int] = {}
    named = (one.key if one.unit is None else ("unit", one.unit) for one in observations)
    return np.fromiter((codes.setdefault(name, len(codes)) for name in named), dtype=np.int64)


def sliced(
    observations: Sequence[Observation], by: Sequence[str] | None
) -> Iterator[tuple[str, list[Observation]]]:
    """Yield each slice with its observations, by name; `by` are names of tags, None takes all of them."""
    slices: dict[str, list[Observation]] = {}
    for one in observations:
        for name in one.slices:
            if by is None or name.partition(":")[0] in by:
                slices.setdefault(name, []).append(one)
    # One slice that holds everything says nothing of its own.
    yield from ((name, slices[name]) for name in sorted(slices) if len(slices[name]) < len(observations))


def _amounts(leg: Leg) -> Amounts:
    used = (leg.usage.tokens_in, leg.usage.tokens_out)
    return Amounts(
        latency_s=leg.latency_s,
        ttft_s=leg.ttft_s,
        tokens=None if None in used else sum(count or 0 for count in used),
        cost_usd=leg.cost_usd,
    )
