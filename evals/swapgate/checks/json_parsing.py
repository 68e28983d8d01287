"""One strict attempt at one JSON value at one place of a text, with all that is dubious about the value."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from swapgate.checks.json_faults import is_cut_off
from swapgate.checks.wording import pointer_shown
from swapgate.records import Json
from swapgate.values import Value

MAX_DEPTH: Final = 128
_MAX_POINTERS: Final = 100
_SURROGATE_ESCAPE: Final = re.compile(r"\\u[dD][89a-fA-F]|[\ud800-\udfff]")
# A node of a value and the way to it: (parent's way, key or index).
_Way = tuple[Any, ...]


class Parsed(Value):
    """A JSON value in `text[start:end]`. Pointers lead into the value."""

    start: int
    end: int
    value: Json
    duplicate_keys: tuple[str, ...] = ()
    non_finite: tuple[str, ...] = ()
    has_huge_ints: bool = False
    has_lone_surrogates: bool = False


class Broken(Value):
    """No JSON value at `start`: the parser gave up at `at`, `is_cut_off` when only for the text's end."""

    start: int
    at: int
    is_cut_off: bool = False
    is_too_deep: bool = False


def parse_at(text: str, start: int) -> Parsed | Broken:
    """Parse the JSON value that begins exactly at `start`; whatever follows it is left alone."""
    recorder = _Recorder()
    try:
        value, end = recorder.decode(text, start)
    except json.JSONDecodeError as exc:
        return Broken(start=start, at=exc.pos, is_cut_off=is_cut_off(text, exc.pos))
    except RecursionError:
        return Broken(start=start, at=start, is_too_deep=True)
    if text.count("{", start, end) + text.count("[", start, end) > MAX_DEPTH and _is_deeper_than(
        value, MAX_DEPTH
    ):
        return Broken(start=start, at=start, is_too_deep=True)
    duplicates, non_finite = recorder.pointers(value)
    return Parsed(
        start=start,
        end=end,
        value=value,
        duplicate_keys=duplicates,
        non_finite=non_finite,
        has_huge_ints=recorder.has_huge_ints,
        has_lone_surrogates=_has_lone_surrogates(text, start, end, value),
    )


class _NonFinite(float):
    """A NaN or Infinity that was written as a literal, unlike the infinity that 1e999 becomes."""


class _NotPlainError(ValueError):
    """There is something about a value that is to be noted."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise _NotPlainError
    return made


def _refused(_name: str) -> float:
    raise _NotPlainError


_PLAIN: Final = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_refused)


class _Recorder:
    """Decodes with hooks that note what strict JSON forbids and Python's decoder lets pass."""

    def __init__(self) -> None:
        # By the object's id; the object itself is kept, lest its id be given to another.
        self.duplicates: dict[int, tuple[dict[str, Any], list[str]]] = {}
        self.has_non_finite = False
        self.has_huge_ints = False

    def decode(self, text: str, start: int) -> tuple[Any, int]:
        """Return the value and where it ends; nearly every one is plain, and nothing is to be noted."""
        try:
            return _PLAIN.raw_decode(text, start)
        except json.JSONDecodeError:
            raise
        except ValueError:
            return self._noted(text, start)

    def _noted(self, text: str, start: int) -> tuple[Any, int]:
        hooks: dict[str, Any] = {"object_pairs_hook": self._object, "parse_constant": self._constant}
        try:
            return json.JSONDecoder(**hooks).raw_decode(text, start)
        except json.JSONDecodeError:
            raise
        except ValueError:
            # More digits than Python's limit for text to int; the hook would slow down every other answer.
            return json.JSONDecoder(parse_int=self._integer, **hooks).raw_decode(text, start)

    def pointers(self, value: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return the pointers of duplicate keys and of non-finite literals, at most 100 of each."""
        duplicates: list[str] = []
        non_finite: list[str] = []
        if not (self.duplicates or self.has_non_finite):
            return (), ()
        for way, node in _walk(value):
            if id(node) in self.duplicates:
                duplicates.extend(pointer_shown([*_path(way), key]) for key in self.duplicates[id(node)][1])
            if isinstance(node, _NonFinite):
                non_finite.append(pointer_shown(_path(way)))
            if max(len(duplicates), len(non_finite)) >= _MAX_POINTERS:
                break
        return tuple(duplicates[:_MAX_POINTERS]), tuple(non_finite)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) != len(pairs) and len(self.duplicates) < _MAX_POINTERS:
            times = Counter(key for key, _ in pairs)
            self.duplicates[id(made)] = made, [key for key, n in times.items() if n > 1]
        return made

    def _constant(self, name: str) -> float:
        self.has_non_finite = True
        return _NonFinite(name)

    def _integer(self, digits: str) -> int | float:
        try:
            return int(digits)
        except ValueError:
            self.has_huge_ints = True
            return float(digits)


def _walk(value: Any) -> Iterator[tuple[_Way, Any]]:
    """Yield every object, array and non-finite literal with the way to it."""
    stack: list[tuple[_Way, Any]] = [((), value)]
    while stack:
        way, node = stack.pop()
        yield way, node
        if isinstance(node, (dict, list)):
            children = node.items() if isinstance(node, dict) else enumerate(node)
            notable = [((way, step), c) for step, c in children if isinstance(c, (dict, list, _NonFinite))]
            stack.extend(reversed(notable))


def _path(way: _Way) -> list[str | int]:
    steps: list[str | int] = []
    while way:
        way, step = way
        steps.append(step)
    return steps[::-1]


def _is_deeper_than(value: Any, limit: int) -> bool:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(limit):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True


def _has_lone_surrogates(text: str, start: int, end: int, value: Any) -> bool:
    is_plain = text.isascii() and text.find("\\u", start, end) < 0
    if is_plain or not _SURROGATE_ESCAPE.search(text, start, end):
        return False
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
