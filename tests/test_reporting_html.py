"""report.html without a browser: one file, one script, data as data, readable colours."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from benchmarks.made_trials import made_trials
from html_cases import blocks_of, cases_of
from reporting_outcome import CANDIDATE, HOSTILE, made_up_outcome, of_many_suites, with_response
from swapgate.analysis.gate import GateAnswer
from swapgate.analysis.outcome import RunOutcome
from swapgate.records import CanaryResult, JudgeCanaries
from swapgate.reporting import write_reports
from swapgate.reporting.html.lengths import length_charts
from swapgate.reporting.html.packing import TEXT_CHARS, text_chars
from swapgate.reporting.html.page import case_link, filter_link, page


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.setdefault(self.tags[-1][0] if self.tags else "", []).append(data)

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def _page(outcome: RunOutcome, folder: Path) -> tuple[str, _Page]:
    (path,) = write_reports(outcome, folder, ["html"])
    text = path.read_text(encoding="utf-8")
    page = _Page()
    page.feed(text)
    return text, page


def _case(text: str, suite: str, case: str, model: str) -> dict[str, Any]:
    (found,) = [c for c in cases_of(text) if (c["suite"], c["case"], c["model"]) == (suite, case, model)]
    return found


def test_the_page_is_one_file_that_asks_the_network_for_nothing(tmp_path: Path) -> None:
    text, page = _page(made_up_outcome(), tmp_path)
    assert text.startswith("<!doctype html>")
    assert not [a for _, a in page.tags if "src" in a]
    hrefs = [a["href"] or "" for _, a in page.tags if "href" in a]
    assert {href[0] for href in hrefs if not href.startswith("data:,")} == {"#"}
    assert "@import" not in text
    assert "url(" not in text


def test_the_policy_allows_the_one_script_and_nothing_else(tmp_path: Path) -> None:
    text, page = _page(made_up_outcome(), tmp_path)
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    (policy,) = [a["content"] or "" for a in page.attributes("meta") if "http-equiv" in a]
    assert "default-src 'none'" in policy
    assert f"script-src 'sha256-{digest}';" in policy


def test_data_is_never_markup(tmp_path: Path) -> None:
    outcome = made_up_outcome()
    hostile = replace(
        outcome,
        warnings=(HOSTILE,),
        gate=replace(outcome.gate, reason=HOSTILE, notes=(HOSTILE,)),
        summaries=tuple(replace(s, model=HOSTILE) for s in outcome.summaries),
        run=replace(outcome.run, id=HOSTILE),
    )
    calm, calm_page = _page(outcome, tmp_path)
    text, page = _page(hostile, tmp_path)
    assert [tag for tag, _ in page.tags].count("img") == 0
    assert calm_page.attributes("script") == page.attributes("script")
    assert calm.count("</script>") == text.count("</script>") == len(page.attributes("script"))
    assert not set(text) & {"\x00", "\x1b", "\u202e", "\u2028"}
    assert "\\u202eoverride" in text


def test_the_cases_hold_what_was_asked_answered_and_found(tmp_path: Path) -> None:
    text, _ = _page(made_up_outcome(), tmp_path)
    case = _case(text, "code_review", "case-001", CANDIDATE)
    assert case["standing"] == "blind"
    assert case["flip"] == "regressed"
    assert case["response"] == HOSTILE
    assert case["prompt"][0].startswith("You review code")
    assert case["verdicts"][0]["scores"] == "factual_accuracy 2, relevance 4"
    assert case["verdicts"][0]["samples"][0]["evidence"][1] == ["is safe", False]
    assert ["Cost", "$0.0021"] in case["numbers"]
    (missed, *_) = [c for c in cases_of(text) if c["standing"] == "missed"]
    assert missed["checks"][1][3][0][:2] == ["not an allowed value", "/recommendation"]


def test_only_the_candidates_trials_are_flips(tmp_path: Path) -> None:
    text, _ = _page(made_up_outcome(), tmp_path)
    flips = {(c["case"], c["model"]) for c in cases_of(text) if c["flip"] == "regressed"}
    assert {model for _, model in flips} == {CANDIDATE, "vendor/model-mini"}
    assert flips == {(f"case-00{n}", model) for n in (1, 2, 7) for model in (CANDIDATE, "vendor/model-mini")}


def test_a_prompt_that_all_share_is_kept_once_in_a_part(tmp_path: Path) -> None:
    text, _ = _page(made_up_outcome(cases=50), tmp_path)
    parts = [part for name, part in blocks_of(text).items() if name != "index"]
    assert [part["texts"].count("You review code. Answer with one JSON object.") for part in parts] == [1]


def test_the_trials_of_a_case_lie_in_one_part(tmp_path: Path) -> None:
    text, _ = _page(made_up_outcome(cases=40, long_text=15_000), tmp_path)
    rows = blocks_of(text)["index"]["rows"]
    assert len({row[9] for row in rows}) > 3
    parts: dict[tuple[int, str], set[int]] = {}
    for row in rows:
        parts.setdefault((row[0], row[1]), set()).add(row[9])
    assert {len(found) for found in parts.values()} == {1}


def test_many_repeats_of_one_case_are_parted_all_the_same(tmp_path: Path) -> None:
    outcome = made_up_outcome(cases=2, long_text=19_000)
    trial = next(t for t in outcome.trials if t.suite == "summaries" and t.model == CANDIDATE)
    repeats = [replace(trial, repeat=number) for number in range(1, 401)]
    text, _ = _page(replace(outcome, trials=repeats), tmp_path)
    sizes = [len(json.dumps(part)) for name, part in blocks_of(text).items() if name != "index"]
    assert len(sizes) > 1
    assert max(sizes) < 5_000_000


def test_long_texts_are_cut_with_a_note(tmp_path: Path) -> None:
    text, _ = _page(made_up_outcome(cases=2, long_text=3 * TEXT_CHARS), tmp_path)
    (response, *_) = [c["response"] for c in cases_of(text) if c["response"]]
    assert len(response) < TEXT_CHARS + 100
    assert response.endswith("more characters are in report.json")
    assert "Of a longer text, the first 20,000 characters are here; report.json holds it whole." in text


def test_five_million_characters_in_one_line_leave_a_small_page(tmp_path: Path) -> None:
    outcome = made_up_outcome(cases=2)
    trials = [with_response(trial, "x" * 5_000_000) for trial in outcome.trials]
    text, _ = _page(replace(outcome, trials=trials), tmp_path)
    assert len(text) < 200_000


@pytest.mark.parametrize(
    ("trials", "chars"), [(0, 20_000), (5_000, 20_000), (20_000, 5_000), (1_000_000, 1_000)]
)
def test_the_more_trials_the_less_of_each_text(trials: int, chars: int) -> None:
    assert text_chars(trials) == chars


def test_a_thousand_cases_of_two_models_stay_under_three_megabytes(tmp_path: Path) -> None:
    outcome = replace(made_up_outcome(), trials=list(made_trials(1_000)))
    (path,) = write_reports(outcome, tmp_path, ["html"])
    assert path.stat().st_size < 3_000_000


def test_links_to_cases_quote_every_part() -> None:
    assert case_link("s", "c", "vendor/model a", 2) == "#case=s/c/vendor%2Fmodel%20a/2"
    assert filter_link("blind", model="a&b") == "#filter=blind&model=a%26b"


@pytest.mark.parametrize(
    ("answer", "word"),
    [("pass", "PASS"), ("fail", "FAIL"), ("inconclusive", "INCONCLUSIVE"), ("not_judged", "NOT JUDGED")],
)
def test_the_verdict_is_the_first_heading_and_a_word(tmp_path: Path, answer: GateAnswer, word: str) -> None:
    outcome = made_up_outcome()
    text, _ = _page(replace(outcome, gate=replace(outcome.gate, answer=answer)), tmp_path)
    first = re.search(r"<h\d[^>]*>(.*?)</h\d>", text, re.DOTALL)
    assert first
    assert f'<span class="word">{word}</span> model-new is worse' in first[1]


def test_the_chart_has_bars_whiskers_and_words(tmp_path: Path) -> None:
    text, page = _page(made_up_outcome(), tmp_path)
    of_models, of_the_judge = 6, 2
    bars = [a for a in page.attributes("svg") if (a.get("class") or "").startswith("bar ")]
    assert len(bars) == of_models + of_the_judge
    assert "<title>Semantic: 57.1% [49.1, 65.1]</title>" in text
    assert 'class="fill" width="57.14%"' in text
    assert 'x1="49.14%" x2="65.14%"' in text


def test_without_its_script_the_page_still_says_what_counts(tmp_path: Path) -> None:
    text, page = _page(made_up_outcome(), tmp_path)
    static = text[: text.index("<script")]
    for part in (
        "FAIL",
        "57.1% [49.1, 65.1]",
        "code_review/case-001",
        "-28.6",
        "timeout",
        "$0.0294",
        "1.48 s",
    ):
        assert part in static, part
    assert "report.json holds the same cases" in static
    assert "hidden" in page.attributes("form")[0]


def test_every_field_has_a_label_and_every_table_heads(tmp_path: Path) -> None:
    text, page = _page(made_up_outcome(), tmp_path)
    fields = len(page.attributes("select")) + len(page.attributes("input"))
    assert fields == len(page.attributes("label")) == 7
    assert all("scope" in a for a in page.attributes("th"))
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert '<html lang="en">' in text


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_colours_have_the_contrast_that_reading_needs(scheme: str) -> None:
    css = (files("swapgate.reporting.html") / "report.css").read_text(encoding="utf-8")
    light, dark = (dict(re.findall(r"--(\S+): (#\w{6});", block)) for block in css.split("@media", 2)[:2])
    colours = light if scheme == "light" else dark
    for text in ("ink", "quiet", "link"):
        for ground in ("paper", "panel"):
            assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for hue in ("good", "bad", "unsure", "plain"):
        assert _contrast(colours[hue], colours[f"{hue}-panel"]) >= 4.5, hue
        assert _contrast(colours["ink"], colours[f"{hue}-panel"]) >= 4.5, hue
    for shape in ("structural", "semantic", "control"):
        assert _contrast(colours[shape], colours["paper"]) >= 3, shape
    assert _contrast(colours["ink"], _mixed(colours["semantic"], colours["paper"], HEAT)) >= 4.5
    for bar in ("structural", "semantic", "track"):
        assert _contrast(colours["ink"], colours[bar]) >= 2.5, bar


def _mixed(one: str, other: str, share: float) -> str:
    """Return what `color-mix(in srgb, ...)` makes of two colours."""
    parts = [(int(one[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(share * a + (1 - share) * b):02x}" for a, b in parts)


def _contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, WCAG 2.2."""
    brighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_tokens_that_nobody_counted_are_not_zero() -> None:
    outcome = made_up_outcome()
    unknown = tuple(
        replace(
            s, tokens_in=0, tokens_out=0, judge_tokens_in=0, judge_tokens_out=0, counted=0, judge_counted=0
        )
        for s in outcome.summaries
    )
    rows = page(replace(outcome, summaries=unknown)).partition('id="costs"')[2]
    shown = sum(s.tag is None for s in unknown)
    assert rows.count("<td>-</td><td>-</td>") == shown
    assert rows.count("<td>- / -</td>") == shown


# The strongest colour of a cell in the heat map.
HEAT = 0.6
EMPTY: dict[str, Any] = {"ranking": (), "matrix": (), "spreads": (), "covariates": (), "repeatability": ()}


def test_the_comparison_says_what_moved_and_how_the_candidate_stands() -> None:
    text = _static(page(made_up_outcome()))
    assert '<span class="mark worse">worse</span>' in text
    assert "12.5% (2 of 16) to <b>33.3%</b> (4 of 12)" in text
    assert "By tag: 1 of 3 differences told apart" in text
    assert "tag security" in text
    assert "mean 4.36 to <b>3.21</b>, -1.14 [90%: -1.90, -0.39], p 0.012" in text
    assert "<td>+36%</td><td>+35</td> <td>[90%: +20, +50]</td>" in text


def test_scores_stand_side_by_side_level_by_level(tmp_path: Path) -> None:
    text, page = _page(made_up_outcome(), tmp_path)
    bars = [a for a in page.attributes("svg") if (a.get("class") or "").startswith("small ")]
    assert len(bars) == 2 * 2 * (5 + 1)
    assert '<rect class="fill" width="55.56%"' in text


def test_pass_rates_are_drawn_only_where_they_were_compared(tmp_path: Path) -> None:
    _, page = _page(made_up_outcome(), tmp_path)
    assert len([a for a in page.attributes("svg") if a.get("class") == "bin"]) == 2 * 10
    described = [a["aria-label"] or "" for a in page.attributes("div") if a.get("class") == "columns"]
    assert "80 to 90%: 12 and 4;" in described[0]


def test_the_prompts_are_a_heat_map_with_words(tmp_path: Path) -> None:
    text, page = _page(made_up_outcome(), tmp_path)
    cells = [a for a in page.attributes("td") if a.get("class") == "heat"]
    assert len(cells) == 9
    assert cells[0]["style"] == "--heat: 34%"
    assert "1 of 3 prompts told apart from the baseline, 1 with too few cases to tell" in text
    for mark in ("worse", "better", "not-separated", "too-few"):
        assert f'<span class="mark {mark}">' in text


def test_a_threshold_is_drawn_with_its_range(tmp_path: Path) -> None:
    text, page = _page(made_up_outcome(), tmp_path)
    assert len([a for a in page.attributes("svg") if a.get("class") == "plot"]) == 2
    assert "Structural failures of model-new rise above tokens_in 815 (range 813 to 817)" in text
    assert "2 other questions: not separated, or too few failures" in text


def test_ranking_repeats_and_looks_have_their_tables() -> None:
    text = _static(page(made_up_outcome()))
    assert '<span class="mark told-apart">told apart</span>' in text
    assert "model-new: 2 of 16 cases waver over 5 repeats" in text
    assert "<td>21.0% [11.0, 31.0]</td>" in text
    assert "5 planned looks; 16 of 16 cases were run." in text


def test_a_calibrated_judge_is_shown_against_the_labels() -> None:
    text = _static(page(made_up_outcome()))
    assert "<title>Passes what is right: 85.7% [48.7, 97.4]</title>" in text
    assert "<title>Fails what is wrong: 66.7% [30.0, 90.3]</title>" in text
    assert "Against 13 labels by people, drawn at random." in text
    assert "<b>Warning:</b> 13 labels: fewer than 20 say too little about a judge" in text


def test_a_judge_without_labels_says_what_would_measure_it() -> None:
    outcome = made_up_outcome()
    text = _static(page(replace(outcome, run=replace(outcome.run, calibrations=()))))
    assert "Not calibrated: nobody has labelled its verdicts" in text
    assert "<code>swapgate judge calibrate reviewer</code>" in text


def test_canaries_that_a_judge_let_pass_are_named_with_their_texts() -> None:
    outcome = made_up_outcome()
    tried = [
        CanaryResult(canary=f"canary-{n}", kind="praise", suite="s", case="c", output=HOSTILE, outcome=said)
        for n, said in enumerate(("passed", "failed", "failed", "error"))
    ]
    canaries = JudgeCanaries(judge="reviewer", definition_hash="d1", blocks=True, results=tuple(tried))
    text = _static(page(replace(outcome, run=replace(outcome.run, canaries=(canaries,)))))
    assert "it let 1 of 3 pass: <ul><li>canary-0" in text
    assert "1 got no verdict." in text
    assert '<q dir="auto">&lt;/script&gt;' in text


def test_agreement_and_quotes_are_counted_over_all_verdicts(tmp_path: Path) -> None:
    outcome = made_up_outcome()
    trials = [
        replace(
            t, verdicts=tuple(replace(v, agreement=2 / 3 if number % 4 == 0 else 1.0) for v in t.verdicts)
        )
        for number, t in enumerate(t for t in outcome.trials if t.verdicts)
    ]
    text = _static(_page(replace(outcome, trials=trials), tmp_path)[0])
    assert "of 44 verdicts with several samples or models, all said the same in 33 (75.0%)" in text
    assert "on average 91.7% agree with the verdict" in text
    assert "40 of 80 are not in the answer" in text


def test_scores_without_a_baseline_stand_by_model() -> None:
    alone = replace(made_up_outcome(), comparisons=(), spreads=(), matrix=())
    text = _static(page(alone))
    assert "<h4>reviewer.factual_accuracy</h4>" in text
    assert text.count('<svg class="small after"') == 3 * 3
    assert "Scores of the judges" in text


def test_a_model_without_lengths_has_no_chart_of_them() -> None:
    outcome = made_up_outcome(cases=16)
    facts = [
        one._replace(tokens_in=None if one.model == CANDIDATE else one.tokens_in) for one in outcome.facts
    ]
    charts = length_charts(replace(outcome, facts=facts))
    assert [chart.model for chart in charts["semantic"]] == ["model-old", "vendor/model-mini"]


def test_the_verdict_is_not_buried_under_its_notes() -> None:
    few = _static(page(replace(made_up_outcome(), warnings=("floating",))))
    assert "more notes" not in few
    many = _static(page(replace(made_up_outcome(), warnings=tuple(f"warning {n}" for n in range(60)))))
    shown, folded = many.split("56 more notes and warnings</summary>")
    assert ("warning 3" in shown, "warning 5" in shown) == (True, False)
    assert "<li><b>Warning:</b> warning 59</li>" in folded


def test_a_rate_that_was_corrected_is_marked_and_explained() -> None:
    outcome = made_up_outcome()
    corrected = tuple(
        replace(s, semantic=replace(s.semantic, raw_rate=0.62, correction="200 labels of judge reviewer"))
        if s.model == CANDIDATE
        else s
        for s in outcome.summaries
    )
    text = page(replace(outcome, summaries=corrected))
    assert "57.1%* [49.1, 65.1]" in text
    assert "200 labels of judge reviewer; semantic rates as judged: model-new 62.0%" in text.replace(
        "&#39;", "'"
    )


def test_parts_without_anything_to_say_leave_no_trace() -> None:
    outcome = made_up_outcome()
    comparisons = tuple(
        replace(c, blind_pass=(), scores=(), amounts=(), differences=c.differences[:3])
        for c in outcome.comparisons
    )
    bare = replace(outcome.run, stopping=None, calibrations=())
    text = page(replace(outcome, comparisons=comparisons, run=bare, **EMPTY))
    text = text.partition("</style>")[2].partition("<script")[0]
    for trace in (
        "Blind passes:", "By tag", "Scores of the judges", "spread", "a trial", "Prompts", "Ranking",
        "depend on", "Repeats</a>", "waver", "Looks", "labels by people",
    ):  # fmt: skip
        assert trace not in text, trace


def _static(text: str) -> str:
    """Return the page's elements with each run of blanks as one."""
    return re.sub(r"\s+", " ", text.partition("</style>")[2]).replace("&#34;", '"')


def test_a_part_of_a_run_is_named_with_what_it_belongs_to(tmp_path: Path) -> None:
    text, _page_of_it = _page(made_up_outcome(), tmp_path)
    assert ", shard 2/3, of 1 shard, completes run <code>2026-05-04-090000-000002</code>" in text


def test_of_many_suites_the_worst_are_shown_and_the_others_are_folded() -> None:
    text = _static(page(of_many_suites(300)))
    shown = re.sub(r"<details.*?</details>", "", text)
    for put_away in ("286 more suites", "184 more rules", "184 more differences"):
        assert put_away in text
    # Its gate failed; it became worse; then those with the lowest rates.
    assert re.findall(r">(suite-\d+)<", shown)[:5] == [f"suite-{n}" for n in (123, 200, 299, 298, 297)]
    # Everyone is found by name, the fold opens where a browser looks for it.
    assert {f"suite-{n:03d}" for n in range(300)} <= set(re.findall(r">(suite-\d+)<", text))
    assert len(re.findall(r"<tr", shown)) < 140
    assert ">Suites</dt><dd><details" in text


def test_tables_of_very_many_suites_end_and_say_so() -> None:
    text = _static(page(of_many_suites(1200)))
    assert len(re.findall(r'<th scope="row" class="suite">', text)) <= 1000 + 200 + 2 * 16
    assert "suites more, all in report.json; these are those with the lowest rates" in text
    assert "and 1,004 rules more, all in report.json" in text
    assert "differences more, all in report.json" in text
