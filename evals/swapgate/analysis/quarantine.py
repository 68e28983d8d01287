"""Cases in quarantine: run and reported like all others, and no part of what the gate decides."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from swapgate.analysis.decision import GateResult
from swapgate.facts import Facts
from swapgate.values import Value

_LISTED = 5


class QuarantinedCase(Value):
    """One case that does not count, and how its trials of the candidates ended."""

    suite: str
    case: str
    passed: int
    trials: int


class Quarantine(Value):
    """The cases that do not count. `gate` and `reason` are the gate's answer if they did."""

    cases: tuple[QuarantinedCase, ...]
    gate: str
    reason: str


def without_quarantined(facts: Sequence[Facts]) -> list[Facts]:
    """Return what counts. A case that does not count for the candidate counts for no baseline either."""
    names = quarantined_names(facts)
    return [one for one in facts if (one.suite, one.case) not in names] if names else list(facts)


def quarantined_names(facts: Iterable[Facts]) -> set[tuple[str, str]]:
    """Return suite and name of the cases that were in quarantine when the candidates were run.

    Whether a stored baseline's were on its own day is of no account.
    """
    return {(one.suite, one.case) for one in facts if one.is_quarantined and one.role == "candidate"}


def quarantine_of(facts: Sequence[Facts], counted: GateResult) -> Quarantine | None:
    """Return the cases that do not count, None without any; `counted` is the gate if they did."""
    names = quarantined_names(facts)
    if not names:
        return None
    own = [one for one in facts if one.role == "candidate" and (one.suite, one.case) in names]
    cases = tuple(
        QuarantinedCase(
            suite=suite,
            case=case,
            passed=sum(one.outcome == "passed" for one in own if (one.suite, one.case) == (suite, case)),
            trials=sum((one.suite, one.case) == (suite, case) for one in own),
        )
        for suite, case in sorted(names)
    )
    return Quarantine(cases=cases, gate=counted.answer, reason=counted.reason)


def quarantine_note(found: Quarantine, gate: GateResult) -> str:
    """Return what every report says of it: how many, how they ended, and the gate if they counted."""
    number = len(found.cases)
    trials, passed = (sum(getattr(one, name) for one in found.cases) for name in ("trials", "passed"))
    listed = ", ".join(f"{one.suite}/{one.case}" for one in found.cases[:_LISTED])
    more = f" and {number - _LISTED:,} more" if number > _LISTED else ""
    cases, verb = ("1 case is", "it") if number == 1 else (f"{number:,} cases are", "they")
    also = "the same" if found.gate == gate.answer else f"{found.gate}: {found.reason}"
    return (
        f"{cases} in quarantine and not counted ({listed}{more}): {passed:,} of {trials:,} trials passed; "
        f"if {verb} counted the gate would say {also}"
    )
