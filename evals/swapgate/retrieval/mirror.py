"""What becomes of a write that reached one index only: it is noted in the shared state, never lost."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.daemon import message_of
from swapgate.errors import StoreError
from swapgate.reporting.text import safe_text
from swapgate.retrieval.index import Side, VectorIndexError
from swapgate.retrieval.metrics import Counters
from swapgate.retrieval.state import StateStore

_LONGEST_REASON = 300


class LeftAlone(VectorIndexError):
    """The index has just failed, and is not asked again at once."""


def note_unmirrored(
    store: StateStore, name: str, counters: Counters, missing: Side, *, ids: Sequence[str], failure: Exception
) -> None:
    """Note entries that one index lacks; StoreError when not even that could be done."""
    counters.add("unmirrored_new" if missing == "new" else "unmirrored_old", len(ids))
    reason = safe_text(f"{type(failure).__name__}: {message_of(failure)}", _LONGEST_REASON)
    try:
        store.note_repairs(name, missing, ids, reason)
    except StoreError as exc:
        raise StoreError(
            f"{len(ids)} entries are not in the {missing} index ({reason}), and that could not be noted "
            f"either: {exc}. Write them again"
        ) from failure
