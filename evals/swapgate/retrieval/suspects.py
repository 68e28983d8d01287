"""Entries that differ from the ledger because a router wrote them: the other index agrees with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from swapgate.errors import SwapgateError
from swapgate.retrieval.index import TEXT, Stored, VectorIndex
from swapgate.retrieval.ledger import Ledger

_AT_ONCE = 500
# More of them are not looked into one by one: so much is no work of routers between two passes.
_MOST = 10_000
# So many entries tell whether both indexes call the same text by the same id.
_SAMPLED = 50


@dataclass(slots=True)
class Suspects:
    """The texts of entries that are not those of the ledger, by id; at most some thousands."""

    texts: dict[str, str] = field(default_factory=dict)

    def add(self, one: Stored) -> None:
        """Take in an entry."""
        if len(self.texts) < _MOST:
            self.texts[one.id] = str(one.payload.get(TEXT))


def written_by_routers(
    suspects: Suspects, missing: int, *, index: VectorIndex, ledger: Ledger, old: Callable[[], VectorIndex]
) -> tuple[int, int]:
    """Return how many entries routers have changed and deleted; 0 where nobody can tell."""
    try:
        other = old()
        if other.stamp() is None:
            return 0, 0
        changed = sum(
            one.payload.get(TEXT) == suspects.texts[one.id]
            for some in _pages(list(suspects.texts))
            for one in other.fetch(some)
        )
        return changed, _deleted(index, ledger, other) if 0 < missing <= _MOST else 0
    except SwapgateError:
        return 0, 0


def _deleted(index: VectorIndex, ledger: Ledger, other: VectorIndex) -> int:
    """Count what neither index holds, where they call their entries by the same ids."""
    count = shared = sampled = 0
    after = ""
    while page := ledger.written_ids(after, _AT_ONCE):
        after = page[-1]
        here = {one.id for one in index.fetch(page)}
        if sampled < _SAMPLED:
            some = [one for one in page if one in here][:_SAMPLED]
            sampled += len(some)
            shared += len(other.fetch(some)) if some else 0
        gone = [one for one in page if one not in here]
        count += len(gone) - len(other.fetch(gone)) if gone else 0
    return count if 2 * shared > sampled else 0


def _pages(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), _AT_ONCE):
        yield ids[start : start + _AT_ONCE]
