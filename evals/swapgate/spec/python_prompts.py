"""Prompts that stand in a Python file as constants: read from its text, and none of its code is run."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from swapgate.spec.yaml_core import Place

MAX_CHARS = 1_000_000
_KEYS = {
    "SYSTEM_PROMPT": "system",
    "USER_PROMPT": "user",
    "MESSAGES": "messages",
    "BLOCKS": "blocks",
    "PARAMS": "params",
    "OUTPUT": "output",
}
_NAME = re.compile(rf"({'|'.join(_KEYS)})(?:_([A-Z0-9_]+))?")


_SEEMS_PROMPT = re.compile(rf"^(?:{'|'.join(_KEYS)})", re.MULTILINE)


def seems_prompt(text: str) -> bool:
    """Whether a file is meant as a prompt, and not as other code that lies in the same folder."""
    return _SEEMS_PROMPT.search(text) is not None


class PythonPromptError(ValueError):
    """What is wrong with such a file, and in which line."""

    def __init__(self, message: str, *, line: int = 1) -> None:
        self.line = line
        super().__init__(message)


@dataclass(slots=True)
class _Read:
    """A prompt as its YAML form would say it, and the line of each key."""

    data: dict[str, Any] = field(default_factory=dict)
    lines: dict[str, Place] = field(default_factory=dict)

    def put(self, key: str, value: Any, line: int) -> None:
        self.data[key] = value
        self.lines[key] = Place(line)


def read_python(text: str) -> tuple[dict[str, Any], Place]:
    """Return what a file's constants say: `SYSTEM_PROMPT`, `USER_PROMPT`, `MESSAGES` and so on.

    One with a suffix is an override: `SYSTEM_PROMPT_DEEPSEEK` is the system turn of every model whose name or
    id holds `deepseek`; `_` in a suffix stands for any one character. Raises PythonPromptError.
    """
    base, overrides = _Read(), dict[str, _Read]()
    for node, name, value in _constants(_parsed(text)):
        found = _NAME.fullmatch(name)
        if found is None:
            continue
        place = base if found[2] is None else overrides.setdefault(_glob(found[2]), _Read())
        place.put(_KEYS[found[1]], _literal(name, value), node.lineno)
    if not base.data:
        raise PythonPromptError(
            "it holds no SYSTEM_PROMPT, USER_PROMPT or MESSAGES: give a constant one of these names"
        )
    if overrides:
        base.data["overrides"] = {glob: one.data for glob, one in overrides.items()}
        places = {
            glob: Place(next(iter(one.lines.values())).line, one.lines) for glob, one in overrides.items()
        }
        base.lines["overrides"] = Place(next(iter(places.values())).line, places)
    return base.data, Place(1, base.lines)


def _parsed(text: str) -> ast.Module:
    if len(text) > MAX_CHARS:
        raise PythonPromptError(f"the file has {len(text):,} characters, at most {MAX_CHARS:,} are read")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in texts that are none of ours
            return ast.parse(text)
    except SyntaxError as exc:
        raise PythonPromptError(f"not Python: {exc.msg}", line=exc.lineno or 1) from exc
    except (ValueError, RecursionError, MemoryError) as exc:
        raise PythonPromptError(f"not Python that can be read: {exc}") from exc


def _constants(module: ast.Module) -> Iterator[tuple[ast.stmt, str, ast.expr]]:
    """Yield the assignments of one name at the top of the file."""
    for node in module.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                yield node, name, value
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                yield node, name, value


def _literal(name: str, node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as exc:
        raise PythonPromptError(
            f"{name} is no plain literal: no code of the file is run, so no f-string or call can be read. "
            "Write the text as it is, with {{ name }} where a value goes",
            line=node.lineno,
        ) from exc


def _glob(suffix: str) -> str:
    return f"*{suffix.lower().replace('_', '?')}*"
