"""Team draft: two rankings become one list, each entry of it one side's pick. Pure, and decided by a key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

from swapgate.retrieval.index import Hit, Side
from swapgate.values import Value

_BITS_A_HASH = 256


class Drafted(Value):
    """One entry of the list, and the side that picked it."""

    hit: Hit
    side: Side


def team_draft(old: Sequence[Hit], new: Sequence[Hit], *, key: str, k: int) -> list[Drafted]:
    """Return at most `k` entries, none twice, picked by turns; the same key always gives the same list.

    In every round each side picks its best entry that is not in the list yet. Who picks first in a round is a
    fair coin thrown by `key`: give each impression its own, such as user and query together. A side that has
    nothing left is passed over.

    F. Radlinski, M. Kurup, T. Joachims, "How does clickthrough data reflect retrieval quality?", CIKM 2008.
    """
    left = {"old": iter(old), "new": iter(new)}
    order: Sequence[tuple[Side, Side]] = (("old", "new"), ("new", "old"))
    picked: list[Drafted] = []
    seen: set[str] = set()
    for coin in _coins(key):
        before = len(picked)
        for side in order[coin]:
            hit = next((one for one in left[side] if one.id not in seen), None)
            if hit is not None and len(picked) < k:
                seen.add(hit.id)
                picked.append(Drafted(hit=hit, side=side))
        if len(picked) in {before, k}:
            return picked
    return picked


def _coins(key: str) -> Iterator[int]:
    """Yield fair coins, 0 or 1, that a key decides, without end."""
    written = key.encode("utf-8", "surrogatepass")
    block = 0
    while True:
        digest = hashlib.sha256(written + block.to_bytes(8, "big")).digest()
        bits = int.from_bytes(digest, "big")
        yield from (bits >> place & 1 for place in range(_BITS_A_HASH))
        block += 1
