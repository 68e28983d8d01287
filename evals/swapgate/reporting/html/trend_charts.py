"""Where the lines of the trend page lie, in percent of width and height. Nothing is estimated here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from math import floor, log10

from swapgate.analysis.night_series import NightSeries, Point
from swapgate.reporting.words import nights as words
from swapgate.values import Value

_LEAST_SPAN = 0.05
_TICKS = 4
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)


class Dot(Value):
    """One night: x from the left, y and the interval's ends from the top."""

    x: float
    y: float
    low: float | None
    high: float | None
    is_alarm: bool
    is_since: bool


class Tick(Value):
    """A line across the chart with what stands beside it."""

    y: float
    text: str


class Chart(Value):
    """One series as a line with a band of intervals; `since_x` is the night with which it changed, which
    may be any from `earliest_x` to `latest_x`."""

    series: NightSeries
    dots: tuple[Dot, ...]
    ticks: tuple[Tick, ...]
    since_x: float | None
    earliest_x: float
    latest_x: float

    @property
    def line(self) -> str:
        """The points of the line."""
        return " ".join(f"{dot.x:.2f},{dot.y:.2f}" for dot in self.dots)

    @property
    def band(self) -> str:
        """The outline of the intervals, empty where there are none."""
        known = [dot for dot in self.dots if dot.low is not None and dot.high is not None]
        if len(known) < 2:
            return ""
        upper = [f"{dot.x:.2f},{dot.high:.2f}" for dot in known]
        lower = [f"{dot.x:.2f},{dot.low:.2f}" for dot in reversed(known)]
        return " ".join([*upper, *lower])


def charts(series: Sequence[NightSeries], *, start: str, end: str) -> Iterator[Chart]:
    """Yield a chart for each series that has a point; all have the same days from left to right."""
    yield from (_chart(one, _time(start), _time(end)) for one in series if one.points)


def places(times: Sequence[str], *, start: str, end: str) -> list[float]:
    """Return where nights lie from left to right."""
    span = max(_time(end) - _time(start), 1.0)
    return [100 * (_time(at) - _time(start)) / span for at in times]


def _chart(series: NightSeries, start: float, end: float) -> Chart:
    bottom, top = _range(series)
    span = max(end - start, 1.0)

    def x(at: str) -> float:
        return min(max(100 * (_time(at) - start) / span, 0.0), 100.0)

    def y(value: float) -> float:
        return 100 * (top - value) / (top - bottom)

    def dot(point: Point) -> Dot:
        return Dot(
            x=x(point.at),
            y=y(point.value),
            low=None if point.low is None else y(point.low),
            high=None if point.high is None else y(point.high),
            is_alarm=point.at in series.alarms,
            is_since=point.at == series.since,
        )

    return Chart(
        series=series,
        dots=tuple(map(dot, series.points)),
        ticks=tuple(Tick(y=y(value), text=words.value(series, value)) for value in _ticks(bottom, top)),
        since_x=None if series.since is None else x(series.since),
        earliest_x=0.0 if series.earliest is None else x(series.earliest),
        latest_x=0.0 if series.latest is None else x(series.latest),
    )


def _range(series: NightSeries) -> tuple[float, float]:
    """Return the bounds of the axis: rates end at 0 and 1, amounts begin at 0."""
    values = [bound for p in series.points for bound in (p.low, p.value, p.high) if bound is not None]
    is_share = series.measure in {"semantic", "structural", "agreement", "errors", "refusals"}
    if series.measure in {"latency", "ttft", "errors", "refusals"}:
        return 0.0, max(values) * 1.1 or _LEAST_SPAN
    bottom, top = min(values), max(values)
    room = max((top - bottom) * 0.1, _LEAST_SPAN if is_share else 0.1)
    return (max(bottom - room, 0.0), min(top + room, 1.0)) if is_share else (bottom - room, top + room)


def _ticks(bottom: float, top: float) -> list[float]:
    """Return round values inside the axis."""
    rough = (top - bottom) / _TICKS
    scale = 10.0 ** floor(log10(rough))
    step = next(scale * one for one in _STEPS if scale * one >= rough)
    first = -(-bottom // step)
    return [(first + i) * step for i in range(_TICKS + 2) if (first + i) * step <= top + step * 1e-9]


def _time(at: str) -> float:
    return datetime.fromisoformat(at).timestamp()
