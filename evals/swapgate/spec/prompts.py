"""Prompts found by name, and rendered for one case and one model."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swapgate.errors import PromptError, SpecError, UsageError, nearest
from swapgate.records import Json, Message
from swapgate.spec.models import ModelSpec
from swapgate.spec.pointers import pointer_of
from swapgate.spec.prompt_entries import Effective, OutputMode, Override, Prompt, Turn, effective
from swapgate.spec.python_prompts import PythonPromptError, read_python, seems_prompt
from swapgate.spec.source import Document, read_text, read_yaml, shown_path, validate
from swapgate.spec.suite import InlinePrompt
from swapgate.spec.templates import check_syntax, render_template
from swapgate.spec.yaml_core import Place
from swapgate.values import Value

__all__ = [
    "OutputMode",
    "Override",
    "Prompt",
    "PromptError",
    "PromptLibrary",
    "Rendered",
    "Turn",
    "inline_prompt",
    "read_prompt",
    "render",
    "templates_of",
]

_SUFFIXES = (".yml", ".yaml", ".txt", ".md", ".j2", ".json", ".py")
# They read the case's variables, or its recorded answer, and may do without any message.
_NEEDS_NO_PROMPT = {"python", "http", "recorded"}
_NO_PROMPT = Prompt(prompt="")


class Rendered(Value):
    """A prompt rendered for one case and one model.

    `hash` is that of the effective templates and parameters for this model (not of the case's values);
    `overrides` names those that applied, weakest first.
    """

    messages: tuple[Message, ...]
    params: dict[str, Json]
    output: OutputMode
    hash: str
    overrides: tuple[str, ...]


class PromptLibrary:
    """The prompts of a folder, each read once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, Prompt] = {}

    def names(self) -> tuple[str, ...]:
        """Return the names of all prompts, sorted."""
        files = self.folder.iterdir() if self.folder.is_dir() else ()
        return tuple(sorted({f.stem for f in files if f.suffix in _SUFFIXES and not _is_no_prompt(f)}))

    def get(self, name: str) -> Prompt:
        """Return the prompt of a name; raise UsageError when there is none, SpecError when it is wrong."""
        if name not in self._read:
            self._read[name] = read_prompt(self.path(name))
        return self._read[name]

    def path(self, name: str) -> Path:
        """Return the file of a prompt; raise UsageError when there is none."""
        files = (self.folder / f"{name}{suffix}" for suffix in _SUFFIXES)
        found = next((file for file in files if file.is_file()), None)
        # A .py file that is asked for by its name was meant as a prompt: reading it says what it lacks.
        if found is None or (found.suffix != ".py" and _is_no_prompt(found)):
            raise UsageError(self._unknown(name))
        return found

    def _unknown(self, name: str) -> str:
        known = ", ".join(self.names()) or "none"
        return (
            f"unknown prompt {name!r}.{nearest(name, self.names())} Prompts in {self.folder.name}/: {known}"
        )


def read_prompt(path: Path) -> Prompt:
    """Return the prompt of a file; raise SpecError at what is wrong, the templates' syntax included.

    `.yml` holds every field. `.txt`, `.md` and `.j2` are the user turn as it stands, `.json` is a list of
    turns, `.py` holds constants that are read and never run; such a prompt is called by its file's name.
    """
    document = prompt_document(path)
    prompt = validate(Prompt, document, noun="the prompt")
    if prompt.prompt != path.stem:
        message = f"the prompt is called {prompt.prompt!r} and its file {path.name!r}: give both one name"
        raise document.error(message, "/prompt")
    for keys, text in templates_of(prompt):
        if problem := check_syntax(text):
            raise document.error(f"'{'.'.join(map(str, keys))}': {problem}", pointer_of(keys))
    return prompt


def inline_prompt(written: InlinePrompt, *, name: str) -> Prompt:
    """Return the prompt that a suite carries itself, under the given name."""
    return Prompt(prompt=name, **written.model_dump())


def render(
    prompt: Prompt | None,
    *,
    model: ModelSpec,
    variables: Mapping[str, Json],
    messages: Sequence[Message] = (),
) -> Rendered:
    """Return the prompt for one case and one model; raise PromptError when a variable has no value.

    A case's own messages take the place of all but the system turns. Parameters: see `effective`.
    """
    found = effective(prompt or _NO_PROMPT, model)
    turns = [turn for turn in found.turns if turn.role == "system"] if messages else found.turns
    if not turns and not messages and model.provider not in _NEEDS_NO_PROMPT:
        raise PromptError(_nothing_to_say(prompt, model))
    try:
        written = [_filled(turn, found, variables) for turn in turns]
    except PromptError as exc:
        name = prompt.prompt if prompt else ""
        raise PromptError(f"prompt {name!r} for model {model.name!r}: {exc}") from exc
    return Rendered(
        messages=(*written, *messages),
        params=found.params,
        output=found.output,
        hash=found.hash,
        overrides=found.overrides,
    )


def _filled(turn: Turn, found: Effective, variables: Mapping[str, Json]) -> Message:
    text = render_template(turn.content, variables=variables, blocks=found.blocks)
    return Message(role=turn.role, content=text)


def _nothing_to_say(prompt: Prompt | None, model: ModelSpec) -> str:
    if prompt is None:
        return "no prompt and no messages: give the suite a prompt: or the case messages:"
    return f"prompt {prompt.prompt!r} has no text for model {model.name!r}: write system:, user: or messages:"


def _is_no_prompt(path: Path) -> bool:
    if path.suffix != ".py":
        return path.stem.lower() == "readme"
    try:
        return not seems_prompt(read_text(path))
    except SpecError:
        return False  # what is wrong is told where it is read


def prompt_document(path: Path) -> Document:
    """Return a prompt's file as the YAML form would say it; raise SpecError where it cannot be read."""
    if path.suffix in {".yml", ".yaml"}:
        return read_yaml(path)
    text = read_text(path)
    shown = shown_path(path)
    if path.suffix == ".py":
        try:
            read, place = read_python(text)
        except PythonPromptError as exc:
            raise SpecError(str(exc), path=shown, line=exc.line) from exc
        return Document(path=path, data={"prompt": path.stem, **read}, place=place, shown=shown)
    data: dict[str, Any] = {"prompt": path.stem, "user": text}
    document = Document(path=path, data=data, place=Place(1), shown=shown)
    if path.suffix != ".json":
        return document
    try:
        turns = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise document.error(f"not valid JSON: {exc}") from exc
    return Document(path=path, data={"prompt": path.stem, "messages": turns}, place=Place(1), shown=shown)


def templates_of(prompt: Prompt) -> Iterator[tuple[list[str | int], str]]:
    """Yield every template of a prompt with the path of its key."""
    yield from _templates_of(prompt, [])
    for name, override in prompt.overrides.items():
        yield from _templates_of(override, ["overrides", name])


def _templates_of(
    written: Prompt | Override, above: list[str | int]
) -> Iterator[tuple[list[str | int], str]]:
    for key, text in (("system", written.system), ("user", written.user)):
        if text is not None:
            yield [*above, key], text
    for index, turn in enumerate(written.messages or ()):
        yield [*above, "messages", index, "content"], turn.content
    for name, text in written.blocks.items():
        yield [*above, "blocks", name], text
