"""Say in swapgate's own words, and at the right key, what pydantic refuses."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError

from swapgate.errors import nearest
from swapgate.spec.locate import Spot, bare, fields, is_union, kind, locate, members, within
from swapgate.spec.pointers import pointer_of
from swapgate.values import Value

SHOWN = 80
_KEY_NAMES = {"api_key", "apikey", "key", "token", "secret", "password", "api_token"}
_MAY_HOLD_SECRETS = re.compile(r"key|token\b|secret|password|headers|base_url", re.IGNORECASE)
_BOUNDS = {
    "greater_than_equal": ("ge", "at least"),
    "less_than_equal": ("le", "at most"),
    "greater_than": ("gt", "more than"),
    "less_than": ("lt", "less than"),
}
_TYPE_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", Path: "a path"}
_KIND_WORDS = {"mapping": "a mapping", "list": "a list", "scalar": "a JSON value"}
_OTHER_TYPES = ("_type", "_parsing", "_from_float", "_inexact")


class Problem(Value):
    """One thing wrong with a value: the JSON pointer of the key to look at, and what to say of it."""

    pointer: str
    message: str


def explain(error: ValidationError, model: type, data: object, *, noun: str = "") -> list[Problem]:
    """Return what is wrong, once a place. `noun` is what the whole is called ("a suite" for a Suite)."""
    problems: dict[tuple[str, str], Problem] = {}
    choices: dict[str, Spot] = {}
    for detail in error.errors(include_url=False):
        spot = locate(model, detail["loc"], data)
        if spot.choice is not None and (not spot.fits or spot.keys == spot.choice):
            choices.setdefault(pointer_of(spot.choice), spot)
            continue
        is_absent = detail["type"] in {"missing", "missing_argument"}
        pointer = pointer_of(spot.keys[:-1] if is_absent else spot.keys)
        message = _message(detail["type"], detail.get("ctx", {}), detail["msg"], spot, noun)
        problems.setdefault((pointer, message), Problem(pointer=pointer, message=message))
    for pointer, spot in choices.items():
        if not any(f"{known}/".startswith(f"{pointer}/") for known, _message in problems):
            problems[pointer, ""] = Problem(pointer=pointer, message=_choice_message(spot, data))
    return list(problems.values())


def short(value: object) -> str:
    """Return the value as Python writes it, cut to 80 characters."""
    text = repr(value)
    return text if len(text) <= SHOWN else text[: SHOWN - 3] + "..."


def dotted(keys: Iterable[str | int]) -> str:
    """Return a path of keys as people write it: `cases[2].tags`."""
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys).removeprefix(".")


def _message(error: str, context: Mapping[str, Any], said: str, spot: Spot, noun: str) -> str:
    label = f"'{dotted(spot.keys)}'" if spot.keys else noun or _called(spot.wanted)
    if error in {"extra_forbidden", "unexpected_keyword_argument"}:
        return _unknown_key(spot, noun)
    if spot.is_key:
        return f"the key {spot.keys[-1]!r} of '{dotted(spot.keys[:-1])}' must be {_key_words(spot)}"
    if error in {"missing", "missing_argument"}:
        return _missing_key(spot, noun)
    if error == "value_error":
        return f"{label} {context['error']}"
    return f"{label} {_requirement(error, context, said, spot)}{_got(spot.keys, spot.value)}{_advice(spot)}"


def _unknown_key(spot: Spot, noun: str) -> str:
    key, known = str(spot.keys[-1]), fields(spot.owners[-1])
    message = f"unknown key {key!r} in {_owner(spot, noun)}"
    if key.lower().replace("-", "_") in _KEY_NAMES and "api_key_env" in known:
        return f"{message}: keys come from environment variables: use api_key_env: NAME"
    near = nearest(key, known)
    return f"{message}.{near}" if near else f"{message}. Known: {', '.join(known)}"


def _missing_key(spot: Spot, noun: str) -> str:
    if get_origin(spot.owners[-1]) is tuple:
        return f"'{dotted(spot.keys[:-1])}' must be {_words(spot.owners[-1])}"
    return f"{_owner(spot, noun)} is missing the key {spot.keys[-1]!r}"


def _owner(spot: Spot, noun: str) -> str:
    """Return what the mapping around the key is called: its own key when that is ours, or else its kind."""
    above = spot.keys[:-1]
    if above and str(above[-1]) in fields(spot.owners[-2]):
        return f"'{dotted(above)}'"
    if not above and noun:
        return noun
    return _called(spot.owners[-1])


def _called(model: type) -> str:
    """Return what a value of the model is called: `a case` for a Case."""
    name = re.sub(r"(Spec|Entry|Rule|File)$", "", model.__name__)
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", name).lower()
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _requirement(error: str, context: Mapping[str, Any], said: str, spot: Spot) -> str:
    if error in _BOUNDS:
        name, words = _BOUNDS[error]
        return f"must be {words} {context[name]:g}"
    if error == "string_pattern_mismatch":
        return "may hold only letters, digits, '_', '.' and '-'"
    if error == "too_short":
        return "must not be empty"
    if error.endswith(_OTHER_TYPES) or error in {"literal_error", "too_long"}:
        return f"must be {_words(spot.wanted)}"
    return f"is not valid ({said[:1].lower()}{said[1:]})"


def _got(keys: Sequence[str | int], value: object) -> str:
    return "" if _MAY_HOLD_SECRETS.search(dotted(keys)) else f", got {short(value)}"


def _advice(spot: Spot) -> str:
    if get_origin(spot.wanted) is Literal:
        return _near_literal(spot.value, get_args(spot.wanted))
    if spot.wanted is str and isinstance(spot.value, int | float):
        return ": put it in quotes"
    if kind(spot.wanted) == "list" and isinstance(spot.value, str):
        return ": put it in [ ]"
    return ""


def _near_literal(value: object, known: Iterable[object]) -> str:
    near = nearest(str(value), [str(k) for k in known])
    return near and f".{near}"


def _key_words(spot: Spot) -> str:
    wanted = next(iter(get_args(spot.owners[-1])), str)
    return f"{_words(wanted)}{': put it in quotes' if wanted is str else ''}"


def _choice_message(spot: Spot, data: object) -> str:
    keys, value = spot.choice or (), data
    for key in keys:
        value = within(value, key)
    literals = [a for m in members(spot.choice_type) if get_origin(m) is Literal for a in get_args(m)]
    near = _near_literal(value, literals)
    return f"'{dotted(keys)}' must be {_words(spot.choice_type)}{_got(keys, value)}{near}"


def _words(annotation: Any) -> str:
    """Return what a type is called in a message."""
    wanted = bare(annotation)
    if is_union(wanted):
        return _either([_words(m) for m in members(wanted)])
    if get_origin(wanted) is Literal:
        return _either([repr(a) for a in get_args(wanted)])
    if wanted is datetime.date:
        return "a date such as 2027-03-31"
    if get_origin(wanted) is tuple and Ellipsis not in get_args(wanted):
        return f"a list of {len(get_args(wanted))}"
    return _TYPE_WORDS.get(wanted) or _KIND_WORDS[kind(wanted)]


def _either(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} or {words[-1]}"
