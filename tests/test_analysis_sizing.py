"""What a plan says: cases for a margin, the smallest drops that today's suite shows, and what it costs."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis_trials import answer, errored, facts, trial, verdict
from swapgate.analysis.sizing import DISCORDANCES, Shape, shape_of, size_up, unknown_shape
from swapgate.records import Response, Usage
from swapgate.spec.model_entries import Price
from swapgate.spec.models import ModelSpec
from swapgate.stats import cases_for_power, detectable_drop, gate_power, intraclass_correlation

PRICED = ModelSpec(name="priced", provider="openai", model="m", price=Price(input=1000, output=5000))
FREE = ModelSpec(name="free", provider="local", model="f")
UNKNOWN = ModelSpec(name="unknown", provider="http", model="u")


def cases(count=100, passed=90, **fields):
    return [trial(f"c{i}", semantic=i < passed, **fields) for i in range(count)]


def repeated(count=60, repeats=4, *, wavering=20):
    """Return repeats of cases of which some pass every other time, and the others always."""
    return [
        trial(f"c{i}", semantic=i >= wavering or r % 2 == 0, repeat=r)
        for i in range(count)
        for r in range(1, repeats + 1)
    ]


def plan(trials, *, shape=None, margin=0.05, power=0.8, models=(), judges=None, **fields):
    found = facts(trials)
    return size_up(
        found,
        shape_of(found) if shape is None else shape,
        margin=margin,
        power=power,
        models={model.name: model for model in models},
        judges=judges or {},
        **fields,
    )


# Shapes.


def test_independent_cases_are_worth_themselves():
    shape = shape_of(facts(cases()))
    assert shape == Shape(cases=100, clusters=100, repeats=1, icc=0.0, deff=1.0)
    assert (shape.trials, shape.cluster_trials) == (100, 1)


def test_repeats_are_worth_what_they_vary():
    trials = repeated()
    shape = shape_of(facts(trials))
    icc = intraclass_correlation([t.semantic_passed for t in trials], [t.case for t in trials]).between
    assert (shape.cases, shape.clusters, shape.repeats, shape.icc) == (60, 60, 4, icc)
    assert shape.deff == pytest.approx(1 + 3 * icc)
    assert 0 < icc < 1


def test_another_number_of_repeats_can_be_planned():
    found = facts(repeated())
    two, ten = shape_of(found, repeats=2), shape_of(found, repeats=10)
    assert (two.trials, ten.trials, two.icc) == (120, 600, ten.icc)
    assert ten.deff == pytest.approx(1 + 9 * ten.icc)
    assert shape_of(found, repeats=1).deff == 1


def test_cases_of_a_cluster_are_worth_what_they_differ():
    trials = [trial(f"c{i}", semantic=i % 12 > 2, cluster=f"d{i // 3}") for i in range(120)]
    shape = shape_of(facts(trials))
    assert (shape.cases, shape.clusters, shape.cluster_trials, shape.icc) == (120, 40, 3, 1.0)
    assert shape.deff == 3


def test_of_repeats_that_were_never_run_nothing_is_known_so_they_are_worth_one():
    shape = shape_of(facts(cases()), repeats=5)
    assert (shape.trials, shape.icc, shape.deff) == (500, None, 5)


def test_repeats_without_any_variation_are_worth_one():
    shape = shape_of(facts(repeated(wavering=0)))
    assert (shape.icc, shape.deff) == (None, 4)


def test_without_a_run_only_the_clusters_are_known():
    shape = unknown_shape(["s/a", "s/a", "s/b", "s/c"], repeats=3)
    assert (shape.cases, shape.clusters, shape.trials, shape.icc, shape.deff) == (4, 3, 12, None, 4)
    assert unknown_shape(["s/a", "s/b"], repeats=1).deff == 1
    assert unknown_shape([], repeats=1).trials == 0


def test_errored_cases_are_cases_too():
    shape = shape_of(facts([*cases(10, 9), errored("e")]))
    assert (shape.cases, shape.clusters) == (11, 11)


# Powers.


def test_numbers_of_cases_and_drops_are_those_of_the_statistics():
    sizing = plan(cases(200, 180))
    assert [p.discordance for p in sizing.powers] == list(DISCORDANCES)
    for power in sizing.powers:
        needed = cases_for_power(margin=0.05, discordance=power.discordance, power=0.8)
        drop = detectable_drop(200, discordance=power.discordance, margin=0.05, power=0.8)
        now = gate_power(200, difference=0.0, discordance=power.discordance, margin=0.05)
        assert (power.needed_cases, power.needed_clusters) == (needed.cases, needed.clusters)
        assert (power.passes, power.worse, power.fails) == (now.passes, drop.worse, drop.fails)


@pytest.mark.parametrize(
    ("margin", "needed"), [(0.03, [324, 711, 1382]), (0.05, [133, 269, 501]), (0.10, [42, 77, 130])]
)
def test_cases_for_80_percent_power_lie_within_a_tooth_of_the_known_ones(margin, needed):
    sizing = plan(cases(), margin=margin)
    # Power saws: these are the numbers from which on it never falls below again.
    assert [p.needed_cases for p in sizing.powers] == pytest.approx(needed, abs=7)
    assert sizing.floor == {0.03: 99, 0.05: 59, 0.10: 29}[margin]


def test_repeats_and_clusters_take_more():
    trials = repeated()
    shape = shape_of(facts(trials))
    (power,) = plan(trials, discordances=[0.10]).powers
    needed = cases_for_power(margin=0.05, discordance=0.10, power=0.8, cluster_size=4, icc=shape.icc)
    assert power.needed_clusters == needed.clusters
    assert power.needed_cases == -(-needed.cases // 4)
    now = gate_power(240, difference=0.0, discordance=0.10, margin=0.05, deff=shape.deff, clusters=60)
    assert power.passes == now.passes
    independent = plan(cases(240, 200), discordances=[0.10]).powers[0]
    assert power.passes < independent.passes
    assert power.worse > independent.worse


def test_unknown_likeness_is_taken_as_the_worst():
    (power,) = plan(cases(), shape=shape_of(facts(cases()), repeats=3), discordances=[0.10]).powers
    needed = cases_for_power(margin=0.05, discordance=0.10, power=0.8, cluster_size=3, icc=1.0)
    assert power.needed_clusters == power.needed_cases == needed.clusters


def test_more_power_takes_more_cases_and_shows_larger_drops_only():
    low, high = (plan(cases(300, 280), power=p, discordances=[0.10]).powers[0] for p in (0.7, 0.95))
    assert low.needed_cases < high.needed_cases
    assert low.worse < high.worse
    assert low.fails < high.fails


def test_a_suite_below_the_floor_can_never_pass():
    (power,) = plan(cases(40, 40), discordances=[0.04]).powers
    assert power.passes == 0
    assert power.needed_cases > 59


# The baseline.


def test_the_baselines_rate_is_that_of_the_meaning_else_of_the_structure():
    assert plan(cases(100, 90)).rate == 0.9
    assert plan([trial(f"c{i}", structural=i < 7) for i in range(10)]).rate == 0.7
    assert plan([errored("a"), *cases(10, 5)]).rate == 0.5


def test_noise_is_the_chance_that_two_answers_to_one_case_differ():
    # Of 60 cases 20 pass two of four times: two draws differ in four of six ways.
    assert plan(repeated()).noise == pytest.approx(20 / 60 * 4 / 6)
    assert plan(repeated(wavering=0)).noise == 0
    assert plan(cases()).noise is None


def test_without_a_run_the_plan_has_its_sizes_alone():
    sizing = plan([], shape=unknown_shape([f"s/c{i}" for i in range(200)], repeats=1), models=[PRICED])
    assert (sizing.rate, sizing.noise) == (None, None)
    assert sizing.powers == plan(cases(200, 180)).powers
    (price,) = sizing.prices
    assert (price.calls, price.each_usd, price.today_usd) == (200, None, None)


# Prices.


def test_a_model_is_priced_by_the_baselines_tokens():
    # 100 tokens in at $1000 a million, 20 out at $5000.
    (price,) = plan(cases(), models=[PRICED]).prices
    assert (price.name, price.role, price.calls) == ("priced", "model", 100)
    assert price.each_usd == pytest.approx(0.2)
    assert price.today_usd == pytest.approx(20)


def test_repeats_are_paid_for():
    shape = shape_of(facts(cases()), repeats=3)
    (price,) = plan(cases(), shape=shape, models=[PRICED]).prices
    assert (price.calls, price.today_usd) == (300, pytest.approx(60))


def test_tokens_are_the_mean_of_those_that_were_counted():
    def spent(case, tokens):
        response = Response(
            text="{}", usage=Usage(tokens_in=tokens, tokens_out=None if tokens is None else 0)
        )
        return trial(case, semantic=True, answer=answer(response=response))

    trials = [spent("a", 100), spent("b", 300), spent("c", None), errored("d")]
    fallen = replace(spent("e", 9000), answer=replace(spent("e", 9000).answer, is_fallback=True))
    (price,) = plan([*trials, fallen], models=[PRICED]).prices
    assert price.each_usd == pytest.approx(0.2)


def test_an_unknown_price_stays_unknown_and_a_free_model_is_free():
    free, unknown = plan(cases(), models=[FREE, UNKNOWN]).prices
    assert (free.each_usd, free.today_usd) == (0, 0)
    assert (unknown.each_usd, unknown.today_usd, unknown.calls) == (None, None, 100)


def test_uncounted_tokens_leave_the_price_unknown():
    trials = [trial("a", semantic=True, answer=answer(response=Response(text="{}")))]
    priced, free = plan(trials, models=[PRICED, FREE]).prices
    assert (priced.each_usd, free.each_usd) == (None, 0)


def test_a_judge_is_priced_by_what_it_cost_and_how_often_it_was_asked():
    skipped = verdict(None, status="skipped", samples=(), scores={})
    trials = [*cases(75, 70), *(trial(f"u{i}", structural=False, verdicts=(skipped,)) for i in range(25))]
    (price,) = plan(trials, judges={"meaning": "judge-model"}).prices
    assert (price.name, price.role, price.calls) == ("meaning (judge-model)", "judge", 75)
    assert price.each_usd == pytest.approx(0.002 * 0.75)
    assert price.today_usd == pytest.approx(0.002 * 75)


def test_two_judges_are_priced_together():
    said = (verdict(True), verdict(True, judge="tone"))
    trials = [trial(f"c{i}", verdicts=said) for i in range(10)]
    (price,) = plan(trials, judges={"meaning": "j1", "tone": "j2"}).prices
    assert (price.name, price.calls) == ("meaning (j1), tone (j2)", 20)
    assert price.today_usd == pytest.approx(0.04)


def test_a_judge_of_unknown_price_stays_unknown():
    unpriced = verdict(True)
    sample = replace(unpriced.samples[0], answer=answer("judge-model", cost_usd=None))
    trials = [*cases(9, 9), trial("x", verdicts=(replace(unpriced, samples=(sample,)),))]
    (price,) = plan(trials, judges={"meaning": "judge-model"}).prices
    assert (price.each_usd, price.today_usd, price.calls) == (None, None, 10)
