"""Plain schemas, compiled to functions that know a right value at once; all else is jsonschema's to say.

jsonschema looks up and wraps every subschema for every value: of an answer that keeps to its schema, as
nearly all do, it takes fifty times as long to say so. A schema that has such a function is a right one, and
while all answers keep to it jsonschema is not even imported, which takes a twentieth of a second.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Collection, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

from swapgate.records import Json

# Whether a value keeps to the schema for certain: False says no more than that jsonschema has to be asked.
Accepts: TypeAlias = Callable[[Any], bool]
_Make: TypeAlias = Callable[[Any, Mapping[str, Any]], "Accepts | None"]

_DRAFT: Final = "https://json-schema.org/draft/2020-12/schema"
_ID: Final = re.compile(r"(https?://)?[A-Za-z0-9._~/-]+")
# The exact types: what else passes for one, as 1.0 does for an integer, is jsonschema's to judge.
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "array": (list,),
    "boolean": (bool,),
    "integer": (int,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict,),
    "string": (str,),
}


def shortcut(schema: Json) -> Accepts | None:
    """Return what knows right values of a schema of draft 2020-12.

    None where a keyword is not plain, or has a value that may be none of its own.
    """
    if not isinstance(schema, dict):
        return None
    tests: list[Accepts] = []
    for keyword, limit in schema.items():
        if keyword in _NOTES and _NOTES[keyword](limit):
            continue
        test = _KEYWORDS[keyword](limit, schema) if keyword in _KEYWORDS else None
        if test is None:
            return None
        tests.append(test)
    return tests[0] if len(tests) == 1 else partial(_all, tuple(tests))


def _all(tests: Collection[Accepts], value: Any) -> bool:
    for test in tests:  # noqa: SIM110 - a generator takes twice the time
        if not test(value):
            return False
    return True


def _type(limit: Any, _schema: object) -> Accepts | None:
    names = [limit] if isinstance(limit, str) else limit
    if not names or not _are_names(names) or not _TYPES.keys() >= set(names):
        return None
    return partial(_is_of, frozenset(one for name in names for one in _TYPES[name]))


def _are_names(values: Any) -> bool:
    is_list = isinstance(values, list) and all(isinstance(value, str) for value in values)
    return is_list and len(set(values)) == len(values)


def _is_of(types: Collection[type], value: Any) -> bool:
    return type(value) in types


def _one_of(values: Any, _schema: object) -> Accepts | None:
    """Texts and null: numbers and true equal what they are not."""
    if not isinstance(values, list) or not all(value is None or isinstance(value, str) for value in values):
        return None
    return partial(_is_one_of, frozenset(values))


def _is_one_of(values: Collection[Any], value: Any) -> bool:
    return (value is None or type(value) is str) and value in values


def _draft(limit: Any, _schema: object) -> Accepts | None:
    return partial(_all, ()) if str(limit).rstrip("#") == _DRAFT else None


def _const(limit: Any, schema: Mapping[str, Any]) -> Accepts | None:
    return _one_of([limit], schema)


def _properties(limit: Any, _schema: object) -> Accepts | None:
    if not isinstance(limit, dict):
        return None
    tests = {name: shortcut(schema) for name, schema in limit.items()}
    known = {name: test for name, test in tests.items() if test is not None}
    return partial(_have_all, known) if len(known) == len(tests) else None


def _have_all(tests: Mapping[str, Accepts], value: Any) -> bool:
    if not isinstance(value, dict):
        return True
    for name, test in tests.items():  # noqa: SIM110 - as above
        if name in value and not test(value[name]):
            return False
    return True


def _required(limit: Any, _schema: object) -> Accepts | None:
    return partial(_has_keys, frozenset(limit)) if _are_names(limit) else None


def _has_keys(keys: frozenset[str], value: Any) -> bool:
    return not isinstance(value, dict) or keys <= value.keys()


def _additional(limit: Any, schema: Mapping[str, Any]) -> Accepts | None:
    if limit is True:
        return partial(_all, ())
    known = schema.get("properties", {})
    if limit is not False or not isinstance(known, dict):
        return None
    return partial(_has_no_other, frozenset(known))


def _has_no_other(keys: frozenset[str], value: Any) -> bool:
    return not isinstance(value, dict) or value.keys() <= keys


def _items(limit: Any, _schema: object) -> Accepts | None:
    test = shortcut(limit)
    return None if test is None else partial(_every, test)


def _every(test: Accepts, value: Any) -> bool:
    return not isinstance(value, list) or all(map(test, value))


def _bound(types: tuple[type, ...], breaks: Callable[[Any, Any], bool], of: Callable[[Any], Any]) -> _Make:
    is_limit = _is_number if of is operator.pos else _is_size
    return lambda limit, _schema: partial(_keeps, types, breaks, of, limit) if is_limit(limit) else None


def _is_number(limit: Any) -> bool:
    return type(limit) in _NUMBER


def _is_size(limit: Any) -> bool:
    return type(limit) is int and limit >= 0


def _keeps(
    types: tuple[type, ...],
    breaks: Callable[[Any, Any], bool],
    of: Callable[[Any], Any],
    limit: Any,
    value: Any,
) -> bool:
    return not isinstance(value, types) or not breaks(of(value), limit)


_NUMBER, _TEXT, _LIST = (int, float), (str,), (list,)
_KEYWORDS: Final[Mapping[str, _Make]] = {
    "$schema": _draft,
    "type": _type,
    "enum": _one_of,
    "const": _const,
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "minimum": _bound(_NUMBER, operator.lt, operator.pos),
    "maximum": _bound(_NUMBER, operator.gt, operator.pos),
    "exclusiveMinimum": _bound(_NUMBER, operator.le, operator.pos),
    "exclusiveMaximum": _bound(_NUMBER, operator.ge, operator.pos),
    "minLength": _bound(_TEXT, operator.lt, len),
    "maxLength": _bound(_TEXT, operator.gt, len),
    "minItems": _bound(_LIST, operator.lt, len),
    "maxItems": _bound(_LIST, operator.gt, len),
}


def _are_schemas(value: Any) -> bool:
    return isinstance(value, dict) and all(shortcut(schema) is not None for schema in value.values())


# Keywords that no value can break, and what may stand there.
_NOTES: Final[Mapping[str, Callable[[Any], bool]]] = {
    **dict.fromkeys(("$comment", "description", "title"), lambda value: isinstance(value, str)),
    **dict.fromkeys(("deprecated", "readOnly", "writeOnly"), lambda value: isinstance(value, bool)),
    "$defs": _are_schemas,
    "$id": lambda value: isinstance(value, str) and _ID.fullmatch(value) is not None,
    "default": lambda _value: True,
    "examples": lambda value: isinstance(value, list),
}
