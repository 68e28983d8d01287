"""What a validator found, in findings: where, what the schema wants, what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from swapgate.checks.field_checks import nearest_allowed
from swapgate.checks.findings import keys_there
from swapgate.checks.wording import an, json_type, listed, place, pointer_shown, printable, quoted
from swapgate.records import Finding

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

_MAX_COUNTED: Final = 1000
_BOUNDS: Final = {
    "minimum": "at least {}",
    "maximum": "at most {}",
    "exclusiveMinimum": "more than {}",
    "exclusiveMaximum": "less than {}",
    "multipleOf": "a multiple of {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "minItems": "at least {} items",
    "maxItems": "at most {} items",
    "minProperties": "at least {} keys",
    "maxProperties": "at most {} keys",
}


def violations(validator: Validator, value: Any, *, prefix: Sequence[str | int] = ()) -> list[Finding]:
    """Return what breaks the schema, sorted by place; `prefix` leads to the value in the answer."""
    try:
        errors = sorted(islice(validator.iter_errors(value), _MAX_COUNTED), key=_place_in_order)
    except RecursionError:
        message = "The answer is nested too deep for the schema."
        return [
            Finding(pointer=pointer_shown(prefix), message=message, wanted="less nesting", got="too deep")
        ]
    return [_finding(error, prefix) for error in errors]


def _place_in_order(error: ValidationError) -> tuple[list[tuple[bool, int, str]], str]:
    steps = [(isinstance(p, str), 0 if isinstance(p, str) else p, str(p)) for p in error.absolute_path]
    return steps, error.message


def _finding(error: ValidationError, prefix: Sequence[str | int]) -> Finding:
    best = telling(error)
    path = [*prefix, *best.absolute_path]
    keyword, limit, got = str(best.validator), best.validator_value, best.instance
    if keyword == "required":
        return _missing_key(best, path)
    if keyword in ("additionalProperties", "unevaluatedProperties") and isinstance(got, dict):
        return _unexpected_keys(best, path)
    pointer, wanted, shown = pointer_shown(path), wanted_words(keyword, limit), _shown(got, keyword)
    if wanted is None:
        message = f"{place(pointer)} breaks the schema: {printable(best.message, 200)}."
        return Finding(pointer=pointer, message=message, wanted=f"{keyword} {quoted(limit)}", got=shown)
    hint = nearest_allowed(got, tuple(limit)) if keyword == "enum" else ""
    message = f"{place(pointer)} is {shown}, wanted {wanted}.{hint}"
    return Finding(pointer=pointer, message=message, wanted=wanted, got=shown)


def telling(error: Any) -> Any:
    """Return the error inside an anyOf or oneOf when only one branch is of the value's type."""
    while error.context:
        branches: dict[Any, list[Any]] = {}
        for inner in error.context:
            branches.setdefault(inner.relative_schema_path[0], []).append(inner)
        apt = [b for b in branches.values() if all(e.validator != "type" or e.relative_path for e in b)]
        if len(apt) != 1:
            return error
        error = apt[0][0]
    return error


def wanted_words(keyword: str, limit: Any) -> str | None:
    """Return what the keyword asks for in words, None where jsonschema's own sentence says it better."""
    if keyword in _BOUNDS:
        return _BOUNDS[keyword].format(quoted(limit))
    words: dict[str, Callable[[], str]] = {
        "None": lambda: "no value here",
        "type": lambda: " or ".join([limit] if isinstance(limit, str) else limit),
        "enum": lambda: f"one of {listed(limit)}",
        "const": lambda: quoted(limit),
        "format": lambda: f"the format {limit}",
        "pattern": lambda: f"a match of {printable(limit)}",
        "not": lambda: f"nothing that matches {quoted(limit)}",
        "anyOf": lambda: f"one of the schema's {len(limit)} alternatives",
        "oneOf": lambda: f"exactly one of the schema's {len(limit)} alternatives",
    }
    return words[keyword]() if keyword in words else None


def _shown(got: Any, keyword: str) -> str:
    kind = json_type(got)
    if keyword in ("minItems", "maxItems", "minProperties", "maxProperties"):
        return f"{an(kind)} of {len(got)}"
    if keyword in ("minLength", "maxLength"):
        return f"{quoted(got, 30)} ({len(got)} characters)"
    if keyword != "type" or kind == "null":
        return quoted(got)
    return an(kind) if kind in ("object", "array") else f"the {kind} {quoted(got)}"


def _missing_key(error: Any, path: list[str | int]) -> Finding:
    # One error for each missing key; only jsonschema's sentence names it.
    absent = [k for k in error.validator_value if k not in error.instance]
    key = next((k for k in absent if error.message.startswith(repr(k))), absent[0])
    pointer = pointer_shown([*path, key])
    message = f"{pointer} is missing. {keys_there(key, list(error.instance))}"
    return Finding(pointer=pointer, message=message, wanted="the key", got="nothing")


def _unexpected_keys(error: Any, path: list[str | int]) -> Finding:
    known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
    extra = [k for k in error.instance if k not in known and repr(k) in error.message] or list(error.instance)
    pointer, wanted = pointer_shown(path), f"only {listed(known)}" if known else "no keys"
    message = f"{place(pointer)} has keys that the schema does not allow: {listed(extra)}."
    return Finding(pointer=pointer, message=message, wanted=wanted, got=listed(extra))
