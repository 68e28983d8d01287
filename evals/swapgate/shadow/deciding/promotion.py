"""A route's decision: promote, hold, inconclusive or rollback."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Literal

from swapgate.errors import ExitCode
from swapgate.shadow.deciding.observations import FIRST_TURN, Traffic, sliced
from swapgate.shadow.deciding.rules import Ruling, rulings, slice_rulings, tests_per_slice
from swapgate.shadow.records import Count
from swapgate.spec.shadow_criteria import Criteria
from swapgate.values import Value

PromotionVerdict = Literal["promote", "hold", "inconclusive", "rollback"]
EXIT_CODES: dict[PromotionVerdict, ExitCode] = {
    "promote": ExitCode.OK,
    "hold": ExitCode.FAILED,
    "inconclusive": ExitCode.INCONCLUSIVE,
    "rollback": ExitCode.ROLLBACK,
}
# The worst one is a command's.
_WORST_FIRST: tuple[PromotionVerdict, ...] = ("rollback", "hold", "inconclusive", "promote")
_TURNS = FIRST_TURN.partition(":")[0]


class Promotion(Value):
    """The decision about one route, said in one sentence, with every criterion's ruling."""

    route: str
    control: str
    candidate: str
    setup: str
    verdict: PromotionVerdict
    reason: str
    rulings: tuple[Ruling, ...]
    notes: tuple[str, ...] = ()
    requests: int = 0
    again: int = 0
    days: tuple[str, ...] = ()

    @property
    def exit_code(self) -> ExitCode:
        """What a command ends with for it."""
        return EXIT_CODES[self.verdict]


def decide(
    traffic: Traffic, criteria: Criteria, *, is_serving: bool = False, counts: Iterable[Count] = ()
) -> Promotion:
    """Return the decision about a route; a candidate that serves already is rolled back, not held.

    Every criterion must be shown to hold: a candidate that breaks one of them is promoted with at most the
    5% of that one (an intersection-union test needs no correction). What holds it must be shown as well.
    """
    found = (*rulings(traffic.observations, criteria), *_of_slices(traffic, criteria))
    verdict = _verdict(found, is_serving=is_serving)
    return Promotion(
        route=traffic.route,
        control=traffic.control,
        candidate=traffic.candidate,
        setup=traffic.setup,
        verdict=verdict,
        reason=_reason(verdict, found, traffic),
        rulings=found,
        notes=tuple(_notes(traffic, counts)),
        requests=len(traffic.observations),
        again=traffic.again,
        days=traffic.days,
    )


def worst(promotions: Collection[Promotion]) -> PromotionVerdict:
    """Return the worst verdict; nothing to decide about is inconclusive."""
    verdicts = {one.verdict for one in promotions} or {"inconclusive"}
    return next(verdict for verdict in _WORST_FIRST if verdict in verdicts)


def _of_slices(traffic: Traffic, criteria: Criteria) -> Iterator[Ruling]:
    by = criteria.slices.by
    found = [
        (name, own)
        for name, own in sliced(traffic.observations, by)
        # Turns are told apart by us: nobody asked for so many of either.
        if by is not None or name.partition(":")[0] != _TURNS
    ]
    tests = len(found) * tests_per_slice(criteria)
    for name, own in found:
        yield from slice_rulings(name, own, criteria, tests=tests)


def _verdict(found: Sequence[Ruling], *, is_serving: bool) -> PromotionVerdict:
    answers = {one.answer for one in found}
    if "fail" in answers:
        return "rollback" if is_serving else "hold"
    return "inconclusive" if "inconclusive" in answers else "promote"


def _reason(verdict: PromotionVerdict, found: Sequence[Ruling], traffic: Traffic) -> str:
    if verdict == "promote":
        slices = len({one.slice for one in found if one.slice is not None})
        on = f" and on {slices} slices" if slices else ""
        return f"every criterion is shown to hold on {len(traffic.observations):,} requests{on}"
    decisive = "inconclusive" if verdict == "inconclusive" else "fail"
    told = [one for one in found if one.answer == decisive]
    first = told[0]
    where = "" if first.slice is None else f"on {first.slice}, "
    more = f" (and {len(told) - 1} more)" if len(told) > 1 else ""
    return f"{where}{first.reason}{more}"


def _notes(traffic: Traffic, counts: Iterable[Count]) -> Iterator[str]:
    """Yield what a reader of the numbers must know."""
    if traffic.older:
        yield (
            f"{traffic.older:,} older exchanges are left out: of another setup (models, parameters, prompt)"
        )
    if traffic.waiting:
        yield f"{traffic.waiting:,} exchanges wait for the candidate: `swapgate shadow replay` asks it"
    if traffic.lost:
        yield f"{traffic.lost:,} exchanges were lost with the process that asked the candidate"
    if traffic.multi_turn:
        yield (
            f"{traffic.multi_turn:,} exchanges are later turns: "
            "the candidate went on from the control's answers, not from its own"
        )
    if traffic.observations and not any(one.likeness.has_decision for one in traffic.observations):
        yield (
            "no deciding field and no tool call was compared: of prose the disagreement says little. "
            "Name `decisions` in `compare`, or have a judge compare: `preference`"
        )
    shed = sum(count.amount for count in counts if count.route == traffic.route and count.what == "shed")
    if shed:
        yield f"{shed:,.0f} requests were shed because the mirror was too slow: they came when load was high"
