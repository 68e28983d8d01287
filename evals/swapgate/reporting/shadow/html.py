"""The report on a candidate in shadow as one self-contained page without a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from swapgate.reporting.shadow import cells
from swapgate.reporting.text import clipped, visible
from swapgate.shadow.deciding.evidence import Evidence, RouteReport
from swapgate.shadow.deciding.pairs import Pair
from swapgate.stats.interval import Interval

if TYPE_CHECKING:
    from jinja2 import Template

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


def _part(name: str) -> str:
    return (files(__package__) / name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    shared = (files("swapgate.reporting.html") / "report.css").read_text(encoding="utf-8")
    return shared + _part("shadow.css")


@cache
def _template() -> Template:
    from jinja2 import Environment, FunctionLoader, StrictUndefined

    environment = Environment(
        loader=FunctionLoader(_part),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    return environment.get_template("shadow.html.j2")


def _shown(value: object) -> object:
    # Markup is a str as well: it is ours, and must stay Markup.
    return visible(value) if type(value) is str else value
