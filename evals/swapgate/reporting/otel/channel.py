"""One signal on its way to its receiver: sent in batches until the first that does not arrive."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from swapgate.reporting.format import count
from swapgate.reporting.otel.failures import Heard

DEADLINE_S = 60.0
SIGNALS = ("spans", "events", "metrics")
# A request holds so many spans, or so many characters of their attributes; many a receiver takes 4 MiB.
_AT_ONCE, _CHARS_AT_ONCE = 512, 2_000_000


@dataclass(slots=True, kw_only=True)
class Sent:
    """What arrived, and of each signal that did not, why."""

    trace_id: str = ""
    endpoint: str = ""
    spans: int = 0
    events: int = 0
    metrics: int = 0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def said(self) -> str:
        """The whole in one sentence."""
        if self.failed and not (self.spans or self.events or self.metrics):
            return f"nothing arrived at {self.endpoint}: {'; '.join(dict.fromkeys(self.failed.values()))}"
        parts = [count(self.spans, "span"), count(self.events, "event"), count(self.metrics, "metric")]
        missing = "".join(f"; not all {signal}: {why}" for signal, why in self.failed.items())
        return f"{', '.join(parts)} arrived at {self.endpoint}{missing}"


class Channel:
    """One signal: what waits to be sent, and the exporter that sends it; the first failure ends it."""

    def __init__(self, signal: str, exporter: Any, sent: Sent, heard: Heard, until: float) -> None:
        self.signal = signal
        self.exporter = exporter
        self._sent, self._heard, self._until = sent, heard, until
        self._waiting: list[Any] = []
        self._chars = 0

    @property
    def is_open(self) -> bool:
        """Whether there is still something to be sent to."""
        return self.exporter is not None and self.signal not in self._sent.failed

    def put(self, item: Any, chars: int) -> None:
        """Add one, and send all that wait when they are enough for a request."""
        if not self.is_open:
            return
        self._waiting.append(item)
        self._chars += chars
        if len(self._waiting) >= _AT_ONCE or self._chars >= _CHARS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        if self._waiting:
            self.send(self._waiting, len(self._waiting))
        self._waiting, self._chars = [], 0

    def send(self, batch: Any, size: int) -> None:
        """Send one batch; a failure is told, and closes the channel."""
        if not self.is_open:
            return
        if time.monotonic() > self._until:
            self._sent.failed[self.signal] = f"it took longer than {DEADLINE_S:.0f} s"
            return
        self._heard.status, self._heard.why = None, ""
        if self.exporter.export(batch).name == "SUCCESS":
            setattr(self._sent, self.signal, getattr(self._sent, self.signal) + size)
            return
        why = self._heard.why or "the exporter could not encode them"
        self._sent.failed[self.signal] = why
        if self._heard.why and self._heard.status is None:
            # Nobody is there: what is left would wait as long again to find that out.
            self._sent.failed.update(dict.fromkeys(SIGNALS, why))
