"""Differences with their intervals beneath each other on one axis, drawn by `whiskers.html.j2`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from swapgate.stats.interval import Interval
from swapgate.values import Value

# The axis of a chart shows at least so much around zero.
_LEAST_AXIS = 0.05


class Whisker(Value):
    """An interval on an axis, in percent of its width; None where there is none to be drawn."""

    name: str
    text: str
    mark: float | None
    low: float | None
    high: float | None


class Chart(Value):
    """Intervals beneath each other on one axis, with its zero and the margin."""

    whiskers: tuple[Whisker, ...]
    zero: float
    margin: float | None
    left: str
    right: str


def chart(
    found: Sequence[tuple[str, str, Interval]], margin: float | None, *, beside: Sequence[Interval] = ()
) -> Chart:
    """Return differences of shares, each with name and words; `margin` is what they must not reach.

    Charts that are given the same differences `beside` them have one axis, and can be compared.
    """
    shown = (*(one for _, _, one in found), *beside)
    ends = [bound for one in shown for bound in (one.low, one.high, one.estimate) if bound is not None]
    least = [] if margin is None else [margin * 1.2]
    low, high = min([-_LEAST_AXIS, *ends, *least]), max([_LEAST_AXIS, *ends, *least])

    def place(value: float | None) -> float | None:
        return None if value is None else 100 * (value - low) / (high - low)

    return Chart(
        whiskers=tuple(_whisker(name, text, one, place) for name, text, one in found),
        zero=place(0.0) or 0.0,
        margin=place(margin),
        left=f"{100 * low:+.0f}",
        right=f"{100 * high:+.0f} points",
    )


def _whisker(name: str, text: str, found: Interval, place: Callable[[float | None], float | None]) -> Whisker:
    return Whisker(
        name=name, text=text, mark=place(found.estimate), low=place(found.low), high=place(found.high)
    )
