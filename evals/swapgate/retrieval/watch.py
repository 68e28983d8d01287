"""Keeps one process's knowledge of a migration fresh, and tells the others that it lives."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading

from swapgate.errors import StoreError, SwapgateError
from swapgate.retrieval.metrics import Counters
from swapgate.retrieval.phases import Migration
from swapgate.retrieval.records import Reader
from swapgate.retrieval.state import StateStore
from swapgate.values import replace


class Watch:
    """A thread that reads the state every `refresh_s` seconds. Where it cannot, what was known last holds.

    Nobody who asks for `migration` ever waits for the database. In a process that was forked the thread is
    begun again by the first who asks.
    """

    def __init__(
        self, store: StateStore, migration: Migration, counters: Counters, *, refresh_s: float
    ) -> None:
        self.migration = migration
        self._store = store
        self._counters = counters
        self._refresh_s = refresh_s
        self._begin()

    @property
    def current(self) -> Migration:
        """The newest that this process knows."""
        if self._pid != os.getpid():
            self._begin()
        return self.migration

    def refresh(self) -> Migration:
        """Read the state now, and tell that it was seen; raises StoreError."""
        self.migration = self._store.get(self.migration.name)
        self._tell()
        return self.migration

    def close(self) -> None:
        """End the thread, tell what was counted last, and leave the list of readers."""
        self._is_ended.set()
        self._thread.join(timeout=5.0)
        with contextlib.suppress(StoreError):
            self._tell()
            self._store.leave(self.migration.name, self._reader.reader)

    def _begin(self) -> None:
        self._pid = os.getpid()
        name = f"{socket.gethostname()} {self._pid} {secrets.token_hex(4)}"
        self._reader = Reader(reader=name, version=self.migration.version, beat=0)
        self._is_ended = threading.Event()
        self._telling = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="swapgate-index-watch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_ended.wait(self._refresh_s if self._reader.beat else 0.0):
            try:
                self.refresh()
            except SwapgateError:
                self._counters.add("stale_reads")

    def _tell(self) -> None:
        with self._telling:
            self._reader = replace(
                self._reader,
                version=self.migration.version,
                beat=self._reader.beat + 1,
                metrics=self._counters.as_json(),
            )
            self._store.beat(self.migration.name, self._reader)
