"""Failures against the input's length and other numbers: found where they depend on it, and not elsewhere."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from analysis_trials import answer, concluded, models, old, pairs_of, trial, verdict
from swapgate.analysis.covariates import covariate_findings
from swapgate.analysis.ordering import SEED
from swapgate.records import CheckResult, Response, Usage
from swapgate.stats import covariate_effect, paired_covariate_effect

TOKENS = "tokens_in"


def asked(case, tokens, **fields):
    """Return a trial whose input had so many tokens; None where the provider did not count."""
    spoken = Response(text="{}", usage=Usage(tokens_in=tokens, tokens_out=20), latency_s=1.0)
    return trial(case, answer=answer(fields.get("model", "new"), response=spoken), **fields)


def found(trials, *, with_baseline=False, **fields):
    pairs = [pairs_of(trials)] if with_baseline else []
    return covariate_findings(models(trials), pairs, **fields)


def one(findings, *, measure="semantic", covariate=TOKENS, model="new", baseline=None):
    (only,) = [
        f
        for f in findings
        if (f.measure, f.covariate, f.model, f.baseline) == (measure, covariate, model, baseline)
    ]
    return only


def measures(findings):
    return [(f.measure, f.covariate) for f in findings]


def lengths(count=300, seed=5):
    """Return token counts of which 40% lie above 600."""
    rng = np.random.default_rng(seed)
    return [
        int(n)
        for n in np.where(rng.random(count) < 0.4, rng.uniform(601, 1500, count), rng.uniform(80, 600, count))
    ]


def diffs(*, short=0.05, long=0.91, seed=6, **fields):
    """Return the article's reviews: of diffs above 600 tokens nearly all are wrong, below hardly any."""
    rng = np.random.default_rng(seed)
    return [
        asked(f"c{i:03}", n, semantic=bool(rng.random() >= (long if n > 600 else short)), **fields)
        for i, n in enumerate(lengths())
    ]


def test_failures_above_600_tokens_are_found_with_a_range_and_the_rates_on_both_sides():
    effect = one(found(diffs()))
    assert (effect.answer, effect.is_found) == ("threshold", True)
    assert effect.p_value < 0.001
    assert effect.p_adjusted < 0.01
    assert effect.cut_low <= effect.cut <= effect.cut_high
    assert effect.cut_low <= 600 <= effect.cut_high + 10
    assert effect.cut_high - effect.cut_low < 100
    assert effect.above.estimate == pytest.approx(0.91, abs=0.06)
    assert effect.below.estimate == pytest.approx(0.05, abs=0.04)
    assert effect.above.low > effect.below.high
    assert effect.slope.low > 0
    assert (effect.cases, effect.model, effect.baseline) == (300, "new", None)


def test_finding_is_that_of_the_statistics():
    trials = diffs(short=0.04, long=0.15)
    effect = one(found(trials))
    expected = covariate_effect(
        [not t.semantic_passed for t in trials], lengths(), seed=SEED, permutations=2000
    )
    assert (effect.answer, effect.p_value, effect.rate) == (expected.answer, expected.p_value, expected.rate)
    assert (effect.cut, effect.cut_low, effect.cut_high) == (
        expected.cut,
        expected.cut_low,
        expected.cut_high,
    )
    assert (effect.below, effect.above, effect.slope) == (expected.below, expected.above, expected.slope)


def test_failures_that_do_not_depend_on_the_length_have_no_threshold():
    effect = one(found(diffs(short=0.3, long=0.3)))
    assert (effect.answer, effect.is_found) == ("not separated", False)
    assert (effect.cut, effect.cut_low, effect.below, effect.above) == (None, None, None, None)


def test_few_failures_are_said_to_be_too_few():
    trials = [asked(f"c{i:03}", 100 + i, semantic=i > 3) for i in range(50)]
    effect = one(found(trials))
    assert (effect.answer, effect.is_found, effect.p_adjusted) == ("too few failures", False, None)
    assert effect.note == "4 failing cases: fewer than 5"


def test_structure_and_meaning_are_asked_apart():
    trials = [asked(f"c{i:03}", n, structural=n < 900, semantic=n < 600) for i, n in enumerate(lengths())]
    findings = found(trials)
    assert measures(findings) == [("structural", TOKENS), ("semantic", TOKENS)]
    structure, meaning = findings
    assert structure.cut_low <= 900 <= structure.cut_high + 15
    assert meaning.cut_low <= 600 <= meaning.cut_high + 15


def test_what_never_failed_is_not_asked():
    trials = [asked(f"c{i:03}", n, semantic=n < 600) for i, n in enumerate(lengths())]
    assert measures(found(trials)) == [("semantic", TOKENS)]
    assert found([asked(f"c{i:03}", n, semantic=True) for i, n in enumerate(lengths())]) == ()


def check(name, kind, *, passed):
    return CheckResult(check=name, kind=kind, passed=passed)


def test_check_or_judge_that_fails_just_as_the_whole_is_not_asked_twice():
    trials = [
        asked(
            f"c{i:03}", n, checks=(check("json", "structural", passed=n < 600),), verdicts=(verdict(n < 800),)
        )
        for i, n in enumerate(lengths())
    ]
    # The meaning fails as the judge says, the structure as the only check does.
    assert measures(found(trials)) == [("structural", TOKENS), ("semantic", TOKENS)]


def test_checks_and_judges_that_fail_otherwise_are_asked_by_name():
    trials = [
        asked(
            f"c{i:03}",
            n,
            checks=(
                check("json", "structural", passed=n < 900),
                check("enum", "structural", passed=i % 9 > 0),
                check("expected", "semantic", passed=n > 150),
            ),
            verdicts=(verdict(n < 600), verdict(i % 7 > 0, judge="tone")),
        )
        for i, n in enumerate(lengths())
    ]
    findings = found(trials)
    names = [
        "structural",
        "semantic",
        "check json",
        "check enum",
        "check expected",
        "judge meaning",
        "judge tone",
    ]
    assert measures(findings) == [(name, TOKENS) for name in names]
    assert one(findings, measure="judge meaning").cut == max(n for n in lengths() if n < 600)
    assert one(findings, measure="check enum").answer == "not separated"
    short = one(findings, measure="check expected")
    assert (short.below.low > 0.5, short.above.estimate) == (True, 0.0)


def test_checks_of_one_name_must_all_pass():
    trials = [
        asked(
            f"c{i:03}",
            n,
            checks=(
                check("json", "structural", passed=i % 9 > 0),
                check("enum", "structural", passed=n < 600),
                check("enum", "structural", passed=True),
            ),
        )
        for i, n in enumerate(lengths())
    ]
    assert one(found(trials), measure="check enum").rate == np.mean([n >= 600 for n in lengths()])


def test_skipped_judge_is_no_failure_of_the_judge():
    skipped = verdict(None, status="skipped", samples=(), scores={})
    trials = [
        asked(f"c{i:03}", n, structural=n < 600, verdicts=(skipped if n >= 600 else verdict(i % 5 > 0),))
        for i, n in enumerate(lengths())
    ]
    judge = one(found(trials), measure="judge meaning")
    assert judge.cases == sum(n < 600 for n in lengths())
    assert judge.answer == "not separated"


def test_every_covariate_of_the_cases_is_asked():
    trials = [
        replace(t, covariates={"files": float(i % 5), "input.diff.chars": float(4 * lengths()[i])})
        for i, t in enumerate(diffs())
    ]
    # Tokens say more of a text's length than its characters.
    assert measures(found(trials)) == [("semantic", TOKENS), ("semantic", "files")]
    uncounted = [replace(t, answer=answer(response=Response(text="{}"))) for t in trials]
    findings = found(uncounted)
    assert measures(findings) == [("semantic", "files"), ("semantic", "input.diff.chars")]
    assert one(findings, covariate="input.diff.chars").cut == pytest.approx(2400, abs=100)


@pytest.mark.parametrize("with_baseline", [False, True])
def test_without_a_covariate_nothing_is_said(with_baseline):
    uncounted = answer(response=Response(text="{}"))
    trials = [
        make(f"c{i:03}", semantic=i % 3 > 0, answer=uncounted) for i in range(60) for make in (trial, old)
    ]
    assert found(trials, with_baseline=with_baseline) == ()
    assert found([]) == ()


def test_cases_without_the_covariate_are_left_out():
    trials = diffs()
    trials += [asked(f"u{i}", None, semantic=False) for i in range(50)]
    assert one(found(trials)).cases == 300


def test_a_constant_covariate_is_refused_by_name():
    trials = [asked(f"c{i:03}", 100, semantic=i % 3 > 0) for i in range(60)]
    effect = one(found(trials))
    assert (effect.answer, effect.note) == ("too few failures", "the covariate is 100 in every case")


def test_repeats_are_one_case_with_the_share_that_failed():
    rng = np.random.default_rng(8)
    trials = [
        asked(f"c{i:03}", n, semantic=bool(rng.random() >= (0.6 if n > 600 else 0.1)), repeat=r)
        for i, n in enumerate(lengths(150))
        for r in (1, 2, 3)
    ]
    effect = one(found(trials))
    assert effect.cases == 150
    shares = [np.mean([not t.semantic_passed for t in trials if t.case == f"c{i:03}"]) for i in range(150)]
    expected = covariate_effect(shares, lengths(150), seed=SEED)
    assert (effect.answer, effect.p_value, effect.rate) == (expected.answer, expected.p_value, expected.rate)
    assert effect.answer == "threshold"


def test_identical_repeats_say_no_more_than_one():
    once = diffs(short=0.04, long=0.15)
    often = [replace(t, repeat=r) for t in once for r in (1, 2, 3)]
    assert one(found(often)) == one(found(once))


def test_cases_of_a_cluster_change_places_together():
    clustered = [replace(t, cluster=f"repo{i // 10}") for i, t in enumerate(diffs(short=0.04, long=0.15))]
    expected = covariate_effect(
        [not t.semantic_passed for t in clustered], lengths(), [i // 10 for i in range(300)], seed=SEED
    )
    assert one(found(clustered)).p_value == expected.p_value


# Two models.


def against(ours, theirs):
    """Return two models' trials of the same diffs; each says which of (place, tokens) it fails."""
    return [
        t
        for i, n in enumerate(lengths())
        for t in (
            asked(f"c{i:03}", n, semantic=not ours(i, n)),
            asked(f"c{i:03}", n, semantic=not theirs(i, n), model="old", role="baseline"),
        )
    ]


def test_difference_to_the_baseline_is_found_where_it_begins():
    trials = against(lambda i, n: (n > 600 and i % 2 == 1) or i % 12 == 0, lambda i, n: i % 12 == 0)
    findings = found(trials, with_baseline=True)
    assert [(f.model, f.baseline) for f in findings] == [("new", None), ("old", None), ("new", "old")]
    effect = one(findings, baseline="old")
    assert effect.answer == "threshold"
    assert effect.cut_low <= 600 <= effect.cut_high + 25
    assert effect.below.estimate == 0.0
    assert effect.above.estimate == pytest.approx(0.46, abs=0.08)
    expected = paired_covariate_effect(
        [not t.semantic_passed for t in trials[1::2]],
        [not t.semantic_passed for t in trials[::2]],
        lengths(),
        seed=SEED,
    )
    assert (effect.p_value, effect.below, effect.above) == (expected.p_value, expected.below, expected.above)


def test_candidate_that_fails_on_long_inputs_just_as_the_baseline_shows_no_difference():
    trials = against(lambda i, n: n > 600 and i % 7 > 0, lambda i, n: n > 600 and i % 8 > 0)
    findings = found(trials, with_baseline=True)
    assert one(findings).answer == one(findings, model="old").answer == "threshold"
    assert not one(findings, baseline="old").is_found


def test_failures_that_the_candidate_mends_are_found_too():
    trials = against(lambda i, n: False, lambda i, n: n > 600 and i % 3 > 0)
    findings = found(trials, with_baseline=True)
    assert [(f.model, f.baseline) for f in findings] == [("old", None), ("new", "old")]
    effect = one(findings, baseline="old")
    assert (effect.answer, effect.below.estimate) == ("threshold", 0.0)
    assert effect.above.high < -0.5


def test_two_models_that_hardly_differ_are_refused_by_name():
    trials = against(lambda i, n: n > 600, lambda i, n: n > 600 and i != 3)
    effect = one(found(trials, with_baseline=True), baseline="old")
    assert effect.answer == "too few failures"
    assert "differing" in effect.note


# Many questions.


def many_questions(count=20, seed=9):
    """Return cases with many numbers that have nothing to do with failing."""
    rng = np.random.default_rng(seed)
    return [
        asked(
            f"c{i:03}",
            None,
            semantic=bool(rng.random() > 0.3),
            covariates={f"x{k}": float(rng.random()) for k in range(count)},
        )
        for i in range(120)
    ]


def test_p_values_are_adjusted_over_all_findings():
    findings = found(many_questions())
    raw = [f.p_value for f in findings]
    assert len(raw) == 20
    assert [f.p_adjusted for f in findings] == pytest.approx(list(false_discovery_control(raw)))


def test_a_lucky_one_of_many_is_not_separated():
    for seed in range(30):
        trials = many_questions(seed=seed)
        alone = [f.covariate for f in found(trials) if f.p_value <= 0.05]
        if alone:
            lucky = next(f for f in found(trials) if f.covariate == alone[0])
            assert (lucky.answer, lucky.is_found) == ("not separated", False)
            assert lucky.p_adjusted > 0.05
            only = [replace(t, covariates={alone[0]: t.covariates[alone[0]]}) for t in trials]
            assert found(only)[0].is_found
            return
    pytest.fail("no seed brought a lucky covariate")


def test_a_run_s_seed_does_not_matter():
    trials = diffs(short=0.04, long=0.12)
    assert concluded(trials, seed=7).covariates == concluded(trials, seed=8).covariates == found(trials)


@pytest.mark.parametrize("in_clusters", [False, True])
def test_the_order_in_which_answers_came_does_not_matter(in_clusters):
    trials = against(lambda i, n: (n > 600 and i % 3 == 0) or i % 12 == 0, lambda i, n: i % 12 == 0)
    if in_clusters:
        trials = [replace(t, cluster=f"repo{int(t.case[1:]) // 5}") for t in trials]
    # Models stand in the order of their first answers.
    other = trials[:2] + trials[:1:-1]
    assert found(other, with_baseline=True) == found(trials, with_baseline=True)


def test_a_fallbacks_answers_are_left_out():
    trials = diffs()
    fallen = [
        replace(asked(f"f{i}", 900, semantic=False), answer=replace(answer("other"), is_fallback=True))
        for i in range(30)
    ]
    assert found([*trials, *fallen]) == found(trials)


def test_progress_is_told_per_question():
    told = []
    found(many_questions(4), progress=told.append)
    assert told == [0.25, 0.5, 0.75, 1.0]
