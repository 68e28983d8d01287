"""Newer pins of the same family, as far as the catalogue knows them and an id tells its version."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date

from swapgate.pins.catalogue import PinCatalogue
from swapgate.pins.classify import classify

# The groups `family` and `version` of an id; numbers in the version are compared one by one.
_SHAPES: Mapping[str, tuple[re.Pattern[str], ...]] = {
    "openai": (
        re.compile(r"^(?P<family>.+)-(?P<version>\d{4}-\d{2}-\d{2})$"),
        re.compile(r"^gpt-(?P<version>\d+(?:\.\d+)?)-(?P<family>[a-z]+)$"),
    ),
    "anthropic": (re.compile(r"^claude-(?P<family>[a-z]+)-(?P<version>\d{1,2}(?:-\d{1,2})?)(?:-\d{8})?$"),),
    "gemini": (re.compile(r"^gemini-(?P<version>\d+(?:\.\d+)?)-(?P<family>[a-z-]+?)(?:-\d{3})?$"),),
    "mistral": (re.compile(r"^(?P<family>.+)-(?P<version>\d{4})$"),),
    "xai": (re.compile(r"^(?P<family>grok-[\d.]+(?:-[a-z-]+)?)-(?P<version>\d{4})$"),),
}


def newer_pins(provider: str, model: str, catalogue: PinCatalogue, *, today: date) -> list[str]:
    """Return the pinned ids of a model's family with a later version, the newest first.

    Those that have retired are left out. Empty where the id tells no family, or none is known.
    """
    own = _read(provider, model)
    if own is None:
        return []
    found = []
    for known in catalogue.of(provider):
        other = _read(provider, known.id)
        is_later = other is not None and other[0] == own[0] and other[1] > own[1]
        is_gone = known.retires_on is not None and known.retires_on <= today
        if other is not None and is_later and not is_gone:
            pin = classify(provider, known.id, catalogue=catalogue, today=today)
            if pin.is_pinned:
                found.append((other[1], known.id))
    return [name for _version, name in sorted(found, reverse=True)]


def _read(provider: str, model: str) -> tuple[str, tuple[int, ...]] | None:
    """Return the family and the version of an id."""
    for shape in _SHAPES.get("gemini" if provider == "google" else provider, ()):
        if found := shape.match(model):
            return found["family"], tuple(int(part) for part in re.findall(r"\d+", found["version"]))
    return None
