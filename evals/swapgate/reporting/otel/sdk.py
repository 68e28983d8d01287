"""The objects of OpenTelemetry's SDK that a run is sent with, imported only where a run is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from hashlib import blake2b
from itertools import count
from typing import TYPE_CHECKING, Any

import swapgate
from swapgate.records import Json
from swapgate.reporting.files import whole
from swapgate.reporting.otel.channel import Channel

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource
    from requests import Session

# What the variables call the signals.
_VARIABLES = {"spans": "TRACES", "events": "LOGS", "metrics": "METRICS"}


def exporters(environ: Mapping[str, str], session: Session) -> dict[str, Callable[[], Any]]:
    """Return what makes each signal's exporter; OTEL_LOGS_EXPORTER=none and the like turn one off."""
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    makers: dict[str, Callable[..., Any]] = {
        "spans": OTLPSpanExporter,
        "events": OTLPLogExporter,
        "metrics": OTLPMetricExporter,
    }
    off = {
        signal
        for signal, name in _VARIABLES.items()
        if environ.get(f"OTEL_{name}_EXPORTER", "").strip().lower() == "none"
    }
    return {
        signal: (lambda: None) if signal in off else partial(make, session=session)
        for signal, make in makers.items()
    }


def collect(tracers: Any, loggers: Any, channels: Mapping[str, Channel], *, sender: Resource) -> None:
    """Have what ends and what is told put into the channels."""
    from opentelemetry.sdk._logs import LogRecordProcessor, ReadableLogRecord, ReadWriteLogRecord
    from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor

    class Spans(SpanProcessor):
        def on_end(self, span: ReadableSpan) -> None:
            channels["spans"].put(span, _chars(span.attributes or {}))

    class Events(LogRecordProcessor):
        def on_emit(self, log_record: ReadWriteLogRecord) -> None:
            readable = ReadableLogRecord(
                log_record=log_record.log_record,
                resource=log_record.resource or sender,
                instrumentation_scope=log_record.instrumentation_scope,
                limits=log_record.limits,
            )
            channels["events"].put(readable, _chars(log_record.log_record.attributes or {}))

        def shutdown(self) -> None:
            pass

        def force_flush(self, timeout_millis: int = 30_000) -> bool:
            return True

    tracers.add_span_processor(Spans())
    loggers.add_log_record_processor(Events())


def run_ids(run_id: str) -> Any:
    """Return what numbers the spans of a run: the same each time that it is sent."""
    from opentelemetry.sdk.trace.id_generator import IdGenerator

    class RunIds(IdGenerator):
        def __init__(self) -> None:
            self._numbers = count()

        def generate_trace_id(self) -> int:
            return _hashed(run_id, 16)

        def generate_span_id(self) -> int:
            return _hashed(f"{run_id}/{next(self._numbers)}", 8)

    return RunIds()


def _hashed(text: str, size: int) -> int:
    # Zero alone is no id.
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest()) or 1


def alone(span: Any) -> Any:
    """Return a context with this span alone: whatever else is being traced here is no parent of a run."""
    from opentelemetry.context import Context
    from opentelemetry.trace import set_span_in_context

    return Context() if span is None else set_span_in_context(span, Context())


def resource() -> Resource:
    """Return who sends: `swapgate`, unless OTEL_SERVICE_NAME or OTEL_RESOURCE_ATTRIBUTES say otherwise."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource

    own = {"service.name": "swapgate", "service.version": swapgate.__version__}
    return Resource.create().merge(Resource(own)).merge(OTELResourceDetector().detect())


def clean(attributes: Mapping[str, Json]) -> dict[str, Any]:
    """Return the attributes with texts that UTF-8 can hold."""
    return {name: _whole(value) for name, value in attributes.items()}


def _whole(value: Json) -> Any:
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return clean(value) if isinstance(value, dict) else value


def _chars(value: Any) -> int:
    """Return about how many characters a value takes."""
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        value = value.values()
    return 20 + sum(map(_chars, value)) if isinstance(value, Iterable) else 20
