"""Whether an override earns its keep: the same cases with it and without it, paired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeAlias

from swapgate.analysis.rates import GATE_CONFIDENCE
from swapgate.prompting.auditing.observed import Arm, Observation
from swapgate.prompting.auditing.plan import OverrideUse
from swapgate.prompting.auditing.shifts import Floors, Shift, shifts_by_prompt
from swapgate.stats.multiple import holm
from swapgate.stats.power import cases_for_margin
from swapgate.values import Value

KeepAnswer = Literal["earns", "does not", "cannot tell"]
_Said: TypeAlias = tuple[KeepAnswer, str, int | None]


class Keep(Value):
    """One override for one model. `shifts` are from without it to with it.

    `needed_cases` independent cases would settle it if the observed rates stay; None where no number would.
    """

    prompt: str
    override: str
    model: str
    answer: KeepAnswer
    reason: str
    shifts: tuple[Shift, ...] = ()
    needed_cases: int | None = None


def keeps_of(
    uses: Sequence[OverrideUse],
    arms: Mapping[Arm, Sequence[Observation]],
    *,
    floors: Floors,
    why_not_asked: str = "",
) -> tuple[Keep, ...]:
    """Return one answer for each override and model; the rates of all are one family of tests.

    `why_not_asked` says why there are no trials without the overrides, where there are none.
    """
    shifts = [_shifts(use, arms) for use in uses]
    # A length is no gain and no loss by itself, and its tests would make those of the rates weaker.
    adjusted = iter(holm([s.p_value for own in shifts for s in own if s.measure != "length"]))
    found = []
    for use, own in zip(uses, shifts, strict=True):
        judged = tuple(
            shift.judged(shift.p_value if shift.measure == "length" else next(adjusted), floors)
            for shift in own
        )
        found.append(_keep(use, judged, floors, why_not_asked))
    return tuple(found)


def _shifts(use: OverrideUse, arms: Mapping[Arm, Sequence[Observation]]) -> tuple[Shift, ...]:
    without = arms.get(Arm(use.model, use.prompt, use.override), ())
    return shifts_by_prompt(without, arms.get(Arm(use.model), ())).get(use.prompt, ()) if without else ()


def _keep(use: OverrideUse, shifts: Sequence[Shift], floors: Floors, why_not_asked: str) -> Keep:
    answer, reason, needed = _answer(use, shifts, floors, why_not_asked)
    return Keep(
        prompt=use.prompt,
        override=use.override,
        model=use.model,
        answer=answer,
        reason=reason,
        shifts=tuple(shifts),
        needed_cases=needed,
    )


def _answer(use: OverrideUse, shifts: Sequence[Shift], floors: Floors, why_not_asked: str) -> _Said:
    if not use.changes:
        return "does not", "the model gets the same prompt without it", None
    rates = [shift for shift in shifts if shift.measure != "length" and shift.estimate is not None]
    if not rates:
        return "cannot tell", why_not_asked or "no case was answered both with it and without it", None
    shown = [shift for shift in rates if shift.is_material]
    if shown:
        return _of_shown(shown)
    length = next((shift for shift in shifts if shift.measure == "length" and shift.is_material), None)
    if length is not None:
        told = f"answers are {length.estimate:.2g} times as long with it, and no check says what is too long"
        return "cannot tell", f"{told}: add the check `length`", None
    if all(shift.high is not None and shift.high < floors.rate for shift in rates):
        return "does not", f"it is worth less than {100 * floors.rate:g} points", None
    needed = [_needed(shift, floors) for shift in rates]
    enough = None if None in needed else max(one for one in needed if one is not None)
    return "cannot tell", "too few cases to tell", enough


def _of_shown(shown: Sequence[Shift]) -> _Said:
    better = [shift for shift in shown if (shift.estimate or 0) > 0]
    worse = [shift for shift in shown if (shift.estimate or 0) < 0]
    if better and worse:
        return "cannot tell", f"{_names(better)} is better with it, {_names(worse)} worse", None
    is_are = "are" if len(shown) > 1 else "is"
    answer: KeepAnswer = "earns" if better else "does not"
    return answer, f"{_names(shown)} {is_are} {'better' if better else 'worse'} with it", None


def _needed(shift: Shift, floors: Floors) -> int | None:
    """Return how many independent cases would show the gain to lie on one side of the floor."""
    return cases_for_margin(
        -(shift.estimate or 0.0),
        shift.discordance,
        floors.rate,
        confidence=GATE_CONFIDENCE,
        deff=shift.deff,
    )


def _names(shifts: Sequence[Shift]) -> str:
    return " and ".join(_name(shift) for shift in shifts)


def _name(shift: Shift) -> str:
    return f"the {'meaning' if shift.measure == 'semantic' else 'structure'}"
