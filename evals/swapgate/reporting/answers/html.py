"""The report on both swaps as one self-contained page without a script."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from swapgate.reporting.answers import cells
from swapgate.reporting.html.templates import environment, house_style, part
from swapgate.reporting.html.whiskers import Chart, chart
from swapgate.reporting.text import clipped
from swapgate.retrieval.answering.report import JointReport
from swapgate.retrieval.answering.wording import NOUNS, notes, reason, steps

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = "swapgate.reporting.answers"
_MOST_CHARS = 4_000


def page(report: JointReport, *, made_at: str) -> str:
    """Return the page; `made_at` is its time."""
    joint = report.joint
    return _template().render(
        report=report,
        joint=joint,
        word=cells.WORDS[joint.verdict],
        reason=reason(joint),
        steps=list(steps(joint)),
        notes=[*notes(joint), *report.notes],
        headline=cells.headline(report),
        charts=charts(report),
        scopes=[
            {
                "name": cells.scope_name(scope),
                "rates": cells.rate_rows(report, scope),
                "effects": cells.effect_rows(report, scope),
            }
            for scope in cells.scopes(report)
        ],
        cells=cells,
        made_at=made_at,
        style=_style(),
        clip=lambda text: clipped(text, _MOST_CHARS),
    )


def charts(report: JointReport) -> list[tuple[str, Chart]]:
    """Return one chart a measure with its title, all on one axis so that they can be compared."""
    found = [one for one in report.joint.effects if one.slice is None]
    return [
        (
            NOUNS[measure][:1].upper() + NOUNS[measure][1:],
            chart(
                [(cells.effect_name(e), cells.compact(e.interval), e.interval) for e in own],
                -report.joint.terms.margin,
                beside=[one.interval for one in found],
            ),
        )
        for measure in report.joint.measures
        if (own := [one for one in found if one.measure == measure])
    ]


@cache
def _style() -> str:
    return house_style() + part("whiskers.css") + part("answers.css", _HERE)


@cache
def _template() -> Template:
    return environment(_HERE).get_template("answers.html.j2")
