"""What both routers know of their sides: who is left alone, what was served and missed, and by whom."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from swapgate.retrieval.arms import Found
from swapgate.retrieval.health import Health
from swapgate.retrieval.index import Hit, Side
from swapgate.retrieval.metrics import Counters
from swapgate.retrieval.mirror import LeftAlone
from swapgate.retrieval.phases import Migration


class Traffic:
    """Follows the calls of one process; safe for its threads, and nothing in it waits.

    Its blocks are plain ones: a router for asyncio awaits within them.
    """

    def __init__(self) -> None:
        self.counters = Counters()
        self._health = Health()

    @contextmanager
    def asking(self, side: Side) -> Iterator[None]:
        """Take in whether a side that is to serve answers; a failure is counted."""
        try:
            with self.reaching(side):
                yield
        except Exception:
            self.counters.add("failures_new" if side == "new" else "failures_old")
            raise

    @contextmanager
    def reaching(self, side: Side) -> Iterator[None]:
        """Take in whether a side works, so that one that does not is left alone for a while."""
        try:
            yield
        except Exception:
            self._health.failed(side, time.monotonic())
            raise
        self._health.succeeded(side)

    def is_paused(self, side: Side) -> bool:
        """Whether a side has just failed, and is left alone."""
        return self._health.is_paused(side, time.monotonic())

    @contextmanager
    def serving(self, migration: Migration, side: Side) -> Iterator[None]:
        """Count a query that a side is meant to serve, where it is not answered at all."""
        try:
            yield
        except Exception:
            self.counters.missed(side, version=migration.version)
            raise

    def found(
        self, migration: Migration, side: Side, served_by: Side, hits: Sequence[Hit], seconds: float
    ) -> Found:
        """Count an answered query, and return what its caller is told."""
        self.counters.served(served_by, seconds, meant=side, version=migration.version)
        return Found(
            hits=tuple(hits),
            served_by=served_by,
            version=migration.version,
            fell_back=served_by != side,
        )


def left_alone(name: str) -> LeftAlone:
    """Return what says that an index is not asked again at once."""
    return LeftAlone(f"{name}: left alone after it has failed")
