"""report.md: its content, its size, and that nothing a model wrote is markup in it."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reporting_outcome import HOSTILE, made_up_outcome
from swapgate.analysis.compare import Flip
from swapgate.analysis.gate import GateAnswer
from swapgate.facts import facts_of
from swapgate.reporting.markdown import report
from swapgate.reporting.markdown.report import MAX_CHARS, escaped, render
from swapgate.reporting.text import safe_text

GOLDEN = Path(__file__).parent / "golden" / "report.md"


def _tokens(text: str) -> list[Token]:
    blocks = MarkdownIt("commonmark").enable("table").parse(text)
    return [token for block in blocks for token in (block, *(block.children or ()))]


def test_the_report_is_the_golden_one() -> None:
    text = render(made_up_outcome())
    if "SWAPGATE_UPDATE_GOLDEN" in os.environ:
        GOLDEN.write_text(text, encoding="utf-8")
    assert text == GOLDEN.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("answer", "heading", "word"),
    [
        ("pass", "gate passed", "PASS"),
        ("fail", "gate failed", "FAIL"),
        ("inconclusive", "gate inconclusive", "INCONCLUSIVE"),
        ("not_judged", "gate not judged", "NOT JUDGED"),
    ],
)
def test_the_verdict_comes_first_in_words(answer: GateAnswer, heading: str, word: str) -> None:
    outcome = made_up_outcome()
    lines = render(replace(outcome, gate=replace(outcome.gate, answer=answer))).splitlines()
    assert lines[0] == f"## swapgate: {heading}"
    assert lines[2].startswith(f"**{word}**: model-new is worse")


def test_nothing_that_a_model_wrote_is_markup() -> None:
    text = render(made_up_outcome())
    tokens = _tokens(text)
    kinds = {token.type for token in tokens}
    assert not kinds & {"html_inline", "fence", "code_block", "code_inline", "image"}
    folds = {line for t in tokens if t.type == "html_block" for line in t.content.split("\n") if line}
    assert {line for line in folds if not line.startswith("<summary>")} == {"<details>", "</details>"}
    assert not [line for line in folds if HOSTILE[:9] in line or "\\" in line]
    assert [t.attrs["href"] for t in tokens if t.type == "link_open"] == ["report.html"]
    assert "heading" not in [t.content for t in tokens if t.type == "inline"]
    for linked in ("@octocat", " #1 ", "https://"):
        assert linked not in text


def test_tables_keep_their_columns() -> None:
    outcome = made_up_outcome()
    named = tuple(replace(s, model=HOSTILE) for s in outcome.summaries)
    columns: list[int] = []
    for token in _tokens(render(replace(outcome, summaries=named))):
        if token.type == "tr_open":
            columns.append(0)
        elif token.type in {"td_open", "th_open"}:
            columns[-1] += 1
    assert set(columns) == {10, 7, 6, 4, 3}


@given(text=st.text(max_size=80) | st.text(alphabet="\\`*_[]()<>|@#$~!&\n:/w.x1-", max_size=60))
def test_any_text_renders_as_itself(text: str) -> None:
    inline = _tokens(f"- **name**: x{escaped(text, 200)}x")
    kinds = [t.type for t in inline if t.level or t.type in {"text", "html_inline"}]
    assert set(kinds) <= {
        "text",
        "text_special",
        "inline",
        "strong_open",
        "strong_close",
        "list_item_open",
        "list_item_close",
        "paragraph_open",
        "paragraph_close",
    }
    row = _tokens(f"| a | b |\n| - | - |\n| x{escaped(text, 200)}x | y |")
    assert [t.type for t in row].count("td_open") == 2


BLOCKS = [
    "# x",
    "###### x",
    "- x",
    "+ x",
    "1. x",
    "12) x",
    "---",
    "- - -",
    "#",
    "-",
    "7.",
    "> x",
    "* x",
    "```",
]


@given(text=st.sampled_from(BLOCKS) | st.text(alphabet="#-+=.)0123456789 >*`~\t", max_size=12))
@example("1.5b")
def test_any_text_that_begins_a_line_of_a_list_stays_in_it(text: str) -> None:
    blocks = MarkdownIt("commonmark").parse(f"- {escaped(text)}\n")
    said = safe_text(text)
    kinds = ["paragraph_open", "inline", "paragraph_close"] if said else []
    assert [block.type for block in blocks][2:-2] == kinds
    shown = "".join(c.content for b in blocks for c in b.children or ()).replace("\u200b", "")
    assert shown == said


@pytest.mark.parametrize("text", [":rocket:", "x :+1: y", ":-1:", ":100:", "::shipit:::", ":E-mail:"])
def test_no_text_is_an_emoji_of_github(text: str) -> None:
    assert not re.search(r":[\w+-]+:", escaped(text))
    assert escaped(text).replace("\u200b", "").replace("\\", "") == text


@pytest.mark.parametrize("text", ["cases/a.yml:14:3: no", "at 12:30:45", "suite::case", "note: x"])
def test_places_and_times_can_still_be_copied(text: str) -> None:
    assert escaped(text) == text


@pytest.mark.parametrize("long_names", [False, True])
def test_five_thousand_misses_fit_into_a_comment(long_names: bool) -> None:
    outcome = made_up_outcome(cases=8)
    (missed, *_) = [t for t in outcome.trials if t.is_blind_pass]
    reason = "|<>&`*" * 300 if long_names else "too vague"
    case = "_" * 300 if long_names else "case"
    verdict = replace(missed.verdicts[0], reason=reason)
    trials = [replace(missed, case=f"{case}-{n}", verdicts=(verdict,)) for n in range(5000)]
    flips = tuple(Flip(suite="s", case=f"{case}-{n}", repeat=1, reason=reason) for n in range(5000))
    comparisons = tuple(replace(c, regressed=flips, fixed=flips) for c in outcome.comparisons) * 3
    text = render(
        replace(
            outcome,
            trials=trials,
            facts=[facts_of(trial) for trial in trials],
            comparisons=comparisons,
            warnings=tuple(f"{reason} {n}" for n in range(900)),
        )
    )
    assert len(text) < MAX_CHARS
    assert "### Misses (5,000; blind passes: 5,000)" in text
    assert "and 3 comparisons more" in text


def test_a_miss_that_regressed_is_told_once() -> None:
    outcome = made_up_outcome()
    (missed, other, *_) = [t for t in outcome.trials if t.is_blind_pass and t.role == "candidate"]
    flip = Flip(suite=missed.suite, case="told", repeat=1, reason="wrong label")
    trials = [
        replace(missed, case="told"),
        replace(missed, case="told", repeat=2),
        replace(other, case="new"),
    ]
    comparison = replace(outcome.comparisons[0], candidate=missed.model, regressed=(flip,))
    text = render(replace(outcome, facts=[facts_of(t) for t in trials], comparisons=(comparison,)))
    regressed, misses = text.split("### Misses (3; blind passes: 3)\n\n1 regressed: see above.\n")
    assert regressed.count("/told**") == 1
    assert misses.count("/told**") == misses.count("/told** \\#2") == misses.count("/new**") == 1


def test_what_it_cost_and_what_came_from_the_cache_is_said() -> None:
    text = render(made_up_outcome())
    assert (
        "Models at least $0.0630 and judges $0.0308 at list price; paid this time: at least $0.0420." in text
    )
    assert "22 of 48 responses came from the cache." in text


def test_of_many_candidates_five_are_told_and_the_rest_counted() -> None:
    outcome = made_up_outcome()
    new = next(s for s in outcome.summaries if s.model == "model-new")
    many = tuple(replace(new, model=f"m-{n}") for n in range(17))
    head = render(replace(outcome, summaries=many)).partition("| Model")[0].splitlines()
    bullets = [line for line in head if line.startswith("- ")]
    assert len(bullets) == 6
    assert bullets[-1] == "- and 12 more"


def test_differences_on_no_pairs_and_those_of_a_single_suite_are_left_out() -> None:
    outcome = made_up_outcome()
    comparison = outcome.comparisons[0]
    whole, suite, *_ = comparison.differences
    empty = replace(whole, measure="structural", pairs=0, estimate=None, low=None, high=None)
    one = replace(comparison, differences=(whole, empty, suite))
    text = render(replace(outcome, comparisons=(one,)))
    assert "| semantic | all suites | 14 |" in text
    assert "| semantic | code" not in text
    assert "| structural | all suites |" not in text


def test_tokens_that_nobody_counted_are_not_zero() -> None:
    outcome = made_up_outcome()
    unknown = tuple(replace(s, tokens_in=0, tokens_out=0, counted=0) for s in outcome.summaries)
    assert "| - / - |" in render(replace(outcome, summaries=unknown))


def test_the_comparison_says_what_moved_and_how_the_candidate_stands() -> None:
    text = render(made_up_outcome())
    assert "| semantic | all suites | 14 | -28.6 | \\[90%: -38.6, -18.6] | 0.031 | worse |" in text
    assert "- Blind passes: 12.5% to 33.3%, +20.8 points \\[90%: +2.1, +40.2], p 0.041: worse." in text
    assert (
        "A trial: tokens out 96 to 131 (+36%, p &lt;0.001); cost $0.0021 to $0.0012 (-43%, p 0.003)" in text
    )
    assert (
        "semantic pass rates over 23 prompts: mean 85.0% to 62.0%, spread 4.0 to 18.0 points, p 0.012 for"
        in text
    )
    assert "over 23 tags" not in text


def test_what_is_long_is_folded() -> None:
    text = render(made_up_outcome())
    titles = re.findall("<details>\n<summary>(.*)</summary>\n\n", text)
    assert titles[0] == "By tag: 1 of 3 differences told apart, 1 on fewer than 6 cases left out"
    assert "Scores of the judges" in titles
    assert "2 other questions: not separated, or too few failures" in titles
    assert "Cases that waver" in titles
    assert text.count("<details>") == text.count("\n\n</details>")
    assert "reviewer.factual\\_accuracy | 4.36 | 3.21 | -1.14 | \\[90%: -1.90, -0.39] | 0.012 |" in text


def test_ranking_prompts_covariates_and_repeats_are_told() -> None:
    text = render(made_up_outcome())
    assert "| 2 | model-new | 57.1% | +2.0 | 0.700 | not separated |" in text
    assert "| code\\_review | 75.0% | 43.8% **worse** | 93.8% **better** |" in text
    assert (
        "- Structural failures of model-new rise above tokens\\_in 815 (range 813 to 817): 4.1% below" in text
    )
    assert "- model-new: 2 of 16 cases waver over 5 repeats" in text
    assert "cannot tell the two apart, not that they are equal" in text


def test_parts_without_anything_to_say_leave_no_trace() -> None:
    outcome = made_up_outcome()
    comparisons = tuple(
        replace(c, blind_pass=(), scores=(), amounts=(), differences=c.differences[:3])
        for c in outcome.comparisons
    )
    text = render(
        replace(
            outcome, comparisons=comparisons, ranking=(), matrix=(), spreads=(), covariates=(),
            repeatability=(),
        )
    )  # fmt: skip
    for trace in ("details", "Blind passes:", "A trial", "Ranking", "Prompts", "depend", "Repeats", "spread"):
        assert trace not in text, trace


def test_a_rate_that_was_corrected_is_marked_and_explained() -> None:
    outcome = made_up_outcome()
    first = outcome.summaries[0]
    semantic = replace(first.semantic, raw_rate=0.81, correction="90 labels of judge reviewer")
    text = render(replace(outcome, summaries=(replace(first, semantic=semantic), *outcome.summaries[1:])))
    assert "87.5%\\* \\[79.5, 95.5]" in text
    assert "90 labels of judge reviewer; semantic rates as judged: model-old 81.0%" in text


def test_thousands_of_prompts_findings_and_models_fit_into_a_comment() -> None:
    outcome = made_up_outcome()
    name = "|<>&`*_" * 40
    cells = tuple(
        replace(cell, prompt=f"{name} {n}", model=f"{name} {m}")
        for n in range(300) for m in range(20) for cell in outcome.matrix[:1]
    )  # fmt: skip
    threshold = replace(outcome.covariates[0], model=name, covariate=name)
    scores = tuple(replace(outcome.comparisons[0].scores[0], criterion=name) for _ in range(200))
    tags = tuple(replace(outcome.comparisons[0].differences[3], tag=f"{name} {n}") for n in range(500))
    text = render(
        replace(
            outcome,
            matrix=cells,
            covariates=(threshold,) * 500,
            spreads=(outcome.spreads[0],) * 500,
            repeatability=tuple(replace(outcome.repeatability[0], model=name) for _ in range(100)),
            ranking=tuple(replace(outcome.ranking[0], model=name) for _ in range(200)),
            comparisons=tuple(
                replace(c, scores=scores, differences=(*c.differences, *tags)) for c in outcome.comparisons
            ),
        )
    )
    assert len(text) < MAX_CHARS


def test_twenty_thousand_cases_fit_into_a_comment() -> None:
    outcome = made_up_outcome()
    facts = [outcome.facts[n % 48]._replace(case=f"case-{n:05}") for n in range(20_000)]
    flips = tuple(
        Flip(suite=f.suite, case=f.case, repeat=1, reason=f.reason) for f in facts if f.outcome == "missed"
    )
    comparisons = tuple(replace(c, regressed=flips) for c in outcome.comparisons)
    text = render(replace(outcome, facts=facts, comparisons=comparisons))
    assert len(text) < MAX_CHARS
    assert f"Regressed ({len(flips):,}):" in text
    assert re.search(r"^- \*\*code\\_review/case-\d{5}\*\*: ", text, re.MULTILINE)


@settings(max_examples=8, deadline=None)
@given(
    name=st.text(alphabet="|<>&`*_\\[]@#$ab\u4e00\U0001f600\n", min_size=1, max_size=300),
    reason=st.text(max_size=3000),
    many=st.integers(0, 200),
)
def test_no_run_is_too_large_for_a_comment(name: str, reason: str, many: int) -> None:
    outcome = made_up_outcome()
    models = [f"{name}{n}" for n in range(many)]
    summary, comparison = outcome.summaries[0], outcome.comparisons[0]
    tags = [replace(comparison.differences[3], tag=model, note=reason) for model in models]
    flips = tuple(Flip(suite=name, case=model, repeat=2, reason=reason) for model in models)
    facts = [
        outcome.facts[4]._replace(suite=name, case=model, model=model, reason=reason) for model in models
    ]
    wide = replace(
        outcome,
        run=replace(outcome.run, id=name),
        summaries=(*outcome.summaries, *(replace(summary, model=m, role="candidate") for m in models)),
        comparisons=tuple(
            replace(
                c,
                candidate=name,
                baseline=reason,
                regressed=flips,
                fixed=flips,
                differences=(*c.differences, *tags),
            )
            for c in outcome.comparisons * 2
        ),
        facts=[*outcome.facts, *facts],
        warnings=tuple(f"{reason}{model}" for model in models),
        gate=replace(outcome.gate, reason=reason, notes=tuple(models)),
        ranking=tuple(replace(outcome.ranking[0], model=model) for model in models),
    )
    text = render(wide)
    assert len(text) < MAX_CHARS
    assert text.startswith("## swapgate: gate failed\n")
    assert text.count("<details>") == text.count("</details>")


def test_what_no_shortening_makes_fit_ends_after_a_whole_section(monkeypatch: pytest.MonkeyPatch) -> None:
    outcome = made_up_outcome()
    monkeypatch.setattr(report, "LIST_LINES", (5000,))
    text = render(replace(outcome, warnings=tuple(f"{'long ' * 40}{n}" for n in range(900))))
    assert len(text) < MAX_CHARS
    assert text.endswith("\n\nThe rest does not fit into a comment: see report.html.\n")
    assert "### Misses" in text
    assert text.count("<details>") == text.count("</details>")


def test_an_uncalibrated_judge_is_named() -> None:
    assert "- judge uncalibrated: reviewer has no calibration file" in render(made_up_outcome())
