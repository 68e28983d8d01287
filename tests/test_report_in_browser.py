"""report.html in a real browser: what a reader can do, with or without a mouse, on a screen and on paper."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from benchmarks.made_trials import made_trials
from browsers import driven, html_errors, window
from reporting_outcome import HOSTILE, made_up_outcome, with_response
from swapgate.records import Evidence, JudgeSample, Trial
from swapgate.reporting import write_reports
from swapgate.reporting.text import INVISIBLE, visible

SCRIPTS = files("swapgate.reporting.html") / "script"
BLIND = "#case=code_review/case-009/model-new/1"
MISSED = "#case=code_review/case-010/model-new/1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with driven() as browser:
        yield browser


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _written(80, tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report with all its parts and few cases: what looks at every element takes long."""
    return _written(16, tmp_path_factory.mktemp("small"))


def _written(cases: int, folder: Path) -> Path:
    outcome = made_up_outcome(cases=cases)
    answered = replace(outcome, trials=[_answered(trial) for trial in outcome.trials])
    (path,) = write_reports(answered, folder, ["html"])
    return path


def _answered(trial: Trial) -> Trial:
    """Return the trial of case 9 with the answer that each of the models gives of its own."""
    if trial.case != "case-009":
        return trial
    verb = "is safe, as it is" if trial.role == "candidate" else "is"
    text = f'{{"recommendation": "approve", "summary": "The query {verb} built from user input."}}'
    return with_response(trial, text)


def _open(page: Page, report: Path, fragment: str = "") -> Page:
    page.goto(report.as_uri() + fragment)
    page.wait_for_selector("html[data-ready]")
    return page


def _standings(page: Page) -> list[str]:
    return page.locator(".case > summary > span:first-child").all_inner_texts()


def _found(page: Page) -> str:
    return page.locator("#found").inner_text()


def _opened(page: Page) -> Locator:
    return page.locator(".case[open]")


def test_the_page_shows_the_verdict_and_a_page_of_cases(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report)
        assert page.locator("h1").inner_text().startswith("FAIL\nmodel-new is worse than model-old")
        assert _found(page) == "480 of 480 trials"
        assert len(_standings(page)) == 100
        assert page.locator("#of-pages").inner_text() == "of 5, trials 1 to 100"


def test_the_list_turns_to_the_next_page_and_to_one_by_its_number(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report)
        assert set(_standings(page)) == {"Blind pass"}
        page.get_by_role("button", name="Next").click()
        assert page.locator("#of-pages").inner_text() == "of 5, trials 101 to 200"
        page.locator("#page").fill("5")
        page.locator("#page").press("Enter")
        assert set(_standings(page)) == {"Passed"}
        assert page.get_by_role("button", name="Next").is_disabled()


def test_the_statistics_show_without_a_script(browser: Browser, report: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(report.as_uri())
    for part in (
        "Scores of the judges", "How pass rates are spread", "Prompts by model", "What repeats say",
        "Failures by length of the input", "Can the judges be trusted?",
    ):  # fmt: skip
        assert page.get_by_role("heading", name=part).first.is_visible(), part
    assert page.locator("td.heat").count() == 9
    context.close()


def test_hostile_text_shows_as_text_and_runs_nothing(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report, "#case=code_review/case-001/model-new/1")
        assert page.title().startswith("FAIL: ")
        assert page.locator("img, b:has-text('bold')").count() == 0
        marks = page.locator(".case[open] mark sup").all_inner_texts()
        answer = page.get_by_role("group", name="Response").inner_text()
        assert marks == []
        assert answer == visible(HOSTILE)
        assert not set(page.locator("body").inner_text()) & set("\x00\x07\x1b\u202e\u2028")


@pytest.mark.parametrize("text", ["\ud800 alone", "x" * 5_000_000, "\x00\x1b[2J", "<script>", "{" * 30_000])
def test_any_answer_opens_in_a_moment(browser: Browser, tmp_path: Path, text: str) -> None:
    outcome = made_up_outcome(cases=2)
    trials = [with_response(trial, text) for trial in outcome.trials]
    (path,) = write_reports(replace(outcome, trials=trials), tmp_path, ["html"])
    with window(browser) as page:
        page.set_default_timeout(5000)
        _open(page, path, "#case=code_review/case-001/model-new/1")
        shown = page.get_by_role("group", name="Response").inner_text()
        assert shown.startswith(visible(text[:100]))
        assert len(shown) < 21_000


def test_a_verdict_of_any_length_scrolls_in_itself(browser: Browser, tmp_path: Path) -> None:
    outcome = made_up_outcome(cases=2)
    (path,) = write_reports(
        replace(outcome, trials=[_judged_at_length(one) for one in outcome.trials]), tmp_path, ["html"]
    )
    with window(browser, width=360) as page:
        _open(page, path, "#case=summaries/case-001/model-new/1")
        reason = _opened(page).get_by_role("group", name="Reason").first
        assert reason.inner_text().startswith("word word")
        box = _opened(page).bounding_box()
        assert box is not None
        assert box["height"] < 4000


def _judged_at_length(trial: Trial) -> Trial:
    samples = (
        JudgeSample(status="valid", raw="", evidence=(Evidence(quote="quote " * 3000, is_verbatim=False),)),
    )
    verdicts = tuple(replace(one, reason="word " * 3000, samples=samples) for one in trial.verdicts)
    return replace(trial, verdicts=verdicts)


def test_a_case_link_opens_that_case(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report, "#case=summaries/case-071/vendor%2Fmodel-mini/1")
        opened = _opened(page)
        assert opened.locator(".id").inner_text() == (
            "summaries/case-071 Regressed\nvendor/model-mini · security"
        )
        titles = opened.locator(".body h3").all_inner_texts()
        assert titles == [
            "Response", "Expected", "Checks", "Judges", "Prompt as rendered", "The same case",
        ]  # fmt: skip
        assert page.evaluate("document.activeElement.parentElement.open")
        box = opened.bounding_box()
        assert box is not None and 0 <= box["y"] < 12  # nothing of the case above


def test_a_link_to_a_case_that_is_not_there_says_so(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report, "#case=summaries/nowhere/model-new/1")
        assert _found(page) == "this run has no case summaries/nowhere/model-new/1"
        assert _opened(page).count() == 0


def test_a_finding_is_marked_at_the_value_it_is_about(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report, MISSED)
        place = _opened(page).locator("mark.finding")
        assert place.evaluate("node => node.lastChild.textContent") == '"request_changes"'
        number = _opened(page).get_by_role("button", name="Show place 1 in the answer")
        assert "not an allowed value at /recommendation" in number.locator("xpath=..").inner_text()
        number.focus()
        page.keyboard.press("Enter")
        assert place.evaluate("node => node === document.activeElement")


def test_a_judges_evidence_is_marked_in_the_answer(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report, BLIND)
        assert _opened(page).locator("mark.evidence").evaluate("n => n.lastChild.textContent") == (
            "built from user input"
        )
        quotes = _opened(page).locator(".quotes li").all_inner_texts()
        assert re.sub(r"\s+", " ", quotes[0]) == "1 built from user input verbatim"
        assert quotes[1].strip() == "is safe not in the answer"


def test_an_answer_is_held_against_the_baselines_word_by_word(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report, BLIND)
        page.wait_for_selector(".case[open] pre ins")
        change = _opened(page).get_by_role("group", name="Against the answer of model-old")
        assert change.locator("del").all_inner_texts() == []
        assert "".join(change.locator("ins").all_inner_texts()).strip() == "safe, as it is"
        _open(page, report.with_name("report.html"), "#case=code_review/case-017/model-new/1")
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert "Against the answer of model-old: the same" in _opened(page).inner_text()


def test_a_filter_link_shows_only_what_it_names(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report, "#filter=blind&model=vendor%2Fmodel-mini&suite=summaries&text=PRAISES")
        assert _found(page) == "20 of 480 trials"
        assert _standings(page) == ["Blind pass"] * 20


def test_cases_are_found_by_all_that_is_known_of_them(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report)
        for fragment, found in (
            ("filter=missed&model=model-new&tag=style", 20),
            ("filter=all&flip=regressed&model=model-new", 60),
            ("filter=all&flip=fixed", 40),
            ("filter=all&flip=any&suite=summaries", 80),
            ("filter=all&text=as%20it%20is%20built", 4),
            ("filter=all&text=Case%2042%3A", 6),
            ("filter=errored&text=no%20answer%20within", 40),
            ("filter=missed&text=not%20an%20allowed%20value", 40),
            ("filter=all&text=nowhere%20to%20be%20found", 0),
        ):
            page.evaluate("fragment => { location.hash = fragment; }", fragment)
            expect(page.locator("#found"), fragment).to_have_text(f"{found} of 480 trials")


def test_what_is_chosen_is_remembered_in_the_address(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report)
        page.get_by_label("Outcome").select_option("blind")
        page.get_by_label("Text").fill("Case 9:")
        expect(page.locator("#found")).to_have_text("4 of 480 trials")
        address = page.evaluate("location.href")
        assert address.endswith("#filter=blind&text=Case%209%3A")
        with window(browser) as other:
            other.goto(address)
            other.wait_for_selector("html[data-ready]")
            assert _found(other) == "4 of 480 trials"
        page.get_by_role("button", name="Clear").click()
        assert _found(page) == "480 of 480 trials"
        assert page.evaluate("location.hash") == "#filter=all"


def test_a_link_names_a_case_and_the_filter_that_it_was_found_with(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report, "#filter=blind&flip=regressed&model=model-new&suite=summaries")
        page.locator(".case > summary").nth(1).click()
        link = _opened(page).get_by_role("link", name="Link to this case").get_attribute("href")
        assert link == (
            "#filter=blind&flip=regressed&model=model-new&suite=summaries&case=summaries/case-007/model-new/1"
        )
    with window(browser) as page:
        _open(page, report, link)
        assert _found(page) == "20 of 480 trials"
        assert _opened(page).locator(".id").inner_text().startswith("summaries/case-007")


def test_a_case_that_the_filter_of_its_link_hides_is_shown_among_all(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report, "#filter=errored&case=summaries/case-007/model-new/1")
        assert _found(page) == "480 of 480 trials"
        assert _opened(page).count() == 1


def test_the_lists_of_flips_lead_to_their_cases(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report)
        page.locator("details.flips > summary").first.click()
        page.get_by_role("link", name="Show them among the cases").first.click()
        expect(page.locator("#found")).to_have_text("60 of 480 trials")


def test_everything_can_be_reached_and_opened_with_the_keyboard(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        _open(page, report)
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.textContent") == "Skip to the cases"
        page.keyboard.press("Enter")
        for _ in range(8):
            page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.matches('.case > summary')")
        page.keyboard.press("Enter")
        page.wait_for_selector(".case[open] .body")


def test_the_policy_stops_a_script_that_got_into_the_page(
    browser: Browser, report: Path, tmp_path: Path
) -> None:
    injected = "<script>document.title='OWNED'</script><img src=x onerror=\"document.title='OWNED'\">"
    tampered = tmp_path / "tampered.html"
    tampered.write_text(
        report.read_text(encoding="utf-8").replace("<main>", f"<main>{injected}"), encoding="utf-8"
    )
    with window(browser, forgives="Content Security Policy") as page:
        _open(page, tampered)
        assert not page.title().startswith("OWNED")
        assert _found(page) == "480 of 480 trials"


def test_a_browser_that_cannot_unpack_says_where_the_cases_are(browser: Browser, report: Path) -> None:
    with window(browser) as page:
        page.add_init_script("delete window.DecompressionStream")
        page.goto(report.as_uri())
        page.get_by_text("this needs a browser of 2023 or newer. report.json holds them all").wait_for()
        assert page.locator("h1").is_visible()


def test_paper_is_white_and_no_table_runs_over_its_edge(browser: Browser, report: Path) -> None:
    a4_px = 680
    with window(browser, scheme="dark", width=a4_px) as page:
        _open(page, report, BLIND)
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
        page.emulate_media(media="print")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert not page.locator("#filters").is_visible()
        assert _opened(page).get_by_role("group", name="Response").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= a4_px


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_nothing_is_in_the_way_of_a_screen_reader(
    browser: Browser, small: Path, scheme: Literal["light", "dark"], width: int
) -> None:
    with window(browser, width=width, scheme=scheme) as page:
        _open(page, small, BLIND)
        page.evaluate(
            "document.querySelectorAll('main section > details').forEach((one) => { one.open = true; })"
        )
        page.evaluate(
            "document.querySelectorAll('.case:not([open])').forEach((one) => one.parentElement.remove())"
        )
        result = Axe().run(page, options={"resultTypes": ["violations"]})
        assert result.violations_count == 0, result.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0


def test_the_page_is_valid_html_as_written_and_as_its_script_leaves_it(
    browser: Browser, small: Path, tmp_path: Path
) -> None:
    with window(browser) as page:
        _open(page, small, BLIND)
        page.wait_for_selector(".case[open] pre ins")
        after = tmp_path / "after.html"
        after.write_text(page.content(), encoding="utf-8")
    assert html_errors(small, after) == []


def test_twenty_thousand_trials_are_opened_filtered_and_searched(browser: Browser, tmp_path: Path) -> None:
    few = list(made_trials(500))
    trials = [replace(one, case=f"{one.case}-{copy:02d}") for copy in range(20) for one in few]
    outcome = replace(made_up_outcome(), trials=trials)
    (path,) = write_reports(outcome, tmp_path, ["html"])
    assert path.stat().st_size < 30_000_000
    with window(browser) as page:
        page.set_default_timeout(20_000)
        _open(page, path)
        assert float(page.get_attribute("html", "data-ready") or "nan") < 10_000
        assert _found(page) == "20,000 of 20,000 trials"
        page.get_by_label("Outcome").select_option("blind")
        expect(page.locator("#found")).to_have_text(re.compile("^[23],... of 20,000 trials$"))
        page.get_by_label("Outcome").select_option("all")
        page.get_by_label("Text").fill("case-000042-17")
        expect(page.locator("#found")).to_have_text("2 of 20,000 trials")
        page.locator(".case > summary").first.click()
        page.wait_for_selector(".case[open] .body")


def test_the_words_of_both_texts_are_in_their_difference(browser: Browser) -> None:
    random_ = random.Random(5)
    words = ["the", "query", " ", ". ", "é", "\n", "😀", '"', "not"]
    pairs = [["".join(random_.choices(words, k=random_.randrange(40))) for _ in range(2)] for _ in range(300)]
    pairs += [["a b c", "a b c"], ["", "new"], ["old", ""], ["x " * 5000, "y " * 5000]]
    with window(browser) as page:
        page.add_script_tag(content=_source("diff"))
        found = page.evaluate("pairs => pairs.map(([before, after]) => diff(before, after))", pairs)
    for (before, after), pieces in zip(pairs, found, strict=True):
        assert "".join(text for kind, text in pieces if kind != "in") == before
        assert "".join(text for kind, text in pieces if kind != "out") == after


def test_a_small_change_is_a_small_difference(browser: Browser) -> None:
    with window(browser) as page:
        page.add_script_tag(content=_source("diff"))
        pieces = page.evaluate("diff('The query is safe, and short.', 'The query is not safe, and long.')")
    assert pieces == [
        ["same", "The query is "], ["in", "not "], ["same", "safe, and "], ["out", "short"], ["in", "long"],
        ["same", "."],
    ]  # fmt: skip


def test_every_value_of_any_json_is_found_by_its_pointer(browser: Browser) -> None:
    random_ = random.Random(7)
    values = [_any_json(random_, depth=4) for _ in range(200)]
    around = [("", ""), ("Here it is [1]:\n```json\n", "\n```\nThat [is] all.")]
    texts = [_json_text(random_, value).join(random_.choice(around)) for value in values]
    with window(browser) as page:
        page.add_script_tag(content=_source("places"))
        places = page.evaluate(
            "texts => texts.map((text) => [...jsonPlaces(text)].map(([p, [b, e]]) => [p, text.slice(b, e)]))",
            texts,
        )
    for value, found in zip(values, places, strict=True):
        wanted = dict(_pointers(value))
        wanted.pop("")
        assert {pointer: json.loads(text) for pointer, text in found} == wanted


def test_the_page_makes_visible_what_every_report_does(browser: Browser) -> None:
    random_ = random.Random(13)
    odd = "\x00\x1b\r\n\t\x9b\xad\u034f\u061c\u180e\u200b\u200d\u202e\u2066\u2800\ufe00\ufe0f\ufeff\ud800"
    odd += " a1*é漢😀" + "".join(map(chr, (0x1D173, 0xE0041, 0xE0100, 0xE01EF, 0xE0FFF, 0x10FFFF)))
    texts = ["".join(random_.choices(odd, k=12)) for _ in range(500)]
    with window(browser) as page:
        page.add_script_tag(content=_source("elements"))
        # Through JSON, as in the page: a lone surrogate has no other way into the browser.
        given = json.dumps([INVISIBLE, texts])
        page.evaluate("given => { hideNothing(JSON.parse(given)[0]); }", given)
        found = json.loads(page.evaluate("given => JSON.stringify(JSON.parse(given)[1].map(visible))", given))
    assert found == [visible(text) for text in texts]


def test_any_json_is_laid_out_alike_whoever_wrote_it(browser: Browser) -> None:
    random_ = random.Random(11)
    values = [[_any_json(random_, depth=4)] for _ in range(100)] + [{}, [], {"a": [[], {}]}, [10**30]]
    texts = [_json_text(random_, value) for value in values]
    alike = [json.dumps(value, separators=(",", ":")) for value in values]
    with window(browser) as page:
        page.add_script_tag(content=_source("layout"))
        found, again = (page.evaluate("texts => texts.map(laidOut)", one) for one in (texts, alike))
        other = page.evaluate("""['{"a": 1} and more', '"text"', '12', '[1', ''].map(laidOut)""")
        deep = page.evaluate("laidOut('['.repeat(10_000) + ']'.repeat(10_000))?.length ?? 0")
    assert [json.loads(text) for text in found] == values
    assert [json.dumps(json.loads(text), indent=2, ensure_ascii=False) for text in found] == [
        json.dumps(value, indent=2, ensure_ascii=False) for value in values
    ]
    assert again == [json.dumps(value, indent=2) for value in values]
    assert other == [None] * 5
    assert deep < 2_000_000


def test_an_answer_in_another_layout_differs_by_its_words_alone(browser: Browser, tmp_path: Path) -> None:
    outcome = made_up_outcome(cases=2)
    texts = {
        "summaries": ('{"a": [1, 2], "b": "x y"}', '{\n "a": [1, 3],\n "b": "x y"}'),
        "code_review": ("{}", "{ }"),
    }
    trials = [with_response(one, texts[one.suite][one.role == "candidate"]) for one in outcome.trials]
    (path,) = write_reports(replace(outcome, trials=trials), tmp_path, ["html"])
    with window(browser) as page:
        _open(page, path, "#case=summaries/case-001/model-new/1")
        page.locator(".case[open] .diff").evaluate("node => { node.open = true; }")
        page.wait_for_selector(".case[open] pre ins")
        assert page.locator(".case[open] pre :is(del, ins)").all_inner_texts() == ["2", "3"]
        assert "both are JSON, laid out alike" in _opened(page).inner_text()
        page.goto("about:blank")
        _open(page, path, "#case=code_review/case-000/model-new/1")
        assert "the same JSON, laid out in another way" in _opened(page).inner_text()


@pytest.mark.parametrize(
    ("answer", "quote", "marked"),
    [
        ('{"a": "He said \\"no\\",\\nthen left."}', 'said "no", then left', 'said \\"no\\",\\nthen left'),
        ("two  words\nhere", "two words here", "two  words\nhere"),
        ('{"a": "caf\\u00E9 \\ud83d\\ude00"}', "café 😀", "caf\\u00E9 \\ud83d\\ude00"),
        ("a.b*c (x) [y] {z} ^$|?+ \\ /", "a.b*c (x) [y] {z} ^$|?+ \\ /", "a.b*c (x) [y] {z} ^$|?+ \\ /"),
        ("nothing of the kind", "something", None),
        ("x" * 20_000, "x " * 900, None),
    ],
)
def test_a_quote_is_found_as_written_or_as_json_writes_it(
    browser: Browser, answer: str, quote: str, marked: str | None
) -> None:
    with window(browser) as page:
        page.add_script_tag(content=_source("places"))
        span = page.evaluate("([answer, quote]) => placeOfQuote(answer, quote)", [answer, quote])
    assert (None if span is None else answer[span[0] : span[1]]) == marked


def _source(name: str) -> str:
    return (SCRIPTS / f"{name}.js").read_text(encoding="utf-8")


def _json_text(random_: random.Random, value: Any) -> str:
    return json.dumps(value, indent=random_.choice([None, 2]), ensure_ascii=random_.random() < 0.5)


def _any_json(random_: random.Random, *, depth: int) -> Any:
    kind = 6 if depth == 4 else random_.randrange(7 if depth else 5)
    if kind == 5:
        return [_any_json(random_, depth=depth - 1) for _ in range(random_.randrange(4))]
    if kind == 6:
        keys = random_.sample(["a", "b/c", "~", 'q"x', "é", "", "k:,{", "0"], k=random_.randrange(1, 5))
        return {key: _any_json(random_, depth=depth - 1) for key in keys}
    return [1.5, 'text, with {signs}: "[]" \\ 😀', True, None, -7][kind]


def _pointers(value: Any, pointer: str = "") -> Iterator[tuple[str, Any]]:
    yield pointer, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        yield from _pointers(inside, f"{pointer}/{str(key).replace('~', '~0').replace('/', '~1')}")
