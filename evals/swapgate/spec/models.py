"""The model catalogue and the production tasks of `config/models.yml`."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from swapgate.records import Json
from swapgate.spec.suite import Written


class Limits(Written):
    """How hard a model may be driven."""

    concurrency: Annotated[int, Field(ge=1)] | None = None
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None


class Price(Written):
    """US dollars per million tokens; overrides the bundled price list."""

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached_input: Annotated[float, Field(ge=0)] | None = None


class AcceptUnpinned(Written):
    """Why a floating model id is accepted, and until when."""

    reason: str
    until: datetime.date


class ModelEntry(Written):
    """One entry of `models:`.

    `path` is the outputs file of the `recorded` provider or the GGUF file of `local`. `request`, `answer`
    and `headers` belong to the `http` provider: a JSON template of the body, the JSON pointer of the
    answer's text in the reply, and headers whose values may be `{env: NAME}`.
    """

    provider: str
    model: str | None = None
    base_url: str | None = None
    api_version: str | None = None
    api_key_env: str | None = None
    params: dict[str, Json] = Field(default_factory=dict)
    unset: tuple[str, ...] = ()
    fallback: str | None = None
    limits: Limits = Field(default_factory=Limits)
    price: Price | None = None
    accept_unpinned: AcceptUnpinned | None = None
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    structured_output: bool | None = None
    path: str | None = None
    cache: bool | None = None
    method: str | None = None
    request: Json = None
    answer: str | None = None
    headers: dict[str, str | dict[str, str]] = Field(default_factory=dict)


class TaskEntry(Written):
    """One production task: which model serves it. Either a name of the catalogue, or the article's own form
    (provider, model, api_version, temperature, max_tokens, fallback)."""

    model: str
    provider: str | None = None
    base_url: str | None = None
    api_version: str | None = None
    api_key_env: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    params: dict[str, Json] = Field(default_factory=dict)
    fallback: str | None = None


class ModelSpec(BaseModel):
    """A model resolved: everything that a provider needs to be opened.

    `name` is what the user calls it (catalogue name or `provider:model`); `fallback` is the name of another
    resolved model.
    """

    model_config = ConfigDict(frozen=True)
    name: str
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
    timeout_s: float | None = None
    structured_output: bool | None = None
    path: str | None = None
    cache: bool | None = None
    method: str | None = None
    request: Json = None
    answer: str | None = None
    headers: dict[str, str | dict[str, str]] = Field(default_factory=dict)
