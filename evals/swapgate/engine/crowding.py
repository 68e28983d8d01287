"""How many calls at once an endpoint answers before they wait for each other. Pure: no clock."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

_COHORT = 48
_MOST_ALONE = 64
_FEWEST_ALONE = 4
_ENOUGH = 0.9
_PATIENCE = 8
_LEAST = 2.0
# Doubled latency that grows nearly as the calls at once do is a queue: fewer calls lose no throughput.
# A server that works on many at once (batching) becomes slower much less than in proportion.
_RISE = math.log(2)
_FIRST_ELASTICITY = 0.6
_ELASTICITY = 0.7
_SURE = 4.0
_CUT = 0.8
# What one cut makes of the latency is lost in its spread: what two of them make is not.
_TELLING = 1.4


@dataclass(slots=True, eq=False)
class Cohort:
    """Calls that were sent one after the other. Those that answer first are the fast ones: so nothing is read
    off a cohort before nearly all have answered, and the rest counts as slower than they."""

    sent: int = 0
    at_once: int = 0
    latencies: list[float] = field(default_factory=list)

    @property
    def mean_at_once(self) -> float:
        """How many were in flight, on average, when they were sent: other models may hold the rest."""
        return self.at_once / self.sent

    @property
    def is_known(self) -> bool:
        """Whether nearly all have answered."""
        return len(self.latencies) >= _ENOUGH * self.sent

    def quantile(self, share: float) -> float:
        """Return a quantile of the logarithms of the latencies in seconds."""
        return math.log(max(1e-6, sorted(self.latencies)[int(share * (self.sent - 1))]))


class Crowding:
    """Bounds the calls in flight (`limit`, at most `most`) where more of them only wait longer.

    What tells a queue from honest spread: calls sent while few were in flight against those sent while many
    were. Medians of logarithms are compared, and must differ by more than chance; a cut that does not make
    answers faster is taken back, and then the endpoint is slow for another reason.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.limit = float(most)
        self._alone = Cohort()
        self._begin_cohort()
        # What went before each cut: the limit, how many were in flight, and the latency's logarithm.
        self._cuts: list[tuple[float, float, float]] = []
        self._is_watching = most >= 4

    def sent(self, at_once: int) -> Cohort | None:
        """Return the cohort of a call that goes out as one of so many in flight; None where it has none."""
        if not self._is_watching:
            return None
        if at_once <= max(1, self.most // 4) and self._alone.sent < _MOST_ALONE:
            cohort = self._alone
        elif 0.75 * self.limit <= at_once <= self.limit:  # those beyond were sent before a cut
            cohort = self._crowded
            if self._is_full(cohort):
                self._skipped += 1
                if self._skipped > _PATIENCE * cohort.sent:  # too many of them failed
                    self._begin_cohort()
                return None
        else:
            return None
        cohort.sent += 1
        cohort.at_once += at_once
        return cohort

    def answered(self, latency_s: float, cohort: Cohort | None) -> None:
        """Count an answer."""
        if cohort is not None:
            cohort.latencies.append(latency_s)
            if cohort is self._crowded and self._is_full(cohort) and cohort.is_known and self._is_watching:
                self._begin_cohort()
                self._compare(cohort)

    def _begin_cohort(self) -> None:
        self._crowded, self._skipped = Cohort(), 0

    def _is_full(self, cohort: Cohort) -> bool:
        return cohort.sent >= max(_COHORT, self.limit)

    def _compare(self, crowded: Cohort) -> None:
        alone = self._alone
        if len(alone.latencies) < _FEWEST_ALONE or not alone.is_known:
            return
        now = crowded.quantile(0.5)
        # The standard error of a difference of medians of near-normal values.
        spread = (crowded.quantile(0.75) - crowded.quantile(0.25)) / 1.35
        chance = 1.25 * spread * math.sqrt(1 / alone.sent + 1 / crowded.sent)
        rise = now - alone.quantile(0.5)
        if rise <= max(_RISE, _SURE * chance):
            return
        at_once = crowded.mean_at_once
        back_to, is_queue = self.limit, True
        if not self._cuts:
            is_queue = rise >= _FIRST_ELASTICITY * math.log(at_once / alone.mean_at_once)
        for limit, before, latency in self._cuts:
            if before >= _TELLING * at_once:
                back_to, is_queue = limit, latency - now >= _ELASTICITY * math.log(before / at_once)
        if is_queue and self.limit > _LEAST:
            self._cuts.append((self.limit, at_once, now))
            self.limit = max(_LEAST, math.floor(self.limit * _CUT))
        elif self._cuts:
            self.limit = back_to
            self._is_watching = False
