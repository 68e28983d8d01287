"""A rate kept by even spacing. Pure: the caller says what time it is."""

from __future__ import annotations

# How far a late start may be caught up. More would be a burst, which limits of a single second refuse.
_SLACK_S = 0.01


class Meter:
    """Lets `rate` units a second through, evenly spaced."""

    __slots__ = ("_interval_s", "ready_at")

    def __init__(self, rate: float) -> None:
        self._interval_s = 1.0 / rate
        self.ready_at = 0.0

    def take(self, now: float, units: float = 1.0) -> None:
        """Count units as sent; `ready_at` is when the next may follow."""
        self.ready_at = max(self.ready_at, now - _SLACK_S) + units * self._interval_s

    def correct(self, units: float) -> None:
        """Count units more (or fewer, below zero) than were taken before."""
        self.ready_at += units * self._interval_s

    def change(self, rate: float) -> None:
        """Space what follows for another rate; one that is higher lets the next one through sooner."""
        self.ready_at -= max(0.0, self._interval_s - 1.0 / rate)
        self._interval_s = 1.0 / rate

    def hurry(self, at: float) -> None:
        """Let the next one through at this moment, if it would have to wait longer."""
        self.ready_at = min(self.ready_at, at)

    def begin_at(self, at: float) -> None:
        """Let nothing through before this moment, and catch nothing up from before it."""
        self.ready_at = max(self.ready_at, at + _SLACK_S)
