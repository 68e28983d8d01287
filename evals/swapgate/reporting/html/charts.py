"""Where the shapes of report.html's charts lie, in percent of width and height. Nothing is estimated here."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from swapgate.analysis.covariates import TOKENS, CovariateFinding
from swapgate.analysis.shifts import ScoreShift
from swapgate.facts import Facts
from swapgate.reporting import format as show
from swapgate.stats.distribution import DistributionComparison
from swapgate.stats.interval import Interval
from swapgate.values import Value

# A judge's usual scale has five levels, this many are shown one by one.
LEVELS = 11
_BINS = 10


class Counted(Value):
    """One level or bin: how often on either side, and the two as shares of the largest one."""

    label: str
    before: int
    after: int
    before_share: float
    after_share: float


class Side(Value):
    """The rate on one side of a cut: a line with a band; x and width from the left, y from the top."""

    x: float
    width: float
    y: float
    top: float
    height: float


class Step(Value):
    """Failures below and above a cut, which may lie anywhere in a range."""

    below: Side
    above: Side
    cut: float
    range_x: float
    range_width: float
    zero: float
    lowest: float
    highest: float
    top: float
    bottom: float


def score_levels(shift: ScoreShift) -> list[Counted]:
    """Return the levels of a criterion from the lowest; many levels are put together in ten ranges."""
    counts = list(zip(shift.baseline_counts, shift.candidate_counts, strict=True))
    return _counted([(label, before, after) for label, (before, after) in binned(shift.levels, counts)])


def binned(levels: Sequence[float], counts: Sequence[Sequence[int]]) -> list[tuple[str, tuple[int, ...]]]:
    """Return each level with its counts, from the lowest; many levels are put together in ten ranges."""
    if len(levels) <= LEVELS:
        return [(show.number(level), tuple(row)) for level, row in zip(levels, counts, strict=True)]
    lowest, width = levels[0], (levels[-1] - levels[0]) / _BINS
    pairs = zip(levels, counts, strict=True)
    rows = []
    for bin_, members in groupby(pairs, key=lambda one: min(int((one[0] - lowest) / width), _BINS - 1)):
        inside = [row for _, row in members]
        start, end = (show.number(lowest + width * step) for step in (bin_, bin_ + 1))
        rows.append((f"{start} to {end}", tuple(map(sum, zip(*inside, strict=True)))))
    return rows


def rate_bins(comparison: DistributionComparison) -> list[Counted]:
    """Return how many units have a pass rate in each bin, on either side; none when it was refused."""
    if comparison.baseline is None or comparison.candidate is None:
        return []
    before, after = comparison.baseline.counts, comparison.candidate.counts
    bins = len(before)
    labels = [f"{100 * step / bins:.0f} to {100 * (step + 1) / bins:.0f}%" for step in range(bins)]
    return _counted(list(zip(labels, before, after, strict=True)))


def step(finding: CovariateFinding, facts: Sequence[Facts]) -> Step | None:
    """Return the chart of a threshold over the covariate's values in the run; None without a threshold."""
    below, above, cut = finding.below, finding.above, finding.cut
    if cut is None or below is None or above is None:
        return None
    low, high = (cut if bound is None else bound for bound in (finding.cut_low, finding.cut_high))
    values = [*_values(finding, facts), low, high, cut]
    lowest, highest = min(values), max(values)
    bounds = [bound for side in (below, above) for bound in _bounds(side)]
    bottom, top = min(0.0, *bounds), max(0.0, *bounds)
    if lowest == highest or bottom == top:
        return None

    def x(value: float) -> float:
        return 100 * (value - lowest) / (highest - lowest)

    def y(value: float) -> float:
        return 100 * (top - value) / (top - bottom)

    def side(found: Interval, start: float, end: float) -> Side:
        least, estimate, most = _bounds(found)
        return Side(x=start, width=end - start, y=y(estimate), top=y(most), height=y(least) - y(most))

    return Step(
        below=side(below, 0.0, x(cut)),
        above=side(above, x(cut), 100.0),
        cut=x(cut),
        range_x=x(low),
        range_width=x(high) - x(low),
        zero=y(0.0),
        lowest=lowest,
        highest=highest,
        top=top,
        bottom=bottom,
    )


def _counted(rows: Sequence[tuple[str, int, int]]) -> list[Counted]:
    most = max((count for _, *counts in rows for count in counts), default=0) or 1
    return [
        Counted(label=label, before=before, after=after, before_share=before / most, after_share=after / most)
        for label, before, after in rows
    ]


def _values(finding: CovariateFinding, facts: Sequence[Facts]) -> list[float]:
    name = finding.covariate
    own = [f for f in facts if f.model == finding.model]
    found = [f.tokens_in if name == TOKENS else f.covariates.get(name) for f in own]
    return [value for value in found if value is not None]


def _bounds(side: Interval) -> tuple[float, float, float]:
    estimate = side.estimate or 0.0
    return (
        estimate if side.low is None else side.low,
        estimate,
        estimate if side.high is None else side.high,
    )
