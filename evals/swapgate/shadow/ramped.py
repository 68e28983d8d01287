"""Requests of a ramp's share: sent to the candidate in the control's place, with the candidate's own key."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import httpx
from multidict import CIMultiDict

from swapgate.providers._wire import WireProvider
from swapgate.providers.credentials import Credentials
from swapgate.providers.open import open_provider
from swapgate.shadow.asking import speaks
from swapgate.shadow.mirror import body_of
from swapgate.shadow.plan import Plan, PlannedRoute
from swapgate.shadow.records import Api, Served
from swapgate.shadow.requests import candidate_body, encoded
from swapgate.values import Value

# Who answers a unit (a user, a session, or the request itself) on a route.
LegFor = Callable[[str, str], Served]
# Whom the application is known by at the control's service is nothing to the candidate's.
_OF_THE_CONTROL = ("authorization", "x-api-key", "api-key", "cookie", "openai-organization", "openai-project")


def control_alone(_route: str, _unit: str) -> Served:
    """Nothing is ramped: the control answers everybody."""
    return "control"


class Turned(Value):
    """A request turned to the candidate."""

    base: str
    headers: CIMultiDict[str]
    body: bytes


class Doors:
    """The candidates of a plan that can serve, by route: those that speak their control's wire format."""

    def __init__(self, plan: Plan) -> None:
        # Nothing is sent over this client: a provider wants one, and here it only tells address and key.
        http = httpx.AsyncClient()
        self._planned: dict[str, tuple[PlannedRoute, str, Credentials]] = {}
        for name, planned in plan.routes.items():
            if planned.candidate is not None and planned.candidate_upstream is not None:
                provider = open_provider(planned.candidate, http=http, root=plan.root)
                assert isinstance(provider, WireProvider)
                self._planned[name] = (planned, planned.candidate_upstream, provider.wire.credentials)

    def turn(self, route: str, api: Api, headers: CIMultiDict[str], body: bytes) -> Turned | None:
        """Return a request as the candidate gets it, None where its format has none.

        Raises ProviderError where the candidate's key is gone from the environment.
        """
        planned, base, credentials = self._planned.get(route, (None, "", None))
        asked = body_of(body)
        if planned is None or credentials is None or planned.candidate is None or asked is None:
            return None
        if not speaks(planned.candidate, api):
            return None
        return Turned(
            base=base,
            headers=_with_key(headers, credentials.take().headers),
            body=encoded(candidate_body(asked, api, planned.candidate, planned.route)),
        )


def _with_key(headers: CIMultiDict[str], own: Mapping[str, str]) -> CIMultiDict[str]:
    kept = CIMultiDict((n, v) for n, v in headers.items() if n.lower() not in _OF_THE_CONTROL)
    for name, value in own.items():
        kept[name] = value
    return kept
