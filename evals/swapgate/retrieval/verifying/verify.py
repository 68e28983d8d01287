"""One verification from the queries to the stored evidence."""

from __future__ import annotations

from collections.abc import Callable

from swapgate.retrieval.index import Side, VectorIndex
from swapgate.retrieval.opening import IndexWorkspace
from swapgate.retrieval.phases import Migration
from swapgate.retrieval.state import StateStore
from swapgate.retrieval.verifying.verification import Verification
from swapgate.spec.index_verify import VerifyEntry


def verify(
    workspace: IndexWorkspace,
    store: StateStore,
    migration: Migration,
    settings: VerifyEntry | None = None,
    *,
    index: Callable[[Side], VectorIndex] | None = None,
    draw: Callable[[str, int, int], None] = lambda _what, _done, _all: None,
) -> Verification:
    """Ask both indexes, measure, decide, store the decision as evidence, and return it.

    `settings` are those of the file where none are given; `index` returns indexes that are open already, else
    they are opened and closed here. Key `max_cost` of the workspace's settings bounds what judges may cost.
    Raises UsageError (files, labels, judge), FingerprintError, StoreError.
    """
    raise NotImplementedError
