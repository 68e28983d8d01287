"""The structural checks of a route's suite on answers of real traffic, and the fields that decide."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from swapgate.checks import Check, Subject
from swapgate.checks.build import UserCheckFailed, run_checks
from swapgate.checks.comparing import is_same
from swapgate.checks.field_checks import EnumCheck
from swapgate.checks.wording import MISSING, resolve
from swapgate.engine.workspace import ReadySuite, Workspace
from swapgate.errors import UsageError, nearest
from swapgate.records import Response
from swapgate.shadow.records import Leg
from swapgate.values import Value


class Structure(Value):
    """What of a suite applies to answers whose cases nobody has written: no check that needs `expected`."""

    checks: tuple[Check, ...] = ()
    decisions: tuple[str, ...] = ()

    def failed(self, subject: Subject) -> tuple[str, ...] | None:
        """Return the checks that an answer fails, None without any check.

        A check of the user's that raises says nothing of the answer.
        """
        if not self.checks:
            return None
        return tuple(check.name for check in self.checks if _fails(check, subject))

    def same_fields(self, one: Subject, other: Subject) -> Mapping[str, bool]:
        """Return whether the two answers say the same in each field; a field that neither has is left out."""
        pairs = {
            pointer: tuple(resolve(subject.reading.recovered, pointer) for subject in (one, other))
            for pointer in self.decisions
        }
        return {
            pointer: MISSING not in pair and is_same(*pair)
            for pointer, pair in pairs.items()
            if pair != (MISSING, MISSING)
        }


def find_structure(workspace: Workspace, suite: str | None, decisions: Sequence[str] | None) -> Structure:
    """Return the structural checks of a named suite, and the given fields or those of its `enum` checks."""
    checks = () if suite is None else _shared_checks(_suite(workspace, suite))
    return Structure(checks=checks, decisions=tuple(_enum_fields(checks) if decisions is None else decisions))


def subject(leg: Leg) -> Subject:
    """Return a leg's answer as checks look at it."""
    return Subject(
        response=Response(
            text=leg.text or "",
            tool_calls=leg.tool_calls,
            finish_reason=leg.finish_reason or "other",
            usage=leg.usage,
            latency_s=leg.latency_s,
            ttft_s=leg.ttft_s,
        ),
        cost_usd=leg.cost_usd,
    )


def _fails(check: Check, subject: Subject) -> bool:
    try:
        [result] = run_checks([check], subject)
    except UserCheckFailed:
        return False
    return not result.passed


def _suite(workspace: Workspace, name: str) -> ReadySuite:
    files = workspace.suite_files(workspace.settings.cases_dirs)
    suites = {suite.name: suite for suite in map(workspace.suite, files)}
    if name not in suites:
        listed = ", ".join(sorted(suites)) or "none"
        raise UsageError(f"unknown suite {name!r} in `compare`: there is {listed}.{nearest(name, suites)}")
    return suites[name]


def _shared_checks(suite: ReadySuite) -> tuple[Check, ...]:
    """Return the suite's own structural checks, without those of single cases."""
    case = suite.cases[0]
    shared = case.checks[: len(case.checks) - len(case.placed.case.checks)]
    return tuple(check for check in shared if check.kind == "structural")


def _enum_fields(checks: Iterable[Check]) -> list[str]:
    rules = [rule for check in checks if isinstance(check, EnumCheck) for rule in check.rules]
    return list(dict.fromkeys(rule.pointer for rule in rules))
