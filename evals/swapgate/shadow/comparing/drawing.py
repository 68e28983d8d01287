"""A sample of exchanges drawn by a seed, from any number of them, with its keys alone in memory."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from swapgate.records import content_hash
from swapgate.shadow.comparing.asked import messages_of
from swapgate.shadow.records import Exchange, Leg


def draw_keys(exchanges: Iterable[Exchange], *, size: int, seed: int) -> list[str]:
    """Return the keys of a sample of what a judge can see of the newest setup, in the order of the draw.

    It is always the same, and more of the same where the size grows.
    """
    setups: dict[str, _Sample] = {}
    newest_at, newest = "", ""
    for exchange in exchanges:
        if exchange.candidate is None:
            continue
        if exchange.at >= newest_at:
            newest_at, newest = exchange.at, exchange.setup
        setups.setdefault(exchange.setup, _Sample(size, seed)).offer(exchange)
    return setups[newest].keys() if setups else []


class _Sample:
    """The first of all that were offered, in an order that follows from the seed and each key alone."""

    def __init__(self, size: int, seed: int) -> None:
        self._size = size
        self._seed = seed
        # A heap whose first is the last of the sample: negated, because heapq keeps the smallest in front.
        self._found: list[tuple[int, str]] = []

    def offer(self, exchange: Exchange) -> None:
        """Take an exchange in where it comes before the last one. What a judge can see is looked at last."""
        one = (-int(content_hash([self._seed, exchange.key]), 16), exchange.key)
        is_full = len(self._found) == self._size
        if (is_full and one < self._found[0]) or not is_judgeable(exchange):
            return
        if is_full:
            heapq.heapreplace(self._found, one)
        else:
            heapq.heappush(self._found, one)

    def keys(self) -> list[str]:
        """Return the keys in order."""
        return [key for _order, key in sorted(self._found, reverse=True)]


def is_judgeable(exchange: Exchange) -> bool:
    """Whether both models answered, one of them at least with words, and what was asked is at hand."""
    return _has_words(exchange.control) and _has_words(exchange.candidate) and bool(messages_of(exchange))


def _has_words(leg: Leg | None) -> bool:
    return leg is not None and leg.has_answer and bool(leg.text or leg.tool_calls)
