"""`swapgate view` in a real browser: by keyboard, on a phone, in the dark, with whatever a model wrote."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

import reporting_outcome
from browsers import driven, html_errors, window
from made_up_history import NEW, made_up_history
from swapgate.memory.history import HistoryWriter
from swapgate.records import (
    Answer,
    CheckResult,
    Finding,
    Message,
    ModelIdentity,
    Response,
    Run,
    Trial,
    Verdict,
)
from swapgate.reporting.text import visible
from viewing_server import View, viewing

# What is stored holds no lone surrogate: see storable.py.
HOSTILE = reporting_outcome.HOSTILE.replace("\ud800", "")
Scheme = Literal["light", "dark"]
# Of a suite, a case, a model and a tag: what could end an attribute, an address, or a name of an answer.
ODD = "a/b@c#1\"><img src=x onerror=\"document.title='OWNED'\">&amp;'?=%2F\u202e" + "W" * 150
LONG_LINE = "x" * 300_000
ADDRESSES = {
    "runs": "",
    "run": "runs/20260301-023004",
    "trends": "trends?suite=triage",
    "cases": "cases?suite=triage",
    "case": "case?suite=triage&case=case-0007",
    "compare": "compare?baseline=20260301-023000&candidate=20260301-023007",
    "nothing to compare": "compare?baseline=hostile-0&candidate=hostile-1",
    "choose": "compare",
    "problem": "nothing",
}


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[View]:
    folder = tmp_path_factory.mktemp("view")
    (folder / "cases").mkdir()
    path = folder / ".swapgate" / "history.db"
    made_up_history(path, runs=8, cases=14, falls_at=5)
    for number in range(2):
        store_hostile(path, number)
    with viewing(folder) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with driven() as running:
        yield running


def store_hostile(path: Path, number: int) -> None:
    """Store a run whose every text is hostile; the second one's answer differs."""
    run = Run(
        id=f"hostile-{number}",
        started_at=f"2026-02-0{number + 1}T00:00:00.000+00:00",
        models=(ModelIdentity(name=ODD, provider=HOSTILE, model=HOSTILE),),
        suites=(ODD,),
        planned=1,
        git_commit=HOSTILE,
        versions={HOSTILE: HOSTILE},
    )
    trial = Trial(
        suite=ODD,
        case=ODD,
        model=ODD,
        tags=(ODD,),
        messages=(Message(role="user", content=HOSTILE), Message(role="user", content=LONG_LINE)),
        expected={"text": HOSTILE},
        answer=Answer(response=Response(text=HOSTILE + "!" * number), model=ODD),
        checks=(
            CheckResult(
                check=HOSTILE,
                kind="structural",
                passed=False,
                findings=(Finding(message=HOSTILE, pointer=HOSTILE),),
            ),
        ),
        verdicts=(
            Verdict(
                judge=HOSTILE,
                model=ODD,
                definition_hash="0" * 64,
                status="scored",
                passed=False,
                scores={HOSTILE: 1.0},
                reason=HOSTILE,
            ),
        ),
    )
    writer = HistoryWriter(path, run)
    writer.add(trial)
    writer.finish(replace(run, is_complete=True, finished_at=run.started_at))


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_every_page_is_accessible_and_as_wide_as_the_screen(
    width: int, scheme: Scheme, browser: Browser, view: View
) -> None:
    # The browser itself tells the console of an answer that is 404.
    with window(browser, width=width, scheme=scheme, forgives="404") as page:
        for name, address in ADDRESSES.items():
            page.goto(view.url + address)
            result = Axe().run(page, options={"resultTypes": ["violations"]})
            assert result.violations_count == 0, f"{name}: {result.generate_report()}"
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, name


def test_rates_of_both_sides_are_seen_on_a_phone(browser: Browser, view: View) -> None:
    with window(browser, width=390) as page:
        page.goto(view.url + ADDRESSES["compare"])
        first = page.get_by_role("table").filter(has_text="Structural [95%]").locator("tbody td").first
        box = first.bounding_box()
        assert box is not None and box["x"] + box["width"] <= 390


def test_every_page_is_valid_html(view: View, tmp_path: Path) -> None:
    files = []
    for name, address in ADDRESSES.items():
        files.append(tmp_path / f"{name}.html")
        files[-1].write_text(view.get(f"/{address}").body, encoding="utf-8")
    assert html_errors(*files) == []


def test_two_runs_are_compared_by_keyboard_alone(browser: Browser, view: View) -> None:
    with window(browser) as page:
        page.goto(view.url)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.id") == "content"
        tab_to(page, "candidate", "20260301-023007-000007")
        tab_to(page, "baseline", "20260301-023007-000007", back=True)
        for _step in range(7):
            page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        page.wait_for_url("**/compare?**")
        assert "baseline=20260301-023000" in page.url
        assert "candidate=20260301-023007" in page.url
        page.locator("#regressed ~ .scroll a").first.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("pre.diff ins")
        # An address is all that a page is: opened anew, it shows the same.
        again = page.url
        shown = page.inner_text("main")
        page.goto(view.url)
        page.goto(again)
        assert page.inner_text("main") == shown


def tab_to(page: Page, name: str, value: str, *, back: bool = False) -> None:
    """Press Tab until a radio button has the focus, and choose it."""
    for _step in range(60):
        page.keyboard.press("Shift+Tab" if back else "Tab")
        if page.evaluate("[document.activeElement.name, document.activeElement.value]") == [name, value]:
            page.keyboard.press("Space")
            return
    raise AssertionError(f"no {name} {value} is reached by Tab")


def test_a_filter_is_an_address_that_can_be_kept(browser: Browser, view: View) -> None:
    with window(browser) as page:
        page.goto(view.url + ADDRESSES["run"])
        page.select_option("select[name=outcome]", "passed")
        page.fill("input[name=q]", "case-000")
        page.click("text=Show")
        page.wait_for_url("**outcome=passed**")
        assert page.input_value("input[name=q]") == "case-000"
        marks = page.locator("#trials ~ .scroll .mark").all_inner_texts()
        assert marks
        assert set(marks) == {"passed"}


def test_whatever_was_written_is_text(browser: Browser, view: View) -> None:
    with window(browser, width=360) as page:
        page.goto(view.url + "?q=hostile")
        assert page.locator("tbody.run").count() == 2
        page.click("tbody.run a >> nth=0")
        assert visible(ODD) in page.inner_text("main")
        page.click("#trials ~ .scroll a >> nth=0")
        page.wait_for_selector("pre.diff")
        assert page.locator("h1").inner_text() == f"{visible(ODD)}/{visible(ODD)}"
        answers = page.locator(".answer pre").all_inner_texts()
        assert answers[0] == visible(HOSTILE)
        for address in ("trends", "cases", "compare"):
            page.goto(f"{view.url}{address}")
            page.select_option("select >> nth=0", index=0)
        for address in page_addresses(page, view):
            page.goto(address)
            assert page.title() != "OWNED", address  # a case's title holds the word, as text
            assert page.locator("img").count() == 0
            assert page.evaluate("document.scripts.length") == 0
            assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, address


def page_addresses(page: Page, view: View) -> list[str]:
    """Return the addresses of the hostile suite's pages, as the pages themselves link them."""
    page.goto(view.url + "runs/hostile-1")
    case = page.get_attribute("#trials ~ .scroll a", "href") or ""
    found = []
    for path in ("trends", "cases"):
        page.goto(view.url + path)
        page.select_option("select[name=suite]", value=ODD)
        page.click("text=Show")
        page.wait_for_load_state()
        found.append(page.url)
    rest = ("runs/hostile-1", "compare?baseline=hostile-0&candidate=hostile-1")
    return [*found, view.url + case.lstrip("/"), *(view.url + one for one in rest)]


def test_a_report_shows_names_of_any_kind_as_text_in_its_width(browser: Browser, view: View) -> None:
    with window(browser, width=360) as page:
        page.goto(f"{view.url}runs/hostile-1/report.html")
        page.locator(".case > summary").first.click()
        page.wait_for_selector(".case[open] .body")
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
        assert page.locator("main :is(img, script)").count() == 0
        assert not page.title().startswith("OWNED")


def test_a_report_is_shown_as_a_page_of_no_origin(browser: Browser, view: View) -> None:
    with window(browser) as page:
        page.goto(view.url + "runs/latest")
        page.click("text=The whole report")
        page.wait_for_selector(".case")
        assert page.evaluate("window.origin") == "null"
        assert NEW in page.inner_text("main")
