"""The bundled catalogue of model ids: which exist and when they retire, from which source, on which day.

`scripts/model_catalogue.py` rebuilds it. What it does not hold is unknown, not absent.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import field
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from swapgate.records import Json
from swapgate.values import Value

# Names of services under which the models are those of another.
_SAME = {"google": "gemini"}


class KnownModel(Value):
    """A model id that a source names.

    `rejects` are parameters that the model refuses by its `rejects_sources`, but for the values in `accepts`.
    With a `reasoning_effort` of `unless_effort` it takes them all; None there is one that is not sent.
    """

    provider: str
    id: str
    sources: tuple[str, ...]
    retires_on: date | None = None
    source_url: str | None = None
    successor: str | None = None
    rejects: tuple[str, ...] = ()
    rejects_sources: tuple[str, ...] = ()
    accepts: Mapping[str, Json] = field(default_factory=dict)
    unless_effort: tuple[str | None, ...] = ()

    def refused(self, params: Mapping[str, Json], *, unset: Collection[str] = ()) -> list[str]:
        """Return which of these parameters the model refuses; those in `unset` are not sent."""
        sent = {name: value for name, value in params.items() if name not in unset}
        if sent.get("reasoning_effort") in self.unless_effort:
            return []
        return [name for name in self.rejects if name in sent and sent[name] != self.accepts.get(name)]

    @property
    def unless(self) -> str:
        """When it takes what it otherwise refuses, as the end of a sentence; empty where it never does."""
        return " unless `reasoning_effort` is none" if "none" in self.unless_effort else ""


class PinCatalogue(Value):
    """The ids that are known, by provider. `sources` say what each source's name stands for."""

    checked_on: date
    sources: Mapping[str, str]
    models: Mapping[tuple[str, str], KnownModel]

    def find(self, provider: str, model: str) -> KnownModel | None:
        """Return what is known of a model, None where no source names it."""
        return self.models.get((_SAME.get(provider, provider), model))

    def of(self, provider: str) -> Sequence[KnownModel]:
        """Return every known model of a provider."""
        wanted = _SAME.get(provider, provider)
        return [model for (owner, _id), model in self.models.items() if owner == wanted]


@cache
def bundled() -> PinCatalogue:
    """Return the catalogue that comes with this version."""
    written = json.loads((files("swapgate.pins") / "catalogue.json").read_text(encoding="utf-8"))
    known = [_known(entry) for entry in written["models"]]
    return PinCatalogue(
        checked_on=date.fromisoformat(written["checked_on"]),
        sources=written["sources"],
        models={(model.provider, model.id): model for model in known},
    )


def _known(entry: dict[str, Any]) -> KnownModel:
    retires_on = entry.get("retires_on")
    return KnownModel(
        provider=str(entry["provider"]),
        id=str(entry["id"]),
        sources=tuple(entry["sources"]),
        retires_on=date.fromisoformat(str(retires_on)) if retires_on else None,
        source_url=str(entry["source_url"]) if "source_url" in entry else None,
        successor=str(entry["successor"]) if "successor" in entry else None,
        rejects=tuple(entry.get("rejects", ())),
        rejects_sources=tuple(entry.get("rejects_sources", ())),
        accepts=entry.get("accepts", {}),
        unless_effort=tuple(entry.get("unless_effort", ())),
    )
