"""Shadow deployments as written in `config/shadow.yml`."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from swapgate.errors import UsageError
from swapgate.records import Json, content_hash
from swapgate.spec.model_entries import BaseUrl
from swapgate.spec.source import read_yaml, validate
from swapgate.spec.suite import Written

RedactionKind = Literal["key", "email", "phone", "card"]
Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_ROUTE_NAME = re.compile(r"[A-Za-z0-9_.-]+")
_SOURCE = re.compile(r"(header|body):(\S.*)|request")
_LISTEN = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[^:\s]+):(\d{1,5})")


def _address(written: str) -> str:
    found = _LISTEN.fullmatch(written)
    if found is None or int(found[2]) > 65535:
        raise ValueError(f"must be HOST:PORT, such as 127.0.0.1:8100, got {written!r}")
    return written


def _source(written: str) -> str:
    if not _SOURCE.fullmatch(written):
        raise ValueError(
            f"must be `header:NAME`, `body:NAME` (a field at the top of the JSON body) or `request`, "
            f"got {written!r}"
        )
    return written


def _pattern(written: str) -> str:
    try:
        compiled = re.compile(written)
    except re.error as exc:
        raise ValueError(f"is no regular expression: {exc}") from exc
    if compiled.match(""):
        raise ValueError("must not match an empty text")
    return written


Source = Annotated[str, AfterValidator(_source)]
Pattern = Annotated[str, AfterValidator(_pattern)]


class Match(Written):
    """Which requests a route takes: all that is written must hold. Values may hold `*` and `?`."""

    model: str | None = None
    path: str | None = None
    headers: dict[str, str] = Field(default_factory=dict)

    def holds(self, *, model: str | None, path: str, header: Callable[[str], str | None]) -> bool:
        """Whether a request is of this route."""
        if self.path is not None and not fnmatchcase(path, self.path):
            return False
        if self.model is not None and (model is None or not fnmatchcase(model, self.model)):
            return False
        return all(
            (value := header(name)) is not None and fnmatchcase(value, wanted)
            for name, wanted in self.headers.items()
        )


class PromptOverride(Written):
    """What the candidate is told in place of the application's own system text, or after it."""

    system: str | None = None
    system_append: str | None = None


class Route(Written):
    """One task of the application. `control` and `candidate` are names of models.yml.

    Without `candidate` the traffic is watched alone. `share` of the requests are mirrored, and
    `again_share` of those are answered by the control a second time. `sticky` says what keeps requests
    together: all of one user are mirrored, or none. `params` are set in the candidate's request; null
    takes one out. `mode: spool` asks nobody now: `swapgate shadow replay` does.
    """

    control: str
    candidate: str | None = None
    match: Match = Field(default_factory=Match)
    share: Share = 1.0
    again_share: Share = 0.0
    sticky: Source = "request"
    mode: Literal["live", "spool"] = "live"
    prompt: PromptOverride = Field(default_factory=PromptOverride)
    params: dict[str, Json] = Field(default_factory=dict)
    tags: dict[str, Source] = Field(default_factory=dict)


class Upstream(Written):
    """Where requests go that no route takes, by wire format. Default: where the first control is."""

    openai: BaseUrl = None
    anthropic: BaseUrl = None


class ShadowLimits(Written):
    """What the mirror may take. `queue` bounds the exchanges that wait: more are shed, and counted."""

    body_mb: Positive = 10.0
    queue: Annotated[int, Field(ge=1)] = 256
    concurrency: Annotated[int, Field(ge=1)] = 32
    timeout_s: Positive = 120.0
    retries: Annotated[int, Field(ge=0)] = 1


class Retention(Written):
    """For how many days exchanges are kept, and what was said in them."""

    days: Annotated[int, Field(ge=1)] = 90
    content_days: Annotated[int, Field(ge=1)] = 14


class Redaction(Written):
    """What is taken out before anything is stored. `region` is where phone numbers without + are from."""

    keep: tuple[RedactionKind, ...] = ()
    patterns: dict[str, Pattern] = Field(default_factory=dict)
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] | None = "US"


class ShadowConfig(Written):
    """The whole file."""

    routes: Annotated[dict[str, Route], Field(min_length=1)]
    listen: Annotated[str, AfterValidator(_address)] = "127.0.0.1:8100"
    store: str | None = None
    spool: str | None = None
    content: bool = False
    upstream: Upstream = Field(default_factory=Upstream)
    limits: ShadowLimits = Field(default_factory=ShadowLimits)
    retention: Retention = Field(default_factory=Retention)
    redact: Redaction = Field(default_factory=Redaction)
    budget_usd_per_day: Positive | None = None

    @model_validator(mode="after")
    def _names_can_be_typed(self) -> Self:
        for name in self.routes:
            if not _ROUTE_NAME.fullmatch(name):
                raise ValueError(f"must name its routes by letters, digits, `_`, `.` and `-`, got {name!r}")
        return self

    @property
    def host(self) -> str:
        """The address to listen at."""
        return self.listen.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The port to listen at; 0 lets the system choose."""
        return int(self.listen.rpartition(":")[2])


def listen_address(written: str) -> str:
    """Return an address as an option gives it; UsageError where it is none."""
    try:
        return _address(written)
    except ValueError as exc:
        raise UsageError(f"--listen {exc}") from exc


def read_shadow(path: Path, *, root: Path | None = None) -> ShadowConfig:
    """Return what a file says; raise SpecError with the line of what is wrong."""
    return validate(ShadowConfig, read_yaml(path, root=root), noun="the shadow configuration")


def setup_hash(route: Route, *, control: Json, candidate: Json) -> str:
    """Return the hash of what a route compares: other exchanges are not of the same comparison."""
    content: Json = {
        "control": control,
        "candidate": candidate,
        "prompt": route.prompt.model_dump(),
        "params": dict(route.params),
    }
    return content_hash(content)[:16]
