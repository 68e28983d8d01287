"""Decisions: what a run's trials say about a model, against limits and against a baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from swapgate.analysis.frames import compare_frames, trials_frame

__all__ = ["compare_frames", "trials_frame"]


def __getattr__(name: str) -> Any:
    # numpy and scipy are not needed by those who only plan a run.
    if name in __all__:
        from swapgate.analysis import frames

        return getattr(frames, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
