"""Under xdist each worker gets its whole share of the items at once, so that its engine can run ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from xdist.scheduler import LoadScheduling  # type: ignore[import-untyped]

if TYPE_CHECKING:
    import pytest

T = TypeVar("T")


def own_share(items: Sequence[T], config: pytest.Config) -> list[T]:
    """Return every n-th item, this worker's own.

    A worker that replaces a crashed one has no share of its own: what it is handed is run as it comes.
    """
    worker = int(config.workerinput["workerid"].removeprefix("gw"))  # type: ignore[attr-defined]
    count = int(config.workerinput["workercount"])  # type: ignore[attr-defined]
    return list(items[worker::count]) if worker < count else []


class StaticShares(LoadScheduling):  # type: ignore[misc] # xdist's base is untyped
    """Hands out everything at the start: item i to worker i modulo their number, as in `own_share`."""

    collection: list[str] | None
    maxschedchunk: int | None

    def schedule(self) -> None:
        """Assign every pending item; later calls (a crashed worker's rest) fall back to xdist's own way."""
        if self.collection is not None:
            super().schedule()
            return
        if not self._check_nodes_have_same_collection():
            self.log("**Different tests collected, aborting run**")
            return
        self.collection = next(iter(self.node2collection.values()))
        self.maxschedchunk = self.maxschedchunk or len(self.collection)
        nodes = sorted(self.nodes, key=_number)
        for position, node in enumerate(nodes):
            share = list(range(position, len(self.collection), len(nodes)))
            self.node2pending[node].extend(share)
            if share:
                node.send_runtest_some(share)
        for node in nodes:
            node.shutdown()


def _number(node: Any) -> int:
    return int(node.gateway.id.removeprefix("gw"))
