"""Findings of the commands that lint: placed, printed, counted, and what of them fails a build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from swapgate.errors import ExitCode, Severity
from swapgate.reporting.format import count
from swapgate.reporting.text import safe_text
from swapgate.values import Value

StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")]
SarifOption = Annotated[
    Path | None, typer.Option("--sarif", metavar="FILE", help="Write the findings as SARIF 2.1.0 too.")
]
MOST_SHOWN = 50
_KINDS: tuple[Severity, ...] = ("error", "warning", "note")


class Placed(Value):
    """A finding with where it stands. `subject` is the model or prompt that it is about, None for neither."""

    path: str
    line: int
    rule: str
    severity: Severity
    subject: str | None
    message: str

    def __str__(self) -> str:
        about = f"{self.subject}: " if self.subject else ""
        told = f"{self.path}:{self.line}: {self.severity}: {about}{self.message} [{self.rule}]"
        return safe_text(told)


def described(findings: Sequence[Placed]) -> list[dict[str, Any]]:
    """Return the findings for machines."""
    return [asdict(finding) for finding in findings]


def print_findings(findings: Sequence[Placed]) -> None:
    """Print the first findings, a line each."""
    for finding in findings[:MOST_SHOWN]:
        typer.echo(str(finding))
    if len(findings) > MOST_SHOWN:
        typer.echo(f"... and {len(findings) - MOST_SHOWN} more: --json prints all")


def write_sarif(findings: Sequence[Placed], file: Path, *, category: str) -> None:
    """Write the findings for code scanning, the worst first, with paths from the top of the repository."""
    from swapgate.records import content_hash
    from swapgate.reporting.files import write_text
    from swapgate.reporting.flagged import from_repository
    from swapgate.reporting.sarif_log import SarifResult, SarifRule, sarif_text

    ordered = sorted(findings, key=lambda one: _KINDS.index(one.severity))
    rules = {one.rule: one.severity for one in reversed(ordered)}
    results = [
        SarifResult(
            rule=one.rule,
            level=one.severity,
            text=f"{one.subject}: {one.message}" if one.subject else one.message,
            fingerprint=content_hash([one.path, one.rule, one.subject, one.message]),
            path=from_repository(one.path, Path.cwd()),
            line=one.line,
        )
        for one in ordered
    ]
    known = [
        SarifRule(id=rule, level=level, what=rule.replace("-", " ")) for rule, level in sorted(rules.items())
    ]
    write_text(file, sarif_text(known, results, category=category))


def tally(findings: Sequence[Placed]) -> str:
    """Return how many there are of each severity."""
    counts = ((sum(f.severity == kind for f in findings), kind) for kind in _KINDS)
    return ", ".join(count(n, kind) for n, kind in counts if n) or "nothing to put right"


def fail_for(findings: Sequence[Placed], *, strict: bool) -> None:
    """Exit with 1 for an error, if `strict` for a warning too."""
    failing = {"error", "warning"} if strict else {"error"}
    if any(finding.severity in failing for finding in findings):
        raise typer.Exit(ExitCode.FAILED)
