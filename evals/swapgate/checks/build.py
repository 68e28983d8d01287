"""Turns the `checks:` that people write into checks, and runs them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from swapgate.checks import Check, Subject
from swapgate.checks.expected_check import ExpectedCheck
from swapgate.checks.options import CheckOptions, CheckType, Folders, OptionError, path_within, validated
from swapgate.checks.python_check import UserCheckFailed, guarded
from swapgate.checks.response_checks import finish_check
from swapgate.checks.schema_check import SchemaCheck
from swapgate.checks.wording import quoted
from swapgate.errors import UsageError, nearest
from swapgate.records import CheckResult, Json
from swapgate.spec.pointers import pointer_of
from swapgate.spec.suite import CheckEntry

__all__ = [
    "CheckOptionsError",
    "UserCheckFailed",
    "build_checks",
    "check_schemas",
    "decoding_schema",
    "finish_check",
    "run_checks",
    "why_not_checked",
]

ENTRY_POINTS: Final = "swapgate.checks"
# Where each kind is; a suite uses few of them.
_BUILT_IN: Final[Mapping[str, tuple[str, str]]] = {
    "json": ("json_check", "JSON"),
    "schema": ("schema_check", "SCHEMA"),
    "python_model": ("model_check", "PYTHON_MODEL"),
    "enum": ("field_checks", "ENUM"),
    "required_keys": ("field_checks", "REQUIRED_KEYS"),
    "regex": ("pattern_checks", "REGEX"),
    "not_regex": ("pattern_checks", "NOT_REGEX"),
    "contains": ("text_checks", "CONTAINS"),
    "not_contains": ("text_checks", "NOT_CONTAINS"),
    "length": ("text_checks", "LENGTH"),
    "tool_call": ("tool_check", "TOOL_CALL"),
    "latency": ("response_checks", "LATENCY"),
    "cost": ("response_checks", "COST"),
    "finish_reason": ("response_checks", "FINISH_REASON"),
    "python": ("python_check", "PYTHON"),
    "expected": ("expected_check", "EXPECTED"),
}


class CheckOptionsError(UsageError):
    """One entry of `checks:` is wrong.

    Its `index` (from 0) and the JSON `pointer` into the entry, such as `/enum/values`, say where. `further`
    are the same of other entries.
    """

    further: tuple[CheckOptionsError, ...] = ()

    def __init__(self, index: int, pointer: str, message: str) -> None:
        self.index = index
        self.pointer = pointer
        super().__init__(message)


def build_checks(
    entries: Sequence[CheckEntry], *, base: Path, root: Path, taken: Iterable[str] = ()
) -> list[Check]:
    """Return the checks of the entries, in order and with distinct names.

    `base` is the folder of the suite's file and `root` the workspace: paths count from the one or the other.
    `taken` are names in use: those of the suite's checks when these are a case's own. Raises
    CheckOptionsError for the first entry that is wrong, with those of the others.
    """
    folders = Folders(base=base, root=root)
    names = {"finish", *taken}
    built: list[Check] = []
    wrong: list[CheckOptionsError] = []
    for index, entry in enumerate(entries):
        try:
            built.append(_built(index, entry, folders, names))
        except CheckOptionsError as exc:
            wrong.append(exc)
    if wrong:
        wrong[0].further = tuple(wrong[1:])
        raise wrong[0]
    return built


def _built(index: int, entry: CheckEntry, folders: Folders, taken: set[str]) -> Check:
    name, written = _name_and_options(index, entry)
    # Packages are asked only for what is not built in: to look through all that are installed takes 5 ms.
    check_type = _built_in(name) if name in _BUILT_IN else _types().get(name)
    if check_type is None:
        raise CheckOptionsError(index, "" if isinstance(entry, str) else pointer_of([name]), _unknown(name))
    try:
        options = validated(check_type.options, written)
        return check_type.build(_free_name(name, options, taken), options, folders)
    except OptionError as exc:
        pointer = pointer_of(path_within(entry, [name, *exc.path]))
        raise CheckOptionsError(index, pointer, f"check {name!r}: {exc}") from exc


def _name_and_options(index: int, entry: CheckEntry) -> tuple[str, Json]:
    if isinstance(entry, str):
        return entry, None
    if len(entry) == 1:
        return next(iter(entry.items()))
    empty = [key for key, options in entry.items() if options is None]
    if empty:
        raise CheckOptionsError(index, pointer_of([empty[0]]), f"indent the options of {empty[0]!r} under it")
    listed = ", ".join(quoted(key) for key in entry) or "nothing"
    raise CheckOptionsError(index, "", f"wanted one check for each entry of the list, got {listed}")


def _unknown(name: str) -> str:
    if name == "finish":
        return "the check 'finish' runs on every answer by itself; remove it"
    return (
        f"unknown check {name!r}.{nearest(name, _types()) or ' Known: ' + ', '.join(sorted(_types())) + '.'}"
    )


def _free_name(name: str, options: CheckOptions, taken: set[str]) -> str:
    candidates = list(options.names(name))
    chosen = next((c for c in candidates if c not in taken), None)
    number = 2
    while chosen is None:
        numbered = f"{candidates[-1]}#{number}"
        chosen = None if numbered in taken else numbered
        number += 1
    taken.add(chosen)
    return chosen


@cache
def _types() -> dict[str, CheckType[Any]]:
    """Return every kind of check by its name; the built-in ones cannot be replaced."""
    found: dict[str, CheckType[Any]] = {}
    for point in entry_points(group=ENTRY_POINTS):
        try:
            loaded = point.load()
        except Exception as exc:
            raise UsageError(f"the check {point.name!r} of {point.value!r} cannot be loaded: {exc}") from exc
        if not isinstance(loaded, CheckType):
            raise UsageError(
                f"the check {point.name!r} of {point.value!r} is no CheckType but {type(loaded).__name__}"
            )
        found[point.name] = loaded
    return found | {name: _built_in(name) for name in _BUILT_IN}


def _built_in(name: str) -> CheckType[Any]:
    module, kind = _BUILT_IN[name]
    found: CheckType[Any] = getattr(import_module(f"swapgate.checks.{module}"), kind)
    return found


def check_schemas() -> dict[str, Json]:
    """Return the JSON Schema of each kind of check's options, described, for editors and docs."""
    return {name: check_type.written_schema() for name, check_type in sorted(_types().items())}


def decoding_schema(checks: Iterable[Check]) -> Mapping[str, Json] | None:
    """Return the schema that a provider may hold its decoding to: that of the first check `schema`.

    None without such a check, or when its schema refers to other files, which a provider cannot see.
    """
    schemas = [check.decoding_schema for check in checks if isinstance(check, SchemaCheck)]
    return next((schema for schema in schemas if schema is not None), None)


def why_not_checked(checks: Iterable[Check], expected: Json) -> list[tuple[str, str]]:
    """Return the names of the checks that have no result whatever the answer is, and what the case lacks."""
    asked = [(check.name, check.why_not(expected)) for check in checks if isinstance(check, ExpectedCheck)]
    return [(name, why_not) for name, why_not in asked if why_not]


def run_checks(checks: Iterable[Check], subject: Subject) -> tuple[CheckResult, ...]:
    """Return what each check says of the answer, in order.

    Raises UserCheckFailed when the user's own code raises, or the case lacks what a check compares with.
    """
    return tuple(_run(check, subject) for check in checks)


def _run(check: Check, subject: Subject) -> CheckResult:
    if type(check).__module__.startswith("swapgate."):
        return check.run(subject)
    found: CheckResult = guarded(check.name, lambda: check.run(subject))
    return found
