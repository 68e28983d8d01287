"""The heat map: each prompt on each model, how it failed, and whether that is another thing than the base."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import field
from math import exp, fsum, log
from typing import Literal

from swapgate.analysis.matrix import FEWEST_CASES, prompts_of
from swapgate.analysis.rates import Rate
from swapgate.analysis.scopes import Scope
from swapgate.analysis.summary import Summary, summarise
from swapgate.analysis.table import by_model
from swapgate.prompting.auditing.failures import KINDS, FailureKind
from swapgate.prompting.auditing.observed import Observation
from swapgate.prompting.auditing.shifts import ALPHA, Floors, Shift, shifts_by_prompt
from swapgate.stats.multiple import holm
from swapgate.values import Value, replace

Standing = Literal["base", "differs", "not shown", "too few"]


class Example(Value):
    """The first failure of its kind: where it happened, what said so, which instruction it breaks."""

    kind: FailureKind
    suite: str
    case: str
    source: str
    message: str
    instruction: str = ""


class Cell(Value):
    """One prompt on one model. `kinds` count the answers that failed so; `chars` is their geometric mean.

    `shifts` are against the base model on the same cases, empty for the base itself.
    """

    prompt: str
    model: str
    standing: Standing
    trials: int
    errored: int
    structural: Rate
    semantic: Rate
    chars: float | None
    kinds: Mapping[FailureKind, int] = field(default_factory=dict)
    examples: tuple[Example, ...] = ()
    shifts: tuple[Shift, ...] = ()

    @property
    def material(self) -> tuple[Shift, ...]:
        """The shifts that make it differ from the base."""
        return tuple(shift for shift in self.shifts if shift.is_material)


def cells_of(arms: Mapping[str, Sequence[Observation]], *, base: str, floors: Floors) -> tuple[Cell, ...]:
    """Return a cell for each prompt and model, prompt by prompt, the base model first.

    All shifts of all prompts and models are one family of tests, adjusted by Holm.
    """
    found: list[Cell] = []
    for model, observed in arms.items():
        shifts = {} if model == base else shifts_by_prompt(arms[base], observed)
        facts = [one.facts for one in observed]
        wanted = prompts_of(facts)
        summaries = summarise(by_model(facts), listed=wanted)
        for summary in summaries:
            if summary.prompt is not None and summary.scope == Scope(prompt=summary.prompt):
                own = [one for one in observed if one.facts.prompt == summary.prompt]
                cell = _cell(summary, own, shifts.get(summary.prompt, ()), model=model)
                found.append(replace(cell, standing="base") if model == base else cell)
    order = {model: place for place, model in enumerate(arms)}
    found.sort(key=lambda cell: (cell.prompt, order[cell.model]))
    return tuple(_judged(found, floors))


def _cell(summary: Summary, observed: Sequence[Observation], shifts: Sequence[Shift], *, model: str) -> Cell:
    lengths = [log(one.chars) for one in observed if one.chars]
    counts = Counter(failure.kind for one in observed for failure in one.failures)
    return Cell(
        prompt=summary.prompt or "",
        model=model,
        standing="not shown",
        trials=summary.trials,
        errored=summary.errored,
        structural=summary.structural,
        semantic=summary.semantic,
        chars=exp(fsum(lengths) / len(lengths)) if lengths else None,
        kinds={kind: counts[kind] for kind in KINDS if counts[kind]},
        examples=_examples(observed),
        shifts=tuple(shifts),
    )


def _examples(observed: Sequence[Observation]) -> tuple[Example, ...]:
    first: dict[FailureKind, Example] = {}
    for one in observed:
        for failure in one.failures:
            if failure.kind not in first:
                first[failure.kind] = Example(
                    kind=failure.kind,
                    suite=one.facts.suite,
                    case=one.facts.case,
                    source=failure.source,
                    message=failure.message,
                    instruction=failure.instruction,
                )
    return tuple(first[kind] for kind in KINDS if kind in first)


def _judged(cells: Sequence[Cell], floors: Floors) -> list[Cell]:
    adjusted = iter(holm([shift.p_value for cell in cells for shift in cell.shifts]))
    tests = sum(shift.p_value is not None for cell in cells for shift in cell.shifts)
    found = []
    for cell in cells:
        shifts = tuple(shift.judged(next(adjusted), floors) for shift in cell.shifts)
        found.append(replace(cell, shifts=shifts, standing=_standing(cell, shifts, tests)))
    return found


def _standing(cell: Cell, shifts: Sequence[Shift], tests: int) -> Standing:
    if cell.standing == "base":
        return "base"
    if any(shift.is_material for shift in shifts):
        return "differs"
    clusters = max((shift.clusters for shift in shifts), default=0)
    return "too few" if clusters < fewest_cases(tests) else "not shown"


def fewest_cases(tests: int) -> int:
    """Return the fewest independent cases at which a prompt that fails on every one of them is shown to.

    McNemar's mid-p of n cases that all flip the same way is 0.5 to the power of n, and Holm's first step
    multiplies it by the number of tests.
    """
    needed = FEWEST_CASES
    while 0.5**needed * max(tests, 1) > ALPHA:
        needed += 1
    return needed
