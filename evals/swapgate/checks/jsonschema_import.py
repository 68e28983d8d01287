"""Imports jsonschema without what its optional `rfc3987_syntax` costs: 1.5 s for compiling forty grammars."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from types import ModuleType

_GRAMMARS = "rfc3987_syntax"


def import_jsonschema() -> None:
    """Import jsonschema; the grammars of `format: iri` and `iri-reference` are compiled at their first use.

    Another package may have brought `rfc3987_syntax`, so leaving it out of our own dependencies is no way.
    """
    if "jsonschema" in sys.modules or _GRAMMARS in sys.modules or find_spec(_GRAMMARS) is None:
        return
    stand_in = ModuleType(_GRAMMARS)
    stand_in.__dict__["is_valid_syntax"] = _is_valid_syntax
    sys.modules[_GRAMMARS] = stand_in
    try:
        import jsonschema  # noqa: F401
    finally:
        del sys.modules[_GRAMMARS]


def _is_valid_syntax(term: str, value: str) -> bool:
    from rfc3987_syntax import is_valid_syntax  # type: ignore[import-untyped]

    return bool(is_valid_syntax(term, value))
