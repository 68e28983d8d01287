"""What a proxy tells Prometheus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

# Answers of models: from a fast error to minutes of reasoning.
_BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts of one proxy; those of the candidate come from the mirror's process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._served = Counter(
            "swapgate_shadow_requests",
            "Requests that were served, by route and status ('none': no answer came).",
            ["route", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "swapgate_shadow_seconds",
            "Seconds from a request's arrival to the end of its answer.",
            ["route"],
            buckets=_BUCKETS_S,
            registry=self.registry,
        )
        self._not_mirrored = Counter(
            "swapgate_shadow_not_mirrored",
            "Requests of a route that this process did not mirror, by reason.",
            ["route", "reason"],
            registry=self.registry,
        )
        self._refused = Counter(
            "swapgate_shadow_refused",
            "What came to the port and was no HTTP request: no_http, too_large or broken.",
            ["reason"],
            registry=self.registry,
        )
        self._candidate = Counter(
            "swapgate_shadow_candidate",
            "What became of the candidate's answers: answered, unasked, or the kind of error.",
            ["route", "outcome"],
            registry=self.registry,
        )
        self._waiting = Gauge(
            "swapgate_shadow_waiting", "Exchanges in the mirror's queue.", registry=self.registry
        )
        self._is_up = Gauge(
            "swapgate_shadow_mirror_up", "1 while the mirror's process runs.", registry=self.registry
        )

    def served(self, route: str, status: int | None, seconds: float) -> None:
        """Count one answer."""
        self._served.labels(route, "none" if status is None else str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def not_mirrored(self, route: str, reason: str) -> None:
        """Count a request that was not mirrored."""
        self._not_mirrored.labels(route, reason).inc()

    def refused(self, reason: str) -> None:
        """Count what was no request."""
        self._refused.labels(reason).inc()

    def hear(self, told: Mapping[str, Any]) -> None:
        """Take what the mirror's process tells."""
        self._waiting.set(told["waiting"])
        for route, outcome, amount in told["outcomes"]:
            self._candidate.labels(route, outcome).inc(amount)

    def text(self, *, is_up: bool) -> bytes:
        """Return the page that Prometheus reads."""
        self._is_up.set(is_up)
        return generate_latest(self.registry)
