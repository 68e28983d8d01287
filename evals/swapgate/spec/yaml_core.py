"""YAML 1.2's core schema read into plain values, with the line of every key and item.

`on`, `yes` and dates stay text, duplicate keys and unknown tags are errors, aliases are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import yaml

MAX_VALUES = 2_000_000
MAX_DEPTH = 100

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG_PREFIX = "tag:yaml.org,2002:"
_MERGE = object()

# YAML 1.2.2, section 10.3.2.
_NULL = re.compile(r"null|Null|NULL|~|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_OCTAL = re.compile(r"0o[0-7]+")
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INFINITY = re.compile(r"[-+]?\.(inf|Inf|INF)")
_NAN = re.compile(r"\.(nan|NaN|NAN)")
_MAY_BE_NO_TEXT = frozenset("-+.0123456789~nNtTfF")

_RULES: tuple[tuple[str, re.Pattern[str], Callable[[str], Any]], ...] = (
    ("null", _NULL, lambda text: None),
    ("bool", _BOOL, lambda text: text[0] in "tT"),
    ("int", _INT, int),
    ("int", _OCTAL, lambda text: int(text, 8)),
    ("int", _HEX, lambda text: int(text, 16)),
    ("float", _FLOAT, float),
    ("float", _INFINITY, lambda text: float(text.replace(".", ""))),
    ("float", _NAN, lambda text: float("nan")),
)


class YamlError(Exception):
    """What is wrong with the text, and on which line (from 1)."""

    def __init__(self, problem: str, line: int | None) -> None:
        self.problem = problem
        self.line = line
        super().__init__(problem)


class Place(NamedTuple):
    """Where a value is written: its line (from 1) and the places of what is inside it, by key or index."""

    line: int
    inside: dict[str, Place] | list[Place] | None = None


# A value, the places of what is inside it, how many values it holds with aliases written out, and how deep it
# goes. A plain tuple: each scalar is one for a moment.
_Node: TypeAlias = tuple[Any, "dict[str, Place] | list[Place] | None", int, int]


def read_document(text: str) -> tuple[Any, Place]:
    """Return the value and the places of the text's one document (None when empty); raise YamlError."""
    try:
        return _document(_LOADER(text))
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = mark.line + 1 if mark else None
        raise YamlError(f"not valid YAML: {exc.problem or exc.context}{_hint(text, line)}", line) from exc
    except yaml.reader.ReaderError as exc:
        line = text.encode()[: exc.position].count(b"\n") + 1
        raise YamlError(f"not valid YAML: {exc.reason} (U+{ord(_char(exc.character)):04X})", line) from exc


def _document(loader: Any) -> tuple[Any, Place]:
    following = loader.get_event
    following()
    first = following()
    if isinstance(first, yaml.StreamEndEvent):
        return None, Place(1)
    start = following()
    value, inside, _size, _height = _Builder(following).node(start, depth=0)
    following()
    after = following()
    if isinstance(after, yaml.DocumentStartEvent):
        raise YamlError("a second document starts here ('---'): write one document a file", _line(after))
    return value, Place(_line(start), inside)


def _char(character: str | int) -> str:
    return chr(character) if isinstance(character, int) else character


def _hint(text: str, line: int | None) -> str:
    written = text.split("\n")[line - 1] if line and line <= text.count("\n") + 1 else ""
    indent = written[: len(written) - len(written.lstrip())]
    if "\t" in indent:
        return " (the line is indented with a tab: use spaces)"
    if written.count(": ") > 1:
        return " (put a text that holds ': ' in quotes)"
    return ""


def _line(event: Any) -> int:
    line: int = event.start_mark.line
    return line + 1


class _Builder:
    """Builds values out of events, one call a value; the depth cap bounds the recursion."""

    def __init__(self, following: Callable[[], Any]) -> None:
        self.following = following
        self.anchors: dict[str, _Node] = {}
        self.unfinished: set[str] = set()
        self.values = 0

    def node(self, event: Any, depth: int) -> _Node:
        """Return the value that starts with this event."""
        if isinstance(event, yaml.AliasEvent):
            return self.aliased(event, depth)
        self.count(event, size=1, depth=depth)
        anchor = event.anchor
        if isinstance(event, yaml.ScalarEvent):
            node: _Node = (_scalar(event), None, 1, 0)
        else:
            if anchor:
                self.unfinished.add(anchor)
            build = self.mapping if isinstance(event, yaml.MappingStartEvent) else self.sequence
            node = build(event, depth)
        if anchor:
            self.unfinished.discard(anchor)
            self.anchors[anchor] = node
        return node

    def aliased(self, event: Any, depth: int) -> _Node:
        """Return what the alias stands for, counted as if it were written out."""
        if event.anchor in self.unfinished:
            raise YamlError(f"'*{event.anchor}' stands inside what it refers to", _line(event))
        if event.anchor not in self.anchors:
            raise YamlError(f"'*{event.anchor}' has no '&{event.anchor}' before it", _line(event))
        node = self.anchors[event.anchor]
        _value, _inside, size, height = node
        self.count(event, size=size, depth=depth + height)
        return node

    def count(self, event: Any, *, size: int, depth: int) -> None:
        """Refuse documents that are too large or too deep once their aliases are written out."""
        self.values += size
        if self.values > MAX_VALUES:
            raise YamlError(f"more than {MAX_VALUES:,} values, aliases written out", _line(event))
        if depth > MAX_DEPTH:
            raise YamlError(f"nested more than {MAX_DEPTH} levels deep", _line(event))

    def sequence(self, start: Any, depth: int) -> _Node:
        """Return a list."""
        _check_collection_tag(start, "seq")
        value: list[Any] = []
        places: list[Place] = []
        size, height = 1, 0
        while not isinstance(event := self.following(), yaml.SequenceEndEvent):
            item, inside, its_size, its_height = self.node(event, depth + 1)
            value.append(item)
            places.append(Place(_line(event), inside))
            size += its_size
            height = max(height, its_height)
        return value, places, size, height + 1

    def mapping(self, start: Any, depth: int) -> _Node:
        """Return a mapping; keys of its own win over merged ones."""
        _check_collection_tag(start, "map")
        value: dict[Any, Any] = {}
        places: dict[str, Place] = {}
        merged: _Node | None = None
        size, height, merge_line = 1, 0, 0
        while not isinstance(event := self.following(), yaml.MappingEndEvent):
            key, line = _key(event), _line(event)
            node = item, inside, its_size, its_height = self.node(self.following(), depth + 1)
            size += its_size
            height = max(height, its_height)
            if key is _MERGE:
                _refuse_second("<<", merge_line, line)
                merged, merge_line = node, line
                continue
            name = str(key)
            if name in places:
                _refuse_second(key, places[name].line, line)
            value[key] = item
            places[name] = Place(line, inside)
        if merged is not None:
            _merge(merged, value, places, merge_line)
        return value, places, size, height + 1


def _refuse_second(key: str | int, first_line: int, line: int) -> None:
    if first_line:
        raise YamlError(f"the key {key!r} is written twice: here and on line {first_line}", line)


def _check_collection_tag(event: Any, kind: str) -> None:
    if event.tag not in {None, "!", _TAG_PREFIX + kind}:
        raise YamlError(f"unknown tag '{_shown_tag(event.tag)}': leave it out", _line(event))


def _merge(source: _Node, value: dict[Any, Any], places: dict[str, Place], line: int) -> None:
    """Put the keys of a merged mapping, or of a list of them (earlier ones win), under the mapping's own."""
    written: Any = source[0]
    inside: Any = source[1]
    if isinstance(written, list):
        sources = list(zip(written, (place.inside for place in inside), strict=True))
    else:
        sources = [(written, inside)]
    for merged, merged_places in sources:
        if not isinstance(merged, dict):
            raise YamlError("'<<' takes a mapping, or a list of mappings", line)
        for key, item in merged.items():
            if str(key) not in places:
                value[key] = item
                places[str(key)] = merged_places[str(key)]


def _key(event: Any) -> Any:
    """Return a key: text, or a whole number as it is; _MERGE for a bare `<<`."""
    if not isinstance(event, yaml.ScalarEvent) or event.anchor:
        raise YamlError("a key must be a plain text or number, without anchor or alias", _line(event))
    if event.value == "<<" and event.implicit[0] and event.tag is None:
        return _MERGE
    key = _scalar(event)
    if isinstance(key, bool) or not isinstance(key, str | int):
        raise YamlError(f"the key {event.value!r} is not text: put it in quotes", _line(event))
    return key


def _scalar(event: Any) -> Any:
    """Return the value of a scalar by its tag, its quotes, or the core schema."""
    tag = event.tag
    try:
        if tag is None and event.implicit[0]:
            return _resolve(event.value)[1]
        if tag in {None, "!", _TAG_PREFIX + "str"}:
            return event.value
        return _tagged(event)
    except ValueError as exc:
        raise YamlError(f"the number {event.value[:20]}... is too long", _line(event)) from exc


def _resolve(text: str) -> tuple[str, Any]:
    """Return the kind and the value of a plain scalar."""
    if text and text[0] not in _MAY_BE_NO_TEXT:
        return "str", text
    for kind, pattern, convert in _RULES:
        if pattern.fullmatch(text):
            return kind, convert(text)
    return "str", text


def _tagged(event: Any) -> Any:
    """Return a scalar with one of the core schema's tags; refuse any other tag."""
    wanted = event.tag.removeprefix(_TAG_PREFIX)
    if wanted not in {"null", "bool", "int", "float"}:
        message = f"unknown tag '{_shown_tag(event.tag)}': leave it out"
        raise YamlError(message, _line(event))
    kind, value = _resolve(event.value)
    if wanted == "float" and kind == "int":
        return float(value)
    if kind != wanted:
        raise YamlError(f"{event.value!r} is no {_shown_tag(event.tag)}", _line(event))
    return value


def _shown_tag(tag: str) -> str:
    return tag.replace(_TAG_PREFIX, "!!") if tag.startswith(_TAG_PREFIX) else tag
