"""trend.html: what it shows, that it needs nothing but itself, and that a browser has no complaint."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from browsers import find_browser, opened
from nights import START, Drawn, drawn, nights_of
from swapgate.analysis.night_report import NightReport, night_report
from swapgate.analysis.night_subjects import Watched
from swapgate.errors import StoreError
from swapgate.reporting.html.trend import page, write_trend
from swapgate.reporting.html.trend_charts import charts

HOSTILE = "<img src=x onerror=alert(1)>\u202e\x1b[31m"


@pytest.fixture(scope="module")
def report() -> NightReport:
    """Return nights with a drop, one that does not count, a gap, a flaky case, a judge without anchors."""
    nights = drawn(40, rate=lambda night: 1.0 if night < 32 else 0.8)
    flaky = [
        replace(night, cases={**night.cases, "wavers": Drawn(semantic=bool(number % 2), latency_s=1.0)})
        for number, night in enumerate(nights)
    ]
    flaky = [replace(n, served=HOSTILE) if i >= 35 else n for i, n in enumerate(flaky)]
    found = nights_of(flaky)
    found[20] = replace(found[20], problem="it never ended")
    del found[10]
    at = (START + timedelta(days=39, hours=1)).isoformat()
    return night_report(found, [Watched(judge="meaning")], at=at)


class Page(HTMLParser):
    """Gathers what an accessibility check looks at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.named_by: list[str] = []
        self.pictures = 0
        self.addresses: list[str] = []
        self.tags: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.add(tag)
        self.ids += [given["id"] or ""] if "id" in given else []
        self.named_by += (given.get("aria-labelledby") or "").split()
        self.pictures += given.get("role") == "img"
        self.addresses += [value for name in ("src", "href") if (value := given.get(name))]


def test_the_page_shows_the_answer_and_every_series_with_a_table(report: NightReport) -> None:
    text = page(report)
    assert '<span class="word">DRIFT</span>' in text
    assert "semantic pass rate: " in text
    assert "it never ended" in text
    assert "missed: 1 night between" in text
    assert "wavers" in text
    assert text.count("<figure") == text.count('role="img"') == sum(1 for _ in report.series)
    assert text.count("as a table</summary>") == text.count("<figure")
    (drop,) = [one for one in report.series if one.measure == "semantic"]
    assert drop.answer == "drift"
    assert text.count('class="since"') >= 1


def test_every_name_that_is_pointed_at_is_there_and_nothing_is_loaded(report: NightReport) -> None:
    found = Page(page(report))
    assert set(found.named_by) <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert found.pictures
    assert all(address.startswith(("#", "data:")) for address in found.addresses)
    assert not found.tags & {"script", "iframe", "object", "form"}


def test_what_a_service_tells_is_text(report: NightReport) -> None:
    text = page(report)
    assert "<img" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;\\u202e\\x1b[31m" in text


def test_a_browser_shows_it_without_a_complaint(report: NightReport, tmp_path: Path) -> None:
    path = write_trend(report, tmp_path)
    assert path.name == "trend.html"
    dom, complaints = opened(find_browser(), path, tmp_path)
    assert complaints == []
    assert "<h1" in dom
    assert len(re.findall(r"<polyline class=\"level\" points=\"[\d., ]+\"", dom)) == dom.count("<figure")


def test_no_night_is_a_page_too(tmp_path: Path) -> None:
    text = page(night_report([], at=START.isoformat()))
    assert "COULD NOT FIND OUT" in text
    assert "there is no night yet" in text


def test_every_point_lies_inside_its_chart(report: NightReport) -> None:
    start, end = report.nights[0].at, report.nights[-1].at
    for chart in charts(list(report.series), start=start, end=end):
        assert [dot.x for dot in chart.dots] == sorted(dot.x for dot in chart.dots)
        for dot in chart.dots:
            assert all(0 <= place <= 100 for place in (dot.x, dot.y, dot.low or 0, dot.high or 0))
        assert all(-1e-6 <= tick.y <= 100 for tick in chart.ticks)
        assert 2 <= len(chart.ticks) <= 8


def test_a_folder_that_cannot_be_written_is_said(report: NightReport, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="cannot be written"):
        write_trend(report, tmp_path / "file")
