"""A migration's checklist: what each step found, and what is to be done. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from swapgate.errors import ExitCode, SwapgateError
from swapgate.migration.looked import Looked
from swapgate.values import Value

State = Literal["done", "open", "not_applicable", "unknown"]
# The parts of the checklist, in its order.
PARTS = {
    "rules": "The five rules",
    "way": "The way over",
    "above": "What has accumulated above the API",
}


class Said(Value):
    """What one step found: `evidence` says why, `todo` what to do where it is not done."""

    state: State
    evidence: str
    todo: str = ""


class Check(Value):
    """One step before it is looked at. `look` raises SwapgateError where it cannot find out."""

    name: str
    part: str
    title: str
    look: Callable[[Looked], Said]


class Step(Value):
    """One step of the checklist with its state. `part` is a key of PARTS."""

    name: str
    part: str
    title: str
    state: State
    evidence: str
    todo: str


def walked(checks: Iterable[Check], looked: Looked) -> Iterator[Step]:
    """Yield the steps; one that cannot be found out keeps no other from being looked at."""
    for check in checks:
        try:
            said = check.look(looked)
        except SwapgateError as exc:
            said = Said(state="unknown", evidence=f"could not find out: {str(exc).splitlines()[0]}")
        yield Step(
            name=check.name,
            part=check.part,
            title=check.title,
            state=said.state,
            evidence=said.evidence,
            todo=said.todo if said.state != "done" else "",
        )


def exit_code(steps: Iterable[Step]) -> ExitCode:
    """Return 1 where a step is open, 13 where none is but some could not be found out, else 0."""
    states = {step.state for step in steps}
    if "open" in states:
        return ExitCode.FAILED
    return ExitCode.NOT_FOUND_OUT if "unknown" in states else ExitCode.OK


def done(evidence: str) -> Said:
    """Say that a step is done."""
    return Said(state="done", evidence=evidence)


def still_open(evidence: str, todo: str) -> Said:
    """Say that a step is to be done, and how."""
    return Said(state="open", evidence=evidence, todo=todo)


def not_applicable(evidence: str) -> Said:
    """Say that a migration such as this has no such step."""
    return Said(state="not_applicable", evidence=evidence)


def unknown(evidence: str, todo: str = "") -> Said:
    """Say that it could not be found out."""
    return Said(state="unknown", evidence=evidence, todo=todo)
