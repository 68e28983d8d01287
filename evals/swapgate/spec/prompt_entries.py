"""What people write in `prompts/*.yml`, and what of it applies to one model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Literal, Self

from pydantic import Field, PrivateAttr, model_validator

from swapgate.records import Json, content_hash
from swapgate.spec.models import ModelSpec
from swapgate.spec.suite import Written
from swapgate.spec.token_limits import kept_below
from swapgate.values import Value, replace

OutputMode = Literal["text", "json", "schema"]


class Turn(Written):
    """One written turn of a prompt with several."""

    role: Literal["system", "user", "assistant"]
    content: str


class Override(Written):
    """What one model (exact name or id), a glob of them, or `provider:NAME` gets instead.

    A key left out keeps the base's value; an explicit null removes it.
    """

    system: str | None = None
    user: str | None = None
    messages: tuple[Turn, ...] | None = None
    blocks: dict[str, str] = Field(default_factory=dict)
    params: dict[str, Json] = Field(default_factory=dict)
    output: OutputMode | None = None

    @model_validator(mode="after")
    def _has_one_user_turn(self) -> Self:
        _refuse_both(self)
        return self


class Prompt(Written):
    """One prompt file. Templates are Jinja2, sandboxed; `blocks` are pieces, used as `{{ blocks.NAME }}`."""

    prompt: str
    description: str | None = None
    system: str | None = None
    user: str | None = None
    messages: tuple[Turn, ...] | None = None
    blocks: dict[str, str] = Field(default_factory=dict)
    params: dict[str, Json] = Field(default_factory=dict)
    output: OutputMode = "text"
    overrides: dict[str, Override] = Field(default_factory=dict)
    # By model, each worked out once: thousands of cases share a prompt.
    _effective: dict[int, tuple[ModelSpec, Effective]] = PrivateAttr(default_factory=dict)

    def with_overrides(self, overrides: Mapping[str, Override]) -> Prompt:
        """Return the same prompt with these overrides."""
        other = self.model_copy(update={"overrides": dict(overrides)})
        other._effective = {}
        return other

    @model_validator(mode="after")
    def _has_one_user_turn(self) -> Self:
        _refuse_both(self)
        return self


def _refuse_both(written: Prompt | Override) -> None:
    if written.user is not None and written.messages is not None:
        raise ValueError("has both user: and messages:; write one of them")


class Effective(Value, dict=True):
    """A prompt with the overrides of one model applied, its templates not yet filled."""

    system: str | None
    user: str | None
    messages: tuple[Turn, ...] | None
    blocks: Mapping[str, str]
    params: dict[str, Json]
    output: OutputMode
    overrides: tuple[str, ...] = ()

    @cached_property
    def turns(self) -> tuple[Turn, ...]:
        """The turns in the order in which the model sees them."""
        system = (Turn(role="system", content=self.system),) if self.system is not None else ()
        user = (Turn(role="user", content=self.user),) if self.user is not None else ()
        return (*system, *(self.messages or ()), *user)

    @cached_property
    def hash(self) -> str:
        """SHA-256 of the templates, the parameters and the output mode; not of the overrides' names."""
        turns: list[Json] = [[turn.role, turn.content] for turn in self.turns]
        return content_hash(
            {"turns": turns, "blocks": dict(self.blocks), "params": self.params, "output": self.output}
        )


def effective(prompt: Prompt, model: ModelSpec) -> Effective:
    """Return what applies to the model: base, then `provider:NAME`, globs as written, exact id, exact name.

    Parameters start from the model's own in the catalogue, go on with the prompt's and the overrides', null
    removes one, and what the model has under `unset` is taken out at the end.
    """
    known = prompt._effective.get(id(model))
    if known is None or known[0] is not model:
        known = prompt._effective[id(model)] = model, _worked_out(prompt, model)
    return known[1]


def _worked_out(prompt: Prompt, model: ModelSpec) -> Effective:
    result = Effective(
        system=prompt.system,
        user=prompt.user,
        messages=prompt.messages,
        blocks=prompt.blocks,
        params=merged(merged({}, model.params), prompt.params),
        output=prompt.output,
    )
    for name, override in _matching(prompt.overrides, model):
        result = replace(_overridden(result, override), overrides=(*result.overrides, name))
    kept = {name: value for name, value in result.params.items() if name not in model.unset}
    return replace(result, params=kept)


def _matching(overrides: Mapping[str, Override], model: ModelSpec) -> Iterator[tuple[str, Override]]:
    """Yield the overrides for this model, weakest first."""
    ranked = [(rank, name) for name in overrides if (rank := _rank(name, model)) is not None]
    for _rank_of, name in sorted(ranked, key=lambda pair: pair[0]):
        yield name, overrides[name]


def matches(name: str, model: ModelSpec) -> bool:
    """Whether an override of this name is for the model."""
    return _rank(name, model) is not None


def _rank(name: str, model: ModelSpec) -> int | None:
    if name in {model.name, model.entry}:
        return 3
    if name == model.model:
        return 2
    if any(fnmatchcase(known, name) for known in (model.name, model.model, model.entry or model.name)):
        return 1
    return 0 if name == f"provider:{model.provider}" else None


def _overridden(base: Effective, override: Override) -> Effective:
    """Return the base with an override on top; a user turn takes the place of messages, and they of it."""
    given = override.model_fields_set
    system, user, messages = base.system, base.user, base.messages
    if override.messages is not None:
        user = None
        system = None if any(turn.role == "system" for turn in override.messages) else system
    if override.user is not None:
        messages = None
    return Effective(
        system=override.system if "system" in given else system,
        user=override.user if "user" in given else user,
        messages=override.messages if "messages" in given else messages,
        blocks={**base.blocks, **override.blocks},
        params=merged(base.params, override.params),
        output=override.output or base.output,
        overrides=base.overrides,
    )


def merged(base: Mapping[str, Json], over: Mapping[str, Json]) -> dict[str, Json]:
    """Return the parameters merged key by key, mappings within mappings too; null removes a key."""
    result = dict(kept_below(base, over))
    for key, value in over.items():
        below = result.get(key)
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merged(below if isinstance(below, dict) else {}, value)
        else:
            result[key] = value
    return result
