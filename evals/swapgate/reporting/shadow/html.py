"""The report on a candidate in shadow as one self-contained page without a script."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from swapgate.reporting.html.templates import environment, house_style, part
from swapgate.reporting.html.whiskers import Chart, chart
from swapgate.reporting.shadow import cells
from swapgate.reporting.text import clipped
from swapgate.shadow.deciding.evidence import Evidence, RouteReport
from swapgate.shadow.deciding.pairs import Pair

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = "swapgate.reporting.shadow"
_MOST_CHARS = 4_000


def page(reports: Sequence[RouteReport], pairs: Sequence[Pair], *, made_at: str) -> str:
    """Return the page; `made_at` is its time."""
    routes = [
        {
            "report": report,
            "promotion": report.promotion,
            "word": cells.WORDS[report.promotion.verdict],
            "mark": cells.MARKS[report.promotion.verdict],
            "headline": cells.headline(report),
            "charts": _charts(report),
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


def _charts(report: RouteReport) -> list[tuple[str, Chart]]:
    """Return the charts that show something: without second answers of the control there is no excess."""
    margin = _margin(report)
    found = [
        ("Overall and by slice", _chart([report.overall, *report.slices], margin)),
        ("By day", _chart(report.days, margin)),
    ]
    return [(title, one) for title, one in found if any(mark.mark is not None for mark in one.whiskers)]


def _chart(scopes: Sequence[Evidence], margin: float | None) -> Chart:
    """Return the excess of each scope over the control's noise."""
    found = [
        (cells.scope_name(one), cells.above(one.disagreement.excess), one.disagreement.excess)
        for one in scopes
    ]
    return chart(found, margin)


def _margin(report: RouteReport) -> float | None:
    rulings = report.promotion.rulings
    return next((one.limit for one in rulings if one.criterion == "disagreement"), None)


@cache
def _style() -> str:
    return house_style() + part("whiskers.css") + part("shadow.css", _HERE)


@cache
def _template() -> Template:
    return environment(_HERE).get_template("shadow.html.j2")
