"""Both indexes asked for the texts of every question."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import cycle, islice

from swapgate.errors import NotAsked, UsageError
from swapgate.memory.cache import CACHE_FILE, ResponseCache
from swapgate.retrieval.answering.texts import Passage, Retrieved, Texts, failures, texts_of
from swapgate.retrieval.answering.vectors import VectorMissing, remembering
from swapgate.retrieval.index import SIDES, TEXT, Side, VectorIndex, VectorIndexError
from swapgate.retrieval.opening import IndexWorkspace
from swapgate.retrieval.verifying.asking import Depth, Draw, ask_both, opened_arms, spent_usd
from swapgate.retrieval.verifying.queries import Query

_STOOD_IN = (
    "what would be found is not known before the questions are embedded: texts of the index stand in for "
    "their length"
)
_TOO_DEAR = (
    "the embeddings of the questions would cost more than --max-cost allows, and no model was asked: raise "
    "it. Those that were paid for are remembered"
)


def retrieve(
    workspace: IndexWorkspace,
    index: Callable[[Side], VectorIndex],
    queries: Sequence[Query],
    *,
    k: int,
    max_errors: float,
    is_dry: bool = False,
    draw: Draw = lambda _what, _done, _all: None,
) -> Retrieved:
    """Return the best `k` texts of both indexes for each question.

    Vectors that a service was paid for are remembered. With `is_dry` none is asked for: where they are not
    at hand, other texts stand in. Raises VectorIndexError when an index does not answer more than may be
    missing: nothing else was asked by then.
    """
    settings = workspace.settings
    cache = ResponseCache(settings.state_dir / CACHE_FILE, recordings=settings.recordings)
    mode = "replay" if is_dry else settings.cache
    with contextlib.closing(cache), opened_arms(_sharing(workspace), index) as opened:
        arms = {side: remembering(arm, cache, mode=mode) for side, arm in opened.items()}
        try:
            asked = ask_both(
                arms,
                queries,
                Depth(results=k, texts=k, documents=False),
                concurrency=workspace.file.reindex.concurrency,
                max_errors=max_errors,
                draw=draw,
            )
        except VectorMissing:
            if not is_dry:
                raise
            return _stand_ins(index, queries, k=k)
        except UsageError as exc:
            if not isinstance(exc.__cause__, NotAsked):
                raise
            raise UsageError(_TOO_DEAR) from exc
        paid = sum(spent_usd(arm) or 0.0 for arm in arms.values())
    found = texts_of(asked)
    told = tuple(failures(found))
    missing = max(sum(one[side].error is not None for one in found.values()) for side in SIDES)
    if len(asked) < len(queries) or missing > max_errors * len(queries):
        raise VectorIndexError(
            f"{'; '.join(told)}. Up to {100 * max_errors:g}% may be missing, and no model was asked: "
            "see to the index, and give the command again"
        )
    return Retrieved(texts=found, paid_usd=paid, notes=told)


def _sharing(workspace: IndexWorkspace) -> IndexWorkspace:
    """Return the workspace with half of the budget for each side's embedding, where services make both."""
    limit = workspace.settings.max_cost
    paid = [one for one in map(workspace.entry, SIDES) if not one.embed.is_local]
    if limit is None or len(paid) < len(SIDES):
        return workspace
    return replace(workspace, settings=replace(workspace.settings, max_cost=limit / len(SIDES)))


def _stand_ins(index: Callable[[Side], VectorIndex], queries: Sequence[Query], *, k: int) -> Retrieved:
    """Return some texts of each index in the place of those that would be found."""
    by_side = {side: _some_texts(index(side), side, k) for side in SIDES}
    texts = {one.id: dict(by_side) for one in queries}
    return Retrieved(texts=texts, notes=(_STOOD_IN,), stood_in=True)


def _some_texts(index: VectorIndex, side: Side, k: int) -> Texts:
    page, _after = index.scan(None, k)
    texts = [text for one in page if isinstance(text := one.payload.get(TEXT), str)]
    if not texts:
        raise UsageError(f"the {side} index holds no texts: is it filled?")
    return Texts(
        passages=tuple(Passage(id=str(n), text=one) for n, one in enumerate(islice(cycle(texts), k)))
    )
