"""Both swaps in one report: what is shown, which of them broke it, at which step, and the verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Literal

from swapgate.errors import ExitCode
from swapgate.retrieval.answering.attribution import Attribution, attribute
from swapgate.retrieval.answering.effects import ArmRate, Effect, all_effects, all_rates
from swapgate.retrieval.answering.observations import (
    ARMS,
    Arm,
    Measure,
    Observations,
    errors_by_arm,
    in_slice,
    measured,
    questions_of,
    slices_of,
)
from swapgate.retrieval.answering.parts import Part, parts
from swapgate.retrieval.answering.rulings import DECIDING, Ruling, rule, rulings
from swapgate.retrieval.answering.steps import Stratum, strata
from swapgate.values import Value

Verdict = Literal["pass", "fail", "inconclusive"]
# What is answered in the end decides; the other measures say where it broke.
ENDS: tuple[Measure, ...] = ("answer", "faithfulness")
_EXITS = {
    "pass": ExitCode.OK,
    "fail": ExitCode.FAILED,
    "inconclusive": ExitCode.INCONCLUSIVE,
}


class Terms(Value):
    """What is asked of the swaps. Slices that are named must have `slice_questions` questions."""

    margin: float
    slices: tuple[str, ...] = ()
    slice_questions: int = 30
    max_errors: float = 0.05


class Joint(Value):
    """What both swaps do, from the observations alone.

    `first` is the attribution to be told first, `rulings` are those on the measures that only explain;
    `strata` are the questions of its slice by what became of their right texts, `parts` what of it lies on
    which slice. `small` slices have too few
    questions to be cleared. `errored` says that too many answers are missing for anything to be told.
    """

    terms: Terms
    verdict: Verdict
    first: Attribution
    attributions: tuple[Attribution, ...]
    rulings: tuple[Ruling, ...]
    rates: tuple[ArmRate, ...]
    effects: tuple[Effect, ...]
    strata: tuple[Stratum, ...]
    parts: tuple[Part, ...]
    measures: tuple[Measure, ...]
    questions: int
    trials: int
    errors: Mapping[Arm, int] = field(default_factory=dict)
    small: Mapping[str, int] = field(default_factory=dict)
    errored: bool = False

    @property
    def exit_code(self) -> ExitCode:
        """What a command ends with."""
        return ExitCode.TOO_MANY_ERRORS if self.errored else _EXITS[self.verdict]

    def ruling(self, measure: Measure, name: str, scope: str | None) -> Ruling | None:
        """Return the ruling on a swap by any measure, where there is one."""
        own = (one for found in self.attributions for one in found.rulings)
        return next(
            (
                one
                for one in (*own, *self.rulings)
                if one.measure == measure and one.effect == name and one.slice == scope
            ),
            None,
        )


def judge_both(observations: Observations, terms: Terms) -> Joint:
    """Return what both swaps do; there must be a measure of the answers themselves."""
    known = measured(observations)
    ends = [measure for measure in ENDS if measure in known] or [ENDS[0]]
    slices = [name for name in slices_of(observations) if name]
    found = _attributions(observations, ends, slices, terms)
    errors = errors_by_arm(observations)
    most = terms.max_errors * max(len(observations), 1)
    small = {
        name: number
        for name in terms.slices
        if (number := questions_of(in_slice(observations, name))) < terms.slice_questions
    }
    first = min(found, key=_urgency)
    errored = any(number > most for number in errors.values())
    return Joint(
        terms=terms,
        verdict="inconclusive" if errored else _verdict(found, is_open=bool(small)),
        first=first,
        attributions=found,
        rulings=_explaining(observations, [one for one in known if one not in ends], slices, terms),
        rates=all_rates(observations),
        effects=all_effects(observations),
        strata=strata(in_slice(observations, first.slice), known),
        parts=parts(observations, first) if first.slice is None and first.is_broken else (),
        measures=known,
        questions=questions_of(observations),
        trials=len(observations) * len(ARMS),
        errors=errors,
        small=small,
        errored=errored,
    )


def _attributions(
    observations: Observations, ends: Sequence[Measure], slices: Sequence[str], terms: Terms
) -> tuple[Attribution, ...]:
    """Return what broke each end, overall and on each slice. The whole and the slices share no error."""
    a_scope = len(ends) * len(DECIDING)
    found = [rulings(observations, ends, margin=terms.margin, tests=a_scope)]
    for name in slices:
        own, tests = in_slice(observations, name), a_scope * len(slices)
        found.append(rulings(own, ends, margin=terms.margin, tests=tests, scope=name))
    return tuple(attribute(one, measure) for one in found for measure in ends)


def _explaining(
    observations: Observations, measures: Sequence[Measure], slices: Sequence[str], terms: Terms
) -> tuple[Ruling, ...]:
    """Return the rulings that say at which step something broke; they decide nothing."""
    return tuple(
        rule(in_slice(observations, scope), measure, name, margin=terms.margin, tests=1, scope=scope)
        for scope in (None, *slices)
        for measure in measures
        for name in (DECIDING if measure != "retrieval" else DECIDING[:1])
    )


def _verdict(found: Sequence[Attribution], *, is_open: bool) -> Verdict:
    """Return fail where both swaps together are shown to break anything; a pass takes all to hold.

    A slice passes unless something is shown to be broken there: it is too small for more.
    """
    if any(one.both.state == "falls" for one in found):
        return "fail"
    unsettled = any(one.both.state == "open" and (one.slice is None or one.is_broken) for one in found)
    return "inconclusive" if is_open or unsettled else "pass"


def _urgency(one: Attribution) -> tuple[object, ...]:
    """Order attributions: what fails, what is broken, what is open; the whole before its slices."""
    falls = one.both.state == "falls"
    is_open = one.both.state == "open" and one.slice is None
    worst = min((r.interval.estimate or 0.0 for r in one.rulings if r.state == "falls"), default=0.0)
    order = 0 if falls else 1 if one.is_broken else 2 if is_open else 3
    return (order, one.slice is not None, worst if one.slice else ENDS.index(one.measure), one.slice or "")
