"""Stores what an application's own process mirrors, in one thread: no disk and no redaction in its loop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from swapgate.errors import StoreError
from swapgate.records import Json
from swapgate.shadow.records import Count, Exchange, without_content
from swapgate.shadow.redaction import Redactor, redacted
from swapgate.shadow.store import ShadowStore
from swapgate.spec.shadow import Redaction

Compare = Callable[[Exchange], Mapping[str, Json] | None]
_GRACE_S = 60.0
_LOG = logging.getLogger("swapgate.shadow")


class Keeping:
    """A store that is opened with the first exchange. What cannot be stored is logged, once, and dropped."""

    def __init__(self, path: Path, *, content: bool, redaction: Redaction, compare: Compare | None) -> None:
        self._path = path
        self._content = content
        self._compare = compare
        self._redactor = Redactor(rules=redaction)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="swapgate-shadow")
        self._store: ShadowStore | None = None
        self._has_failed = False

    def put(self, exchange: Exchange, *, lease_s: float = 0.0) -> None:
        """Store an exchange soon; one whose legs have come is compared first."""
        self._thread.submit(self._guarded, lambda store: self._put(store, exchange, lease_s))

    def count(self, route: str, what: str) -> None:
        """Count what happened to a call."""
        count = Count(day=datetime.now(UTC).date().isoformat(), route=route, what=what, amount=1)
        self._thread.submit(self._guarded, lambda store: store.count(count))

    def close(self) -> None:
        """Store what is queued and close the file."""
        self._thread.shutdown()
        if self._store is not None:
            self._store.close()

    def _put(self, store: ShadowStore, exchange: Exchange, lease_s: float) -> None:
        comparison = self._compared(exchange)
        kept = exchange if self._content else without_content(exchange)
        clean = None if comparison is None else self._redactor.json(dict(comparison))
        assert clean is None or isinstance(clean, dict)
        until = lease_s + _GRACE_S if lease_s else 0.0
        store.put(redacted(kept, self._redactor), clean, lease_s=until)

    def _compared(self, exchange: Exchange) -> Mapping[str, Json] | None:
        if self._compare is None or exchange.candidate is None:
            return None
        try:
            return self._compare(exchange)
        except Exception:
            _LOG.exception("the exchange %s is not compared", exchange.key)
            return None

    def _guarded(self, act: Callable[[ShadowStore], None]) -> None:
        """Act in the thread. Whatever goes wrong there is never the application's."""
        if self._has_failed:
            return
        try:
            self._store = self._store or ShadowStore(self._path)
            act(self._store)
        except StoreError as exc:
            self._has_failed = True
            _LOG.error("nothing is recorded any more: %s", exc)
        except Exception:
            _LOG.exception("an exchange is not recorded")
