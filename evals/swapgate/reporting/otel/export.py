"""A run sent by OTLP over HTTP to where the variables OTEL_* say, in batches, within a bounded time."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import swapgate
from swapgate.analysis.outcome import RunOutcome
from swapgate.errors import StoreError
from swapgate.reporting.files import whole
from swapgate.reporting.otel.channel import DEADLINE_S, Channel, Sent
from swapgate.reporting.otel.content import Content
from swapgate.reporting.otel.failures import Heard, hearing_session, muted
from swapgate.reporting.otel.metrics import CallMetrics
from swapgate.reporting.otel.points import metrics_data, run_metrics
from swapgate.reporting.otel.sdk import alone, clean, collect, exporters, resource, run_ids
from swapgate.reporting.otel.signals import Event, Span
from swapgate.reporting.otel.spans import identities, own_trials, run_span, trial_span
from swapgate.reporting.words.reasons import in_order

DEFAULT_ENDPOINT = "http://localhost:4318"
_ADDRESSES = tuple(f"OTEL_EXPORTER_OTLP_{of}ENDPOINT" for of in ("", "TRACES_", "LOGS_", "METRICS_"))


def require_ready(environ: Mapping[str, str]) -> None:
    """Raise StoreError when nothing can be sent: the extra is missing, or another protocol is asked for."""
    try:
        import opentelemetry.exporter.otlp.proto.http
        import opentelemetry.sdk.trace  # noqa: F401
    except ImportError as exc:
        raise StoreError(
            f"report otel needs OpenTelemetry's SDK and its exporter: pip install 'swapgate[otel]' ({exc})"
        ) from exc
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        raise StoreError("report otel: nothing is sent while OTEL_SDK_DISABLED is true")
    protocol = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "").strip() or "http/protobuf"
    if protocol != "http/protobuf":
        raise StoreError(
            f"report otel: OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}, and http/protobuf alone is spoken "
            "here. Set it so for this command, and OTEL_EXPORTER_OTLP_ENDPOINT to the address for HTTP, "
            "often port 4318"
        )
    for name in _ADDRESSES:
        # The value may hold a key, and is not shown.
        if (given := environ.get(name, "").strip()) and not _is_address(given):
            raise StoreError(
                f"report otel: {name} is no address for HTTP: write it from the scheme on, as in "
                f"{DEFAULT_ENDPOINT}"
            )


def _is_address(given: str) -> bool:
    try:
        url = urlsplit(given)
        # Reading a port that is none raises, 0 is none to send to.
        return url.scheme in {"http", "https"} and bool(url.hostname) and url.port != 0
    except ValueError:
        return False


def send(outcome: RunOutcome, *, content: Content) -> Sent:
    """Send a run and return what arrived. A run that is sent twice has the same ids both times."""
    with muted():
        sending = _Sending(outcome, content)
        try:
            return sending.run()
        finally:
            sending.close()


def shown_endpoint(environ: Mapping[str, str]) -> str:
    """Return scheme, host and port of where spans go: the rest of an address may hold a key."""
    given = environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
    url = urlsplit(given or DEFAULT_ENDPOINT)
    port = f":{url.port}" if url.port else ""
    return f"{url.scheme}://{url.hostname}{port}"


class _Sending:
    """One run on its way."""

    def __init__(self, outcome: RunOutcome, content: Content) -> None:
        from opentelemetry.sdk._logs import LoggerProvider
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.sampling import ALWAYS_ON

        self._outcome, self._content = outcome, content
        self.sent = Sent(endpoint=shown_endpoint(os.environ))
        until, heard = time.monotonic() + DEADLINE_S, Heard()
        self._channels = {
            signal: Channel(signal, make(), self.sent, heard, until)
            for signal, make in exporters(os.environ, hearing_session(heard)).items()
        }
        self._resource = resource()
        self._tracers = TracerProvider(
            sampler=ALWAYS_ON,
            resource=self._resource,
            shutdown_on_exit=False,
            id_generator=run_ids(outcome.run.id),
        )
        self._loggers = LoggerProvider(resource=self._resource, shutdown_on_exit=False)
        collect(self._tracers, self._loggers, self._channels, sender=self._resource)
        self._tracer = self._tracers.get_tracer("swapgate", swapgate.__version__)
        self._logger = self._loggers.get_logger("swapgate", swapgate.__version__)

    def run(self) -> Sent:
        """Send spans and events trial by trial, then the metrics."""
        run = self._outcome.run
        by_name = identities(run)
        metrics = CallMetrics(by_name)
        whole_run = run_span(self._outcome)
        root = self._begin(whole_run, None)
        self.sent.trace_id = f"{root.get_span_context().trace_id:032x}"
        for trial in own_trials(run, in_order(self._outcome.trials)):
            self._put(trial_span(run, trial, by_name, self._content), root)
            metrics.add(trial)
        root.end(whole_run.end_ns)
        for channel in self._channels.values():
            channel.flush()
        found = list(run_metrics(metrics, self._outcome, whole_run))
        self._channels["metrics"].send(metrics_data(found, self._resource), len(found))
        return self.sent

    def close(self) -> None:
        """Let go of the connections."""
        for channel in self._channels.values():
            if channel.exporter is not None:
                channel.exporter.shutdown()

    def _put(self, span: Span, parent: Any) -> None:
        begun = self._begin(span, parent)
        for event in span.events:
            self._tell(event, begun)
        for child in span.children:
            self._put(child, begun)
        begun.end(span.end_ns)

    def _begin(self, span: Span, parent: Any) -> Any:
        from opentelemetry.trace import SpanKind, Status, StatusCode

        begun = self._tracer.start_span(
            whole(span.name),
            context=alone(parent),
            kind=SpanKind.CLIENT if span.kind == "client" else SpanKind.INTERNAL,
            attributes=clean(span.attributes),
            start_time=span.start_ns,
        )
        if span.error:
            begun.set_status(Status(StatusCode.ERROR, span.error))
        return begun

    def _tell(self, event: Event, span: Any) -> None:
        from opentelemetry._logs import SeverityNumber

        self._logger.emit(
            timestamp=event.at_ns,
            observed_timestamp=event.at_ns,
            context=alone(span),
            severity_number=SeverityNumber.INFO,
            event_name=event.name,
            attributes=clean(event.attributes),
        )
