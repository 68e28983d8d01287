"""Findings of the commands that lint: placed, printed, counted, and what of them fails a build."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

import typer

from swapgate.errors import ExitCode
from swapgate.reporting.format import count
from swapgate.reporting.text import safe_text

Severity = Literal["error", "warning", "note"]
StrictOption = Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings too.")]
MOST_SHOWN = 50
_KINDS: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
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


def tally(findings: Sequence[Placed]) -> str:
    """Return how many there are of each severity."""
    counts = ((sum(f.severity == kind for f in findings), kind) for kind in _KINDS)
    return ", ".join(count(n, kind) for n, kind in counts if n) or "nothing to put right"


def fail_for(findings: Sequence[Placed], *, strict: bool) -> None:
    """Exit with 1 for an error, if `strict` for a warning too."""
    failing = {"error", "warning"} if strict else {"error"}
    if any(finding.severity in failing for finding in findings):
        raise typer.Exit(ExitCode.FAILED)
