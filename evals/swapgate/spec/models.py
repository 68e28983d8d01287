"""The model catalogue and the production tasks of `config/models.yml`, resolved to what a provider needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from swapgate.errors import Mistakes, UsageError, nearest
from swapgate.records import Json
from swapgate.spec.model_entries import (
    STALL_TIMEOUT_S,
    AcceptUnpinned,
    CatalogueFile,
    Limits,
    ModelEntry,
    Price,
    TaskEntry,
)
from swapgate.spec.pointers import pointer_of
from swapgate.spec.source import Document, read_yaml, validate
from swapgate.spec.token_limits import params_over
from swapgate.values import Value

__all__ = [
    "AcceptUnpinned",
    "Catalogue",
    "Limits",
    "ModelEntry",
    "ModelSpec",
    "Price",
    "TaskEntry",
    "keys_of",
    "read_catalogue",
]

# Whose a bare model id is, by how it starts.
PROVIDER_OF_PREFIX: Mapping[str, str] = {
    "claude-": "anthropic",
    "gpt-": "openai",
    "chatgpt-": "openai",
    "o1": "openai",
    "o3": "openai",
    "o4": "openai",
    "gemini-": "gemini",
    "deepseek-": "deepseek",
    "mistral-": "mistral",
    "codestral-": "mistral",
    "ministral-": "mistral",
    "grok-": "xai",
}


class ModelSpec(BaseModel):
    """A model resolved: everything that a provider needs to be opened.

    `name` is what the user calls it (catalogue name or `provider:model`); `fallback` is the name of another
    resolved model. `entry` is the catalogue's name behind a task that has settings of its own.
    """

    model_config = ConfigDict(frozen=True)
    name: str
    entry: str | None = None
    provider: str
    model: str
    base_url: str | None = None
    api_version: str | None = None
    api_key_env: str | None = None
    params: dict[str, Json] = Field(default_factory=dict)
    unset: tuple[str, ...] = ()
    fallback: str | None = None
    limits: Limits = Field(default_factory=Limits)
    price: Price | None = None
    prompt_cache: bool | None = None
    timeout_s: float | None = None
    structured_output: bool | None = None
    stream: bool | None = None
    stall_timeout_s: float = STALL_TIMEOUT_S
    family: str | None = None
    path: str | None = None
    sha256: str | None = None
    cache: bool | None = None
    method: str | None = None
    request: Json = None
    answer: str | None = None
    headers: dict[str, str | dict[str, str]] = Field(default_factory=dict)


class Catalogue(Value):
    """The models that can be named. `notes` says which provider was found for each bare id, to be printed."""

    path: Path
    models: Mapping[str, ModelEntry] = field(default_factory=dict)
    tasks: Mapping[str, TaskEntry] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def names(self) -> tuple[str, ...]:
        """Return every name that `resolve` knows from the file: models, then tasks."""
        return tuple(dict.fromkeys((*self.models, *self.tasks)))

    def resolve(self, name: str) -> ModelSpec:
        """Return the model of a catalogue name, a task or `provider:model`; raise UsageError for any other.

        A task without settings of its own is its catalogue model; with some, it is a model of its own name.
        """
        if name in self.models:
            return self._from_entry(name, self.models[name])
        if name in self.tasks:
            return self._from_task(name, self.tasks[name])
        if ":" in name:
            return _from_pair(name)
        raise UsageError(self._unknown(name, self.names()))

    def fallbacks(self, spec: ModelSpec) -> tuple[ModelSpec, ...]:
        """Return the models to ask when this one cannot be asked, in order."""
        chain: list[ModelSpec] = []
        while (name := (chain[-1] if chain else spec).fallback) is not None:
            chain.append(self.resolve(name))
        return tuple(chain)

    def find(self, written: str, *, is_fallback: bool = False) -> tuple[str, str]:
        """Return the name that `resolve` takes for what stands in the file, and how a bare id was found.

        A fallback may also be a task.
        """
        known = self.names() if is_fallback else tuple(self.models)
        if written in known or ":" in written:
            return written, ""
        for name, entry in self.models.items():
            if entry.model == written:
                return name, f"{written!r}: catalogue entry {name!r}"
        provider = _provider_of(written)
        if provider is None:
            raise UsageError(self._unknown(written, known))
        return f"{provider}:{written}", f"{written!r}: provider {provider} (from the bundled list)"

    def _from_entry(self, name: str, entry: ModelEntry) -> ModelSpec:
        shared = ModelSpec.model_fields.keys() & ModelEntry.model_fields.keys()
        values: dict[str, Any] = {key: getattr(entry, key) for key in shared}
        fallback = self.find(entry.fallback, is_fallback=True)[0] if entry.fallback else None
        return ModelSpec(**values | {"name": name, "model": entry.model or name, "fallback": fallback})

    def _from_task(self, name: str, task: TaskEntry) -> ModelSpec:
        own = {key: getattr(task, key) for key in ("base_url", "api_version", "api_key_env", "stream")}
        update: dict[str, Any] = {key: value for key, value in own.items() if value is not None}
        if task.fallback:
            update["fallback"] = self.find(task.fallback, is_fallback=True)[0]
        params = _task_params(task)
        if task.provider is not None:
            base = _from_pair(f"{task.provider}:{task.model}")
        else:
            base = self.resolve(self.find(task.model)[0])
            if not update and not params:
                return base
            update["entry"] = base.name
        return base.model_copy(update={**update, "name": name, "params": params_over(base.params, params)})

    def _unknown(self, name: str, known: tuple[str, ...]) -> str:
        provider = _provider_of(name)
        example = f"{provider}:{name}" if provider else "openai:gpt-5.5-2026-04-23"
        message = f"unknown model {name!r}.{nearest(name, known)}"
        if not known:
            return (
                f"{message} No models are written in {self.path.name}; write provider:model, as in {example}"
            )
        return f"{message} Known: {', '.join(known)}; or write provider:model, as in {example}"


def read_catalogue(path: Path) -> Catalogue:
    """Return the catalogue of a file, empty when there is no file; raise SpecError at what is wrong.

    A file without `models:` and `tasks:` is a mapping of tasks.
    """
    if not path.exists():
        return Catalogue(path=path)
    document = read_yaml(path)
    written = _read_parts(document)
    catalogue = Catalogue(path=path, models=written.models, tasks=written.tasks)
    notes = list(_check_names(catalogue, document))
    return Catalogue(path=path, models=written.models, tasks=written.tasks, notes=tuple(dict.fromkeys(notes)))


def keys_of(document: Document, part: str, name: str) -> list[str]:
    """Return the keys that lead to a model or a task; `part` is `models` or `tasks`."""
    return [part, name] if _has_parts(document) else [name]


def _has_parts(document: Document) -> bool:
    return not isinstance(document.data, dict) or bool(document.data.keys() & {"models", "tasks"})


def _read_parts(document: Document) -> CatalogueFile:
    if _has_parts(document):
        return validate(CatalogueFile, document, noun="the file")
    tasks: dict[str, TaskEntry] = {}
    for key, value in document.data.items():
        if isinstance(value, dict) and value and all(isinstance(v, dict) for v in value.values()):
            known = nearest(str(key), ("models", "tasks")) or " Write models: or tasks:"
            raise document.error(f"unknown key {key!r} in the file.{known}", pointer_of([key]))
        tasks[str(key)] = validate(TaskEntry, document, at=pointer_of([key]), noun=f"the task {key!r}")
    return CatalogueFile(tasks=tasks)


def _check_names(catalogue: Catalogue, document: Document) -> Iterator[str]:
    """Yield how bare ids were found; raise SpecError for unknown names and for fallbacks in a circle."""
    fallbacks: dict[str, str] = {}
    mistakes = Mistakes()
    for part, entries in (("models", catalogue.models), ("tasks", catalogue.tasks)):
        for name, entry in entries.items():
            above = pointer_of(keys_of(document, part, name))
            if isinstance(entry, TaskEntry) and entry.provider is None:
                with mistakes:
                    yield from _found(catalogue, document, f"{above}/model", entry.model)
            if entry.fallback:
                with mistakes:
                    yield from _found(
                        catalogue, document, f"{above}/fallback", entry.fallback, is_fallback=True
                    )
                fallbacks[f"{above}/fallback"] = name
    mistakes.refuse()
    for pointer, name in fallbacks.items():
        _check_circle(catalogue, document, pointer, name)


def _found(
    catalogue: Catalogue, document: Document, pointer: str, written: str, *, is_fallback: bool = False
) -> Iterator[str]:
    try:
        how = catalogue.find(written, is_fallback=is_fallback)[1]
    except UsageError as exc:
        raise document.error(str(exc), pointer) from exc
    if how:
        yield f"{pointer.rpartition('/')[2]} {how}"


def _check_circle(catalogue: Catalogue, document: Document, pointer: str, name: str) -> None:
    chain = [name]
    following = catalogue.resolve(name).fallback
    while following is not None:
        chain.append(following)
        if following in chain[:-1]:
            raise document.error(f"fallbacks go in a circle: {' -> '.join(chain)}", pointer)
        following = catalogue.resolve(following).fallback


def _provider_of(model: str) -> str | None:
    return next((p for prefix, p in PROVIDER_OF_PREFIX.items() if model.startswith(prefix)), None)


def _task_params(task: TaskEntry) -> dict[str, Json]:
    named = {"temperature": task.temperature, "top_p": task.top_p, "max_tokens": task.max_tokens}
    return params_over(task.params, {key: value for key, value in named.items() if value is not None})


def _from_pair(name: str) -> ModelSpec:
    """Return the model of `provider:model`; the `recorded` and `local` providers take a file's path there.

    An absolute path is no part of the name: names go into records and reports.
    """
    provider, _, model = name.partition(":")
    if not provider or not model:
        raise UsageError(f"model {name!r}: write provider:model, as in openai:gpt-5.5-2026-04-23")
    is_file = provider == "recorded" or (provider == "local" and model.endswith(".gguf"))
    if not is_file:
        return ModelSpec(name=name, provider=provider, model=model)
    file = Path(model)
    shown = f"{provider}:{file.name}" if file.is_absolute() else name
    return ModelSpec(name=shown, provider=provider, model=file.stem, path=model)
