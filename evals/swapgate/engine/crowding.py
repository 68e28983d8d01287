"""How many calls at once an endpoint bears: fewer when it is overloaded, or when they wait for each other."""

from __future__ import annotations

import math
from statistics import median, quantiles

_WINDOW = 48
_MOST_ALONE = 64
_FEWEST_ALONE = 4
_LEAST = 2.0
# Doubled latency that grows nearly as the calls at once do is a queue: fewer calls lose no throughput.
# A server that works on many at once (batching) becomes slower much less than in proportion.
_RISE = math.log(2)
_FIRST_ELASTICITY = 0.6
_ELASTICITY = 0.7
_SURE = 4.0
_CUT = 0.8
_OVERLOAD_CUT = 0.7


class Crowding:
    """Bounds the calls in flight (`limit`, at most `most`): additive increase, multiplicative decrease.

    What tells a queue from honest spread: calls sent while few were in flight against those sent while many
    were. Medians of logarithms are compared, and must differ by more than chance; a cut that does not make
    answers faster is taken back, and then the endpoint is slow for another reason.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self._alone: list[float] = []
        self._alone_at_once = 0
        self._crowded: list[float] = []
        self._before: tuple[float, float] | None = None
        self._is_watching = most >= 4
        self._cut_at = -math.inf

    def answered(self, latency_s: float, at_once: int) -> None:
        """Count an answer, and how many calls were in flight when it was asked for."""
        if self._is_watching and latency_s > 0:
            self._watch(latency_s, at_once)
        if self.limit < self.most and self._before is None:
            self.limit = min(float(self.most), self.limit + 1.0 / self.limit)

    def overloaded(self, now: float, sent_at: float) -> None:
        """Cut once for all the calls that one overload rejects."""
        if sent_at >= self._cut_at:
            self.limit = max(_LEAST, min(self.limit, float(self.most)) * _OVERLOAD_CUT)
            self._cut_at = now

    def _watch(self, latency_s: float, at_once: int) -> None:
        if at_once <= max(1, self.most // 4) and len(self._alone) < _MOST_ALONE:
            self._alone.append(math.log(latency_s))
            self._alone_at_once += at_once
        elif at_once >= 0.75 * self.limit:
            self._crowded.append(math.log(latency_s))
            if len(self._crowded) >= max(_WINDOW, self.limit):
                self._compare()
                self._crowded.clear()

    def _compare(self) -> None:
        if len(self._alone) < _FEWEST_ALONE:
            return
        now = median(self._crowded)
        low, _mid, high = quantiles(self._crowded, n=4)
        # The standard error of a difference of medians of near-normal values.
        chance = 1.25 * (high - low) / 1.35 * math.sqrt(1 / len(self._alone) + 1 / len(self._crowded))
        rise = now - median(self._alone)
        if rise <= max(_RISE, _SURE * chance):
            return
        if self._before is None:
            more = math.log(self.limit * len(self._alone) / self._alone_at_once)
            is_queue = rise >= _FIRST_ELASTICITY * more
        else:
            limit, latency = self._before
            is_queue = latency - now >= _ELASTICITY * math.log(limit / self.limit)
        if is_queue and self.limit > _LEAST:
            self._before = self.limit, now
            self.limit = max(_LEAST, math.floor(self.limit * _CUT))
        elif self._before is not None:
            self.limit, _latency = self._before
            self._is_watching = False
