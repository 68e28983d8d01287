"""One side of a migration: an index with the embedding that its queries need."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Sequence
from dataclasses import field
from pathlib import Path
from typing import Protocol

from swapgate.errors import UsageError
from swapgate.here import login
from swapgate.retrieval.embedding import AsyncEmbedder, Embedder
from swapgate.retrieval.fingerprint import Fingerprint, FingerprintError, Threshold
from swapgate.retrieval.index import TEXT, AsyncVectorIndex, Hit, Payload, Side, VectorIndex
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.state import StateStore
from swapgate.values import Value

_OLD_MAY_TURN_TO_NEW = {Phase.CANARY, Phase.PROMOTED, Phase.BAKE}


class Arm(Value):
    """An index and its embedder; results below `min_score` are left out."""

    index: VectorIndex
    embedder: Embedder
    min_score: Threshold | None = None


class AsyncArm(Value):
    """The same for the asynchronous router."""

    index: AsyncVectorIndex
    embedder: AsyncEmbedder
    min_score: Threshold | None = None


class Found(Value):
    """What a search found, who served it, and at which version of the migration.

    `fell_back` says that the other index should have served, and failed.
    """

    hits: tuple[Hit, ...]
    served_by: Side
    version: int
    fell_back: bool = False


class Written(Value):
    """What became of a write; `unmirrored` is the side that lacks it and will be repaired."""

    sides: tuple[Side, ...] = field(default=())
    unmirrored: Side | None = None


class _Embedding(Protocol):
    @property
    def fingerprint(self) -> Fingerprint: ...


class _AnyArm(Protocol):
    @property
    def embedder(self) -> _Embedding: ...
    @property
    def min_score(self) -> Threshold | None: ...


def open_migration(where: StateStore, name: str, *, old: _AnyArm, new: _AnyArm) -> Migration:
    """Return the migration that a router follows, begun where it is none yet.

    Raises FingerprintError when the arms are not those that it was begun with.
    """
    begun = where.create(
        name,
        old=old.embedder.fingerprint,
        new=new.embedder.fingerprint,
        who=whoever(),
        why="a router was started",
    )
    pairs: tuple[tuple[Side, _AnyArm, Fingerprint], ...] = (("old", old, begun.old), ("new", new, begun.new))
    for side, arm, wanted in pairs:
        if found := arm.embedder.fingerprint.differences(wanted):
            raise FingerprintError(
                f"the {side} embedding of the migration {name!r} is not the one that it was begun with: "
                f"{'; '.join(found)}. Mend the configuration, or begin a migration of another name"
            )
        if arm.min_score is not None:
            arm.min_score.require(wanted, side)
    return begun


def open_store(where: StateStore | Path | str) -> StateStore:
    """Return the store, opened where only its place is given."""
    return where if isinstance(where, StateStore) else StateStore(where)


def whoever() -> str:
    """Return who changes something, where nobody says so: the user and the machine."""
    return f"{login() or 'unknown'}@{socket.gethostname()}"


def other(side: Side) -> Side:
    """Return the other side."""
    return "old" if side == "new" else "new"


def may_fall_back(migration: Migration, side: Side) -> bool:
    """Whether the other index is whole enough to serve when this one fails."""
    if side == "new":
        return migration.phase is not Phase.RETIRED
    return migration.phase in _OLD_MAY_TURN_TO_NEW


def good_enough(hits: Iterable[Hit], floor: Threshold | None) -> tuple[Hit, ...]:
    """Return the hits that reach the threshold, all without one."""
    return tuple(hits if floor is None else (hit for hit in hits if hit.score >= floor.value))


def with_texts(texts: Sequence[str], payloads: Sequence[Payload] | None, ids: Sequence[str]) -> list[Payload]:
    """Return what is stored beside each vector: the payload, and the text that was embedded.

    Raises UsageError when there are not as many of each, or an id is there twice.
    """
    given = payloads if payloads is not None else [{} for _ in texts]
    if not len(ids) == len(texts) == len(given):
        raise UsageError(f"{len(ids)} ids, {len(texts)} texts and {len(given)} payloads: give one of each")
    if len(set(ids)) < len(ids):
        raise UsageError("an id is given twice in one write: leave the older one out")
    return [{**payload, TEXT: text} for text, payload in zip(texts, given, strict=True)]
