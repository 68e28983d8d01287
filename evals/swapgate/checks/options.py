"""What a kind of check consists of, and how its written options are validated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, Field, ValidationError

from swapgate.checks import Check
from swapgate.errors import UsageError
from swapgate.records import Json
from swapgate.spec.pointers import pointer_parts
from swapgate.spec.problems import dotted, explain
from swapgate.spec.suite import Written
from swapgate.values import Value


class OptionError(UsageError):
    """The options of one check are wrong; `path` leads to the place in them."""

    def __init__(self, message: str, *path: str | int) -> None:
        self.path = path
        super().__init__(message)


class Folders(Value):
    """Where the paths in options start: `base` is the suite file's folder, `root` the workspace's."""

    base: Path
    root: Path


class CheckOptions(Written):
    """Base of every check's options. A short form is turned into the long one by `expand`."""

    @classmethod
    def expand(cls, written: Json) -> Json:
        """Return the mapping that a short form stands for; None is the bare name of the check."""
        return {} if written is None else written

    def names(self, name: str) -> Iterator[str]:
        """Yield what the check may be called; the first that is free becomes its name."""
        yield name
        pointer = getattr(self, "pointer", "")
        if pointer:
            yield f"{name}:{pointer}"


Options = TypeVar("Options", bound=CheckOptions)


class CheckType(Value, Generic[Options]):
    """One kind of check: what an entry point of the group `swapgate.checks` names.

    `build` gets the check's name, its validated options and the folders. `short_forms` are JSON Schemas of
    what may be written in place of the mapping of options, where a model stands for its own schema; without
    `has_long_form` nothing else may be.
    """

    name: str
    summary: str
    options: type[Options]
    build: Callable[[str, Options, Folders], Check]
    short_forms: tuple[Mapping[str, Any] | type[Written], ...] = ()
    has_long_form: bool = True

    def written_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of what may be written after the check's name, without `$defs`."""
        written = (*self.short_forms, self.options) if self.has_long_form else self.short_forms
        forms = [_inlined(form) for form in written]
        return {"description": self.summary, **(forms[0] if len(forms) == 1 else {"anyOf": forms})}


def _inlined(form: Mapping[str, Any] | type[Written]) -> dict[str, Any]:
    """Return the form's schema with its `#/$defs/NAME` written out: it will stand inside a bigger one."""
    schema = form.model_json_schema() if isinstance(form, type) else form
    definitions = schema.get("$defs", {})

    def within(node: Any) -> Any:
        if isinstance(node, list):
            return [within(item) for item in node]
        if isinstance(node, type):
            return _inlined(node)
        if not isinstance(node, Mapping):
            return node
        name = str(node.get("$ref", "")).removeprefix("#/$defs/")
        rest = {k: within(v) for k, v in node.items() if k not in ("$ref", "$defs")}
        return {**within(definitions[name]), **rest} if name in definitions else rest

    return dict(within(schema))


def _checked_pointer(pointer: str) -> str:
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"must start with '/', got {pointer!r}: write '/{pointer}'")
    return pointer


Pointer = Annotated[
    str,
    AfterValidator(_checked_pointer),
    Field(description="JSON pointer (RFC 6901) into the answer, such as /issues/0/line"),
]


def validated(options: type[Options], written: Json) -> Options:
    """Return the options, or raise OptionError with what is wrong and the place of the first mistake."""
    data = options.expand(written)
    try:
        return options.model_validate(data)
    except ValidationError as exc:
        if written is None:
            raise OptionError("its options are missing: write them after its name") from exc
        # The unknown key first: a misspelt key is also a missing one, and the misspelling is what to repair.
        problems = explain(exc, options, data, noun="the check")
        problem = next((p for p in problems if p.message.startswith("unknown key")), problems[0])
        long = path_within(data, pointer_parts(problem.pointer))
        path = path_within(written, long)
        named = f"'{dotted(path)}'" if path else "the check"
        raise OptionError(problem.message.replace(f"'{dotted(long)}'", named), *path) from exc


def path_within(value: Any, steps: Sequence[str | int]) -> tuple[str | int, ...]:
    """Return the steps that exist in the value, the others left out.

    A short form lacks some of the long form's steps, and pydantic's locations also name branches of unions.
    """
    path: list[str | int] = []
    for step in steps:
        if isinstance(value, dict) and step in value:
            path.append(step)
            value = value[step]
        elif isinstance(value, list) and str(step).isdecimal() and int(step) < len(value):
            path.append(int(step))
            value = value[int(step)]
    return tuple(path)
