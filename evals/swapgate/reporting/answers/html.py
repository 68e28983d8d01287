"""The report on both swaps as one self-contained page without a script."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from swapgate.reporting.answers import cells
from swapgate.reporting.html.templates import environment, house_style, part
from swapgate.reporting.text import clipped
from swapgate.retrieval.answering.effects import Effect
from swapgate.retrieval.answering.observations import Measure
from swapgate.retrieval.answering.report import JointReport
from swapgate.retrieval.answering.wording import NOUNS, notes, reason, steps

if TYPE_CHECKING:
    from jinja2 import Template

_HERE = "swapgate.reporting.answers"
_MOST_CHARS = 4_000
# The axis of a chart shows at least so much around zero.
_LEAST_AXIS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Whisker:
    """An effect on an axis, in percent of its width; None where there is nothing to be drawn."""

    name: str
    text: str
    mark: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """The effects of the swaps by one measure, on one axis with its zero and the margin."""

    title: str
    whiskers: tuple[Whisker, ...]
    zero: float
    margin: float
    left: str
    right: str


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


def charts(report: JointReport) -> list[Chart]:
    """Return one chart a measure, all on one axis so that they can be compared."""
    found = [one for one in report.joint.effects if one.slice is None]
    ends = [
        bound
        for one in found
        for bound in (one.interval.low, one.interval.high, one.interval.estimate)
        if bound is not None
    ]
    low, high = min([-_LEAST_AXIS, *ends]), max([_LEAST_AXIS, *ends])
    margin = report.joint.terms.margin
    order: Sequence[Measure] = report.joint.measures
    return [
        _chart(NOUNS[measure], [one for one in found if one.measure == measure], low, high, margin)
        for measure in order
    ]


def _chart(title: str, effects: Sequence[Effect], low: float, high: float, margin: float) -> Chart:
    def place(value: float | None) -> float | None:
        return None if value is None else 100 * (value - low) / (high - low)

    return Chart(
        title=f"{title[:1].upper()}{title[1:]}",
        whiskers=tuple(
            Whisker(
                name=cells.effect_name(one),
                text=cells.compact(one.interval),
                mark=place(one.interval.estimate),
                low=place(one.interval.low),
                high=place(one.interval.high),
            )
            for one in effects
        ),
        zero=place(0.0) or 0.0,
        margin=place(-margin) or 0.0,
        left=f"{100 * low:+.0f}",
        right=f"{100 * high:+.0f} points",
    )


@cache
def _style() -> str:
    return house_style() + part("answers.css", _HERE)


@cache
def _template() -> Template:
    return environment(_HERE).get_template("answers.html.j2")
