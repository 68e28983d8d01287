"""report.md: its content, its size, and that nothing a model wrote is markup in it."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from reporting_outcome import HOSTILE, made_up_outcome
from swapgate.analysis.compare import Flip
from swapgate.analysis.gate import GateAnswer
from swapgate.reporting.markdown import MAX_CHARS, escaped, render

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
    assert not kinds & {"html_block", "html_inline", "fence", "code_block", "code_inline", "image"}
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
    assert set(columns) == {10, 6, 3}


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
            comparisons=comparisons,
            warnings=tuple(f"{reason} {n}" for n in range(900)),
        )
    )
    assert len(text) < MAX_CHARS
    assert "### Misses (5,000; blind passes: 5,000)" in text
    assert "and 3 comparisons more" in text


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
    whole, suite, _ = comparison.differences
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


def test_an_uncalibrated_judge_is_named() -> None:
    assert "- judge uncalibrated: reviewer has no calibration file" in render(made_up_outcome())
