"""What a router counts: who served, how long it took, what failed and what was left out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from swapgate.records import Json
from swapgate.retrieval.index import SIDES, Side

Counted = Literal[
    "queries_old",
    "queries_new",
    "failures_old",
    "failures_new",
    "fallbacks",
    "writes",
    "unmirrored_old",
    "unmirrored_new",
    "shadow_answered",
    "shadow_failed",
    "shadow_timeout",
    "shadow_dropped",
    "shadow_lost",
    "stale_reads",
]
# Each bucket of durations is a tenth wider than the one before, from a microsecond on.
_RATIO = 1.1
_FIRST_S = 1e-6
_BUCKETS = 200
_EDGES_S = [_FIRST_S * _RATIO**number for number in range(_BUCKETS)]


class Counters:
    """Counts of one process, safe for its threads; as JSON they can be summed over processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Counted] = Counter()
        self._durations: dict[Side, list[int]] = {side: [0] * _BUCKETS for side in SIDES}

    def add(self, what: Counted, count: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._counts[what] += count

    def served(self, side: Side, seconds: float) -> None:
        """Count an answered query and its time, that for its embedding included."""
        bucket = _bucket(seconds)
        with self._lock:
            self._counts["queries_new" if side == "new" else "queries_old"] += 1
            self._durations[side][bucket] += 1

    def as_json(self) -> dict[str, Json]:
        """Return what was counted: totals, and durations as `{bucket: count}`."""
        with self._lock:
            counts: dict[str, Json] = dict(sorted(self._counts.items()))
            durations: dict[str, Json] = {
                side: {str(number): count for number, count in enumerate(found) if count}
                for side, found in self._durations.items()
            }
        return {"counts": counts, "durations": durations}


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics:
    """Counts of one or more processes since they began; percentiles are exact to a tenth."""

    counts: Mapping[str, int] = field(default_factory=dict)
    p50_s: Mapping[Side, float | None] = field(default_factory=dict)
    p95_s: Mapping[Side, float | None] = field(default_factory=dict)


def summed(found: Iterable[Mapping[str, Json]]) -> Metrics:
    """Return the sum of what several processes counted."""
    counts: Counter[str] = Counter()
    durations: dict[Side, list[int]] = {side: [0] * _BUCKETS for side in SIDES}
    for one in found:
        counts.update({name: _whole(value) for name, value in _mapping(one.get("counts")).items()})
        for side in SIDES:
            for bucket, count in _mapping(_mapping(one.get("durations")).get(side)).items():
                durations[side][int(bucket)] += _whole(count)
    return Metrics(
        counts=dict(sorted(counts.items())),
        p50_s={side: _quantile(durations[side], 0.50) for side in SIDES},
        p95_s={side: _quantile(durations[side], 0.95) for side in SIDES},
    )


def _bucket(seconds: float) -> int:
    """Return the last bucket that begins at or below a duration."""
    low, high = 0, _BUCKETS - 1
    while low < high:
        middle = (low + high + 1) // 2
        if _EDGES_S[middle] <= seconds:
            low = middle
        else:
            high = middle - 1
    return low


def _quantile(buckets: Sequence[int], share: float) -> float | None:
    wanted = share * sum(buckets)
    reached = 0
    for number, count in enumerate(buckets):
        reached += count
        if count and reached >= wanted:
            return float(_EDGES_S[number] * _RATIO**0.5)
    return None


def _mapping(value: Json | Mapping[str, Json]) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: Json) -> int:
    return int(value) if isinstance(value, int | float) else 0
