"""Imports jsonschema without what three of its optional packages cost every run and hardly any needs.

`rfc3987_syntax` compiles forty grammars when it is imported, which takes 1.5 s; `isoduration` brings all of
arrow, and `rfc3986_validator` compiles long patterns, which takes a fiftieth of a second each.
"""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any


class _NoDuration(Exception):
    pass


def import_jsonschema() -> None:
    """Import jsonschema; what `format: iri`, `uri` and `duration` need comes at their first use.

    Another package may have brought `rfc3987_syntax`, so leaving it out of our own dependencies is no way.
    """
    if "jsonschema" in sys.modules:
        return
    absent = [name for name in _STAND_INS if name not in sys.modules and find_spec(name) is not None]
    for name in absent:
        sys.modules[name] = ModuleType(name)
        sys.modules[name].__dict__.update(_STAND_INS[name])
    try:
        import jsonschema  # noqa: F401
    finally:
        for name in absent:
            del sys.modules[name]


def _is_valid_syntax(term: str, value: str) -> bool:
    from rfc3987_syntax import is_valid_syntax  # type: ignore[import-untyped]

    return bool(is_valid_syntax(term, value))


def _validate_rfc3986(url: str, rule: str = "URI") -> Any:
    from rfc3986_validator import validate_rfc3986  # type: ignore[import-untyped]

    return validate_rfc3986(url, rule)


def _parse_duration(text: str) -> object:
    from isoduration import DurationParsingException, parse_duration  # type: ignore[import-untyped]

    try:
        return parse_duration(text)
    except DurationParsingException as exc:
        raise _NoDuration(str(exc)) from exc


_STAND_INS: dict[str, dict[str, Any]] = {
    "rfc3987_syntax": {"is_valid_syntax": _is_valid_syntax},
    "rfc3986_validator": {"validate_rfc3986": _validate_rfc3986},
    "isoduration": {"parse_duration": _parse_duration, "DurationParsingException": _NoDuration},
}
