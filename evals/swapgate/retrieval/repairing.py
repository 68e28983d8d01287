"""Makes up for writes that one index missed: the other one has them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from swapgate.retrieval.arms import other
from swapgate.retrieval.embedded import good_rows
from swapgate.retrieval.embedding import AsyncEmbedder
from swapgate.retrieval.index import TEXT, Side, Stored, VectorIndex, VectorIndexError
from swapgate.retrieval.records import Repair
from swapgate.retrieval.state import StateStore

_AT_ONCE = 200
_TRIES = 5


@dataclass(slots=True, kw_only=True)
class Repaired:
    """What was repaired; `left` are ids whose text the other index does not hold, or that have no vector."""

    written: int = 0
    deleted: int = 0
    left: int = 0


async def repair(
    store: StateStore, name: str, side: Side, *, index: Callable[[Side], VectorIndex], embedder: AsyncEmbedder
) -> Repaired:
    """Write to one index what it missed, as the other index holds it now; settled one page at a time.

    `index` opens one side's, each only where there is something to repair.
    """
    done = Repaired()
    skipped: set[str] = set()
    while True:
        page = store.repairs(name, side, limit=_AT_ONCE + len(skipped))
        page = [one for one in page if one.id not in skipped][:_AT_ONCE]
        if not page:
            return done
        settled = await _repair_page(page, index(other(side)), index(side), embedder, done)
        store.settle_repairs(name, settled)
        skipped |= {one.id for one in page} - {one.id for one in settled}
        done.left = len(skipped)


async def _repair_page(
    page: Sequence[Repair],
    whole: VectorIndex,
    broken: VectorIndex,
    embedder: AsyncEmbedder,
    done: Repaired,
) -> list[Repair]:
    """Return what is settled. The other index is read again after writing: it may hold newer texts."""
    ids = [one.id for one in page]
    wanted = {one.id: one for one in whole.fetch(ids)}
    for _ in range(_TRIES):
        good = await _write(broken, embedder, [one for one in wanted.values() if TEXT in one.payload])
        gone = [one for one in ids if one not in wanted]
        broken.delete(gone)
        again = {one.id: one for one in whole.fetch(ids)}
        if _payloads(again) == _payloads(wanted):
            done.written += len(good)
            done.deleted += len(gone)
            return [one for one in page if one.id in good or one.id not in wanted]
        wanted = again
    raise VectorIndexError(f"{whole.name}: entries change faster than they can be repaired. Try again later")


async def _write(index: VectorIndex, embedder: AsyncEmbedder, entries: Sequence[Stored]) -> set[str]:
    if not entries:
        return set()
    vectors = await embedder.embed([str(one.payload[TEXT]) for one in entries], is_query=False)
    is_good = good_rows(vectors)
    good = [one for one, fine in zip(entries, is_good, strict=True) if fine]
    index.upsert([one.id for one in good], vectors[is_good], [one.payload for one in good])
    return {one.id for one in good}


def _payloads(entries: dict[str, Stored]) -> dict[str, object]:
    return {one: dict(entry.payload) for one, entry in entries.items()}
