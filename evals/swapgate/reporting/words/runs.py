"""A run in a word or two, for listings."""

from __future__ import annotations

from swapgate.records import Run


def run_state(run: Run) -> str:
    """Return how far a run came: `complete`, `partial`, `unfinished` and the like."""
    if run.finished_at is None:
        return "unfinished"
    if run.shard is not None:
        return f"shard {run.shard.name}"
    if run.is_partial:
        return "partial"
    if run.stopping is not None and run.stopping.saved_trials:
        return "stopped early"
    return "complete" if run.is_complete else "incomplete"
