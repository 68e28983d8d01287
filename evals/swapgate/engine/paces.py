"""One pace for each model at each endpoint, also where several entries of the catalogue mean the same."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping

from swapgate.engine.learned_pace import Account
from swapgate.engine.pace import Pace
from swapgate.providers.services import SERVICES, service_url
from swapgate.spec.models import Limits, ModelSpec

_Endpoint = tuple[str | None, ...]


class Paces:
    """A run's paces. Entries with the same address, model and key share one, with the least limits.

    `most` is how many calls this process may have in flight; `share` the number of processes.
    """

    def __init__(
        self,
        models: Iterable[tuple[ModelSpec, Limits]],
        *,
        most: int,
        share: int,
        retries: int,
        jitter: random.Random,
        clock: Callable[[], float],
    ) -> None:
        self._clock = clock
        self._paces: dict[_Endpoint, Pace] = {}
        together: dict[_Endpoint, list[tuple[ModelSpec, Limits]]] = {}
        for spec, limits in models:
            together.setdefault(_endpoint(spec), []).append((spec, limits))
        accounts: dict[_Endpoint, Account] = {}
        for endpoint, same in together.items():
            is_called = is_service(same[0][0])
            account = accounts.setdefault((endpoint[0], endpoint[-1]), Account()) if is_called else None
            self._paces[endpoint] = Pace(
                _least(limits for _spec, limits in same),
                most=most,
                share=share,
                retries=retries,
                jitter=jitter,
                ramps=is_called,
                account=account,
            )

    def of(self, spec: ModelSpec) -> Pace:
        """Return the pace of a model."""
        return self._paces[_endpoint(spec)]

    def listener(self, spec: ModelSpec) -> Callable[[Mapping[str, str]], None]:
        """Return what tells the model's pace of an answer's headers."""
        pace, clock = self.of(spec), self._clock
        return lambda headers: pace.heard(headers, clock())


def is_service(spec: ModelSpec) -> bool:
    """Whether a model is asked over HTTP by one of swapgate's own providers."""
    return spec.provider in SERVICES


def _endpoint(spec: ModelSpec) -> _Endpoint:
    if not is_service(spec):
        return (spec.provider, spec.name)
    return (spec.base_url or service_url(spec.provider), spec.model, spec.api_key_env)


def _least(limits: Iterable[Limits]) -> Limits:
    written = [one.model_dump(exclude_none=True) for one in limits]
    names = {name for one in written for name in one}
    return Limits(**{name: min(one[name] for one in written if name in one) for name in names})
