"""Other tools' assertions about an answer, as checks of a suite."""

from __future__ import annotations

import re
from collections.abc import Sequence

from swapgate.records import Json


def contains(pieces: Sequence[str], *, ignore_case: bool = False, of_any: bool = False) -> Json:
    """Return the check that an answer contains all of the pieces, or any."""
    options: dict[str, Json] = {"any" if of_any else "all": [*pieces]}
    return {"contains": {**options, "ignore_case": True} if ignore_case else options}


def lacks(pieces: Sequence[str], *, ignore_case: bool = False, of_all: bool = False) -> Json:
    """Return the check that an answer contains none of the pieces, or not all of them."""
    options: dict[str, Json] = {"all" if of_all else "any": [*pieces]}
    return {"not_contains": {**options, "ignore_case": True} if ignore_case else options}


def equals(text: str, *, ignore_case: bool = False) -> Json:
    """Return the check that the whole answer is this text, white space around it aside."""
    options: dict[str, Json] = {"pattern": rf"\A\s*{re.escape(text.strip())}\s*\Z"}
    return {"regex": {**options, "flags": ["ignore_case"]} if ignore_case else options}


def differs(text: str) -> Json:
    """Return the check that the whole answer is anything but this text."""
    return {"not_regex": {"pattern": rf"\A\s*{re.escape(text.strip())}\s*\Z"}}


def starts_with(text: str, *, is_negated: bool = False) -> Json:
    """Return the check that an answer begins with this text."""
    return {"not_regex" if is_negated else "regex": {"pattern": rf"\A{re.escape(text)}"}}


def matches(pattern: str, *, is_negated: bool = False) -> Json:
    """Return the check that a pattern is found in the answer."""
    return {"not_regex" if is_negated else "regex": {"pattern": pattern}}
