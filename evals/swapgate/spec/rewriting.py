"""A YAML file that people wrote, changed in single values: comments, order, quotes and line ends stay."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from swapgate.errors import SpecError
from swapgate.records import Json
from swapgate.spec.source import shown_path
from swapgate.spec.yaml_core import YamlError, read_document

# What may stand without quotes, also within `{...}`.
_PLAIN = re.compile(r"[A-Za-z0-9][\w./:@~+-]*")


def with_value(text: str, path: Sequence[str], value: Json, *, file: Path) -> str:
    """Return the text with the value at a path of keys; a key that the last mapping lacks is added first.

    Nothing but that value changes: SpecError where it cannot be so, because the value is shared by an anchor,
    comes from a merged mapping, or is no plain text. `file` is named in the error.
    """
    # Quotes only where a bare word would be read otherwise.
    for written in dict.fromkeys((_bare(value), json.dumps(value, ensure_ascii=False))):
        if written is not None and _is_exact(text, changed := _replaced(text, path, written), path, value):
            return changed
    line = _line(text, path)
    raise SpecError(
        f"{'/'.join(path)} cannot be changed by itself, for it is shared by an anchor, merged in, or written "
        f"over several lines: write {value!r} there by hand",
        path=shown_path(file),
        line=line,
    )


def _bare(value: Json) -> str | None:
    return value if isinstance(value, str) and _PLAIN.fullmatch(value) else None


def _replaced(text: str, path: Sequence[str], written: str) -> str:
    """Return the text with what is written at the path replaced, or the key added."""
    mapping = _node(text, path[:-1])
    if not isinstance(mapping, yaml.MappingNode) or not mapping.value:
        return text
    for key, value in mapping.value:
        if key.value == path[-1]:
            return _over(text, value, written)
    first = mapping.value[0][0].start_mark
    added = f"{path[-1]}: {written}"
    apart = ", " if mapping.flow_style else f"{_line_end(text)}{' ' * first.column}"
    return f"{text[: first.index]}{added}{apart}{text[first.index :]}"


def _over(text: str, value: yaml.Node, written: str) -> str:
    if not isinstance(value, yaml.ScalarNode) or value.style in {"|", ">"}:
        return text
    if value.style == "'":
        written = f"'{_unquoted(written).replace(chr(39), 2 * chr(39))}'"
    elif value.style == '"':
        written = json.dumps(_unquoted(written), ensure_ascii=False)
    return f"{text[: value.start_mark.index]}{written}{text[value.end_mark.index :]}"


def _unquoted(written: str) -> str:
    return str(json.loads(written)) if written.startswith('"') else written


def _node(text: str, path: Sequence[str]) -> yaml.Node | None:
    """Return the node at a path. The reader in Python counts characters, that in C does not tell them."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    for name in path:
        if not isinstance(node, yaml.MappingNode):
            return None
        node = next((value for key, value in node.value if key.value == name), None)
    return node


def _line(text: str, path: Sequence[str]) -> int | None:
    for length in range(len(path), 0, -1):
        if (node := _node(text, path[:length])) is not None:
            return int(node.start_mark.line) + 1
    return None


def _is_exact(before: str, after: str, path: Sequence[str], value: Json) -> bool:
    """Whether the new text says what the old one said, but for the value at the path."""
    if after == before:
        return False
    wanted = unaliased(read_document(before)[0])
    inner = wanted
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    try:
        return bool(read_document(after)[0] == wanted)
    except YamlError:
        return False


def unaliased(value: Any) -> Any:
    """Return a copy in which what an alias stands for is a value of its own."""
    if isinstance(value, dict):
        return {key: unaliased(inner) for key, inner in value.items()}
    return [unaliased(inner) for inner in value] if isinstance(value, list) else value


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"
