"""What is read from another tool's file before it is written as a suite; what could not be said is listed."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any

from swapgate.errors import UsageError
from swapgate.records import Json, content_hash
from swapgate.values import Value

_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_.-]+")
_LONGEST_ID = 60


class Untranslated(Value):
    """One thing of the file that the suite does not have: where it stands, what it is, and why not."""

    place: str
    what: str
    why: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}: {self.why}"


class Output(Value):
    """One answer that a model gave to a case, recorded by the other tool."""

    text: str
    model: str = "imported"
    repeat: int = 1


class ImportedCase(Value):
    """One case as a suite writes it, and the answers to it that were recorded."""

    name: str
    input: Mapping[str, Json] = field(default_factory=dict)
    messages: Sequence[Mapping[str, Json]] = ()
    expected: Json = None
    tags: Sequence[str] = ()
    cluster: str | None = None
    checks: Sequence[Json] = ()
    judges: Sequence[str] = ()
    outputs: Sequence[Output] = ()


class Imported(Value):
    """A file read: a suite with its checks, judges and cases, and what it could not say.

    Each of the `prompts` makes a suite of the same cases. `judges` are the judges' files by name, without
    their model. `notes` are what a person should know of the translation.
    """

    name: str
    cases: Sequence[ImportedCase]
    description: str = ""
    prompts: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    checks: Sequence[Json] = ()
    suite_judges: Sequence[str] = ()
    judges: Mapping[str, Mapping[str, Json]] = field(default_factory=dict)
    untranslated: Sequence[Untranslated] = ()
    notes: Sequence[str] = ()


class Judges:
    """The judges that a file's rubrics become: the same words are one judge."""

    def __init__(self) -> None:
        self.files: dict[str, Mapping[str, Json]] = {}
        self._named: dict[str, str] = {}

    def of_rubric(self, rubric: str, *, name: str = "") -> str:
        """Return the name of the judge that asks whether an answer meets the rubric."""
        key = content_hash(rubric)
        if key not in self._named:
            wanted = as_id(name) or "rubric"
            number = sum(known == wanted or known.startswith(f"{wanted}-") for known in self.files) + 1
            self._named[key] = wanted if number == 1 else f"{wanted}-{number}"
            self.files[self._named[key]] = {"criteria": {"meets": {"ask": rubric}}, "pass": "meets"}
        return self._named[key]

    def of_library(self, name: str) -> str:
        """Return the name of a judge made of a ready one."""
        self.files[name] = {"extends": f"swapgate/{name}"}
        return name


def as_id(text: object) -> str:
    """Return a text as an id may be written: letters, digits, `_`, `.`, `-`; empty where none is left."""
    return _NOT_IN_IDS.sub("-", str(text)).strip("-.")[:_LONGEST_ID].rstrip("-.")


def unique_ids(names: Iterable[str]) -> list[str]:
    """Return ids for names, each once: a second `a` becomes `a-2`, one without letters `case-N`."""
    taken = set[str]()
    found = []
    for number, name in enumerate(names, 1):
        wanted = as_id(name) or f"case-{number}"
        unique, turn = wanted, 2
        while unique in taken:
            unique, turn = f"{wanted}-{turn}", turn + 1
        taken.add(unique)
        found.append(unique)
    return found


def text_of(value: Json) -> str:
    """Return a value as a prompt would show it: a text as it is, all else as JSON."""
    from swapgate.spec.templates import as_json

    return value if isinstance(value, str) else as_json(value)


def content_text(content: object) -> str:
    """Return the text of a turn's content, which may be a list of parts."""
    parts = content if isinstance(content, list) else [content]
    return "\n".join(str(p.get("text", "")) if isinstance(p, dict) else str(p or "") for p in parts)


def as_mapping(value: object, *, place: str) -> Mapping[str, Any]:
    """Return a value that must be a mapping; UsageError with its place for any other."""
    if not isinstance(value, dict):
        raise UsageError(f"{place}: wanted an object, got {type(value).__name__}")
    return value


def as_input(value: Json) -> Mapping[str, Json]:
    """Return a case's input as variables of a prompt: a mapping as it is, all else as `input`."""
    if isinstance(value, dict):
        return {as_variable(key): below for key, below in value.items()}
    return {} if value is None else {"input": value}


def as_variable(name: str) -> str:
    """Return a name as a template can write it."""
    plain = "".join(letter if f"_{letter}".isidentifier() else "_" for letter in name)
    return plain if plain.isidentifier() else f"_{plain}"
