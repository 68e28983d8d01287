"""Request parameters on their way to the wire."""

from __future__ import annotations

from collections.abc import Mapping

from swapgate.records import Json
from swapgate.spec.models import ModelSpec


def kept_params(spec: ModelSpec, params: Mapping[str, Json]) -> tuple[dict[str, Json], tuple[str, ...]]:
    """Return the parameters to send, and the names of those that `unset` takes away."""
    kept = {name: value for name, value in params.items() if name not in spec.unset}
    return kept, tuple(name for name in params if name in spec.unset)


def stop_list(name: str, value: Json) -> Json:
    """Return one written stop text as the list that Anthropic and Gemini want; other values as they are."""
    return [value] if name == "stop" and isinstance(value, str) else value
