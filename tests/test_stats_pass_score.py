"""The choice of a pass score, and whether a judge errs alike for several models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.stats import Labels, choose_pass_score, errors_between_models
from swapgate.stats.pass_score import ONE_SCORE, ONE_TRUTH


def brute(scores, truths, cut):
    passed = [score >= cut for score in scores]
    right = [p for p, t in zip(passed, truths, strict=True) if t]
    wrong = [not p for p, t in zip(passed, truths, strict=True) if not t]
    accuracy = sum(p == t for p, t in zip(passed, truths, strict=True)) / len(passed)
    return sum(right) / len(right), sum(wrong) / len(wrong), accuracy, sum(passed) / len(passed)


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=4, max_size=40), st.integers(0, 9))
def test_every_cut_is_measured_as_counting_does_or_the_reason_is_given(rows, seed):
    scores, truths = zip(*rows, strict=True)
    found = choose_pass_score(scores, truths, seed=seed, resamples=50)
    if len(set(truths)) == 1 or len(set(scores)) == 1:
        assert (found.best, found.cuts) == (None, ())
        assert found.note in {ONE_TRUTH, ONE_SCORE}
        return
    assert [cut.score for cut in found.cuts] == sorted(set(scores))[1:]
    for cut in found.cuts:
        shown = (cut.sensitivity, cut.specificity, cut.accuracy, cut.pass_share)
        assert shown == pytest.approx(brute(scores, truths, cut.score))
    best = max(cut.youden for cut in found.cuts)
    assert next(cut.youden for cut in found.cuts if cut.score == found.best) == pytest.approx(best)
    assert found.lowest <= found.highest
    assert sum(cut.chosen for cut in found.cuts) == pytest.approx(1)


def test_weights_count_as_rows_do():
    scores, truths, times = [1, 2, 3, 4, 5, 2], [0, 0, 1, 1, 1, 1], [3, 1, 1, 2, 2, 4]
    repeated = [np.repeat(part, times) for part in (scores, truths)]
    weighted = choose_pass_score(scores, truths, weights=times, seed=0)
    plain = choose_pass_score(*repeated, seed=0)
    for one, two in zip(weighted.cuts, plain.cuts, strict=True):
        assert (one.score, one.youden, one.pass_share) == pytest.approx(
            (two.score, two.youden, two.pass_share)
        )
    assert weighted.best == plain.best


def test_optimism_is_what_the_chosen_index_lacks_on_new_labels():
    random = np.random.default_rng(3)
    claimed, there = [], []
    for seed in range(150):
        truths = random.random(40) < 0.6
        scores = np.clip(np.round(random.normal(3 + 0.8 * truths, 1)), 1, 5)
        found = choose_pass_score(scores, truths, seed=seed, resamples=100)
        if found.best is None:
            continue
        index = max(cut.youden for cut in found.cuts)
        fresh = random.random(4000) < 0.6
        others = np.clip(np.round(random.normal(3 + 0.8 * fresh, 1)), 1, 5) >= found.best
        there.append(others[fresh].mean() - others[~fresh].mean())
        claimed.append((index, found.optimism))
    index, optimism = np.mean(claimed, axis=0)
    assert index - np.mean(there) > 0.03
    assert index - optimism == pytest.approx(np.mean(there), abs=0.03)


def test_scores_that_are_not_finite_are_refused():
    with pytest.raises(ValueError, match="finite"):
        choose_pass_score([1, float("nan")], [0, 1], seed=0)


def drawn(random, models, *, truth_given_pass):
    """Return labels of which the truth beside a passing verdict depends on the model."""
    verdicts = random.random(len(models)) < 0.6
    shares = np.where(verdicts, [truth_given_pass[m] for m in models], 0.2)
    return Labels(verdicts=verdicts, truths=random.random(len(models)) < shares)


def test_models_that_are_alike_are_told_apart_no_oftener_than_said():
    random, models = np.random.default_rng(5), ["a", "b", "c"] * 25
    p_values = [
        errors_between_models(
            drawn(random, models, truth_given_pass=dict.fromkeys("abc", 0.8)),
            models,
            seed=n,
            permutations=199,
        ).p_value
        for n in range(300)
    ]
    assert np.mean(np.array(p_values) <= 0.05) <= 0.08
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.06)


def test_a_judge_that_favours_one_model_is_found():
    random, models = np.random.default_rng(6), ["a", "b"] * 60
    found = [
        errors_between_models(
            drawn(random, models, truth_given_pass={"a": 0.9, "b": 0.5}), models, seed=n, permutations=199
        )
        for n in range(40)
    ]
    assert np.mean([one.p_value <= 0.05 for one in found]) > 0.8
    widest = found[0].widest
    assert (widest.first, widest.second, widest.given) == ("a", "b", True)


@given(
    st.lists(st.tuples(st.booleans(), st.booleans(), st.sampled_from(["a", "b", None])), max_size=60),
    st.sampled_from(["random", "by_verdict", "by_label"]),
)
def test_any_labels_have_a_p_value_or_a_reason(rows, design):
    verdicts, truths, models = zip(*rows, strict=True) if rows else ((), (), ())
    labels = Labels(verdicts=verdicts, truths=truths, design=design)
    found = errors_between_models(labels, models, seed=0, permutations=50)
    assert (found.p_value is None) == bool(found.note)
    assert found.p_value is None or 0 < found.p_value <= 1


def test_a_model_with_few_labels_is_left_out():
    labels = Labels(verdicts=[True, False] * 12, truths=[True, False] * 12)
    found = errors_between_models(labels, ["a"] * 21 + ["b"] * 3, seed=0)
    assert (found.p_value, found.note) == (None, "fewer than two models have 10 labels")
