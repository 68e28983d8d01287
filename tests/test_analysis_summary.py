"""What trials add up to: rates and who counts in them, money that is unknown, latencies, errors, checks."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from analysis_trials import answer, errored, models, trial, verdict
from swapgate.analysis.summary import CheckCount, summarise
from swapgate.errors import ErrorKind
from swapgate.records import CheckResult, Response, TrialError, Usage
from swapgate.stats.proportion import clustered_rate, wilson_interval


def overall(trials):
    return summarise(models(trials))[0]


def test_each_model_comes_overall_first_then_by_suite_in_order_of_appearance():
    trials = [
        trial("a", suite="two", model="new"),
        trial("b", suite="one", model="old", role="baseline"),
        trial("c", suite="one", model="new"),
    ]
    found = [(s.model, s.role, s.suite, s.trials) for s in summarise(models(trials))]
    assert found == [
        ("new", "candidate", None, 2),
        ("new", "candidate", "two", 1),
        ("new", "candidate", "one", 1),
        ("old", "baseline", None, 1),
        ("old", "baseline", "one", 1),
    ]
    assert summarise([]) == ()


def test_an_errored_trial_is_missing_from_the_rates_and_counted_as_errored():
    trials = [trial("a"), trial("b", structural=False), errored("c"), errored("d", ErrorKind.SERVER)]
    summary = overall([*trials, errored("e")])
    assert (summary.structural.passed, summary.structural.n) == (1, 2)
    assert (summary.trials, summary.errored, summary.missed) == (5, 3, 1)
    assert summary.errors == {"timeout": 2, "server": 1}


def test_a_trial_without_answer_and_without_error_is_missing():
    assert overall([trial("a"), replace(trial("b"), answer=None)]).errors == {"missing": 1}


def test_a_judges_failure_leaves_the_structure_known_and_a_checks_failure_does_not():
    judge = TrialError(kind=ErrorKind.JUDGE, message="unparseable", source="judge:meaning")
    check = TrialError(kind=ErrorKind.USER_CODE, message="raised", source="check:mine")
    summary = overall([trial("a", semantic=True, error=judge), trial("b", error=check)])
    assert (summary.structural.passed, summary.structural.n) == (1, 1)
    assert summary.semantic.n == 0
    assert summary.errored == 2


def test_nothing_that_scores_the_meaning_leaves_the_semantic_rate_unknown():
    summary = overall([trial("a"), trial("b")])
    assert (summary.semantic.n, summary.semantic.rate, summary.semantic.low) == (0, None, None)
    assert summary.semantic.note == "no trials"
    assert summary.blind_pass.rate is None


def test_blind_passes_are_a_share_of_the_structurally_right_ones_whose_meaning_was_scored():
    trials = [
        trial("a", semantic=True),
        trial("b", semantic=False),
        trial("c", structural=False, semantic=False),
        trial("d"),
    ]
    summary = overall(trials)
    assert (summary.blind_pass.passed, summary.blind_pass.n) == (1, 2)
    assert (summary.semantic.passed, summary.semantic.n) == (1, 3)


def test_a_skipped_judge_counts_as_not_passed_but_the_judge_saw_nothing():
    skipped = verdict(None, status="skipped", samples=(), scores={})
    summary = overall([trial("a", structural=False, verdicts=(skipped,)), trial("b", semantic=True)])
    assert (summary.semantic.passed, summary.semantic.n) == (1, 2)
    assert summary.checks == (
        CheckCount(name="json", kind="structural", passed=1, n=2),
        CheckCount(name="meaning", kind="judge", passed=1, n=1),
    )


def test_independent_cases_get_the_plain_interval():
    rate = overall([trial(f"c{i}", structural=i < 7) for i in range(10)]).structural
    plain = wilson_interval(7, 10)
    assert (rate.low, rate.high, rate.clusters, rate.effective_n) == (plain.low, plain.high, 10, 10)
    assert rate.note == ""


def test_repeats_of_a_case_and_cases_of_a_cluster_count_as_one():
    repeats = [trial(f"c{i}", structural=i < 8, repeat=r) for i in range(12) for r in (1, 2)]
    grouped = [trial(f"c{i}", structural=i < 16, cluster=f"doc{i // 2}") for i in range(24)]
    expected = clustered_rate([i < 16 for i in range(24)], [i // 2 for i in range(24)])
    for rate in (overall(repeats).structural, overall(grouped).structural):
        assert (rate.n, rate.clusters) == (24, 12)
        assert (rate.low, rate.high) == (expected.low, expected.high)
        assert rate.effective_n < 13


def test_a_cluster_name_means_the_same_only_within_its_suite():
    trials = [trial("a", suite=suite, cluster="doc") for suite in ("one", "two")]
    assert overall(trials).structural.clusters == 2


def test_one_repeated_case_has_a_rate_and_a_refused_interval():
    rate = overall([trial("a", repeat=r) for r in range(1, 6)]).structural
    assert (rate.rate, rate.low, rate.high) == (1.0, None, None)
    assert "one cluster" in rate.note


def test_tokens_and_prices_are_summed_for_the_model_and_its_judges():
    summary = overall([trial("a", semantic=True), trial("b", semantic=False)])
    assert (summary.tokens_in, summary.tokens_out) == (200, 40)
    assert (summary.judge_tokens_in, summary.judge_tokens_out) == (200, 40)
    assert summary.cost_usd == pytest.approx(0.02)
    assert summary.judge_cost_usd == pytest.approx(0.004)
    assert summary.paid_usd == pytest.approx(0.024)


def test_answers_with_counted_tokens_are_counted():
    uncounted = answer(cost_usd=None, response=Response(text=""))
    summary = overall([trial("a", semantic=True), trial("b", answer=uncounted)])
    assert (summary.counted, summary.judge_counted) == (1, 1)
    assert overall([trial("b", answer=uncounted)]).counted == 0


def test_one_unknown_price_makes_the_sum_unknown_and_never_zero():
    summary = overall([trial("a"), trial("b", answer=answer(cost_usd=None))])
    assert summary.cost_usd is None
    assert summary.paid_usd is None
    assert summary.judge_cost_usd == 0.0


def test_an_unknown_price_costs_nothing_only_where_no_token_was_used():
    unused = answer(cost_usd=None, response=Response(text="", usage=Usage(tokens_in=0, tokens_out=0)))
    uncounted = answer(cost_usd=None, response=Response(text=""))
    assert overall([trial("a", answer=unused)]).cost_usd == 0.0
    assert overall([trial("a", answer=uncounted)]).cost_usd is None


def test_what_came_from_the_cache_has_its_price_but_was_not_paid():
    cached = [trial("a", answer=answer(from_cache=True)), trial("b")]
    unknown = trial("c", answer=answer(cost_usd=None, from_cache=True))
    summary = overall(cached)
    assert (summary.cost_usd, summary.paid_usd, summary.from_cache) == (pytest.approx(0.02), 0.01, 1)
    assert overall([*cached, unknown]).paid_usd == 0.01


def test_latencies_are_nearest_ranks():
    def timed(seconds):
        return answer(response=Response(text="", latency_s=seconds))

    summary = overall([trial(f"c{i}", answer=timed(float(i))) for i in range(20, 0, -1)])
    assert (summary.latency_p50_s, summary.latency_p95_s, summary.timed) == (10.0, 19.0, 20)
    untimed = overall([trial("a", answer=timed(None)), errored("b")])
    assert (untimed.latency_p50_s, untimed.latency_p95_s, untimed.timed) == (None, None, 0)
    assert overall([trial("a", answer=timed(2.5))]).latency_p95_s == 2.5


def test_times_to_the_first_token_are_nearest_ranks_of_what_was_streamed():
    def streamed(seconds):
        return answer(response=Response(text="", latency_s=9.0, ttft_s=seconds))

    trials = [trial(f"c{i}", answer=streamed(float(i))) for i in range(20, 0, -1)]
    summary = overall([*trials, trial("whole", answer=streamed(None))])
    assert (summary.ttft_p50_s, summary.ttft_p95_s, summary.timed) == (10.0, 19.0, 21)
    assert overall([trial("whole")]).ttft_p50_s is None


def test_a_fallbacks_answer_is_an_error_of_the_model_and_only_money_spent():
    error = TrialError(kind=ErrorKind.SERVER, message="503")
    fallen = trial("a", answer=answer("other", is_fallback=True, cost_usd=0.5), error=error)
    summary = overall([fallen, trial("b")])
    assert (summary.fallbacks, summary.errored, summary.errors) == (1, 1, {"server": 1})
    assert summary.structural.n == 1
    assert (summary.tokens_in, summary.timed) == (100, 1)
    assert (summary.cost_usd, summary.paid_usd) == (0.01, pytest.approx(0.51))
    assert summary.checks[0].n == 1


def test_json_kinds_and_the_share_that_a_lenient_parser_would_have_hidden():
    def failing(case, kind, recoverable):
        facts = {"json_kind": kind, "recoverable": recoverable}
        check = CheckResult(check="json", kind="structural", passed=False, facts=facts)
        return trial(case, checks=(check,))

    trials = [
        trial("a"),
        failing("b", "fenced", True),
        failing("c", "fenced", True),
        failing("d", "none", False),
    ]
    summary = overall(trials)
    assert summary.json_kinds == {"fenced": 2, "bare": 1, "none": 1}
    assert summary.recoverable_json == pytest.approx(2 / 3)
    assert overall([trial("a")]).recoverable_json is None


def test_time_grows_with_the_trials_and_no_faster():
    passing, failing = trial("c", semantic=True), trial("c", semantic=False)

    def took_s(n: int) -> float:
        trials = models(
            [
                replace(
                    failing if i % 7 == 0 else passing, case=f"c{i // 2}", suite=f"s{i % 4}", repeat=1 + i % 2
                )
                for i in range(n)
            ]
        )
        started = time.process_time()
        assert summarise(trials)
        return time.process_time() - started

    # Ten times the trials; what goes through all pairs of them would take a hundred times as long.
    assert min(took_s(10_000) for _ in range(2)) < 30 * max(took_s(1_000) for _ in range(3))
