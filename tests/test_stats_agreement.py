"""Agreement, correlation, consistency: published examples, other libraries' numbers, recorded real data."""

from __future__ import annotations

import json
import math
import os
from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa

from swapgate.stats.agreement import cohen_kappa, gwet_ac, krippendorff_alpha, percent_agreement
from swapgate.stats.consistency import position_consistency
from swapgate.stats.correlations import correlation, group_correlation, within_group_correlation
from swapgate.stats.interval import critical_value

DATA = os.environ.get("SWAPGATE_DATA")
needs_data = pytest.mark.skipif(not DATA, reason="SWAPGATE_DATA does not name the folder of recorded outputs")

# Krippendorff 2011: four observers, twelve units; also the "4 raters" of Gwet's handbook.
FOUR_OBSERVERS = [
    [1, 1, None, 1], [2, 2, 3, 2], [3, 3, 3, 3], [3, 3, 3, 3], [2, 2, 2, 2], [1, 2, 3, 4],
    [4, 4, 4, 4], [1, 1, 2, 1], [2, 2, 2, 2], [None, 5, 5, 5], [None, None, 1, 1], [None, None, 3, None],
]  # fmt: skip
# Gwet's handbook: two abstractors, 100 pregnancies.
ABSTRACTORS = np.array([[13, 0, 0], [0, 20, 7], [0, 4, 56]])

ratings = st.lists(st.lists(st.none() | st.integers(1, 4), min_size=3, max_size=3), min_size=0, max_size=15)
scores = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=0, max_size=30)


def both_sides(table: np.ndarray) -> tuple[list[int], list[int]]:
    cells = [(i, j) for i, j in np.ndindex(table.shape) for _ in range(table[i, j])]
    return [i for i, _ in cells], [j for _, j in cells]


def error_of(interval, n: int) -> float:
    return (interval.estimate - interval.low) / critical_value(0.95, df=n - 1)


@pytest.mark.parametrize(("level", "alpha"), [("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)])
def test_krippendorffs_published_example_is_reproduced(level, alpha):
    assert round(krippendorff_alpha(FOUR_OBSERVERS, level=level).estimate, 3) == alpha


def test_gwets_interval_of_alpha_is_reproduced():
    alpha = krippendorff_alpha(FOUR_OBSERVERS)
    assert (round(alpha.low, 3), alpha.high) == (0.419, 1.0)


@pytest.mark.parametrize(
    ("weights", "published", "error"),
    [
        ("identity", 0.775, 0.143),
        ("linear", 0.859, 0.117),
        ("quadratic", 0.914, 0.104),
        ("ordinal", 0.899, 0.107),
    ],
)
def test_gwets_published_ac_and_its_standard_error_are_reproduced(weights, published, error):
    found = gwet_ac(FOUR_OBSERVERS, weights=weights)
    assert round(found.estimate, 3) == published
    assert round(error_of(found, 12), 3) == error


def test_gwets_published_table_of_two_raters_is_reproduced():
    first, second = both_sides(ABSTRACTORS)
    kappa = cohen_kappa(first, second)
    assert round(kappa.estimate, 7) == 0.7964094
    assert error_of(kappa, 100) == pytest.approx(0.0589, abs=5e-5)
    assert (round(kappa.low, 2), round(kappa.high, 3)) == (0.68, 0.913)
    assert round(gwet_ac(np.column_stack([first, second])).estimate, 5) == 0.84933
    assert percent_agreement(np.column_stack([first, second])).estimate == 0.89


@given(st.lists(st.integers(1, 9), min_size=16, max_size=16))
@settings(deadline=None, max_examples=30)
def test_kappa_agrees_with_statsmodels(cells):
    table = np.array(cells).reshape(4, 4)
    first, second = both_sides(table)
    for weights, name in (("identity", None), ("linear", "linear"), ("quadratic", "fc")):
        ours = cohen_kappa(first, second, weights=weights)
        theirs = cohens_kappa(table, wt=name)
        assert ours.estimate == pytest.approx(theirs.kappa)
        assert error_of(ours, sum(cells)) == pytest.approx(theirs.std_kappa, rel=1e-6)


@given(ratings, st.sampled_from(["identity", "linear", "quadratic", "ordinal"]))
@settings(deadline=None)
def test_a_coefficient_lies_in_its_interval_or_says_why_not(table, weights):
    found = [percent_agreement(table), gwet_ac(table, weights=weights)]
    found += [krippendorff_alpha(table, level=level) for level in ("nominal", "ordinal", "interval")]
    for each in found:
        if each.low is None:
            assert each.estimate is None
            assert each.note
        else:
            # A weighted coefficient falls below -1 where chance would agree more often than not.
            assert each.low <= each.estimate <= each.high <= 1
            assert each.high - each.low > 1e-6


@given(ratings.filter(len))
@settings(deadline=None)
def test_the_order_of_units_and_raters_does_not_matter(table):
    turned = [row[::-1] for row in table[::-1]]
    for of in (gwet_ac, krippendorff_alpha, percent_agreement):
        one, other = of(table), of(turned)
        assert (one.low is None) == (other.low is None)
        if one.low is not None:
            assert (one.estimate, one.low) == pytest.approx((other.estimate, other.low))


def test_perfect_agreement_still_has_an_interval():
    table = [[1, 1]] * 6 + [[2, 2]] * 6
    for found in (gwet_ac(table), krippendorff_alpha(table), cohen_kappa(*np.transpose(table))):
        assert found.estimate == pytest.approx(1.0)
        assert 0.3 < found.low < 0.9


def test_ratings_without_variation_or_without_pairs_are_refused_by_name():
    same = [[1, 1]] * 10
    for found in (krippendorff_alpha(same), gwet_ac(same), cohen_kappa([1] * 10, [1] * 10)):
        assert found.note == "all ratings are the same: agreement beyond chance is undefined"
    # With the scale known, AC1 has an answer where kappa and alpha have none.
    assert gwet_ac(same, categories=[0, 1]).estimate == 1.0
    for found in (krippendorff_alpha([[1, None], [None, 2]]), gwet_ac([]), percent_agreement([[1, 2]])):
        assert found.note == "fewer than two units with two ratings each"


def test_agreement_mistakes_of_the_caller_raise():
    with pytest.raises(ValueError, match="a row a unit"):
        gwet_ac([1, 2, 3])
    with pytest.raises(ValueError, match="none of the categories"):
        gwet_ac([[1, 3], [1, 1]], categories=[1, 2])
    with pytest.raises(ValueError, match="both ratings"):
        cohen_kappa([1, 2], [1, math.nan])
    with pytest.raises(ValueError, match="finite"):
        krippendorff_alpha([[1, math.inf]])


@given(scores)
@settings(deadline=None)
def test_correlations_and_their_p_values_agree_with_scipy(pairs):
    x, y = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    theirs = {
        "pearson": scipy.stats.pearsonr,
        "spearman": scipy.stats.spearmanr,
        "kendall": lambda a, b: scipy.stats.kendalltau(a, b, method="asymptotic"),
    }
    for method, of in theirs.items():
        found = correlation(x, y, method=method)
        if len(pairs) < 3 or len({*x}) < 2 or len({*y}) < 2:
            assert found.estimate is None or len(pairs) == 2
            continue
        expected = of(x, y)
        assert found.estimate == pytest.approx(expected.statistic, abs=1e-9)
        assert found.p_value == pytest.approx(expected.pvalue, abs=1e-6)
        if found.low is None:
            assert found.note
        else:
            assert -1 <= found.low < found.estimate < found.high <= 1


def test_pearsons_interval_is_scipys():
    x, y = np.arange(20.0), np.sin(np.arange(20.0)) + np.arange(20.0) / 10
    ours, theirs = correlation(x, y, method="pearson"), scipy.stats.pearsonr(x, y).confidence_interval()
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))


def test_points_in_one_order_or_without_variation_are_refused_by_name():
    for method in ("pearson", "spearman", "kendall"):
        line = correlation([1, 2, 3, 4, 5, 6], [2, 3, 4, 5, 6, 7], method=method)
        assert (line.estimate, line.low) == (pytest.approx(1.0), None)
        assert line.note == "all points lie in one order: the interval of a correlation of 1 is not known"
        flat = correlation([1, 2, 3], [4, 4, 4], method=method)
        assert flat.note == "the scores of one side are all the same: no correlation is defined"
        assert correlation([1], [1], method=method).note == "fewer than two points"
        assert correlation([1, 2, 3], [1, 3, 2], method=method).note == "3 points: too few for an interval"


def test_correlation_mistakes_of_the_caller_raise():
    with pytest.raises(ValueError, match="same items"):
        correlation([1, 2], [1])
    with pytest.raises(ValueError, match="finite"):
        correlation([1, math.nan], [1, 2])
    with pytest.raises(ValueError, match="needs a group"):
        group_correlation([1, 2], [1, 2], ["a"])


def test_a_group_correlation_is_that_of_the_groups_means():
    found = group_correlation([1, 3, 5, 5, 9], [0, 2, 4, 6, 1], ["a", "a", "b", "b", "c"], method="pearson")
    assert found.n == 3
    assert found.estimate == pytest.approx(scipy.stats.pearsonr([2, 5, 9], [1, 5, 1]).statistic)


def test_ten_thousand_scores_take_milliseconds():
    import time

    rng = np.random.default_rng(0)
    x, started = rng.normal(size=10_000), time.process_time()
    correlation(x, x + rng.normal(size=10_000), method="kendall")
    krippendorff_alpha(rng.integers(1, 6, size=(10_000, 3)), level="ordinal")
    assert time.process_time() - started < 2


def test_flips_are_counted_by_the_place_they_go_to():
    found = position_consistency(["a", "a", "b", "a", None, "b"], ["a", "b", "a", "b", "a", None], ["a"] * 6)
    assert (found.same, found.to_first, found.to_second, found.unread) == (1, 2, 1, 2)
    assert found.consistency.estimate == 0.25
    assert position_consistency([], [], []).p_value is None
    with pytest.raises(ValueError, match="zip"):
        position_consistency(["a"], [], [])


def rows(name: str) -> list[dict]:
    text = (Path(DATA or "") / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@needs_data
@pytest.mark.parametrize(
    ("criterion", "ordinal", "interval", "exact"),
    [
        ("conciseness", 0.8086, 0.8067, 0.7000),
        ("comprehensiveness", 0.7744, 0.7899, 0.7444),
        ("relevance", 0.8058, 0.8044, 0.6889),
    ],
)
def test_crscores_raters_agree_as_recorded(criterion, ordinal, interval, exact):
    table = [
        [r["human"][k][criterion] for k in ("rater_1", "rater_2")] for r in rows("crscore/double_rated.jsonl")
    ]
    assert round(krippendorff_alpha(table, level="ordinal").estimate, 4) == ordinal
    assert round(krippendorff_alpha(table, level="interval").estimate, 4) == interval
    assert round(percent_agreement(table).estimate, 4) == exact
    kappa = cohen_kappa(*np.transpose(table), weights="quadratic")
    assert kappa.estimate == pytest.approx(interval, abs=0.01)


@needs_data
@pytest.mark.parametrize(
    ("judge", "prompt", "accuracies", "same", "to_first", "to_second", "right"),
    [
        ("GPT-4", "Vanilla", [95.5, 78.7, 86.4, 77.7, 80.4], 389, 20, 10, 339),
        ("ChatGPT-0301", "Vanilla", [84.0, 28.7, 37.5, 51.1, 44.6], 242, 160, 17, 113),
        ("Falcon", "Vanilla", [74.0, 50.4, 50.0, 54.3, 51.1], 174, 238, 7, 114),
        ("GPT-4", "Vanilla_NoRules", [93.5, 64.2, 76.6, 76.6, 75.0], None, None, None, None),
    ],
)
def test_llmbars_judges_are_as_accurate_and_consistent_as_recorded(
    judge, prompt, accuracies, same, to_first, to_second, right
):
    items = {item["item_id"]: item for item in rows("llmbar/items.jsonl")}
    verdicts = [v for v in rows("llmbar/verdicts.jsonl") if (v["judge"], v["prompt"]) == (judge, prompt)]
    hits = defaultdict(list)
    for v in verdicts:
        item = items[v["item_id"]]
        hits[item["subset"].removeprefix("Adversarial/")] += [
            v[key] == str(item["label"]) for key in ("winner_ab", "winner_ba")
        ]
    subsets = ["Natural", "Neighbor", "GPTInst", "GPTOut", "Manual"]
    assert [round(100 * np.mean(hits[name]), 1) for name in subsets] == accuracies
    if same is None:
        return
    orders = [[None if v[key] == "None" else v[key] for v in verdicts] for key in ("winner_ab", "winner_ba")]
    found = position_consistency(*orders, ["1"] * len(verdicts))
    assert (found.same, found.to_first, found.to_second) == (same, to_first, to_second)
    assert found.p_value < 0.1
    both_right = sum(v["winner_ab"] == v["winner_ba"] == str(items[v["item_id"]]["label"]) for v in verdicts)
    assert both_right == right


def test_a_correlation_inside_groups_is_the_mean_of_scipys():
    from scipy.stats import kendalltau, spearmanr

    random = np.random.default_rng(8)
    groups = np.repeat(np.arange(12), 6)
    people = random.integers(1, 6, size=72)
    judge = np.clip(people + random.integers(-1, 2, size=72), 1, 5)
    judge[:6] = 3
    for method, theirs in (("spearman", spearmanr), ("kendall", kendalltau)):
        found = within_group_correlation(judge, people, groups.tolist(), method=method)
        each = [theirs(judge[groups == g], people[groups == g]).statistic for g in range(1, 12)]
        assert found.estimate == pytest.approx(np.mean(each))
        assert found.n == 11
        assert found.low < found.estimate < found.high
        assert found.note == "left out, one side does not vary there: 1 of 12 groups"
