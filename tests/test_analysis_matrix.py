"""The prompt x model matrix: how each prompt stands on each model, and what too few cases cannot say."""

from __future__ import annotations

from dataclasses import replace

import pytest
from scipy.stats import false_discovery_control

from analysis_trials import both, concluded, facts, old, paired, trial
from swapgate.analysis.matrix import FEWEST_CASES, prompts_of
from swapgate.analysis.scopes import Scope
from swapgate.stats import mcnemar_midp, wilson_interval


def cells(trials, **fields):
    return {(cell.prompt, cell.model): cell for cell in concluded(trials, **fields).matrix}


def prompt(name, table, **fields):
    return paired(table, prefix=f"{name}-", prompt=name, **fields)


def test_a_cell_for_each_prompt_and_model_prompts_by_name():
    trials = [*prompt("b", (5, 0, 0, 0)), *prompt("a", (3, 0, 1, 0))]
    found = concluded(trials).matrix
    assert [(cell.prompt, cell.model) for cell in found] == [
        ("a", "new"),
        ("a", "old"),
        ("b", "new"),
        ("b", "old"),
    ]
    assert prompts_of(facts(trials)) == [Scope(prompt="a"), Scope(prompt="b")]


def test_a_cell_has_both_rates_with_their_intervals():
    trials = [trial(f"c{i}", prompt="p", structural=i < 36, semantic=i < 30) for i in range(40)]
    cell = cells(trials)["p", "new"]
    meaning, structure = wilson_interval(30, 40), wilson_interval(36, 40)
    assert (cell.semantic.rate, cell.semantic.low, cell.semantic.high) == (0.75, meaning.low, meaning.high)
    assert (cell.structural.low, cell.structural.high) == (structure.low, structure.high)


def test_prompt_that_travels_badly_is_worse_and_one_that_gains_is_better():
    trials = [*prompt("bad", (20, 0, 20, 0)), *prompt("good", (20, 15, 0, 5)), *prompt("same", (40, 0, 0, 0))]
    found = cells(trials)
    standings = {name: found[name, "new"].standing for name in ("bad", "good", "same")}
    assert standings == {"bad": "worse", "good": "better", "same": "not separated"}
    assert {found[name, "old"].standing for name in standings} == {"baseline"}
    assert found["bad", "new"].estimate == -0.5
    assert found["bad", "new"].p_value == mcnemar_midp(20, 0)


def test_cells_pay_for_being_many():
    # Seven cases of one sign: p .008 in a prompt alone, .16 as the smallest of 21.
    alone = cells(prompt("p", (30, 0, 7, 0)))["p", "new"]
    assert (alone.standing, alone.p_adjusted) == ("worse", alone.p_value)
    many = [one for i in range(20) for one in prompt(f"q{i}", (30, 2, 2, 3))]
    among = cells([*prompt("p", (30, 0, 7, 0)), *many])["p", "new"]
    assert among.p_value == alone.p_value
    assert among.p_adjusted == pytest.approx(min(1, 21 * alone.p_value))
    assert among.standing == "not separated"


def test_adjusted_p_values_are_benjamini_and_hochbergs_over_the_cells_with_a_baseline():
    tables = [(20, 1, 9, 0), (20, 2, 8, 0), (20, 3, 8, 0), (20, 9, 0, 1), (20, 4, 4, 2)]
    found = cells([one for i, table in enumerate(tables) for one in prompt(f"p{i}", table)])
    ours = [found[f"p{i}", "new"] for i in range(5)]
    raw = [mcnemar_midp(table[2], table[1]) for table in tables]
    assert [cell.p_value for cell in ours] == raw
    assert [cell.p_adjusted for cell in ours] == pytest.approx(list(false_discovery_control(raw)))
    assert all(found[f"p{i}", "old"].p_adjusted is None for i in range(5))


def test_too_few_cases_are_said_and_have_no_p_value():
    few = cells(prompt("p", (0, 0, FEWEST_CASES - 1, 0)))["p", "new"]
    assert (few.standing, few.p_value, few.p_adjusted) == ("too few", None, None)
    assert few.estimate == -1.0
    enough = cells(prompt("p", (0, 0, FEWEST_CASES, 0)))["p", "new"]
    assert enough.standing == "worse"


def test_repeats_do_not_make_few_cases_many():
    repeated = [t for r in range(1, 9) for t in prompt("p", (0, 0, 5, 0), repeat=r)]
    assert cells(repeated)["p", "new"].standing == "too few"
    single = [t for r in range(1, 9) for t in prompt("p", (1, 0, 0, 0), repeat=r)]
    assert cells(single)["p", "new"].standing == "too few"


def test_prompt_that_both_answer_alike_is_not_separated_and_never_equal():
    cell = cells(prompt("p", (400, 0, 0, 0)))["p", "new"]
    assert (cell.standing, cell.estimate, cell.p_value) == ("not separated", 0.0, 1.0)
    assert cell.low < 0 < cell.high


def test_without_a_baseline_there_are_rates_and_no_standing():
    cell = cells([trial(f"c{i}", prompt="p", semantic=True) for i in range(9)])["p", "new"]
    assert (cell.standing, cell.estimate, cell.p_adjusted) == (None, None, None)
    assert cell.semantic.n == 9


def test_prompt_that_the_baseline_never_answered_is_too_few():
    trials = [*prompt("p", (9, 0, 0, 0)), *[trial(f"x{i}", prompt="q", semantic=True) for i in range(9)]]
    assert (cells(trials)["q", "new"].standing, cells(trials)["q", "new"].estimate) == ("too few", None)
    assert ("q", "old") not in cells(trials)


def test_structure_is_compared_where_nothing_scored_the_meaning():
    trials = [
        make(f"c{i}", prompt="p", structural=make is old or i > 20)
        for i in range(40)
        for make in (trial, old)
    ]
    cell = cells(trials)["p", "new"]
    assert (cell.measure, cell.standing, cell.semantic.rate) == ("structural", "worse", None)


def test_trials_without_a_prompts_name_are_in_no_cell():
    assert concluded([one for i in range(9) for one in both(f"c{i}", True, True)]).matrix == ()


def test_suites_own_rule_for_a_prompt_does_not_stand_for_the_prompt_in_all_suites():
    """The prompt got worse in suite `a` alone, and the rule is for suite `b`."""
    trials = [
        *prompt("p", (10, 0, 10, 0), suite="a"),
        *paired((60, 0, 0, 0), prefix="b-", prompt="p", suite="b"),
    ]
    whole = cells(trials)["p", "new"]
    assert whole.estimate == -10 / 80
    gates = {"suite_gates": {"b": {"prompts": {"p": {"margin": 0.1}}}}}
    assert cells(trials, **gates)["p", "new"] == whole


def test_each_candidate_has_its_own_cells():
    third = [replace(t, model="third") for t in prompt("p", (10, 0, 20, 0)) if t.model == "new"]
    found = cells([*prompt("p", (30, 0, 0, 0)), *third])
    assert found["p", "new"].standing == "not separated"
    assert found["p", "third"].standing == "worse"
