"""What a router counts: who served, how long it took, what failed and what was left out."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from swapgate.records import Json
from swapgate.retrieval.index import SIDES, Side
from swapgate.values import Value

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
Staged = Literal["served_old", "served_new", "missed_old", "missed_new", "shadow_served", "shadow_missed"]
# Each bucket of durations is a tenth wider than the one before, from a microsecond on.
_RATIO = 1.1
_FIRST_S = 1e-6
_BUCKETS = 200
_EDGES_S = [_FIRST_S * _RATIO**number for number in range(_BUCKETS)]


# So many versions of a migration are counted apart: the present one, and those that it is held against.
_VERSIONS = 8


@dataclass(slots=True)
class _Stage:
    """What is counted at one version."""

    counts: Counter[Staged] = field(default_factory=Counter)
    durations: dict[Side, list[int]] = field(default_factory=lambda: {side: [0] * _BUCKETS for side in SIDES})

    def as_json(self) -> dict[str, Json]:
        counts: dict[str, Json] = dict(self.counts.items())
        return {"counts": counts, "durations": _filled(self.durations)}


class Counters:
    """Counts of one process, safe for its threads; as JSON they can be summed over processes.

    What tells how the sides do is counted for each version of the migration as well: a version is a stage of
    the ramp, with a share of its own.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: Counter[Counted] = Counter()
        self._durations = _no_durations()
        self._stages: dict[int, _Stage] = {}

    def add(self, what: Counted, count: int = 1) -> None:
        """Count something."""
        with self._lock:
            self._counts[what] += count

    def served(self, side: Side, seconds: float, *, meant: Side | None = None, version: int = 0) -> None:
        """Count an answered query and its time, that for its embedding included.

        `meant` is the side that should have served, where it is another.
        """
        bucket = _bucket(seconds)
        with self._lock:
            self._counts["queries_new" if side == "new" else "queries_old"] += 1
            self._durations[side][bucket] += 1
            stage = self._stage(version)
            stage.durations[side][bucket] += 1
            if meant is None or meant == side:
                stage.counts["served_new" if side == "new" else "served_old"] += 1
            else:
                stage.counts["missed_new" if meant == "new" else "missed_old"] += 1

    def missed(self, side: Side, *, version: int) -> None:
        """Count a query that a side should have served, and nobody did."""
        with self._lock:
            self._stage(version).counts["missed_new" if side == "new" else "missed_old"] += 1

    def shadowed(self, what: Counted, *, version: int, has_answer: bool) -> None:
        """Count a shadow read."""
        with self._lock:
            self._counts[what] += 1
            self._stage(version).counts["shadow_served" if has_answer else "shadow_missed"] += 1

    def as_json(self) -> dict[str, Json]:
        """Return what was counted: totals, durations as `{bucket: count}`, and both by version."""
        with self._lock:
            stages: dict[str, Json] = {str(version): one.as_json() for version, one in self._stages.items()}
            counts: dict[str, Json] = dict(sorted(self._counts.items()))
            return {"counts": counts, "durations": _filled(self._durations), "stages": stages}

    def _stage(self, version: int) -> _Stage:
        found = self._stages.get(version)
        if found is None:
            found = self._stages[version] = _Stage()
            for gone in sorted(self._stages)[:-_VERSIONS]:
                del self._stages[gone]
        return found


class Metrics(Value):
    """Counts of one or more processes since they began; percentiles are exact to a tenth."""

    counts: Mapping[str, int] = field(default_factory=dict)
    p50_s: Mapping[Side, float | None] = field(default_factory=dict)
    p95_s: Mapping[Side, float | None] = field(default_factory=dict)


class Tally(Value):
    """What all processes counted at one version of a migration.

    `served` are the queries that a side was meant to serve and did, `missed` those that it did not: whether
    the other one stepped in or nobody. `buckets` are the ends of durations with their counts, rising.
    """

    served: Mapping[Side, int]
    missed: Mapping[Side, int]
    shadow_served: int
    shadow_missed: int
    buckets: Mapping[Side, Sequence[tuple[float, int]]]


def tally(found: Iterable[Mapping[str, Json]], version: int) -> Tally:
    """Return what several processes counted at one version."""
    total = _Stage()
    for one in found:
        _add(_mapping(_mapping(one.get("stages")).get(str(version))), total.counts, total.durations)
    counts = total.counts
    return Tally(
        served={"old": counts["served_old"], "new": counts["served_new"]},
        missed={"old": counts["missed_old"], "new": counts["missed_new"]},
        shadow_served=counts["shadow_served"],
        shadow_missed=counts["shadow_missed"],
        buckets={
            side: [(_EDGES_S[number] * _RATIO**0.5, n) for number, n in enumerate(rows) if n]
            for side, rows in total.durations.items()
        },
    )


def summed(found: Iterable[Mapping[str, Json]]) -> Metrics:
    """Return the sum of what several processes counted."""
    counts: Counter[str] = Counter()
    durations = _no_durations()
    for one in found:
        _add(one, counts, durations)
    return Metrics(
        counts=dict(sorted(counts.items())),
        p50_s={side: _quantile(durations[side], 0.50) for side in SIDES},
        p95_s={side: _quantile(durations[side], 0.95) for side in SIDES},
    )


def _add(one: Mapping[str, Json], counts: Counter[Any], durations: Mapping[Side, list[int]]) -> None:
    counts.update({name: _whole(value) for name, value in _mapping(one.get("counts")).items()})
    for side in SIDES:
        for bucket, count in _mapping(_mapping(one.get("durations")).get(side)).items():
            durations[side][int(bucket)] += _whole(count)


def _no_durations() -> dict[Side, list[int]]:
    return {side: [0] * _BUCKETS for side in SIDES}


def _filled(durations: Mapping[Side, Sequence[int]]) -> dict[str, Json]:
    return {
        side: {str(number): count for number, count in enumerate(found) if count}
        for side, found in durations.items()
    }


def _bucket(seconds: float) -> int:
    """Return the last bucket that begins at or below a duration; what is shorter than all is in the first."""
    return max(0, bisect_right(_EDGES_S, seconds) - 1)


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
