"""Builds and runs one written check on one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from swapgate.checks import Subject
from swapgate.checks.build import CheckOptionsError, build_checks, run_checks
from swapgate.records import CheckResult, Json, Response


def run_check(
    written: str,
    text: str = "",
    *,
    root: Path = Path(),
    expected: Json = None,
    variables: dict[str, Json] | None = None,
    cost_usd: float | None = None,
    **response: Any,
) -> CheckResult:
    """Return what the check, written as one YAML entry, says of an answer."""
    checks = build_checks([yaml.safe_load(written)], base=root / "cases", root=root)
    subject = Subject(
        response=Response(text=text, **response),
        expected=expected,
        variables=variables or {},
        cost_usd=cost_usd,
    )
    return run_checks(checks, subject)[0]


def messages(result: CheckResult) -> list[str]:
    """Return the findings' sentences."""
    return [finding.message for finding in result.findings]


def mistake(written: str, *, root: Path = Path()) -> tuple[str, str]:
    """Return the pointer and the message of the error that building the check raises."""
    try:
        build_checks([yaml.safe_load(written)], base=root / "cases", root=root)
    except CheckOptionsError as error:
        return error.pointer, str(error)
    raise AssertionError(f"{written} was accepted")
