"""Which route a request is of, and whether it is mirrored. Decided before it is sent on, in microseconds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from pydantic_core import from_json

from swapgate.records import Json
from swapgate.shadow.plan import Plan, PlannedRoute
from swapgate.shadow.records import Api
from swapgate.shadow.requests import api_of
from swapgate.shadow.sampling import is_drawn, unit_hash
from swapgate.values import Value

# The application may name its route, opt a request out, and tag it. They are not sent on.
ROUTE_HEADER = "x-swapgate-route"
SHADOW_HEADER = "x-swapgate-shadow"
TAGS_HEADER = "x-swapgate-tags"
OWN_HEADERS = frozenset({ROUTE_HEADER, SHADOW_HEADER, TAGS_HEADER})
# What a body may need to be understood; all other headers of the application are for its own model alone.
PASSED_HEADERS = ("anthropic-version", "anthropic-beta", "openai-beta")
_OFF = {"off", "0", "no", "false"}
_LONGEST_TAG = 80
_MOST_TAGS = 20


class Headers(Protocol):
    """Headers of a request, looked up in any case: aiohttp's and httpx's are."""

    def get(self, name: str, /) -> str | None:
        """Return a header, None when it is not there."""
        ...


class Asked(Value):
    """A request as far as routing needs it. `body` is None where it was too large to be read."""

    path: str
    headers: Headers
    body: bytes | None


class Decision(Value):
    """What becomes of a request. `reason` says why it is not mirrored, None when it is."""

    planned: PlannedRoute
    api: Api
    reason: str | None = None
    unit: str | None = None
    tags: tuple[str, ...] = ()


class Router:
    """Decides by the routes of a plan, in the order of the file."""

    def __init__(self, plan: Plan) -> None:
        self._routes = list(plan.routes.values())
        self._by_name = plan.routes
        self._needs_body = any(_needs_body(planned) for planned in self._routes)

    def decide(self, asked: Asked) -> Decision | None:
        """Return what becomes of a request, None when no route takes it."""
        api = api_of(asked.path)
        if api is None:
            return None
        body = _top(asked.body) if self._needs_body else {}
        planned = self._find(asked, body)
        if planned is None:
            return None
        if (reason := _refusal(asked)) is not None:
            return Decision(planned=planned, api=api, reason=reason)
        route = planned.route
        unit = _value(route.sticky, asked.headers, body)
        by_request = unit is None
        if by_request and route.share < 1:
            unit = (asked.body or b"").decode("latin-1")
        if route.share < 1 and not is_drawn(unit or "", route.share, salt=planned.name):
            return Decision(planned=planned, api=api, reason="not_sampled")
        return Decision(
            planned=planned,
            api=api,
            unit=None if by_request or unit is None else unit_hash(unit),
            tags=_tags(route.tags, asked.headers, body),
        )

    def _find(self, asked: Asked, body: Mapping[str, Json]) -> PlannedRoute | None:
        named = asked.headers.get(ROUTE_HEADER)
        if named is not None:
            return self._by_name.get(named)
        model = body.get("model")
        wanted = model if isinstance(model, str) else None
        return next(
            (
                planned
                for planned in self._routes
                if planned.route.match.holds(model=wanted, path=asked.path, header=asked.headers.get)
            ),
            None,
        )


def _refusal(asked: Asked) -> str | None:
    """Return why a request cannot be mirrored whatever is drawn."""
    if (asked.headers.get(SHADOW_HEADER) or "").strip().lower() in _OFF:
        return "opted_out"
    if asked.body is None:
        return "request_too_large"
    return "unreadable" if asked.headers.get("content-encoding") else None


def _needs_body(planned: PlannedRoute) -> bool:
    route = planned.route
    sources = (route.sticky, *route.tags.values())
    return route.match.model is not None or any(source.startswith("body:") for source in sources)


def _top(body: bytes | None) -> Mapping[str, Json]:
    try:
        value: Json = from_json(body) if body else None
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def _value(source: str, headers: Headers, body: Mapping[str, Json]) -> str | None:
    """Return what a source names, None where the request has none."""
    kind, _, name = source.partition(":")
    if kind == "header":
        return headers.get(name.strip())
    value = body.get(name.strip()) if kind == "body" else None
    return None if value is None or isinstance(value, dict | list) else str(value)


def _tags(sources: Mapping[str, str], headers: Headers, body: Mapping[str, Json]) -> tuple[str, ...]:
    found = [(name, _value(source, headers, body)) for name, source in sources.items()]
    own = [f"{name}:{value}" for name, value in found if value is not None]
    told = [tag.strip() for tag in (headers.get(TAGS_HEADER) or "").split(",") if tag.strip()]
    return tuple(sorted({tag[:_LONGEST_TAG] for tag in (*own, *told)})[:_MOST_TAGS])
