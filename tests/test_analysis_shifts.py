"""What else moves under a swap: who is paired, blind passes, scores, tokens, dollars and seconds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_rel, wilcoxon

from analysis_trials import answer, both, errored, old, paired, pairs_of, trial, verdict
from swapgate.analysis.compare import compare
from swapgate.analysis.scopes import OVERALL
from swapgate.analysis.table import UNKNOWN
from swapgate.records import Response, Usage
from swapgate.stats import conditional_change, paired_mean_difference, paired_scores


def compared(trials, **fields):
    return compare(pairs_of(trials), **fields)


def overall(found):
    return [one for one in found if one.scope == OVERALL]


def blind_pass(trials, **fields):
    (found,) = overall(compared(trials, **fields).blind_pass)
    return found


def score(trials, criterion="meaning.accuracy"):
    (found,) = [s for s in overall(compared(trials).scores) if s.criterion == criterion]
    return found


def amounts(trials):
    return {a.amount: a for a in overall(compared(trials).amounts)}


# Pairs.


def test_pairs_lie_side_by_side_in_the_candidates_order():
    pairs = pairs_of([trial("b"), old("a"), trial("a"), old("b"), old("c")])
    assert [f.case for f in pairs.ours] == [f.case for f in pairs.theirs] == ["b", "a"]
    assert {f.model for f in pairs.ours} == {"new"}
    assert {f.model for f in pairs.theirs} == {"old"}
    assert (pairs.unpaired, pairs.changed) == (1, 0)


def test_columns_are_the_results_with_the_unknown_apart():
    pairs = pairs_of(
        [*both("a", True, None), *both("b", False, True), trial("c", structural=False), old("c")]
    )
    assert pairs.our_table.semantic.tolist() == [1, 0, UNKNOWN]
    assert pairs.their_table.semantic.tolist() == [UNKNOWN, 1, UNKNOWN]
    assert pairs.our_table.structural.tolist() == [1, 1, 0]
    assert pairs.our_table.blind.tolist() == [0, 1, UNKNOWN]


def test_changed_case_is_left_out_and_counted():
    trials = [
        trial("a", case_hash="1"), old("a", case_hash="1"),
        trial("b", case_hash="1"), old("b", case_hash="2"),
        trial("c", case_hash="1"), old("c"),
    ]  # fmt: skip
    pairs = pairs_of(trials)
    assert [f.case for f in pairs.ours] == ["a", "c"]
    assert (pairs.changed, pairs.unpaired) == (1, 0)


def test_changed_judge_is_another_question_and_an_added_one_is_not():
    other = verdict(True, definition_hash="1" * 64)
    added = verdict(True, judge="tone")
    trials = [
        trial("a", verdicts=(other,)), old("a", semantic=True),
        trial("b", verdicts=(verdict(True), added)), old("b", semantic=True),
    ]  # fmt: skip
    pairs = pairs_of(trials)
    assert [f.case for f in pairs.ours] == ["b"]
    assert pairs.changed == 1


def test_clusters_of_a_pair_are_the_candidates():
    trials = [one for i in range(6) for one in (trial(f"c{i}", cluster=f"doc{i // 2}"), old(f"c{i}"))]
    assert len(np.unique(pairs_of(trials).clusters)) == 3


# Blind passes.


def test_blind_pass_changes_by_the_difference_of_two_conditional_rates():
    # Of ten cases the baseline reads 8, 2 of them wrong; the candidate reads 5, 3 of them wrong.
    trials = []
    for i in range(10):
        trials.append(trial(f"c{i}", structural=i < 5, semantic=i >= 3))
        trials.append(old(f"c{i}", structural=i < 8, semantic=i >= 2))
    found = blind_pass(trials)
    assert (found.baseline_hits, found.baseline_counted) == (2, 8)
    assert (found.candidate_hits, found.candidate_counted) == (3, 5)
    assert (found.baseline_rate, found.candidate_rate) == (0.25, 0.6)
    assert found.estimate == pytest.approx(0.35)
    expected = conditional_change(
        [i < 8 for i in range(10)],
        [i < 2 for i in range(10)],
        [i < 5 for i in range(10)],
        [i < 3 for i in range(10)],
        confidence=0.90,
    )
    assert (found.low, found.high, found.p_value) == (expected.low, expected.high, expected.p_value)
    assert (found.confidence, found.clusters) == (0.90, 10)


def test_answer_whose_meaning_nothing_scored_is_no_blind_pass():
    found = blind_pass([*both("a", False, None), *both("b", None, True)])
    assert (found.candidate_hits, found.candidate_counted) == (1, 1)
    assert (found.baseline_hits, found.baseline_counted) == (0, 1)


def test_unreadable_baseline_has_no_blind_pass_rate_and_no_change():
    trials = [
        one
        for i in range(5)
        for one in (trial(f"c{i}", semantic=False), old(f"c{i}", structural=False, semantic=False))
    ]
    found = blind_pass(trials)
    assert (found.baseline_rate, found.candidate_rate, found.estimate) == (None, 1.0, None)
    assert (found.low, found.high, found.p_value) == (None, None, None)
    assert "baseline" in found.note


def test_repeats_of_a_case_widen_the_change_of_blind_passes():
    once = [one for i in range(60) for one in both(f"c{i}", i >= 20, i >= 5)]
    often = [replace(one, repeat=r) for one in once for r in (1, 2, 3, 4)]
    single, repeated = blind_pass(once), blind_pass(often)
    assert repeated.clusters == single.clusters == 60
    assert repeated.high - repeated.low > 0.9 * (single.high - single.low)


# Scores.


def scored(case, ours, theirs, criterion="accuracy", **fields):
    def one(value):
        return (
            verdict(value >= 4, scores={criterion: value}) if value is not None else verdict(False, scores={})
        )

    return [trial(case, verdicts=(one(ours),), **fields), old(case, verdicts=(one(theirs),), **fields)]


def test_scores_are_shown_level_by_level_with_their_means():
    pairs = [(5, 5), (3, 5), (2, 4), (4, 4), (5, 4), (1, 3)]
    found = score([one for i, pair in enumerate(pairs) for one in scored(f"c{i}", *map(float, pair))])
    assert found.levels == (1.0, 2.0, 3.0, 4.0, 5.0)
    assert found.candidate_counts == (1, 1, 1, 1, 2)
    assert found.baseline_counts == (0, 0, 1, 3, 2)
    assert (found.candidate_mean, found.baseline_mean) == (pytest.approx(20 / 6), pytest.approx(25 / 6))
    assert found.difference == pytest.approx(-5 / 6)
    assert found.pairs == 6


def test_scores_test_is_wilcoxons_with_pratts_zeros_and_the_interval_is_students():
    rng = np.random.default_rng(7)
    theirs = rng.integers(1, 6, 80)
    ours = np.clip(theirs + rng.integers(-2, 2, 80), 1, 5)
    trials = [one for i in range(80) for one in scored(f"c{i}", float(ours[i]), float(theirs[i]))]
    found = score(trials)
    assert found.p_value == pytest.approx(
        wilcoxon(ours, theirs, zero_method="pratt", correction=False, method="asymptotic").pvalue
    )
    bounds = ttest_rel(ours, theirs).confidence_interval(0.90)
    assert (found.low, found.high) == (pytest.approx(bounds.low), pytest.approx(bounds.high))


def test_score_that_one_side_lacks_is_in_no_pair():
    trials = [*scored("a", 5.0, 4.0), *scored("b", 3.0, None), *scored("c", None, 2.0)]
    found = score(trials)
    assert (found.pairs, found.candidate_mean, found.baseline_mean) == (1, 5.0, 4.0)
    assert overall(compared(scored("a", 5.0, None)).scores) == []


def test_criteria_of_two_judges_are_told_apart_by_the_judges_name():
    verdicts = (verdict(True), verdict(False, judge="tone"))
    trials = [trial("a", verdicts=verdicts), old("a", verdicts=verdicts)]
    assert [s.criterion for s in overall(compared(trials).scores)] == ["meaning.accuracy", "tone.accuracy"]


def test_repeats_are_one_pair_of_the_scores_test():
    once = [one for i in range(12) for one in scored(f"c{i}", 5.0 if i < 9 else 3.0, 4.0)]
    often = [replace(one, repeat=r) for one in once for r in (1, 2, 3)]
    single, repeated = score(once), score(often)
    assert repeated.pairs == 3 * single.pairs
    assert repeated.p_value == pytest.approx(single.p_value)
    expected = paired_scores(
        [4.0] * 36,
        [5.0 if i < 9 else 3.0 for i in range(12) for _ in range(3)],
        [i for i in range(12) for _ in "abc"],
    )
    assert (repeated.low, repeated.high) == (
        pytest.approx(expected.means.difference.low),
        pytest.approx(expected.means.difference.high),
    )


# Amounts.


def spent(case, model, *, tokens_in, cost_usd, latency_s=1.0, **fields):
    usage = Usage(tokens_in=tokens_in, tokens_out=20)
    response = Response(text="{}", usage=usage, latency_s=latency_s)
    make = trial if model == "new" else old
    return make(case, answer=answer(model, cost_usd=cost_usd, response=response), **fields)


def test_amounts_are_means_with_their_difference_and_ratio():
    ours, theirs = [100, 200, 330, 400], [110, 250, 350, 500]
    trials = [spent(f"c{i}", "new", tokens_in=n, cost_usd=0.02) for i, n in enumerate(ours)]
    trials += [spent(f"c{i}", "old", tokens_in=n, cost_usd=0.01) for i, n in enumerate(theirs)]
    found = amounts(trials)
    assert list(found) == ["tokens_in", "tokens_out", "cost_usd", "latency_s"]
    tokens = found["tokens_in"]
    assert (tokens.pairs, tokens.candidate_mean, tokens.baseline_mean) == (4, 257.5, 302.5)
    assert (tokens.difference, tokens.ratio) == (-45.0, pytest.approx(257.5 / 302.5))
    bounds = ttest_rel(ours, theirs).confidence_interval(0.90)
    assert (tokens.low, tokens.high) == (pytest.approx(bounds.low), pytest.approx(bounds.high))
    assert tokens.p_value == pytest.approx(ttest_rel(ours, theirs).pvalue)
    assert (found["cost_usd"].ratio, found["cost_usd"].difference) == (pytest.approx(2), pytest.approx(0.01))


def test_amounts_that_never_vary_have_a_difference_and_no_interval():
    trials = [one for i in range(5) for one in both(f"c{i}", True, True)]
    found = amounts(trials)["cost_usd"]
    assert (found.difference, found.ratio) == (0.0, 1.0)
    assert (found.low, found.high, found.p_value) == (None, None, None)
    assert found.note


def test_unknown_price_leaves_its_pair_out_and_none_leaves_the_amount_out():
    trials = [spent(f"c{i}", "new", tokens_in=i + 1, cost_usd=None if i < 2 else 0.03) for i in range(5)]
    trials += [spent(f"c{i}", "old", tokens_in=i + 2, cost_usd=None if i > 3 else 0.01) for i in range(5)]
    found = amounts(trials)
    assert (found["cost_usd"].pairs, found["tokens_in"].pairs) == (2, 5)
    assert found["cost_usd"].ratio == pytest.approx(3)
    unpriced = [replace(one, answer=replace(one.answer, cost_usd=None)) for one in trials]
    assert list(amounts(unpriced)) == ["tokens_in", "tokens_out", "latency_s"]


def test_free_baseline_has_no_ratio():
    trials = [spent("a", "new", tokens_in=5, cost_usd=0.01), spent("a", "old", tokens_in=5, cost_usd=0.0)]
    found = amounts(trials)["cost_usd"]
    assert (found.difference, found.ratio) == (0.01, None)


def test_amounts_of_a_cluster_count_as_one():
    values = [(i % 7 + i // 5, i // 5 + 2) for i in range(40)]
    trials = [
        spent(f"c{i}", "new", tokens_in=n, cost_usd=0, cluster=f"d{i // 5}")
        for i, (n, _) in enumerate(values)
    ]
    trials += [
        spent(f"c{i}", "old", tokens_in=n, cost_usd=0, cluster=f"d{i // 5}")
        for i, (_, n) in enumerate(values)
    ]
    found = amounts(trials)["tokens_in"]
    expected = paired_mean_difference(
        [float(b) for _, b in values], [float(a) for a, _ in values], [i // 5 for i in range(40)]
    ).difference
    assert (found.low, found.high) == (pytest.approx(expected.low), pytest.approx(expected.high))
    assert "only 8 clusters" in found.note


def test_amounts_and_scores_leave_out_what_did_not_answer():
    trials = [*both("a", True, True), errored("b"), old("b", semantic=True)]
    assert {a.pairs for a in amounts(trials).values()} == {1}
    assert score(trials).pairs == 1


def test_nothing_in_common_gives_nothing_to_say():
    found = compared([trial("a", semantic=True), old("b", semantic=True)])
    assert (found.scores, found.amounts) == ((), ())
    assert [b.estimate for b in found.blind_pass] == [None]


tables = st.tuples(*[st.integers(0, 12)] * 4)


@given(tables)
def test_swapping_the_models_turns_every_sign(table):
    swapped = {"new": "old", "old": "new"}
    trials = paired(table)
    mirrored = [
        replace(t, model=swapped[t.model], role="candidate" if t.role == "baseline" else "baseline")
        for t in trials
    ]
    found, turned = compared(trials), compared(mirrored)
    for kind in ("differences", "blind_pass"):
        for one, other in zip(getattr(found, kind), getattr(turned, kind), strict=True):
            assert (one.estimate is None) == (other.estimate is None)
            if one.low is not None:
                assert (one.low, one.high) == (pytest.approx(-other.high), pytest.approx(-other.low))
                assert one.low <= one.estimate <= one.high
            assert one.p_value == (None if other.p_value is None else pytest.approx(other.p_value))
    assert len(found.regressed) == len(turned.fixed) == table[2]
