"""trend.html: every suite and model over nights, on one page that opens from disk and runs no script."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swapgate.analysis.night_report import NightReport
from swapgate.analysis.night_series import NightSeries
from swapgate.analysis.night_subjects import minute
from swapgate.reporting import format as show
from swapgate.reporting.files import write_text
from swapgate.reporting.html.templates import environment, part
from swapgate.reporting.html.trend_charts import charts, places
from swapgate.reporting.words import nights as words

if TYPE_CHECKING:
    from jinja2 import Template

TREND_FILE = "trend.html"
_TONES = {"drift": "fail", "no drift shown": "pass", "could not find out": "inconclusive"}
_TONES |= {"cannot tell": "inconclusive", "not watched": "plain", "too few nights": "inconclusive"}
_MOST_CASES = 100


def write_trend(report: NightReport, folder: Path) -> Path:
    """Write trend.html into the folder and return its path; StoreError when it cannot be written."""
    path = folder / TREND_FILE
    write_text(path, page(report))
    return path


def page(report: NightReport) -> str:
    """Return the page."""
    subjects = list(dict.fromkeys((one.suite, one.name) for one in report.series))
    times = [night.at for night in report.nights]
    times += [point.at for one in report.series for point in one.points]
    start, end = min(times, default=report.at), max(times, default=report.at)
    uncounted = [night.at for night in report.nights if not night.counts]
    context: dict[str, Any] = {
        "report": report,
        "word": words.ANSWERS[report.answer],
        "conclusion": words.conclusion(report).partition(": ")[2],
        "places": [_place(report, suite, name) for suite, name in subjects],
        "start": start,
        "end": end,
        "uncounted": places(uncounted, start=start, end=end),
        "style": part("report.css") + part("trend.css"),
        "most_cases": _MOST_CASES,
    }
    return _template().render(context).lstrip()


def _place(report: NightReport, suite: str | None, name: str) -> dict[str, Any]:
    """Return one model on one suite, or one judge, with its series: those that drifted first."""
    own = [one for one in report.series if (one.suite, one.name) == (suite, name)]
    ordered = sorted(own, key=lambda one: one.answer != "drift")
    return {"suite": suite, "name": name, "series": ordered, "tone": _tone_of(own)}


def _tone_of(series: Sequence[NightSeries]) -> str:
    said = {one.answer for one in series}
    return next((answer for answer in ("drift", "too few nights") if answer in said), "no drift shown")


@cache
def _template() -> Template:
    pages = environment()
    pages.globals.update(charts=charts, count=show.count, minute=minute, show=show, tones=_TONES, words=words)
    return pages.get_template("trend.html.j2")
