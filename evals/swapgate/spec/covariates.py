"""The numbers of a case that failures are held against: those it states, and those its input has."""

from __future__ import annotations

import math

from swapgate.records import Json
from swapgate.spec.suite import Case


def case_covariates(case: Case) -> dict[str, float]:
    """Return the covariates of a case by name.

    `input.NAME` is a number of the input, `input.NAME.count` the length of a list in it, `input.NAME.chars`
    that of a text, `messages` the number of turns. What `covariates:` states goes under its own name. An
    input that is infinite, or no number (`.nan`), is none of them.
    """
    found: dict[str, float] = {}
    for name, value in case.input.items():
        found |= _numbers(f"input.{name}", value)
    if case.messages:
        found["messages"] = float(len(case.messages))
    return found | case.covariates


def _numbers(name: str, value: Json) -> dict[str, float]:
    if isinstance(value, bool) or value is None or isinstance(value, dict):
        return {}
    if isinstance(value, list):
        return {f"{name}.count": float(len(value))}
    if isinstance(value, str):
        return {f"{name}.chars": float(len(value))}
    return {name: float(value)} if _is_finite(value) else {}


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer of more than 308 digits
        return False
