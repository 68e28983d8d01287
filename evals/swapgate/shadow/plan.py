"""A shadow configuration opened: its routes with the models that they name, and where things are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from swapgate.engine.budget import Budget, why_no_price
from swapgate.engine.day_budget import DayBudget
from swapgate.errors import SpecError, UsageError
from swapgate.memory.spending import SPENDING_FILE, SpendingLedger
from swapgate.providers.open import require_ready
from swapgate.providers.services import SERVICES, service_url
from swapgate.records import Json
from swapgate.shadow.redaction import Redactor
from swapgate.shadow.store import SHADOW_FILE
from swapgate.spec.models import ModelSpec, read_catalogue
from swapgate.spec.settings import Settings
from swapgate.spec.shadow import Route, ShadowConfig, read_shadow, setup_hash
from swapgate.spec.source import shown_path
from swapgate.values import Value

SHADOW_CONFIG = "config/shadow.yml"
DAILY = "budget_usd_per_day"
_PROXIED = {"openai", "anthropic"}


class PlannedRoute(Value):
    """A route with its models resolved. The upstreams are where both are; None where no proxy can be."""

    name: str
    route: Route
    control: ModelSpec
    candidate: ModelSpec | None
    setup: str
    upstream: str | None
    candidate_upstream: str | None = None


class Plan(Value):
    """What a process that serves or replays goes by. Paths are absolute; upstreams are by wire format."""

    config: ShadowConfig
    root: Path
    routes: Mapping[str, PlannedRoute]
    store: Path
    spool: Path | None
    upstreams: Mapping[str, str]

    @property
    def asked(self) -> dict[str, ModelSpec]:
        """The models that the mirror asks: candidates, and controls that are asked again."""
        specs = [planned.candidate for planned in self.routes.values()]
        specs += [p.control for p in self.routes.values() if p.route.again_share]
        return {spec.name: spec for spec in specs if spec is not None}


def open_plan(settings: Settings, path: Path) -> Plan:
    """Read a configuration and the models that it names; raise UsageError for whatever is wrong."""
    config = read_shadow(path, root=settings.root)
    catalogue = read_catalogue(settings.models_file)
    routes: dict[str, PlannedRoute] = {}
    for name, route in config.routes.items():
        where = shown_path(path, settings.root)
        try:
            control = catalogue.resolve(route.control)
            candidate = catalogue.resolve(route.candidate) if route.candidate else None
        except UsageError as exc:
            raise SpecError(f"route {name!r}: {exc}", path=where) from exc
        routes[name] = planned_route(name, route, control, candidate)
    return Plan(
        config=config,
        root=settings.root,
        routes=routes,
        store=settings.root / config.store if config.store else settings.state_dir / SHADOW_FILE,
        spool=settings.root / config.spool if config.spool else None,
        upstreams=_upstreams(config, routes),
    )


def planned_route(name: str, route: Route, control: ModelSpec, candidate: ModelSpec | None) -> PlannedRoute:
    """Return a route with the hash of what it compares."""
    compared = None if candidate is None else _identity(candidate)
    setup = setup_hash(route, control=_identity(control), candidate=compared)
    return PlannedRoute(
        name=name,
        route=route,
        control=control,
        candidate=candidate,
        setup=setup,
        upstream=upstream_of(control),
        candidate_upstream=None if candidate is None else upstream_of(candidate),
    )


def require_askable(plan: Plan, *, is_budgeted: bool = False) -> None:
    """Raise UsageError when a model of the mirror has no key, or no price where a budget is set.

    So does a redaction that would take out less than it says.
    """
    Redactor(rules=plan.config.redact)
    for spec in plan.asked.values():
        require_ready(spec, plan.root, has_replay=False)
        if not is_budgeted and plan.config.budget_usd_per_day is None:
            continue
        if why := why_no_price(spec, "--max-cost" if is_budgeted else DAILY):
            raise UsageError(why)


def servable(plan: Plan) -> Plan:
    """Return a plan that can serve and mirror, whoever is to take it; UsageError for one that cannot."""
    _require_upstreams(plan)
    require_askable(plan)
    return plan


def _require_upstreams(plan: Plan) -> None:
    """Raise UsageError for a control that no application can be sent to by a proxy."""
    for planned in plan.routes.values():
        if planned.upstream is None:
            raise UsageError(
                f"route {planned.name!r}: the control {planned.control.name!r} speaks neither OpenAI's nor "
                f"Anthropic's format (provider {planned.control.provider}), or has no base_url: a proxy "
                "cannot stand before it. Wrap the call with ShadowDeployment"
            )


def open_daily(plan: Plan) -> Budget:
    """Return the budget of each day (in UTC), over all processes of the plan's store."""
    limit_usd = plan.config.budget_usd_per_day
    if limit_usd is None:
        return Budget()
    return Budget(day=DayBudget(open_ledger(plan), limit_usd, name=DAILY))


def open_ledger(plan: Plan) -> SpendingLedger:
    """Return where the mirror's spending is counted: beside the store, which its processes share."""
    return SpendingLedger(plan.store.with_name(SPENDING_FILE), "shadow")


def protocol_of(spec: ModelSpec) -> str | None:
    """Return the wire format of a model, None where it is asked in another way."""
    service = SERVICES.get(spec.provider)
    return service.protocol if service is not None and service.protocol in _PROXIED else None


def upstream_of(spec: ModelSpec) -> str | None:
    """Return the address of a model's service that stands for `/v1` in an application's paths."""
    protocol = protocol_of(spec)
    base_url = spec.base_url or (service_url(spec.provider) if protocol else None)
    if protocol is None or base_url is None:
        return None
    return _versioned(protocol, base_url)


def _identity(spec: ModelSpec) -> Json:
    params: Json = dict(spec.params)
    return {"model": spec.model, "provider": spec.provider, "base_url": spec.base_url, "params": params}


def _upstreams(config: ShadowConfig, routes: Mapping[str, PlannedRoute]) -> dict[str, str]:
    """Return where requests go that no route takes: as written, else where the first control is."""
    found: dict[str, str] = {}
    for planned in routes.values():
        protocol = protocol_of(planned.control)
        if protocol is not None and planned.upstream is not None:
            found.setdefault(protocol, planned.upstream)
    written = config.upstream.model_dump(exclude_none=True)
    return found | {name: _versioned(name, url) for name, url in written.items()}


def _versioned(protocol: str, base_url: str) -> str:
    """Anthropic's addresses are written without the version, and also with it."""
    base_url = base_url.rstrip("/")
    return f"{base_url.removesuffix('/v1')}/v1" if protocol == "anthropic" else base_url
