"""What people write in `config/models.yml`; of a key only the name of its environment variable."""

from __future__ import annotations

import datetime
import re
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from swapgate.records import Json
from swapgate.spec.suite import Written

STALL_TIMEOUT_S = 60.0
_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SECRET_HEADER = re.compile(r"authorization|key|token|secret|cookie", re.IGNORECASE)


def _no_literal_key(name: str | None) -> str | None:
    if name is not None and not _VARIABLE_NAME.fullmatch(name):
        raise ValueError("must be the name of an environment variable, never the key itself")
    return name


def _no_password(url: str | None) -> str | None:
    if url is not None and "@" in urlsplit(url).netloc:
        raise ValueError("must not hold a user name or a password: use api_key_env: NAME")
    return url


def _no_secret_header(headers: dict[str, str | dict[str, str]]) -> dict[str, str | dict[str, str]]:
    for name, value in headers.items():
        if isinstance(value, str) and _SECRET_HEADER.search(name):
            raise ValueError(f"must not hold a key ({name}): write {name}: {{env: NAME}}")
        if isinstance(value, dict) and ("env" not in value or not set(value) <= {"env", "prefix"}):
            raise ValueError(f"takes text or {{env: NAME}} with an optional prefix ({name})")
    return headers


KeyVariable = Annotated[str | None, AfterValidator(_no_literal_key)]
BaseUrl = Annotated[str | None, AfterValidator(_no_password)]
Headers = Annotated[dict[str, str | dict[str, str]], AfterValidator(_no_secret_header)]


class Limits(Written):
    """How hard a model may be driven."""

    concurrency: Annotated[int, Field(ge=1)] | None = None
    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None


class Price(Written):
    """US dollars per million tokens; overrides the bundled price list.

    `batch_discount` is the share that an answer of the service's batch API is cheaper by.
    """

    input: Annotated[float, Field(ge=0)]
    output: Annotated[float, Field(ge=0)]
    cached_input: Annotated[float, Field(ge=0)] | None = None
    batch_discount: Annotated[float, Field(ge=0, le=1)] = 0.5
    cache_write: Annotated[float, Field(ge=0)] | None = None


class AcceptUnpinned(Written):
    """Why a floating model id is accepted, and until when."""

    reason: str
    until: datetime.date


class ModelEntry(Written):
    """One entry of `models:`.

    `prompt_cache` asks Anthropic to keep the tools and the system text; other services do so by themselves.
    `family` is whose kind it is, where its id does not tell: a judge should not be of the candidate's.
    `path` is the outputs file of the `recorded` provider or the GGUF file of `local`; `sha256` pins the
    latter: another file is refused, and recorded responses are found without the file. `request`, `answer`
    and `headers` belong to the `http` provider: a JSON template of the body, the JSON pointer of the
    answer's text in the reply, and headers whose values may be `{env: NAME}`.
    """

    provider: str
    model: str | None = None
    base_url: BaseUrl = None
    api_version: str | None = None
    api_key_env: KeyVariable = None
    params: dict[str, Json] = Field(default_factory=dict)
    unset: tuple[str, ...] = ()
    fallback: str | None = None
    limits: Limits = Field(default_factory=Limits)
    price: Price | None = None
    prompt_cache: bool | None = None
    accept_unpinned: AcceptUnpinned | None = None
    timeout_s: Annotated[float, Field(gt=0)] | None = None
    structured_output: bool | None = None
    stream: bool | None = None
    stall_timeout_s: Annotated[float, Field(gt=0)] = STALL_TIMEOUT_S
    family: Annotated[str, Field(min_length=1)] | None = None
    path: str | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    cache: bool | None = None
    method: str | None = None
    request: Json = None
    answer: str | None = None
    headers: Headers = Field(default_factory=dict)


class TaskEntry(Written):
    """One production task: which model serves it. Either a name of the catalogue, or the article's own form
    (provider, model, api_version, temperature, max_tokens, fallback)."""

    model: str
    provider: str | None = None
    base_url: BaseUrl = None
    api_version: str | None = None
    api_key_env: KeyVariable = None
    temperature: float | None = None
    top_p: float | None = None
    max_tokens: int | None = None
    stream: bool | None = None
    params: dict[str, Json] = Field(default_factory=dict)
    fallback: str | None = None


class CatalogueFile(Written):
    """The two parts of `config/models.yml`: the models by name, and which of them serves which task."""

    models: dict[str, ModelEntry] = Field(default_factory=dict)
    tasks: dict[str, TaskEntry] = Field(default_factory=dict)
