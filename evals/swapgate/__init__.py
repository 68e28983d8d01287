"""swapgate decides whether one language model may replace another behind a production feature."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapgate.api import compare, run

__version__ = "0.1.0"
__all__ = ["__version__", "compare", "run"]


def __getattr__(name: str) -> Any:
    """Import the engine only when it is asked for: every pytest session imports this package."""
    if name in {"compare", "run"}:
        from swapgate import api

        return getattr(api, name)
    raise AttributeError(f"module 'swapgate' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
