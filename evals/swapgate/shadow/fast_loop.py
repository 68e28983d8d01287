"""The event loop of processes that serve: uvloop's where it is installed, which carries more a second."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable


def collect_from_here() -> None:
    """Look for cycles from now on, and never again among what is there already: that would hold answers up.

    A command of swapgate does not look at all, since it is over soon; what serves is not.
    """
    gc.collect()
    gc.freeze()
    gc.enable()


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return what makes the loop, None for Python's own."""
    try:
        import uvloop
    except ImportError:
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory
