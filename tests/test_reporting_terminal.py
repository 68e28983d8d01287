"""The summary at the end of a terminal run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from reporting_outcome import HOSTILE, made_up_outcome, of_many_suites
from swapgate.analysis.compare import Flip
from swapgate.analysis.gate import GateAnswer
from swapgate.analysis.outcome import RunOutcome
from swapgate.analysis.rates import Rate
from swapgate.reporting import write_reports
from swapgate.reporting.terminal.summary import summary_lines, write_summary


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


def test_names_of_wide_characters_keep_the_columns() -> None:
    outcome = made_up_outcome()
    name = "\u6a21\u578b\u65b0"
    named = tuple(replace(s, model=name) if s.model == "model-new" else s for s in outcome.summaries)
    lines = summary_lines(replace(outcome, summaries=named), width=160)
    header, row = lines[0], next(line for line in lines if line.startswith(name))
    assert cell_len(row) == cell_len(header)


def test_time_to_the_first_token_is_shown_where_something_was_streamed(tmp_path: Path) -> None:
    outcome = made_up_outcome()
    timed = [replace(s, ttft_p50_s=0.25, ttft_p95_s=0.5) for s in outcome.summaries if s.role == "candidate"]
    rest = [s for s in outcome.summaries if s.role == "baseline"]
    streamed = replace(outcome, summaries=(*timed, *rest))
    header, row, *_ = summary_lines(streamed, width=170)
    assert header.endswith("first token")
    assert row.endswith("0.25/0.50 s")
    assert summary_lines(outcome, width=170)[0].endswith("p50/p95")
    for name, title in (("report.md", "First token p50 / p95"), ("report.html", "First token p50")):
        texts = [
            next(path for path in write_reports(o, tmp_path / str(n), ["md", "html"]) if path.name == name)
            for n, o in enumerate((outcome, streamed))
        ]
        assert [title in path.read_text(encoding="utf-8") for path in texts] == [False, True]


@pytest.mark.parametrize("width", [80, 100])
def test_a_narrow_terminal_shows_two_tables_that_fit(width: int) -> None:
    lines = summary_lines(made_up_outcome(), width=width)
    table = lines[: lines.index("", lines.index("") + 1)]
    assert sum(line.startswith("model-new") for line in table) == 2
    assert max(map(len, table)) <= width


def test_a_very_narrow_terminal_shows_as_many_tables_as_fit() -> None:
    outcome = made_up_outcome()
    lines = summary_lines(outcome, width=50)
    table = lines[: next(n for n, line in enumerate(lines) if " against " in line)]
    assert max(map(len, table)) <= 50
    cells = " ".join(table)
    for title in ("structural", "semantic [95%]", "blind pass", "errored", "tokens in/out", "judge cost"):
        assert cells.count(f" {title}") == 1, title


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
    lines = summary_lines(replace(outcome, summaries=one, matrix=()))
    assert not [line for line in lines if "  code_review" in line[:15]]


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


def _text(outcome: RunOutcome, *, verbose: int = 0) -> str:
    return "\n".join(summary_lines(outcome, verbose=verbose))


def test_the_comparison_says_how_the_candidate_stands() -> None:
    text = _text(made_up_outcome())
    assert "on 14 pairs, p 0.031: worse" in text
    assert "blind passes: 12.5% -> 33.3%, +20.8 points [90%: +2.1, +40.2], p 0.041: worse" in text
    assert "score reviewer.factual_accuracy: 4.36 -> 3.21, -1.14 [90%: -1.90, -0.39], p 0.012" in text
    assert "a trial: tokens out 96 -> 131 (+36%, p <0.001), cost $0.0021 -> $0.0012 (-43%, p 0.003)" in text


def test_tags_are_shown_where_they_are_told_apart_and_all_on_request() -> None:
    short = _text(made_up_outcome())
    assert "semantic in tag security: -43.0 points" in short
    assert "1 of 3 differences by tag told apart, allowing for their number" in short
    assert "tag style" not in short
    assert "semantic in tag style: +0.0 points" in _text(made_up_outcome(), verbose=1)


def test_levels_and_intervals_are_shown_on_request() -> None:
    assert "1: 0 -> 1, 2: 2 -> 5" not in _text(made_up_outcome())
    text = _text(made_up_outcome(), verbose=1)
    assert "1: 0 -> 1, 2: 2 -> 5, 3: 0 -> 2, 4: 3 -> 2, 5: 9 -> 4" in text
    assert "cost $0.0021 -> $0.0012 a trial (-43%, p 0.003) [90%: -$0.0011, -$0.0007]" in text


def test_spreads_are_shown_where_they_differ_and_all_on_request() -> None:
    told = "semantic pass rates over 23 prompts: mean 85.0% -> 62.0%, spread 4.0 -> 18.0 points, p 0.012"
    told += " for the whole: told apart by mean and spread"
    assert told in _text(made_up_outcome())
    assert "over 23 tags" not in _text(made_up_outcome())
    verbose = _text(made_up_outcome(), verbose=1)
    assert "p 0.440 for the whole: not separated" in verbose
    assert "semantic pass rates over 2 cases of code_review: one cluster only" in verbose


def test_what_failures_depend_on_is_told_and_the_rest_on_request() -> None:
    text = _text(made_up_outcome())
    rise = "Structural failures of model-new rise above tokens_in 815 (range 813 to 817)"
    assert f"{rise}: 4.1% below, 14.8% above, p 0.004" in text
    assert "(trend, no threshold), p 0.004" in text
    assert (
        "The difference in structural failures, model-new minus model-old, rises above tokens_in 815" in text
    )
    assert "by files" not in text
    verbose = _text(made_up_outcome(), verbose=1)
    assert "Structural failures of model-new by files: not separated, p 0.410" in verbose
    assert "by files: too few failures, 2 failing cases: fewer than 5" in verbose


def test_prompts_stand_in_a_table_those_told_apart_first() -> None:
    outcome = made_up_outcome()
    lines = summary_lines(outcome)
    start = next(n for n, line in enumerate(lines) if line.startswith("Prompts by model"))
    assert "1 of 3 prompts told apart from the baseline, 1 with too few cases to tell" in lines[start]
    assert lines[start + 1].split() == ["model-old", "(b)", "model-new", "vendor/model-mini"]
    assert lines[start + 2].split() == ["code_review", "75.0%", "43.8%", "worse", "93.8%", "better"]
    assert lines[start + 3].split() == ["summarise", "75.0%", "68.8%", "~", "75.0%", "~"]


def test_of_many_prompts_those_told_apart_are_shown_and_all_of_them_on_request() -> None:
    outcome = made_up_outcome()
    worse, flat = outcome.matrix[:3], outcome.matrix[3:6]
    many = tuple(replace(cell, prompt=f"p{n:02d}") for n in range(30) for cell in (worse if n > 15 else flat))
    lines = summary_lines(replace(outcome, matrix=many))
    assert sum(line.startswith("  p") for line in lines) == 12
    assert "  and 18 prompts more" in lines
    assert "14 of 30 prompts told apart from the baseline" in "\n".join(lines)
    assert "p00" in _text(replace(outcome, matrix=many), verbose=1)


def test_many_prompts_that_are_not_told_apart_are_only_counted() -> None:
    outcome = made_up_outcome()
    many = tuple(replace(cell, prompt=f"p{n:02d}") for n in range(30) for cell in outcome.matrix[3:6])
    lines = summary_lines(replace(outcome, matrix=many))
    assert "Prompts by model, semantic pass rate: 0 of 30 prompts told apart from the baseline" in lines
    assert not [line for line in lines if line.startswith("  p")]


def test_the_ranking_does_not_call_equal_what_is_not_separated() -> None:
    (line,) = [line for line in summary_lines(made_up_outcome()) if line.startswith("ranking")]
    assert line == (
        "ranking (semantic): model-old 87.5% > model-new 57.1% ~ vendor/model-mini 55.1% (~ not separated)"
    )


def test_cases_that_waver_are_counted_and_named() -> None:
    text = _text(made_up_outcome())
    assert "model-new: 2 of 16 cases waver over 5 repeats: code_review/case-003 3/5, summaries/" in text
    assert "all of 5 pass 21.0% [11.0, 31.0] (pass^5), at least one 92.0% [82.0, 97.0] (pass@5)" in text
    assert "pass^2" not in text
    assert "pass^2" in _text(made_up_outcome(), verbose=1)


def test_a_rate_that_was_corrected_is_marked_and_explained() -> None:
    outcome = made_up_outcome()
    first = outcome.summaries[0]
    semantic = replace(first.semantic, raw_rate=0.81, correction="90 labels of judge reviewer")
    text = _text(replace(outcome, summaries=(replace(first, semantic=semantic), *outcome.summaries[1:])))
    assert "87.5%* [79.5, 95.5]" in text
    assert (
        "note: * corrected for the judge's errors by 90 labels of judge reviewer; "
        "semantic rates as judged: model-old 81.0%"
    ) in text


def test_a_difference_that_was_corrected_names_what_was_judged() -> None:
    outcome = made_up_outcome()
    comparison = outcome.comparisons[0]
    whole = replace(comparison.differences[0], raw_estimate=-0.2, correction="labels of judge reviewer")
    text = _text(replace(outcome, comparisons=(replace(comparison, differences=(whole,)),)))
    assert "corrected for the judge's errors (-20.0 as judged), p 0.031: worse" in text


def test_parts_without_anything_to_say_leave_no_trace() -> None:
    outcome = made_up_outcome()
    comparisons = tuple(
        replace(c, blind_pass=(), scores=(), amounts=(), differences=c.differences[:3])
        for c in outcome.comparisons
    )
    empty = replace(
        outcome, comparisons=comparisons, ranking=(), matrix=(), spreads=(), covariates=(), repeatability=()
    )
    for verbose in (0, 1):
        text = _text(empty, verbose=verbose)
        for trace in (
            "blind passes:",
            "score ",
            "a trial",
            "by tag",
            "ranking",
            "Prompts",
            "rates over",
            "waver",
        ):
            assert trace not in text, trace
        assert "\n\n\n" not in text


def test_notes_of_slices_are_told_on_request() -> None:
    outcome = made_up_outcome()
    noted = tuple(
        replace(s, semantic=replace(s.semantic, note="only 3 clusters")) if s.tag == "style" else s
        for s in outcome.summaries
    )
    assert "only 3 clusters" not in _text(replace(outcome, summaries=noted))
    assert "note: tag style: only 3 clusters" in _text(replace(outcome, summaries=noted), verbose=1)


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


def test_of_many_suites_the_worst_are_shown_and_the_others_counted() -> None:
    lines = summary_lines(of_many_suites(300), width=140)
    assert len(lines) < 110
    rows = [line.split()[0] for line in lines if line.startswith("  suite-")]
    assert rows[:3] == ["suite-123", "suite-200", "suite-299"]
    assert "  and 286 more suites: -v shows all" in lines
    (told,) = [line for line in lines if "semantic in suite-" in line]
    assert "suite-200" in told and ": worse" in told
    assert "  and 299 more differences by suite, 0 of them told apart: -v shows all" in lines
    end = lines.index(next(line for line in lines if line.startswith("gate: FAIL")))
    assert any(line.startswith("  FAIL  structural (model-new, suite-123)") for line in lines[:end])
    assert lines[end - 1] == "  and 302 more rules: -v shows all"
    assert [line for line in lines[end:] if line.startswith("warning: ")][-1] == (
        "warning: and 292 more: -v shows all"
    )
    assert len(summary_lines(of_many_suites(300), width=140, verbose=1)) > 1200


def test_a_dozen_suites_are_all_shown_in_their_order() -> None:
    lines = summary_lines(of_many_suites(12), width=140)
    rows = [line.split()[0] for line in lines if line.startswith("  suite-")]
    assert rows == [f"suite-{n:03d}" for n in range(12)]
    assert sum("semantic in suite-" in line for line in lines) == 12
    assert sum(line.startswith("warning: ") for line in lines) == 12
    assert not any("-v shows all" in line for line in lines)
    assert not any(line.startswith("  FAIL") for line in lines)
