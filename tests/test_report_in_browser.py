"""report.html in a real browser: hostile text shows as text, links open their state, nothing is refused."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from browsers import find_browser, opened
from reporting_outcome import HOSTILE, made_up_outcome
from swapgate.reporting import write_reports
from swapgate.reporting.text import visible


@pytest.fixture(scope="module")
def browser() -> str:
    return find_browser()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = write_reports(made_up_outcome(cases=80), tmp_path_factory.mktemp("report"), ["html"])
    return path


def _open(browser: str, report: Path, folder: Path, fragment: str = "") -> str:
    dom, complaints = opened(browser, report, folder, fragment)
    assert complaints == []
    return dom


def _rows(dom: str) -> list[str]:
    return re.findall(r'<details class="case".*?<span class="mark (\w+)">', dom)


def test_the_page_shows_the_verdict_and_a_page_of_cases(browser: str, report: Path, tmp_path: Path) -> None:
    dom = _open(browser, report, tmp_path)
    assert '<span class="word">FAIL</span> model-new is worse than model-old' in dom
    assert "480 of 480 trials" in dom
    assert len(_rows(dom)) == 100
    assert "1 to 100" in dom


def test_the_statistics_show_without_the_script_having_to_draw_them(
    browser: str, report: Path, tmp_path: Path
) -> None:
    dom = _open(browser, report, tmp_path, "#prompts")
    for part in ("Scores of the judges", "How pass rates are spread", "Prompts by model", "What repeats say"):
        assert re.search(rf"<h[1-6][^>]*>{part}</h", dom), part
    assert dom.count('<td class="heat" style="--heat: ') == 9


def test_hostile_text_shows_as_text_and_runs_nothing(browser: str, report: Path, tmp_path: Path) -> None:
    dom = _open(browser, report, tmp_path, "#case=code_review/case-001/model-new/1")
    title = re.search(r"<title>(.*?)</title>", dom)
    assert title
    assert title[1].startswith("FAIL: ")
    assert "<img" not in dom
    assert dom.count("<script") == 2
    texts = [unescape(text) for text in re.findall(r"<pre[^>]*>(.*?)</pre>", dom, re.DOTALL)]
    assert visible(HOSTILE) in texts


def test_a_case_link_opens_that_case(browser: str, report: Path, tmp_path: Path) -> None:
    dom = _open(browser, report, tmp_path, "#case=summaries/case-071/vendor%2Fmodel-mini/1")
    (opened,) = re.findall(
        r'<details class="case" open="">.*?<span class="id">(.*?)</details>', dom, re.DOTALL
    )
    assert opened.startswith('summaries/case-071<span class="under">vendor/model-mini')
    for part in ("Response", "Expected", "Checks", "Judges", "Prompt as rendered", "The same case"):
        assert f"<h3>{part}</h3>" in dom


def test_a_filter_link_shows_only_what_it_names(browser: str, report: Path, tmp_path: Path) -> None:
    dom = _open(
        browser, report, tmp_path, "#filter=blind&model=vendor%2Fmodel-mini&suite=summaries&text=PRAISES"
    )
    assert "20 of 480 trials" in dom
    assert _rows(dom) == ["blind"] * 20


def test_misses_include_the_blind_passes(browser: str, report: Path, tmp_path: Path) -> None:
    dom = _open(browser, report, tmp_path, "#filter=missed&model=model-new&tag=style")
    assert "20 of 480 trials" in dom
    assert set(_rows(dom)) == {"missed"}


def test_the_policy_stops_a_script_that_got_into_the_page(browser: str, report: Path, tmp_path: Path) -> None:
    injected = "<script>document.title='OWNED'</script><img src=x onerror=\"document.title='OWNED'\">"
    tampered = tmp_path / "tampered.html"
    tampered.write_text(
        report.read_text(encoding="utf-8").replace("<main>", f"<main>{injected}"), encoding="utf-8"
    )
    dom, complaints = opened(browser, tampered, tmp_path)
    assert "<title>OWNED" not in dom
    assert "480 of 480 trials" in dom
    assert any("Content Security Policy" in line for line in complaints)
