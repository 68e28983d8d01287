"""Whether what answered in a run is what the lock knows: by served ids and fingerprints."""

from __future__ import annotations

from collections.abc import Iterator

from swapgate.analysis.decision import Decision, GateResult
from swapgate.errors import ExitCode, Severity
from swapgate.pins.compared import unlike_served
from swapgate.records import LockedIds, Run
from swapgate.values import Value, replace

RULE = "locked"
_MEANT = "If that is meant, write the lock anew: `swapgate models lock`"


class IdentityFinding(Value):
    """One way in which a model of the run is not what the lock knows: `rule` names it for machines."""

    rule: str
    severity: Severity
    model: str
    message: str


def identity_findings(run: Run) -> tuple[IdentityFinding, ...]:
    """Return what the services said of the run's models that the lock does not have.

    Of a model of which the lock knows no answer nothing can be said, and nothing is.
    """
    return tuple(one for locked in run.locked if locked.run is not None for one in _unlike(run, locked))


def identity_warnings(findings: tuple[IdentityFinding, ...]) -> Iterator[str]:
    """Yield each finding as reports say it."""
    for one in findings:
        yield f"{one.model}: {one.message}. {_MEANT}"


def held_to_the_lock(gate: GateResult, run: Run, findings: tuple[IdentityFinding, ...]) -> GateResult:
    """Return the gate's result, failed where the run was `--locked` and another model answered.

    That takes no statistics: one answer is enough, also in a run that is no ground for any other decision.
    """
    if run.settings.get("locked") is not True or not findings:
        return gate
    broken = tuple(
        Decision(
            rule=RULE,
            model=one.model,
            answer="fail",
            reason=f"--locked: {one.model}: {one.message}",
            suite=None,
        )
        for one in findings
    )
    more = f" (and {len(broken) - 1} more)" if len(broken) > 1 else ""
    return replace(
        gate,
        answer="fail",
        reason=f"{broken[0].reason}{more}",
        exit_code=ExitCode.FAILED,
        decisions=(*broken, *gate.decisions),
    )


def _unlike(run: Run, locked: LockedIds) -> Iterator[IdentityFinding]:
    served = [one for one in run.served if one.model == locked.model]
    ids = sorted({told for one in served for told in one.ids})
    fingerprints = sorted({told for one in served for told in one.fingerprints})
    for one in unlike_served(
        locked.model, "it", served=(ids, fingerprints), locked=(locked.ids, locked.fingerprints)
    ):
        yield IdentityFinding(rule=one.rule, severity=one.severity, model=one.model, message=one.message)
