"""How long one endpoint's latest answers took, for asking a straggler a second time."""

from __future__ import annotations

import math
from collections import deque

_KEPT = 256
_FEWEST = 20
_REFRESH = 16


class Latencies:
    """The latest answers' seconds. A quantile is known after the first 20 and renewed every 16."""

    def __init__(self) -> None:
        self._kept: deque[float] = deque(maxlen=_KEPT)
        self._sorted: list[float] = []
        self._added = 0

    def add(self, latency_s: float) -> None:
        """Count one answer."""
        self._kept.append(latency_s)
        self._added += 1

    def quantile(self, share: float, *, fewest: int = _FEWEST) -> float | None:
        """Return the seconds within which this share of the answers came; None while too few are known."""
        if len(self._kept) < fewest:
            return None
        if not self._sorted or self._added >= _REFRESH:
            self._sorted, self._added = sorted(self._kept), 0
        return self._sorted[min(len(self._sorted) - 1, math.ceil(share * len(self._sorted)) - 1)]
