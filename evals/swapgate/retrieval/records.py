"""What is remembered of a migration beside its state: changes, readers, evidence, repairs, shadow reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from swapgate.records import Json
from swapgate.retrieval.index import Side
from swapgate.retrieval.phases import Phase
from swapgate.values import Value


class Change(Value):
    """One change of a migration. `version` is the one that it made, `was` the phase before (None: none)."""

    version: int
    phase: Phase
    share: float
    was: Phase | None
    who: str
    why: str
    at: str


class Reader(Value):
    """One process that routes: the version that it acts on, a beat that grows, its counters."""

    reader: str
    version: int
    beat: int
    metrics: Mapping[str, Json] = field(default_factory=dict)


# Kinds of evidence.
CONTENTS = "contents"
FILLED = "filled"
VERIFICATION = "verification"


class Evidence(Value):
    """What was found out at one version of a migration; `record` is JSON of the kind's own."""

    kind: str
    version: int
    passed: bool
    record: Mapping[str, Json]
    at: str


class Repair(Value):
    """One entry that the index of `side` lacks a write of; settled by its `token` alone."""

    side: Side
    id: str
    token: str
    reason: str
    at: str


ShadowOutcome = Literal["answered", "failed", "timeout"]


class ShadowRead(Value):
    """One query that both indexes were asked. The query's text is there only where it was asked to be kept.

    `served` and `shadow` are ids, best first, with their scores beside them: scores of two embeddings, never
    to be compared with each other.
    """

    at: str
    version: int
    key_hash: str
    query: str | None
    served_by: Side
    served: tuple[str, ...]
    served_scores: tuple[float, ...]
    served_s: float
    outcome: ShadowOutcome
    shadow: tuple[str, ...] = ()
    shadow_scores: tuple[float, ...] = ()
    shadow_s: float | None = None
    error: str | None = None
