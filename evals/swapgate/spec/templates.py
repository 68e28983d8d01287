"""Jinja2 in a sandbox: templates are the workspace's own; values are anybody's and are never evaluated."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, UndefinedError, nodes
from jinja2.exceptions import SecurityError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import MAX_RANGE, ImmutableSandboxedEnvironment, SandboxedEnvironment

from swapgate.errors import PromptError, nearest
from swapgate.values import Value

MAX_CHARACTERS = 5_000_000
MAX_STEPS = 1_000_000
MAX_DIGITS = 4_000
# They roll dice, write HTML, or grow a text to any given width.
_REFUSED_FILTERS = ("random", "urlize", "xmlattr", "center", "format", "batch", "slice")
_REFUSED_METHODS = {"center", "ljust", "rjust", "zfill", "expandtabs", "format", "format_map"}
_UNDEFINED = re.compile(r"'(\w+)' is undefined")
# What a template of a user's can raise while it runs.
_TEMPLATE_FAILURES = (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError)


class TooMuchError(Exception):
    """A template asks for more output, steps or digits than any prompt needs."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Refuse what would fill the memory before the output's cap can see it."""

    intercepted_binops = frozenset({"*", "**", "%"})

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Refuse also the methods that pad a text to any width."""
        is_padding = isinstance(obj, str) and attr in _REFUSED_METHODS
        return not is_padding and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Multiply and raise to powers within bounds."""
        if operator == "**" and abs(right) * max(len(str(abs(left))), 1) > MAX_DIGITS:
            raise TooMuchError("a power has too many digits")
        if operator == "%" and isinstance(left, str):
            raise SecurityError("% formatting of a text")
        sized, times = (left, right) if hasattr(left, "__len__") else (right, left)
        if operator == "*" and hasattr(sized, "__len__") and len(sized) * times > MAX_CHARACTERS:
            raise TooMuchError(f"something is repeated {times!r} times")
        return super().call_binop(context, operator, left, right)


class Blocks:
    """The named pieces of a prompt, each rendered where `blocks.NAME` stands."""

    __slots__ = ("_open", "_render", "_texts")

    def __init__(self, texts: Mapping[str, str], render: Callable[[str], str]) -> None:
        self._texts = texts
        self._render = render
        self._open: list[str] = []

    def __getitem__(self, name: str) -> str:
        if name not in self._texts:
            known = ", ".join(sorted(self._texts)) or "none"
            raise PromptError(f"no block {name!r}.{nearest(name, self._texts)} Blocks: {known}")
        if name in self._open:
            raise PromptError(f"blocks go in a circle: {' -> '.join([*self._open, name])}")
        self._open.append(name)
        try:
            return self._render(self._texts[name])
        finally:
            self._open.pop()


def check_syntax(text: str) -> str:
    """Return what is wrong with a template's syntax, an empty string when nothing is."""
    try:
        _compiled(text)
    except TemplateSyntaxError as exc:
        return f"template, its line {exc.lineno}: {exc.message}"
    except _TEMPLATE_FAILURES as exc:
        return f"template: {exc}"
    except (TooMuchError, RecursionError, MemoryError) as exc:
        return f"template: out of bounds ({exc})"
    return ""


class UsedNames(Value):
    """What a template reads: the variables of a case, and blocks."""

    variables: frozenset[str]
    blocks: frozenset[str]


def used_names(text: str) -> UsedNames:
    """Return the names that a template reads; its syntax must be right."""
    tree = _environment().parse(text)
    blocks = [one.attr for one in tree.find_all(nodes.Getattr) if _is_of_blocks(one.node)]
    for one in tree.find_all(nodes.Getitem):
        if _is_of_blocks(one.node) and isinstance(one.arg, nodes.Const):
            blocks.append(str(one.arg.value))
    names = find_undeclared_variables(tree) - {"blocks", "range"}
    return UsedNames(variables=frozenset(names), blocks=frozenset(blocks))


def constructs(text: str) -> frozenset[str]:
    """Return what a template does beyond inserting variables and blocks: `for`, `.items`, `|upper`, `f()`.

    Its syntax must be right.
    """
    found = set[str]()
    for node in _environment().parse(text).find_all(nodes.Node):
        match node:
            case nodes.Getattr() if not _is_of_blocks(node.node):
                found.add(f".{node.attr}")
            case nodes.Getitem() if not _is_of_blocks(node.node):
                found.add("[...]")
            case nodes.Filter() | nodes.Test():
                found.add(f"|{node.name}")
            case nodes.Call():
                found.add("a call")
            case nodes.Name(name="range"):
                found.add("range")
            case nodes.Stmt() if not isinstance(node, nodes.Output):
                found.add(type(node).__name__.lower())
            case nodes.BinExpr() | nodes.UnaryExpr() | nodes.Concat():
                found.add("arithmetic")
    return frozenset(found)


def _is_of_blocks(node: nodes.Expr) -> bool:
    return isinstance(node, nodes.Name) and node.name == "blocks"


def render_template(text: str, *, variables: Mapping[str, object], blocks: Mapping[str, str]) -> str:
    """Return the text with its placeholders filled; raise PromptError when that cannot be done.

    Text is inserted as it is, anything else as JSON. `{{ }}` inside a value stays as it is.
    """
    values: dict[str, Any] = {"range": _bounded_range(), **variables}
    if blocks:
        values["blocks"] = Blocks(blocks, lambda block: _filled(block, values))
    try:
        return _filled(text, values)
    except UndefinedError as exc:
        raise PromptError(_undefined_message(exc, variables)) from exc
    except SecurityError as exc:
        raise PromptError(f"the template is not allowed to do this: {exc}") from exc
    except TooMuchError as exc:
        raise PromptError(f"the template is out of bounds: {exc}") from exc
    except (RecursionError, MemoryError, OverflowError) as exc:
        raise PromptError("the template is out of bounds: it nests too deeply or grows too large") from exc
    except _TEMPLATE_FAILURES as exc:
        raise PromptError(f"the template cannot be filled: {exc}") from exc


def _filled(text: str, values: Mapping[str, Any]) -> str:
    if (written := _of_texts(text, values)) is not None:
        return written
    parts: list[str] = []
    length = 0
    for part in _compiled(text).generate(values):
        length += len(part)
        if length > MAX_CHARACTERS:
            raise TooMuchError(f"the text is longer than {MAX_CHARACTERS:,} characters")
        parts.append(part)
    return "".join(parts)


def _of_texts(text: str, values: Mapping[str, Any]) -> str | None:
    """Return a template that does no more than insert texts, None for any other and for what is too long.

    Nearly all do no more; Jinja takes five times as long to say the same.
    """
    if (pieces := _pieces(text)) is None:
        return None
    parts: list[str] = []
    for name, part in pieces:
        value = values.get(name) if name else part
        if type(value) is not str:
            return None
        parts.append(value)
    written = "".join(parts)
    return written if len(written) <= MAX_CHARACTERS else None


@lru_cache(maxsize=1024)
def _pieces(text: str) -> tuple[tuple[str, str], ...] | None:
    """Return a template as names of variables and texts between them, None where it does more."""
    pieces = []
    for node in _environment().parse(text).body:
        if not isinstance(node, nodes.Output):
            return None
        for piece in node.nodes:
            match piece:
                case nodes.TemplateData(data=data):
                    pieces.append(("", data))
                case nodes.Name(name=name) if name != "self":  # which Jinja takes for the template
                    pieces.append((name, ""))
                case _:
                    return None
    return tuple(pieces)


@lru_cache(maxsize=1)
def _environment() -> SandboxedEnvironment:
    # autoescape is for HTML; a prompt is plain text.
    environment = _Sandbox(undefined=StrictUndefined, autoescape=False, finalize=_inserted)
    # Jinja's own tojson writes `<` as \u003c, for HTML.
    environment.filters["tojson"] = as_json
    for name in _REFUSED_FILTERS:
        del environment.filters[name]
    del environment.globals["lipsum"]
    return environment


@lru_cache(maxsize=1024)
def _compiled(text: str) -> Template:
    return _environment().from_string(text)


def _inserted(value: Any) -> Any:
    """Return how a value stands in the text: JSON for lists, mappings, true, false and null."""
    return as_json(value) if value is None or isinstance(value, dict | list | tuple | bool) else value


def as_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _bounded_range() -> Callable[..., range]:
    """Return a `range` for one rendering: nested loops add up."""
    steps = 0

    def bounded(*bounds: int) -> range:
        nonlocal steps
        asked = range(*bounds)
        steps += len(asked)
        if len(asked) > MAX_RANGE or steps > MAX_STEPS:
            raise TooMuchError(f"more than {MAX_STEPS:,} steps of range()")
        return asked

    return bounded


def _undefined_message(error: UndefinedError, variables: Mapping[str, object]) -> str:
    said = str(error.message)
    if (match := _UNDEFINED.fullmatch(said)) is None:
        return f"the template cannot be filled: {said}"
    name = match.group(1)
    offered = ", ".join(sorted(variables)) or "nothing"
    return f"the variable {name!r} has no value.{nearest(name, variables)} The case offers: {offered}"
