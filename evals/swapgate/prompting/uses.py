"""Who uses a prompt: the suites of a workspace, with what their cases bring and their checks want."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from swapgate.checks.field_checks import EnumCheck
from swapgate.checks.schema_check import SchemaCheck
from swapgate.engine.workspace import ReadySuite
from swapgate.prompting.contradictions import Use
from swapgate.records import Json


def use_of(suite: ReadySuite) -> Use:
    """Return how a suite uses its prompt."""
    checks = suite.cases[0].checks if suite.cases else ()
    schema: Mapping[str, Json] | None = None
    choices: dict[str, tuple[str, ...]] = {}
    for check in checks:
        if isinstance(check, SchemaCheck) and isinstance(check.schema.contents, dict):
            schema = check.schema.contents
        if isinstance(check, EnumCheck):
            choices |= _choices(check)
    return Use(
        suite=suite.name,
        inputs=frozenset(key for case in suite.cases for key in case.placed.case.input),
        schema=schema,
        choices=choices,
        has_own_turns=any(case.placed.case.messages for case in suite.cases),
    )


def uses_by_prompt(suites: Iterable[ReadySuite]) -> dict[str, list[Use]]:
    """Return the uses of every prompt that a suite names or carries."""
    found: dict[str, list[Use]] = {}
    for suite in suites:
        if suite.prompt is not None:
            found.setdefault(suite.prompt.prompt, []).append(use_of(suite))
    return found


def _choices(check: EnumCheck) -> dict[str, tuple[str, ...]]:
    """Return the texts allowed for each field, by its last key."""
    return {
        rule.pointer.rpartition("/")[2]: tuple(value for value in rule.values if isinstance(value, str))
        for rule in check.rules
    }
