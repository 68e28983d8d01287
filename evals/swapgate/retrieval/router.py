"""Routes queries and writes between two indexes while one takes the other's place."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from swapgate.retrieval.arms import (
    Arm,
    Found,
    Written,
    good_enough,
    may_fall_back,
    open_migration,
    open_store,
    other,
    whoever,
    with_texts,
)
from swapgate.retrieval.fingerprint import require_same
from swapgate.retrieval.index import SIDES, Hit, Payload, Side
from swapgate.retrieval.metrics import Metrics, summed
from swapgate.retrieval.mirror import LeftAlone, note_unmirrored
from swapgate.retrieval.phases import Migration, Phase
from swapgate.retrieval.shadow import Asked, ShadowLog, ShadowThreads
from swapgate.retrieval.state import StateStore
from swapgate.retrieval.traffic import Traffic, left_alone
from swapgate.retrieval.watch import Watch

_Write: TypeAlias = Callable[[Side], None]


class DualIndexRouter:
    """Serves each key from the index that the shared state names, and writes what both must know.

    Every query is embedded by the arm that it goes to. Safe for threads, and for processes that fork after
    it was opened.

    Parameters
    ----------
    old, new
        The two sides.
    state
        Where the state lies: an SQLite file, a PostgreSQL address, or an opened store.
    name
        The migration; it is begun in the phase `plan` where there is none of that name.
    refresh_s
        How often the state is read: a change holds in every process within this time.
    falls_back
        Whether the other index serves when one fails, where it is whole enough; counted as `fallbacks`.
    keeps_queries
        Whether the texts of shadow reads are stored.
    shadow_threads, most_waiting
        How many threads ask the shadow, and how many queries may wait for them before some are dropped.

    Raises
    ------
    FingerprintError
        When an index, a threshold or the migration belongs to another embedding than the arm's.
    StoreError
        When the state or an index cannot be read.
    """

    def __init__(
        self,
        old: Arm,
        new: Arm,
        *,
        state: StateStore | Path | str,
        name: str,
        refresh_s: float = 1.0,
        falls_back: bool = True,
        keeps_queries: bool = False,
        shadow_threads: int = 2,
        most_waiting: int = 256,
    ) -> None:
        self.name = name
        self._arms: dict[Side, Arm] = {"old": old, "new": new}
        self._store = open_store(state)
        self._owns_store = self._store is not state
        self._falls_back = falls_back
        self._shadowing = (keeps_queries, shadow_threads, most_waiting)
        self._refresh_s = refresh_s
        begun = open_migration(self._store, name, old=old, new=new)
        self._checked: set[Side] = set()
        for side in SIDES if begun.phase is not Phase.PLAN else begun.writes:
            self._arm(side)
        self._begin(begun)

    def search(self, query: str, k: int = 10, *, key: str | None = None) -> Found:
        """Return the best `k` entries for a query; `key` (a user, a session) stays with one index.

        Without a key the query's text takes its place: the same question then finds the same.
        """
        migration = self._current()
        key = query if key is None else key
        side = migration.side(key)
        started = time.perf_counter()
        with self._traffic.serving(migration, side):
            if self._falls_back and may_fall_back(migration, side):
                hits, served_by = self._ask_either(side, query, k)
            else:
                hits, served_by = self._ask_counted(side, query, k), side
        seconds = time.perf_counter() - started
        found = self._traffic.found(migration, side, served_by, hits, seconds)
        if migration.shadows:
            self._shadow.put(Asked(query=query, k=k, key=key, found=found, served_s=seconds))
        return found

    def search_on(self, side: Side, query: str, k: int = 10) -> tuple[Hit, ...]:
        """Return what one index alone finds; its failure is raised. Nothing is recorded.

        Whoever shows it to a user says so with `count_served`: the metrics, and a ramp, count it then.
        """
        return self._ask_counted(side, query, k)

    def count_served(self, side: Side, seconds: float) -> None:
        """Count a query whose results of one index a user has seen, and its time."""
        self._counters.served(side, seconds)

    def upsert(
        self, ids: Sequence[str], texts: Sequence[str], payloads: Sequence[Payload] | None = None
    ) -> Written:
        """Embed and store entries wherever the phase says so; the text becomes part of the payload.

        A failure of the index that serves is raised, and nothing is written to the other. A failure of the
        other is noted in the state: the next reindexing, or `swapgate index repair`, makes up for it.
        """
        stored = with_texts(texts, payloads, ids)

        def write(side: Side) -> None:
            arm = self._arm(side)
            arm.index.upsert(ids, arm.embedder.embed(texts, is_query=False), stored)

        return self._write(ids, write)

    def delete(self, ids: Sequence[str]) -> Written:
        """Remove entries wherever the phase says so; failures as with `upsert`."""
        return self._write(ids, lambda side: self._arm(side).index.delete(ids))

    @property
    def store(self) -> StateStore:
        """The state that all processes share."""
        return self._store

    @property
    def migration(self) -> Migration:
        """The state as this process knows it: at most `refresh_s` seconds old where the state can be read."""
        return self._current()

    def refresh(self) -> Migration:
        """Read the state now."""
        self._current()
        return self._watch.refresh()

    def move(
        self, to: Phase | str, *, share: float | None = None, why: str, who: str | None = None
    ) -> Migration:
        """Move the migration on for all processes; see `swapgate index` for the checks that go before."""
        self._store.change(self.refresh(), Phase(to), share=share, who=who or whoever(), why=why)
        return self.refresh()

    def promote(self, *, why: str, who: str | None = None) -> Migration:
        """Let the new index serve everybody."""
        return self.move(Phase.PROMOTED, why=why, who=who)

    def rollback(self, *, why: str, who: str | None = None) -> Migration:
        """Let the old index serve everybody again, at once."""
        return self.move(Phase.ROLLED_BACK, why=why, who=who)

    def metrics(self) -> Metrics:
        """Return what this process has counted."""
        return summed([self._counters.as_json()])

    def drain(self, limit_s: float = 5.0) -> bool:
        """Wait until the shadow reads so far are recorded; False when that takes longer."""
        is_drained = self._shadow.drain(limit_s)
        self._log.flush()
        return is_drained

    def close(self, limit_s: float = 5.0) -> None:
        """Record the shadow reads that are left, for so long at most, and stop. The indexes stay open."""
        self._shadow.close(limit_s)
        self._log.close()
        self._watch.close()
        if self._owns_store:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self, migration: Migration) -> None:
        """Start the threads of this process."""
        keeps_queries, threads, most_waiting = self._shadowing
        self._pid = os.getpid()
        self._traffic = Traffic()
        self._counters = self._traffic.counters
        self._log = ShadowLog(self._store, self.name, self._counters, keeps_queries=keeps_queries)
        self._shadow = ShadowThreads(
            self._ask_shadow, self._log, self._counters, threads=threads, most_waiting=most_waiting
        )
        self._watch = Watch(self._store, migration, self._counters, refresh_s=self._refresh_s)

    def _current(self) -> Migration:
        if self._pid != os.getpid():
            self._begin(self._watch.migration)
        return self._watch.migration

    def _arm(self, side: Side) -> Arm:
        """Return an arm whose index is known to be of its embedding."""
        arm = self._arms[side]
        if side not in self._checked:
            require_same(arm.index.name, stamped=arm.index.stamp(), wanted=arm.embedder.fingerprint)
            self._checked.add(side)
        return arm

    def _ask(self, side: Side, query: str, k: int) -> tuple[Hit, ...]:
        arm = self._arm(side)
        vector = arm.embedder.embed([query], is_query=True)[0]
        return good_enough(arm.index.search(vector, k), arm.min_score)

    def _ask_counted(self, side: Side, query: str, k: int) -> tuple[Hit, ...]:
        with self._traffic.asking(side):
            return self._ask(side, query, k)

    def _ask_either(self, side: Side, query: str, k: int) -> tuple[tuple[Hit, ...], Side]:
        """Ask one side, and the other where that fails or has just failed; the first failure is told."""
        failure: Exception = left_alone(self._arms[side].index.name)
        if not self._traffic.is_paused(side):
            try:
                return self._ask_counted(side, query, k), side
            except Exception as exc:
                failure = exc
        try:
            hits = self._ask(other(side), query, k)
        except Exception as exc:
            raise (exc if isinstance(failure, LeftAlone) else failure) from None
        self._counters.add("fallbacks")
        return hits, other(side)

    def _ask_shadow(self, asked: Asked) -> tuple[Hit, ...]:
        return self._ask(other(asked.found.served_by), asked.query, asked.k)

    def _write(self, ids: Sequence[str], write: _Write) -> Written:
        first, *rest = self._current().writes
        write(first)
        self._counters.add("writes", len(ids))
        for second in rest:
            try:
                self._mirror(second, write)
            except Exception as exc:
                note_unmirrored(self._store, self.name, self._counters, second, ids=ids, failure=exc)
                return Written(sides=(first,), unmirrored=second)
        return Written(sides=(first, *rest))

    def _mirror(self, side: Side, write: _Write) -> None:
        """Write to the side that does not serve, unless it has just failed."""
        if self._traffic.is_paused(side):
            raise left_alone(self._arms[side].index.name)
        with self._traffic.reaching(side):
            write(side)
