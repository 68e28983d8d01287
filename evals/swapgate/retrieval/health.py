"""Leaves an index alone for a while after it has failed, so that not everybody waits for it. Pure."""

from __future__ import annotations

from swapgate.retrieval.index import SIDES, Side

_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 30.0


class Health:
    """Follows the failures in a row of both sides; each one doubles the pause before the next try."""

    def __init__(self) -> None:
        self._failures: dict[Side, int] = dict.fromkeys(SIDES, 0)
        self._until: dict[Side, float] = dict.fromkeys(SIDES, 0.0)

    def is_paused(self, side: Side, now: float) -> bool:
        """Whether a side is to be left alone at this moment."""
        return self._failures[side] > 0 and now < self._until[side]

    def failed(self, side: Side, now: float) -> None:
        """Take in a failure."""
        pause_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0 ** min(self._failures[side], 10))
        self._failures[side] += 1
        self._until[side] = now + pause_s

    def succeeded(self, side: Side) -> None:
        """Take in a success: whatever was before, the index works."""
        if self._failures[side]:
            self._failures[side] = 0
