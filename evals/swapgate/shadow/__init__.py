"""Shadow deployment: real traffic served by one model and answered by another beside it, to be compared."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

import swapgate.providers  # noqa: F401 - before httpx is: it knows how that is imported in a third of the time

if TYPE_CHECKING:
    from swapgate.shadow.deployment import ShadowDeployment
    from swapgate.shadow.transport import AsyncShadowTransport, ShadowTransport

__all__ = ["AsyncShadowTransport", "ShadowDeployment", "ShadowTransport"]
_ROOMS = {
    "AsyncShadowTransport": "transport",
    "ShadowDeployment": "deployment",
    "ShadowTransport": "transport",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: every module of this room imports this one first."""
    if name in _ROOMS:
        return getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
