"""Where the points of a trend lie: percent of the width, pixels of the height. Nothing is estimated here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from math import floor

from swapgate.records import Run
from swapgate.values import Value
from swapgate.viewing.counts import Counts, Share

HEIGHT = 190
# The scale begins at a multiple of this, in percent.
_STEP = 10


class Point(Value):
    """One run: x in percent, y and its bounds in pixels from the top."""

    run: Run
    share: Share
    x: float
    y: float
    top: float
    bottom: float


class Line(Value):
    """One measure over the runs, in their order."""

    measure: str
    points: tuple[Point, ...]

    @property
    def segments(self) -> list[tuple[Point, Point]]:
        """Neighbours, to be joined."""
        return list(zip(self.points, self.points[1:], strict=False))


class TrendChart(Value):
    """One model in one suite. `ticks` are labels with their height, `dates` labels with their x."""

    model: str
    lines: tuple[Line, ...]
    ticks: tuple[tuple[str, float], ...]
    dates: tuple[tuple[str, float], ...]
    height: int = HEIGHT


def trend_chart(model: str, runs: Sequence[tuple[Run, Counts]]) -> TrendChart:
    """Return the chart of a model's rates; `runs` are in the order of time."""
    places = _places([run for run, _counts in runs])
    shares = [share for _run, counts in runs for share in (counts.structural, counts.semantic) if share.known]
    lowest = _lowest(shares)

    def y(rate: float) -> float:
        return round(HEIGHT * (100 - 100 * rate) / (100 - lowest), 1)

    def line(measure: str) -> Line:
        found = [(run, getattr(counts, measure), x) for (run, counts), x in zip(runs, places, strict=True)]
        return Line(
            measure=measure,
            points=tuple(
                Point(run=run, share=share, x=x, y=y(share.rate), top=y(share.high), bottom=y(share.low))
                for run, share, x in found
                if share.known
            ),
        )

    lines = tuple(one for one in map(line, ("structural", "semantic")) if one.points)
    ticks = range(lowest, 101, _tick(lowest))
    return TrendChart(
        model=model,
        lines=lines,
        ticks=tuple((f"{tick}%", y(tick / 100)) for tick in ticks),
        dates=_dates([run for run, _counts in runs], places),
    )


def _places(runs: Sequence[Run]) -> list[float]:
    """Return where each run lies between the first and the last, by time, a little off the edges."""
    moments = [datetime.fromisoformat(run.started_at).timestamp() for run in runs]
    first, span = min(moments), max(moments) - min(moments)
    return [round(2 + 96 * ((moment - first) / span if span else 0.5), 2) for moment in moments]


def _dates(runs: Sequence[Run], places: Sequence[float]) -> tuple[tuple[str, float], ...]:
    ends = {0: places[0], len(runs) - 1: places[-1]}
    return tuple((runs[number].started_at[:10], x) for number, x in ends.items())


def _lowest(shares: Sequence[Share]) -> int:
    low = min((100 * share.low for share in shares if share.low is not None), default=0.0)
    return min(max(_STEP * floor(low / _STEP), 0), 100 - _STEP)


def _tick(lowest: int) -> int:
    """Return the distance of the scale's lines: four to six of them."""
    return next(step for step in (2, 5, 10, 20, 25) if (100 - lowest) / step <= 6)
