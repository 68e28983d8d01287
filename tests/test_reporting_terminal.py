"""The summary at the end of a terminal run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from reporting_outcome import HOSTILE, made_up_outcome
from swapgate.analysis.compare import Flip
from swapgate.analysis.gate import GateAnswer
from swapgate.analysis.summary import Rate
from swapgate.reporting.terminal import summary_lines, write_summary


def test_a_wide_terminal_shows_one_aligned_table() -> None:
    lines = summary_lines(made_up_outcome(), width=160)
    header, row = lines[0], next(line for line in lines if line.startswith("model-new"))
    for title, cell in (
        ("structural [95%]", "85.7% [77.7, 93.7]"),
        ("semantic [95%]", "57.1% [49.1, 65.1]"),
        ("blind pass", "28.6%"),
        ("errored", "2/16"),
        ("tokens in/out", "11.4k/1.3k"),
        ("cost", "$0.0294"),
        ("judge cost", "$0.0098"),
        ("p50/p95", "1.10/1.48 s"),
    ):
        end = header.index(f" {title}") + len(title) + 1
        assert row[:end].endswith(cell), title


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_terminal_shows_two_tables_that_fit(width: int) -> None:
    lines = summary_lines(made_up_outcome(), width=width)
    table = lines[: lines.index("", lines.index("") + 1)]
    assert sum(line.startswith("model-new") for line in table) == 2
    assert max(map(len, table)) <= width


def test_a_structural_interval_is_left_out_where_the_table_would_be_too_wide() -> None:
    outcome = made_up_outcome()
    assert "structural [95%]" in summary_lines(outcome, width=100)[0]
    narrow = summary_lines(outcome, width=80)
    assert "structural [" not in narrow[0]
    assert next(line for line in narrow if line.startswith("model-new")).split()[1] == "85.7%"


def test_structure_alone_is_shown_with_its_interval() -> None:
    outcome = made_up_outcome()
    unscored = Rate(passed=0, n=0, clusters=0, rate=None, low=None, high=None)
    structural = tuple(replace(s, semantic=unscored, blind_pass=unscored) for s in outcome.summaries)
    lines = summary_lines(replace(outcome, summaries=structural), width=80)
    assert next(line for line in lines if line.startswith("model-new")).split()[1:4] == [
        "85.7%",
        "[77.7,",
        "93.7]",
    ]


def test_tokens_that_nobody_counted_are_not_zero() -> None:
    outcome = made_up_outcome()
    unknown = tuple(replace(s, tokens_in=0, tokens_out=0, counted=0) for s in outcome.summaries)
    text = "\n".join(summary_lines(replace(outcome, summaries=unknown), width=80))
    assert "-/-" in text
    assert "0/0" not in text


def test_suites_stand_under_their_model_and_the_baseline_is_marked() -> None:
    lines = summary_lines(made_up_outcome(), width=140)
    assert lines[1].startswith("model-old (baseline) ")
    assert [line.split()[0] for line in lines[2:4]] == ["code_review", "summaries"]
    assert lines[2].startswith("  code_review")


def test_a_single_suite_is_not_said_twice() -> None:
    outcome = made_up_outcome()
    one = tuple(s for s in outcome.summaries if s.suite != "summaries")
    assert not [
        line for line in summary_lines(replace(outcome, summaries=one)) if "  code_review" in line[:15]
    ]


def test_an_unknown_price_is_not_zero() -> None:
    row = next(line for line in summary_lines(made_up_outcome(), width=140) if line.startswith("vendor/"))
    assert "unknown" in row


def test_the_difference_and_the_regressed_cases_are_named() -> None:
    text = "\n".join(summary_lines(made_up_outcome()))
    assert "model-new against model-old" in text
    assert "semantic: -28.6 points [90%: -38.6, -18.6] on 14 pairs, p 0.031" in text
    assert "regressed 6: code_review/case-001, code_review/case-002" in text


def test_a_difference_on_no_pairs_is_left_out() -> None:
    outcome = made_up_outcome()
    comparison = outcome.comparisons[0]
    whole = comparison.differences[0]
    none = replace(whole, measure="structural", pairs=0, estimate=None, low=None, high=None, p_value=None)
    lines = summary_lines(replace(outcome, comparisons=(replace(comparison, differences=(whole, none)),)))
    assert sum(" on 14 pairs" in line for line in lines) == 1
    assert not [line for line in lines if "0 pairs" in line]


def test_the_difference_of_a_single_suite_is_not_said_twice() -> None:
    outcome = made_up_outcome()
    comparison = outcome.comparisons[0]
    assert any("semantic in code_review" in line for line in summary_lines(outcome))
    one = replace(outcome, comparisons=(replace(comparison, differences=comparison.differences[:2]),))
    assert not any("semantic in code_review" in line for line in summary_lines(one))


def test_ten_regressed_cases_are_named_and_all_of_them_on_request() -> None:
    outcome = made_up_outcome()
    flips = tuple(Flip(suite="s", case=f"c{n:02d}", repeat=1 + n % 2, reason="") for n in range(25))
    many = replace(outcome, comparisons=(replace(outcome.comparisons[0], regressed=flips),))
    (short,) = [line for line in summary_lines(many) if "regressed" in line]
    assert short.endswith("s/c09#2, and 15 more")
    (long,) = [line for line in summary_lines(many, verbose=2) if "regressed" in line]
    assert long.endswith("s/c24")


@pytest.mark.parametrize(
    ("answer", "words", "markup"),
    [
        ("pass", "gate: PASS ", {"green": True, "bold": True}),
        ("fail", "gate: FAIL ", {"red": True, "bold": True}),
        ("inconclusive", "gate: INCONCLUSIVE ", {"yellow": True, "bold": True}),
        ("not_judged", "gate not judged:", {"bold": True}),
    ],
)
def test_the_gate_has_its_word_and_its_colour(
    answer: GateAnswer, words: str, markup: dict[str, bool]
) -> None:
    outcome = made_up_outcome()
    written: list[tuple[str, dict[str, bool]]] = []

    def write_line(line: str, **given: bool) -> None:
        written.append((line, given))

    write_summary(replace(outcome, gate=replace(outcome.gate, answer=answer)), write_line)
    ((line, given),) = [(line, given) for line, given in written if line.startswith("gate")]
    assert line.startswith(f"{words} model-new is worse")
    assert given == markup


def test_notes_warnings_and_report_paths_close_the_section() -> None:
    lines = summary_lines(made_up_outcome(), reports=[Path("reports/latest/report.html")])
    assert lines[-3:] == [
        "note: judge uncalibrated: reviewer has no calibration file",
        "warning: model-mini is a floating alias: pin a dated id",
        "report: reports/latest/report.html",
    ]


def test_verbose_names_failing_checks_errors_and_every_decision() -> None:
    text = "\n".join(summary_lines(made_up_outcome(), verbose=1))
    assert "model-new: judge reviewer failed 6 of 14" in text
    assert "model-new: error timeout: 2 trials" in text
    assert "INCONCLUSIVE  semantic (vendor/model-mini, summaries)" in text


def test_a_model_against_its_own_earlier_run_has_two_rows_of_its_own() -> None:
    outcome = made_up_outcome()
    same = tuple(replace(s, model="m") for s in outcome.summaries if s.model in {"model-old", "model-new"})
    names = summary_lines(replace(outcome, summaries=same), width=140)[1:7]
    assert [name.split()[0] for name in names] == ["m", "code_review", "summaries"] * 2
    assert names[0].startswith("m (baseline) ")


def test_quiet_shows_no_more_than_the_default() -> None:
    outcome = made_up_outcome()
    assert summary_lines(outcome, verbose=-1) == summary_lines(outcome)


def test_a_run_without_trials_still_ends_with_its_gate() -> None:
    outcome = replace(made_up_outcome(), trials=(), summaries=(), comparisons=(), warnings=())
    assert any(line.startswith("gate: FAIL") for line in summary_lines(outcome))


def test_hostile_names_and_reasons_cannot_steer_the_terminal() -> None:
    outcome = made_up_outcome()
    hostile = replace(
        outcome,
        summaries=tuple(
            replace(s, model=HOSTILE, suite=HOSTILE if s.suite else None) for s in outcome.summaries
        ),
        gate=replace(outcome.gate, reason=HOSTILE, notes=(HOSTILE,)),
        warnings=(HOSTILE,),
    )
    text = "".join(summary_lines(hostile, verbose=2))
    assert text.isprintable()
    assert "\\x1b[31mred" in text


def test_why_an_interval_was_refused_is_said_once() -> None:
    outcome = made_up_outcome()
    first = outcome.summaries[0]
    refused = replace(first.semantic, low=None, high=None, note="one cluster")
    lines = summary_lines(
        replace(outcome, summaries=(replace(first, semantic=refused), *outcome.summaries[1:]))
    )
    assert lines.count("note: all suites: one cluster") == 1
