"""Rates and differences corrected for a judge's errors: published numbers, edges, coverage, refusals."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from swapgate.stats.interval import critical_value
from swapgate.stats.judge_errors import corrected_difference, corrected_rate
from swapgate.stats.judge_labels import Labels, beats_chance, refusal
from swapgate.stats.judge_measures import judge_quality
from swapgate.stats.paired import paired_difference
from swapgate.stats.ppi import ppi_difference, ppi_rate
from swapgate.stats.proportion import clustered_rate, wilson_interval
from swapgate.stats.tango import tango_interval

DESIGNS = ["random", "by_verdict", "by_label"]
verdict_lists = st.lists(st.sampled_from([True, False, None]), max_size=40)
label_rows = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=60)


def labels_of(table: tuple[int, int, int, int], design: str = "random", **more: object) -> Labels:
    """Labels from true passes, false passes, false fails and true fails."""
    verdicts = np.repeat([True, True, False, False], table)
    truths = np.repeat([True, False, True, False], table)
    return Labels(verdicts=verdicts, truths=truths, design=design, **more)


def drawn(rng, rate: float, k: int, design: str, judge: tuple[float, float] = (0.9, 0.8)) -> Labels:
    """Labels of k responses (of k of either kind) by a judge of this sensitivity and specificity."""
    sensitivity, specificity = judge
    share = rate * sensitivity + (1 - rate) * (1 - specificity)
    if design == "by_verdict":
        verdicts = np.repeat([True, False], k)
        right = np.where(verdicts, rate * sensitivity / share, rate * (1 - sensitivity) / (1 - share))
        return Labels(verdicts=verdicts, truths=rng.random(2 * k) < right, design=design)
    truths = np.repeat([True, False], k) if design == "by_label" else rng.random(k) < rate
    passing = np.where(truths, sensitivity, 1 - specificity)
    return Labels(verdicts=rng.random(len(truths)) < passing, truths=truths, design=design)


def test_lee_et_als_worked_example_is_reproduced_to_the_last_digit():
    labels = labels_of((180, 60, 20, 140), "by_label")
    found = corrected_rate([True] * 400 + [False] * 600, labels)
    assert round(found.estimate, 6) == 0.166667
    assert (round(found.low, 7), round(found.high, 7)) == (0.0563507, 0.2627330)
    assert found.raw == 0.4


def test_the_verdict_stratified_estimate_is_its_formula():
    labels = labels_of((36, 4, 5, 15))
    n, p, r1, r0 = 1000, 0.7, 36.5 / 41, 5.5 / 21
    found = corrected_rate([True] * 700 + [False] * 300, labels)
    assert found.estimate == pytest.approx(p * r1 + (1 - p) * r0)
    z = critical_value(0.95)
    adjusted = (n * p + z * z / 2) / (n + z * z)
    by_verdicts = adjusted * (1 - adjusted) * (r1 - r0) ** 2 / (n + z * z)
    by_labels = adjusted**2 * r1 * (1 - r1) / 40 + (1 - adjusted) ** 2 * r0 * (1 - r0) / 20
    half = z * math.sqrt(by_verdicts + by_labels)
    centre = adjusted * r1 + (1 - adjusted) * r0
    assert (found.low, found.high) == pytest.approx((centre - half, centre + half))
    assert found.label_share == pytest.approx(by_labels / (by_labels + by_verdicts))


@pytest.mark.parametrize("design", DESIGNS)
def test_a_perfect_judge_with_many_labels_leaves_the_rate_about_as_it_is(design):
    found = corrected_rate([True] * 70 + [False] * 30, labels_of((5000, 0, 0, 5000), design))
    wilson = wilson_interval(70, 100)
    assert found.estimate == pytest.approx(0.7, abs=0.001)
    assert (found.low, found.high) == pytest.approx((wilson.low, wilson.high), abs=0.012)


@pytest.mark.parametrize("design", DESIGNS)
def test_trials_that_code_found_wrong_scale_the_rate_down(design):
    labels = labels_of((900, 200, 100, 800), design)
    judged = [True] * 700 + [False] * 300
    alone, among = corrected_rate(judged, labels), corrected_rate(judged + [None] * 1000, labels)
    assert among.estimate == pytest.approx(alone.estimate / 2)
    assert among.raw == 0.35
    all_wrong = corrected_rate([None] * 50, labels)
    assert (all_wrong.estimate, all_wrong.low) == (0.0, 0.0)
    assert 0 < all_wrong.high < 0.15


@settings(deadline=None)
@given(verdict_lists, label_rows, st.sampled_from(DESIGNS), st.sampled_from([0.5, 0.9, 0.95, 0.99]))
def test_any_input_gives_an_interval_around_its_estimate_or_a_reason(verdicts, rows, design, confidence):
    labels = Labels(verdicts=[v for v, _ in rows], truths=[t for _, t in rows], design=design)
    clusters = [i // 3 for i in range(len(verdicts))]
    for each in (None, clusters):
        found = corrected_rate(verdicts, labels, clusters=each, confidence=confidence)
        if found.low is None:
            assert found.note
            assert found.estimate is None
        else:
            assert 0 <= found.low <= found.estimate <= found.high <= 1
            assert found.high - found.low > 1e-6
            assert 0 < found.label_share <= 1


@settings(deadline=None)
@given(
    st.lists(st.tuples(*[st.sampled_from([True, False, None])] * 2), max_size=40), st.sampled_from(DESIGNS)
)
def test_a_difference_mirrors_the_swap_of_the_models(pairs, design):
    one, two = labels_of((30, 6, 5, 20), design), labels_of((25, 9, 3, 18), design)
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    there = corrected_difference(a, b, baseline_labels=one, candidate_labels=two)
    back = corrected_difference(b, a, baseline_labels=two, candidate_labels=one)
    if not pairs:
        assert there.note == back.note == "no trials"
        return
    assert -1 <= there.low <= there.estimate <= there.high <= 1
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=1e-9)
    assert there.high - there.low > 1e-3


def test_more_labels_and_more_cases_narrow_the_interval():
    verdicts = [True] * 70 + [False] * 30
    widths = [
        found.high - found.low
        for found in (
            corrected_rate(verdicts, labels_of((18, 2, 2, 18))),
            corrected_rate(verdicts, labels_of((180, 20, 20, 180))),
            corrected_rate(verdicts * 10, labels_of((180, 20, 20, 180))),
        )
    ]
    assert widths == sorted(widths, reverse=True)


@pytest.mark.parametrize(
    ("table", "note"),
    [
        ((0, 0, 0, 0), "no labels"),
        ((20, 0, 20, 0), "no label says that a response is truly wrong"),
        ((0, 20, 0, 20), "no label says that a response is truly right"),
        ((20, 20, 0, 0), "no label stands beside a failing verdict"),
        ((0, 0, 20, 20), "no label stands beside a passing verdict"),
        ((5, 1, 1, 5), "12 labels: fewer than 20 say too little about a judge"),
    ],
)
@pytest.mark.parametrize("design", DESIGNS)
def test_labels_that_cannot_correct_are_refused_by_name(table, note, design):
    labels = labels_of(table, design)
    found = corrected_rate([True, False] * 30, labels)
    assert (found.estimate, found.low, found.high, found.note) == (None, None, None, note)
    assert found.raw == 0.5
    assert judge_quality(labels).note == note


@pytest.mark.parametrize("design", DESIGNS)
def test_a_judge_at_or_below_chance_is_refused(design):
    for table in ((20, 20, 20, 20), (10, 30, 30, 10)):
        labels = labels_of(table, design)
        assert "at or below chance" in refusal(labels)
        assert "at or below chance" in corrected_rate([True, False], labels).note
        assert judge_quality(labels).is_better_than_chance is False


def test_a_judge_not_shown_to_beat_chance_is_said_to_be_so_and_by_label_refused():
    table = (22, 18, 18, 22)
    assert not beats_chance(labels_of(table))
    for design in ("random", "by_verdict"):
        found = corrected_rate([True, False] * 50, labels_of(table, design))
        assert found.low is not None
        assert "not shown to be better than chance" in found.note
    refused = corrected_rate([True, False] * 50, labels_of(table, "by_label"))
    assert refused.low is None
    assert "not shown to be better than chance" in refused.note


def test_a_difference_without_labels_of_each_model_is_refused():
    labels, other = labels_of((40, 8, 4, 32)), labels_of((40, 8, 4, 32))
    pairs = [True] * 30 + [False] * 10, [True] * 25 + [False] * 15
    for one, two in ((None, None), (labels, labels)):
        found = corrected_difference(*pairs, baseline_labels=one, candidate_labels=two)
        assert found.low is None
        assert found.note == (
            "a judge may favour one of two models: a difference needs labels of each, under its name"
        )
    found = corrected_difference(*pairs, baseline_labels=labels, candidate_labels=None)
    assert found.note.startswith("no labels of the candidate: ")
    assert corrected_difference(*pairs, baseline_labels=labels, candidate_labels=other).low is not None
    few = corrected_difference(*pairs, baseline_labels=labels, candidate_labels=labels_of((5, 1, 1, 5)))
    assert few.note == "candidate: 12 labels: fewer than 20 say too little about a judge"


def test_mistakes_of_the_caller_raise():
    labels = labels_of((40, 8, 4, 32))
    with pytest.raises(ValueError, match="True, False or None"):
        corrected_rate([True, 0.5], labels)
    with pytest.raises(ValueError, match="True, False or None"):
        corrected_rate([True, math.nan], labels)
    with pytest.raises(ValueError, match="same trials"):
        corrected_difference([True], [True, False], baseline_labels=labels, candidate_labels=None)
    with pytest.raises(ValueError, match="each label needs"):
        Labels(verdicts=[True], truths=[True, False])
    with pytest.raises(ValueError, match="each label needs"):
        Labels(verdicts=[True], truths=[True], clusters=["a", "b"])
    with pytest.raises(ValueError, match="pass share"):
        judge_quality(labels, pass_share=1.0)
    with pytest.raises(ValueError, match="same trials"):
        ppi_difference(labels, labels_of((4, 8, 4, 32)), [True], [True])


def test_pairs_that_all_agree_have_about_tangos_width_under_a_judge_known_to_be_perfect():
    perfect = [labels_of((10**5, 0, 0, 10**5)) for _ in range(2)]
    pairs = [[True] * 30 + [False] * 20] * 2
    found = corrected_difference(*pairs, baseline_labels=perfect[0], candidate_labels=perfect[1])
    tango = tango_interval(0, 0, 50, confidence=0.90)
    assert (found.low, found.high) == pytest.approx((tango.low, tango.high), rel=0.03)


def test_repeats_count_as_their_case():
    labels = labels_of((4500, 400, 500, 4600))
    verdicts = [i % 4 != 0 for i in range(40)]
    once = corrected_rate(verdicts, labels)
    repeated = corrected_rate(np.repeat(verdicts, 5), labels, clusters=np.repeat(np.arange(40), 5))
    assert repeated.effective_n == pytest.approx(40, rel=0.05)
    assert once.low - 0.02 < repeated.low < once.low + 0.01
    agreeing = corrected_rate([True] * 50, labels, clusters=np.repeat(np.arange(10), 5))
    assert agreeing.effective_n == 10
    refused = corrected_rate(verdicts, labels, clusters=["a"] * 40)
    assert refused.note == "one cluster only: how much clusters differ is unknown, so no interval"
    few = corrected_rate(verdicts, labels, clusters=[i // 8 for i in range(40)])
    assert few.note == "only 5 clusters: the interval is rough below 10"


def test_labels_of_one_case_count_as_one():
    table = (45, 5, 5, 45)
    plain = corrected_rate([True, False] * 100, labels_of(table))
    # Five labels of each case, which all say the same.
    clustered = corrected_rate([True, False] * 100, labels_of(table, clusters=[i // 5 for i in range(100)]))
    assert clustered.high - clustered.low > 1.7 * (plain.high - plain.low)
    verdict_clusters = ["a"] * 50 + list(range(50))
    assert "one cluster" in corrected_rate([True, False], labels_of(table, clusters=verdict_clusters)).note


@pytest.mark.parametrize("design", DESIGNS)
def test_the_true_rate_is_covered_in_every_design(design):
    rng, covered, runs = np.random.default_rng(7), [], 250
    for rate, known_wrong in ((0.3, 0.0), (0.7, 0.2), (0.95, 0.0)):
        hits = 0
        for _ in range(runs):
            code = rng.random(200) < known_wrong
            passing = rng.random(200) < 0.9 * rate + 0.2 * (1 - rate)
            verdicts = [None if c else bool(v) for c, v in zip(code, passing, strict=True)]
            found = corrected_rate(verdicts, drawn(rng, rate, 60, design))
            hits += found.low is None or found.low <= rate * (1 - known_wrong) <= found.high
        covered.append(hits / runs)
    assert min(covered) > 0.90
    assert np.mean(covered) > 0.93


def test_a_difference_between_models_that_the_judge_treats_unlike_is_covered():
    rng, runs, hits, naive = np.random.default_rng(3), 250, 0, 0
    fair, fond = (0.9, 0.8), (0.97, 0.5)
    for _ in range(runs):
        right = [rng.random(300) < 0.7 for _ in range(2)]
        verdicts = [
            rng.random(300) < np.where(r, se, 1 - sp) for r, (se, sp) in zip(right, (fair, fond), strict=True)
        ]
        one, two = (drawn(rng, 0.7, 100, "random", judge) for judge in (fair, fond))
        found = corrected_difference(*verdicts, baseline_labels=one, candidate_labels=two, confidence=0.95)
        hits += found.low <= 0 <= found.high
        plain = paired_difference(*verdicts, confidence=0.95)
        naive += plain.low <= 0 <= plain.high
    assert hits / runs > 0.91
    assert naive / runs < 0.10


def test_quality_of_labels_drawn_at_random_is_their_shares():
    found = judge_quality(labels_of((81, 12, 9, 48)))
    assert found.sensitivity == wilson_interval(81, 90)
    assert (found.specificity.estimate, found.specificity.low) == (
        pytest.approx(0.8),
        pytest.approx(wilson_interval(48, 60).low),
    )
    assert found.accuracy == wilson_interval(129, 150)
    assert found.prevalence == wilson_interval(90, 150)
    assert found.youden.estimate == pytest.approx(0.7)
    assert found.youden.low < 0.7 < found.youden.high
    assert (found.labels, found.is_better_than_chance, found.note) == (150, True, "")


def test_quality_of_other_designs_needs_the_share_of_passing_verdicts():
    # Of 1000 trials 600 pass; among them 540 are right, among the 400 failing ones 60.
    by_verdict = labels_of((90, 10, 15, 85), "by_verdict")
    bare, full = judge_quality(by_verdict), judge_quality(by_verdict, pass_share=0.6)
    assert bare.sensitivity.estimate is None
    assert bare.sensitivity.note == (
        "the labels were drawn by verdict: this needs the share of passing verdicts among all judged trials"
    )
    assert bare.is_better_than_chance is True
    assert full.sensitivity.estimate == pytest.approx(540 / 600)
    assert full.specificity.estimate == pytest.approx(340 / 400)
    assert full.prevalence.estimate == pytest.approx(0.6)
    assert full.accuracy.estimate == pytest.approx(0.88)
    by_label = labels_of((90, 20, 10, 80), "by_label")
    bare, full = judge_quality(by_label), judge_quality(by_label, pass_share=0.55)
    assert bare.sensitivity == wilson_interval(90, 100)
    assert bare.prevalence.estimate is None
    assert full.prevalence.estimate == pytest.approx(0.5)
    assert full.accuracy.estimate == pytest.approx(0.85)


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 30)] * 4), st.sampled_from(DESIGNS), st.floats(0.05, 0.95))
def test_every_measure_of_quality_holds_its_estimate_and_is_never_nan(table, design, pass_share):
    found = judge_quality(labels_of(table, design), pass_share=pass_share)
    for measure in (found.sensitivity, found.specificity, found.youden, found.accuracy, found.prevalence):
        if measure.low is None:
            assert measure.note
        else:
            assert -1 - 1e-9 <= measure.low <= measure.estimate <= measure.high <= 1 + 1e-9
    if found.is_better_than_chance:
        assert refusal(labels_of(table, design)) in {"", found.note}


def test_prediction_powered_estimates_agree_with_the_stratified_one():
    labels, rest = labels_of((36, 4, 5, 15)), [True] * 660 + [False] * 280
    powered, stratified = ppi_rate(labels, rest), corrected_rate([True] * 700 + [False] * 300, labels)
    assert powered.estimate == pytest.approx(stratified.estimate, abs=0.02)
    assert powered.high - powered.low == pytest.approx(stratified.high - stratified.low, rel=0.15)


def test_prediction_powered_inference_uses_the_judge_as_far_as_it_is_good():
    # Verdicts that say nothing get no weight: what is left is the labels' own mean.
    useless = labels_of((15, 14, 15, 16))
    assert ppi_rate(useless, [True] * 500).estimate == pytest.approx(0.5, abs=0.03)
    good = labels_of((29, 1, 1, 29))
    found = ppi_rate(good, [True] * 300 + [False] * 640)
    assert found.high - found.low < 0.6 * (wilson_interval(30, 60).high - wilson_interval(30, 60).low)
    alone = ppi_rate(good, [])
    assert alone.estimate == pytest.approx(0.5)
    assert alone.label_share == 1.0


def test_labels_of_both_models_on_the_same_trials_say_more():
    rng = np.random.default_rng(0)
    right = rng.random(400) < 0.7
    both = [np.where(rng.random(400) < 0.9, right, ~right) for _ in range(2)]
    verdicts = [rng.random(400) < np.where(r, 0.9, 0.2) for r in both]
    one, two = (Labels(verdicts=v[:100], truths=r[:100]) for v, r in zip(verdicts, both, strict=True))
    powered = ppi_difference(one, two, *(v[100:] for v in verdicts))
    apart = corrected_difference(*verdicts, baseline_labels=one, candidate_labels=two)
    assert powered.high - powered.low < apart.high - apart.low


@pytest.mark.parametrize("design", ["by_verdict", "by_label"])
def test_prediction_powered_inference_refuses_labels_that_are_not_random(design):
    labels = labels_of((36, 4, 5, 15), design)
    for found in (ppi_rate(labels, [True]), ppi_difference(labels, labels, [True], [True])):
        assert found.low is None
        assert found.note.startswith("prediction-powered inference needs labels drawn at random")
    assert "at or below chance" in ppi_rate(labels_of((10, 30, 30, 10)), [True]).note


@settings(deadline=None)
@given(st.tuples(*[st.integers(0, 20)] * 4), st.lists(st.booleans(), max_size=30), st.booleans())
def test_a_prediction_powered_interval_holds_its_estimate_and_has_width(table, rest, is_clustered):
    rows = sum(table)
    labels = labels_of(table, clusters=[i // 3 for i in range(rows)] if is_clustered else None)
    clusters = [i // 2 for i in range(len(rest))] if is_clustered else None
    for found in (
        ppi_rate(labels, rest, clusters=clusters),
        ppi_difference(labels, labels_of(table), rest, rest[::-1], clusters=clusters),
    ):
        if found.low is None:
            assert found.note
        else:
            assert -1 <= found.low <= found.estimate <= found.high <= 1
            assert found.high - found.low > 1e-3


def test_ten_thousand_clustered_trials_take_milliseconds():
    import time

    labels = labels_of((36, 4, 5, 15))
    verdicts, clusters = [True, False] * 5000, [f"case {i // 4}" for i in range(10_000)]
    started = time.process_time()
    corrected_rate(verdicts, labels, clusters=clusters)
    assert time.process_time() - started < 1
    assert clustered_rate(verdicts, clusters).low is not None
