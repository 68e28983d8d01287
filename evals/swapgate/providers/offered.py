"""Which models a service offers now: its list, asked once, for the formats that have one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any

import httpx

from swapgate.errors import ProviderError
from swapgate.providers.credentials import read_credentials, scrub
from swapgate.providers.services import SERVICES, service_url
from swapgate.spec.models import ModelSpec
from swapgate.values import Value

_TIMEOUT_S = 20.0
_PATHS = {"openai": "/models", "anthropic": "/v1/models?limit=1000", "gemini": "/v1beta/models?pageSize=1000"}
_SAID_CHARS = 200


class NotTold(Exception):
    """A service did not say what it offers; the text says why."""


class OfferedModel(Value):
    """What a service's list says of a model: the day (in UTC) on which it retires, and whether it has."""

    retires_on: date | None = None
    is_retired: bool = False


def offered_models(spec: ModelSpec) -> Mapping[str, OfferedModel]:
    """Return what the service of a model lists, by id; NotTold where it could not be found out."""
    service = SERVICES.get(spec.provider)
    base_url = spec.base_url or (service_url(spec.provider) if service else None)
    if service is None or base_url is None or service.protocol not in _PATHS:
        raise NotTold(f"{spec.provider} has no list of models")
    credentials = read_credentials(
        f"model {spec.name!r}",
        spec.headers,
        key_env=spec.api_key_env or service.key_env,
        key_header=service.key_header,
        key_prefix=service.key_prefix,
        literal={"anthropic-version": "2023-06-01"} if service.protocol == "anthropic" else None,
    )
    try:
        sent = credentials.take()
    except ProviderError as exc:
        raise NotTold(str(exc)) from exc
    url = f"{base_url.rstrip('/')}{_PATHS[service.protocol]}"
    try:
        reply = httpx.get(url, headers=dict(sent.headers), timeout=_TIMEOUT_S)
        listed: Any = reply.json() if reply.is_success else None
    except (httpx.HTTPError, ValueError) as exc:
        raise NotTold(scrub(f"{type(exc).__name__}: {exc}", sent.secrets)) from exc
    if not isinstance(listed, Mapping):
        raise NotTold(scrub(f"status {reply.status_code}: {reply.text[:_SAID_CHARS]}", sent.secrets))
    rows = listed.get("data", listed.get("models"))
    told = [row for row in rows if isinstance(row, Mapping)] if isinstance(rows, list) else []
    named = [(row.get("id") or row.get("name"), row) for row in told]
    found = {str(name).removeprefix("models/"): _offered(row) for name, row in named if name}
    if not found:
        raise NotTold("it lists no models")
    return found


def _offered(row: Mapping[str, Any]) -> OfferedModel:
    # OpenAI tells `shutdown_date`, Anthropic `retires_at`, and keeps what has retired in its list.
    when = row.get("shutdown_date") or row.get("retires_at")
    return OfferedModel(retires_on=_day(when), is_retired=row.get("lifecycle") == "retired")


def _day(written: Any) -> date | None:
    """Return the day of a date or a time in whatever zone, None for anything else."""
    try:
        when = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return (when if when.tzinfo is None else when.astimezone(UTC)).date()
