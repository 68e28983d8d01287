"""The alternative annotator test: by hand, against scipy, on simulated annotators, at the edges."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate.stats.annotators import alternative_annotator_test


def crowd(rng, *, noise: float, judge_noise: float, items: int = 100, annotators: int = 4):
    """Annotators and a judge who see a truth of four classes, each with this much noise."""
    truth = rng.integers(0, 4, items)

    def labels(share: float) -> dict[int, int]:
        seen = np.where(rng.random(items) < share, rng.integers(0, 4, items), truth)
        return dict(enumerate(seen.tolist()))

    return {f"h{j}": labels(noise) for j in range(annotators)}, labels(judge_noise)


def test_a_small_example_is_as_computed_by_hand():
    humans = {
        "a": {1: "x", 2: "x", 3: "y", 4: "y"},
        "b": {1: "x", 2: "x", 3: "y", 4: "x"},
        "c": {1: "x", 2: "y", 3: "y", 4: "x"},
    }
    judge = {1: "x", 2: "x", 3: "x", 4: "x"}
    found = alternative_annotator_test(humans, judge, epsilon=0.2, min_items=4)
    by = {c.annotator: c for c in found.comparisons}
    # Without a: the others say xx, xy, yy, xx. The judge fits them 1, .5, 0, 1; a fits them 1, .5, 1, 0.
    assert (by["a"].judge_advantage, by["a"].human_advantage) == (0.75, 0.75)
    # Without b: xx, xy, yy, yx. The judge: 1, .5, 0, .5; b: 1, .5, 1, .5.
    assert (by["b"].judge_advantage, by["b"].human_advantage) == (0.75, 1.0)
    # Without c: xx, xx, yy, yx. The judge: 1, 1, 0, .5; c: 1, 0, 1, .5.
    assert (by["c"].judge_advantage, by["c"].human_advantage) == (0.75, 0.75)
    assert found.advantage == 0.75
    for name, differences in {"a": [0, 0, 1, -1], "b": [0, 0, 1, 0], "c": [0, -1, 1, 0]}.items():
        expected = scipy.stats.ttest_1samp(differences, 0.2, alternative="less").pvalue
        assert by[name].p_value == pytest.approx(expected)
    assert (found.winning_rate, found.passed) == (0.0, False)


def test_a_judge_like_the_annotators_passes_and_a_poor_one_does_not():
    rng = np.random.default_rng(5)
    like, poor, better = (
        alternative_annotator_test(*crowd(rng, noise=0.3, judge_noise=share), epsilon=0.2)
        for share in (0.3, 0.8, 0.0)
    )
    assert (like.passed, like.winning_rate >= 0.5) == (True, True)
    assert (better.passed, better.winning_rate) == (True, 1.0)
    assert (poor.passed, poor.winning_rate) == (False, 0.0)
    assert better.advantage > like.advantage > poor.advantage


def test_a_judge_worse_by_more_than_epsilon_rarely_wins():
    rng, won = np.random.default_rng(6), []
    for _ in range(40):
        found = alternative_annotator_test(*crowd(rng, noise=0.1, judge_noise=0.45), epsilon=0.1)
        won.append(found.winning_rate)
    assert np.mean(won) < 0.05


def test_scores_are_aligned_by_distance_and_texts_by_a_function():
    humans = {j: {i: float(i % 5) for i in range(30)} for j in range(3)}
    close, far = {i: i % 5 + 0.1 for i in range(30)}, {i: i % 5 + 2.0 for i in range(30)}
    assert alternative_annotator_test(humans, close, alignment="rmse").advantage == 0.0
    own = alternative_annotator_test(humans, {i: float(i % 5) for i in range(30)}, alignment="rmse")
    assert (own.advantage, own.passed) == (1.0, True)

    def within_one(label, others):
        return float(np.mean([abs(label - other) <= 1 for other in others]))

    assert alternative_annotator_test(humans, close, alignment=within_one).passed is True
    assert alternative_annotator_test(humans, far, alignment=within_one).passed is False


def test_samples_without_variation_have_the_p_value_of_the_likeliest_such_sample():
    humans = {j: dict.fromkeys(range(30), "x") for j in range(3)}
    ties = alternative_annotator_test(humans, dict.fromkeys(range(30), "x"), epsilon=0.2)
    assert [c.p_value for c in ties.comparisons] == pytest.approx([0.8**30] * 3)
    losing = alternative_annotator_test(humans, dict.fromkeys(range(30), "y"))
    assert {c.p_value for c in losing.comparisons} == {1.0}
    without = alternative_annotator_test(humans, dict.fromkeys(range(30), "x"), epsilon=0.0)
    assert without.passed is False


def test_too_few_annotators_or_items_are_refused_by_name():
    judge = dict.fromkeys(range(40), 1)
    two = alternative_annotator_test(dict.fromkeys(range(2), judge), judge)
    assert (two.passed, two.winning_rate, two.advantage) == (None, None, None)
    assert two.note == "2 annotators: the test needs 3 with 30 items each"
    few = alternative_annotator_test({j: dict.fromkeys(range(20), 1) for j in range(3)}, judge)
    assert few.note == "0 annotators: the test needs 3 with 30 items each"
    assert alternative_annotator_test({}, {}).note.startswith("0 annotators")
    humans = {**dict.fromkeys(range(3), judge), "late": {0: 1}}
    assert alternative_annotator_test(humans, judge).note == "left out with fewer than 30 items: late"


def test_items_that_nobody_else_labelled_or_the_judge_left_out_do_not_count():
    humans = {j: dict.fromkeys(range(35), 1) for j in range(3)}
    humans[0][99] = 1
    found = alternative_annotator_test(humans, dict.fromkeys([*range(31), 99], 1))
    assert {c.items for c in found.comparisons} == {31}


@pytest.mark.parametrize("wrong", [{"epsilon": -0.1}, {"epsilon": 1.0}, {"fdr": 0.0}])
def test_shares_out_of_range_raise(wrong):
    with pytest.raises(ValueError, match="between 0 and 1"):
        alternative_annotator_test({}, {}, **wrong)


@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.lists(st.none() | st.integers(0, 2), min_size=8, max_size=8), min_size=0, max_size=5),
    st.lists(st.none() | st.integers(0, 2), min_size=8, max_size=8),
)
def test_any_labels_give_an_answer_or_a_reason(humans, judge):
    named = {j: {i: v for i, v in enumerate(row) if v is not None} for j, row in enumerate(humans)}
    answers = {i: v for i, v in enumerate(judge) if v is not None}
    found = alternative_annotator_test(named, answers, min_items=3)
    if found.passed is None:
        assert found.note
    else:
        assert 0 <= found.winning_rate <= 1
        assert 0 <= found.advantage <= 1
        assert all(0 <= c.p_value <= 1 for c in found.comparisons)
