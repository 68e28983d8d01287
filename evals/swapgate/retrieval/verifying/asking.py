"""Asks both indexes every query, by turns, as a router would: its own embedding, its threshold."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import field
from math import isnan

from swapgate.daemon import message_of
from swapgate.errors import NotAsked, UsageError
from swapgate.reporting.text import safe_text
from swapgate.retrieval.arms import Arm, good_enough
from swapgate.retrieval.embedded import good_rows, require_shape
from swapgate.retrieval.embedding.api import ApiEmbedder
from swapgate.retrieval.embedding.blocking import blocking
from swapgate.retrieval.fingerprint import require_same
from swapgate.retrieval.index import SIDES, TEXT, Hit, Side, Vector, VectorIndex
from swapgate.retrieval.opening import IndexWorkspace
from swapgate.retrieval.verifying.queries import Query
from swapgate.values import Value

_LONGEST_ERROR = 200
# Of a document that was parted into chunks more are asked for, so that as many documents are left.
_CHUNKS_A_DOCUMENT = 3
_FEWEST_FAILURES = 20
Draw = Callable[[str, int, int], None]


class Ranking(Value):
    """What one index answered to one query: ids, best first, with scores; or the error.

    `texts` are those of the first results, where the index keeps them. `vector` is the query's.
    """

    ids: tuple[str, ...] = ()
    scores: tuple[float, ...] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    vector: Vector | None = None
    error: str | None = None


class Asked(Value):
    """One query with the answers of both indexes."""

    query: Query
    old: Ranking
    new: Ranking

    def side(self, side: Side) -> Ranking:
        """Return one side's answer."""
        return self.old if side == "old" else self.new


class Depth(Value):
    """How many results are asked for and kept; `texts` of the first ones. `documents` joins chunks."""

    results: int
    texts: int
    documents: bool


@contextmanager
def opened_arms(
    workspace: IndexWorkspace, index: Callable[[Side], VectorIndex] | None
) -> Iterator[Mapping[Side, Arm]]:
    """Yield both sides, each index known to be of its embedding; what was opened here is closed."""
    with ExitStack() as stack:
        arms: dict[Side, Arm] = {}
        for side in SIDES:
            threshold = workspace.threshold(side)
            found = index(side) if index is not None else stack.enter_context(closing(workspace.index(side)))
            require_same(found.name, stamped=found.stamp(), wanted=workspace.fingerprint(side))
            opening = workspace.embedder(side, max_cost=workspace.settings.max_cost)
            embedder = stack.enter_context(blocking(opening))
            arms[side] = Arm(index=found, embedder=embedder, min_score=threshold)
        yield arms


def ask_both(
    arms: Mapping[Side, Arm],
    queries: Sequence[Query],
    depth: Depth,
    *,
    concurrency: int,
    max_errors: float,
    draw: Draw = lambda _what, _done, _all: None,
) -> list[Asked]:
    """Return every query with both answers; the side that is asked first alternates.

    Once more queries have failed than may, no other is asked: the list is then shorter. What is wrong with
    more than one query, as a fingerprint, a budget or a key that is missing, is raised.
    """
    for arm in arms.values():
        _warm_up(arm, queries[0], depth)
    asking = _Asking(arms, depth, most_failures=max(_FEWEST_FAILURES, int(max_errors * len(queries))))
    found: list[Asked] = []
    with ThreadPoolExecutor(concurrency, thread_name_prefix="swapgate-verify") as pool:
        try:
            for one in pool.map(asking.ask, enumerate(queries)):
                if one is not None:
                    found.append(one)
                    draw("queries", len(found), len(queries))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return found


def spent_usd(arm: Arm) -> float | None:
    """Return what a side's embedding has cost, None where nothing is paid for it."""
    embedder = arm.embedder
    inner = getattr(embedder, "inner", embedder)
    return inner.spent_usd if isinstance(inner, ApiEmbedder) else None


def _warm_up(arm: Arm, query: Query, depth: Depth) -> None:
    """Load weights and open connections, which a router has done long before: no query's time holds them."""
    _answer(arm, query, depth)


class _Asking:
    """One worker's work; counts failures of each side."""

    def __init__(self, arms: Mapping[Side, Arm], depth: Depth, *, most_failures: int) -> None:
        self._arms = arms
        self._depth = depth
        self._most_failures = most_failures
        self._lock = threading.Lock()
        self._failures: dict[Side, int] = {"old": 0, "new": 0}

    def ask(self, numbered: tuple[int, Query]) -> Asked | None:
        """Return a query with both answers, None once there is no use in asking."""
        number, query = numbered
        if max(self._failures.values()) > self._most_failures:
            return None
        order = SIDES if number % 2 == 0 else SIDES[::-1]
        found = {side: self._side(side, query) for side in order}
        return Asked(query=query, old=found["old"], new=found["new"])

    def _side(self, side: Side, query: Query) -> Ranking:
        found = _answer(self._arms[side], query, self._depth)
        if found.error is not None:
            with self._lock:
                self._failures[side] += 1
        return found


def _answer(arm: Arm, query: Query, depth: Depth) -> Ranking:
    """Return what an index answers, or its failure; what would fail every query is raised."""
    started = time.perf_counter()
    try:
        return _ranking(arm, query, depth)
    except UsageError:
        raise
    except NotAsked as exc:
        raise UsageError(
            "the embeddings of the queries would cost more than is allowed. Raise --max-cost, or ask fewer "
            "queries: --limit"
        ) from exc
    except Exception as exc:
        told = safe_text(f"{type(exc).__name__}: {message_of(exc)}", _LONGEST_ERROR)
        return Ranking(error=told, seconds=time.perf_counter() - started)


def _ranking(arm: Arm, query: Query, depth: Depth) -> Ranking:
    started = time.perf_counter()
    vectors = arm.embedder.embed([query.text], is_query=True)
    require_shape(arm.embedder.fingerprint, vectors, 1)
    if not good_rows(vectors).all():
        raise ValueError("the query's vector has NaN or infinity in it, or no length")
    wanted = depth.results * (_CHUNKS_A_DOCUMENT if depth.documents else 1)
    hits = good_enough(arm.index.search(vectors[0], wanted), arm.min_score)
    seconds = time.perf_counter() - started
    kept = _different(hits, depth)
    if any(isnan(hit.score) for _id, hit in kept):
        raise ValueError("a score is NaN: the index holds vectors that cannot be compared")
    return Ranking(
        ids=tuple(one for one, _hit in kept),
        scores=tuple(hit.score for _id, hit in kept),
        texts={one: text for one, hit in kept[: depth.texts] if (text := _text(hit)) is not None},
        seconds=seconds,
        vector=vectors[0],
    )


def _different(hits: Sequence[Hit], depth: Depth) -> list[tuple[str, Hit]]:
    """Return the first hit of each entry, or of each document, with its id."""
    found: dict[str, Hit] = {}
    for hit in hits:
        found.setdefault(document_of(hit.id) if depth.documents else hit.id, hit)
    return list(found.items())[: depth.results]


def document_of(entry: str) -> str:
    """Return the document that a chunk is of: `doc-7#2` is of `doc-7`."""
    document, mark, number = entry.rpartition("#")
    return document if mark and document and number.isascii() and number.isdigit() else entry


def _text(hit: Hit) -> str | None:
    text = hit.payload.get(TEXT)
    return text if isinstance(text, str) else None
