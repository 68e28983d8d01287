"""A run's metrics as OpenTelemetry's SDK holds them: of the run's own time, however late they are sent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import swapgate
from swapgate.analysis.outcome import RunOutcome
from swapgate.reporting.otel.metrics import RATE, UNITS, CallMetrics, Series, rates
from swapgate.reporting.otel.sdk import clean
from swapgate.reporting.otel.signals import Span

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint, Metric, MetricsData, NumberDataPoint
    from opentelemetry.sdk.resources import Resource


def run_metrics(calls: CallMetrics, outcome: RunOutcome, run: Span) -> Iterator[Metric]:
    """Yield the histograms of a run's calls, and its rates."""
    from opentelemetry.sdk.metrics.export import AggregationTemporality, Gauge, Histogram, Metric

    for name, found in calls.histograms.items():
        points = [_histogram_point(series, run) for series in found]
        histogram = Histogram(data_points=points, aggregation_temporality=AggregationTemporality.DELTA)
        yield Metric(name=name, description="", unit=UNITS[name], data=histogram)
    if shares := list(_rate_points(outcome, run)):
        yield Metric(name=RATE, description="", unit=UNITS[RATE], data=Gauge(data_points=shares))


def metrics_data(metrics: Sequence[Metric], resource: Resource) -> MetricsData:
    """Return metrics as an exporter takes them."""
    from opentelemetry.sdk.metrics.export import MetricsData, ResourceMetrics, ScopeMetrics
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope

    scope = InstrumentationScope("swapgate", swapgate.__version__)
    inside = ScopeMetrics(scope=scope, metrics=metrics, schema_url="")
    return MetricsData([ResourceMetrics(resource=resource, scope_metrics=[inside], schema_url="")])


def _histogram_point(series: Series, run: Span) -> HistogramDataPoint:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint

    return HistogramDataPoint(
        attributes=clean(series.attributes),
        start_time_unix_nano=run.start_ns,
        time_unix_nano=run.end_ns,
        count=sum(series.counts),
        sum=series.total,
        bucket_counts=series.counts,
        explicit_bounds=series.bounds,
        min=series.least,
        max=series.most,
    )


def _rate_points(outcome: RunOutcome, run: Span) -> Iterator[NumberDataPoint]:
    from opentelemetry.sdk.metrics.export import NumberDataPoint

    for rate, about in rates(outcome):
        yield NumberDataPoint(
            attributes=clean(about),
            start_time_unix_nano=run.start_ns,
            time_unix_nano=run.end_ns,
            value=rate,
        )
