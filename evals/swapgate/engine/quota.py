"""What a provider's headers leave to be asked, followed between two answers. Pure: no clock, no waiting."""

from __future__ import annotations

import math

from swapgate.engine.rate_headers import Allowance

# However long a header asks to wait: one call then finds out whether it is true.
_LONGEST_WAIT_S = 60.0


class Quota:
    """One allowance: it shrinks with what is sent, refills or is reset, and is corrected by each answer.

    `share` is the number of processes that live on it.
    """

    def __init__(self, *, share: int = 1) -> None:
        self._share = share
        self._level = math.inf
        self._limit = math.inf
        self._rate = 0.0
        self._at = 0.0
        self._heard_at = 0.0
        self._resets_at = math.inf

    def heard(self, now: float, said: Allowance, *, unseen: float = 0.0, is_latest: bool = False) -> None:
        """Take in what an answer said; `unseen` is what was sent that it may not count yet.

        It `is_latest` where nothing else is in flight: then it holds, also where it leaves more.
        """
        self._refresh(now)
        level = said.remaining / self._share - unseen
        is_new_window = said.rate is None and now + said.reset_s > self._resets_at + 1.0
        # An older answer may arrive later: within one window, the least is the latest.
        self._level = level if is_new_window or is_latest else min(self._level, level)
        self._limit = said.limit / self._share
        self._rate = (said.rate or 0.0) / self._share
        self._resets_at = math.inf if said.rate is not None else now + said.reset_s
        self._heard_at = now

    def level(self, now: float) -> float:
        """Return what is left, as far as is known; infinite before anything was heard."""
        self._refresh(now)
        return self._level

    def ready_at(self, now: float, units: float = 1.0) -> float:
        """Return when a call of so many units may go: now, or later. Never needs more than there can be."""
        self._refresh(now)
        needed = self._needed(units)
        if self._level >= needed:
            return now
        filled_at = now + (needed - self._level) / self._rate if self._rate else self._resets_at
        return max(now, min(filled_at, self._heard_at + _LONGEST_WAIT_S))

    def take(self, now: float, units: float) -> None:
        """Count units as sent."""
        if self._level < self._needed(units):
            self._level, self._heard_at = max(1.0, self._level), now
        self._level -= units

    def correct(self, units: float) -> None:
        """Count units more (or fewer, below zero) than were taken before."""
        self._level -= units

    def _needed(self, units: float) -> float:
        return max(1.0, min(units, self._limit))

    def _refresh(self, now: float) -> None:
        if now >= self._resets_at:
            self._level, self._resets_at = self._limit, math.inf
        elif self._rate:
            self._level = min(self._limit, self._level + (now - self._at) * self._rate)
        self._at = now
