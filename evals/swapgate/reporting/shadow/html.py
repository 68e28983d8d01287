"""The report on a candidate in shadow as one self-contained page without a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from swapgate.reporting.html.templates import environment, house_style, part
from swapgate.reporting.shadow import cells
from swapgate.reporting.text import clipped
from swapgate.shadow.deciding.evidence import Evidence, RouteReport
from swapgate.shadow.deciding.pairs import Pair
from swapgate.stats.interval import Interval

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = "swapgate.reporting.shadow"
_MOST_CHARS = 4_000
# The axis of a chart shows at least so much around zero.
_LEAST_AXIS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """An interval on an axis, in percent of its width; None where there is none to be drawn."""

    name: str
    text: str
    mark: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Intervals beneath each other on one axis, with its zero and the margin."""

    whiskers: tuple[Whisker, ...]
    zero: float
    margin: float | None
    left: str
    right: str


def page(reports: Sequence[RouteReport], pairs: Sequence[Pair], *, made_at: str) -> str:
    """Return the page; `made_at` is its time."""
    routes = [
        {
            "report": report,
            "promotion": report.promotion,
            "word": cells.WORDS[report.promotion.verdict],
            "mark": cells.MARKS[report.promotion.verdict],
            "headline": cells.headline(report),
            "charts": [
                ("Overall and by slice", chart([report.overall, *report.slices], _margin(report))),
                ("By day", chart(report.days, _margin(report))),
            ],
            "rows": [cells.long_row(one) for one in cells.scopes(report)],
            "differing": cells.differing_rows(report),
            "facts": cells.facts(report),
            "pairs": [pair for pair in pairs if pair.route == report.promotion.route],
        }
        for report in reports
    ]
    return _template().render(
        routes=routes,
        header=cells.LONG,
        aspects=cells.ASPECTS,
        made_at=made_at,
        style=_style(),
        clip=lambda text: clipped(text, _MOST_CHARS),
    )


def chart(scopes: Sequence[Evidence], margin: float | None) -> Chart:
    """Return the excess of each scope over the control's noise."""
    found = [(cells.scope_name(one), one.disagreement.excess) for one in scopes]
    ends = [bound for _name, one in found for bound in (one.low, one.high, one.estimate) if bound is not None]
    low = min([-_LEAST_AXIS, *ends])
    high = max([_LEAST_AXIS, *ends, *([margin * 1.2] if margin else [])])

    def place(value: float | None) -> float | None:
        return None if value is None else 100 * (value - low) / (high - low)

    return Chart(
        whiskers=tuple(_whisker(name, one, place) for name, one in found),
        zero=place(0.0) or 0.0,
        margin=place(margin),
        left=f"{100 * low:+.0f}",
        right=f"{100 * high:+.0f} points",
    )


def _whisker(name: str, found: Interval, place: Callable[[float | None], float | None]) -> Whisker:
    return Whisker(
        name=name,
        text=cells.above(found),
        mark=place(found.estimate),
        low=place(found.low),
        high=place(found.high),
    )


def _margin(report: RouteReport) -> float | None:
    rulings = report.promotion.rulings
    return next((one.limit for one in rulings if one.criterion == "disagreement"), None)


@cache
def _style() -> str:
    return house_style() + part("shadow.css", _HERE)


@cache
def _template() -> Template:
    return environment(_HERE).get_template("shadow.html.j2")
