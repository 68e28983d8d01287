"""Prompts with per-model overrides, as written in `prompts/*.yml`, and their rendering."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from swapgate.records import Json, Message
from swapgate.spec.suite import Written

OutputMode = Literal["text", "json", "schema"]


class Turn(Written):
    """One written turn of a prompt with several."""

    role: Literal["system", "user", "assistant"]
    content: str


class Override(Written):
    """What one model (exact id), a glob of ids, or `provider:NAME` gets instead. None of a key = the base's."""

    system: str | None = None
    user: str | None = None
    messages: tuple[Turn, ...] | None = None
    blocks: dict[str, str] = Field(default_factory=dict)
    params: dict[str, Json] = Field(default_factory=dict)
    output: OutputMode | None = None


class Prompt(Written):
    """One prompt file. Templates are Jinja2, sandboxed; `blocks` are named pieces, used as `{{ blocks.NAME }}`."""

    prompt: str
    description: str | None = None
    system: str | None = None
    user: str | None = None
    messages: tuple[Turn, ...] | None = None
    blocks: dict[str, str] = Field(default_factory=dict)
    params: dict[str, Json] = Field(default_factory=dict)
    output: OutputMode = "text"
    overrides: dict[str, Override] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """A prompt rendered for one case and one model.

    `hash` is that of the effective templates and parameters for this model (not of the case's values);
    `overrides` names those that applied, weakest first.
    """

    messages: tuple[Message, ...]
    params: dict[str, Json]
    output: OutputMode
    hash: str
    overrides: tuple[str, ...]
