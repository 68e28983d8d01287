"""What is said before the first call: rules that so few cases cannot satisfy."""

from __future__ import annotations

import pytest

from swapgate.analysis.plan import plan_warnings
from swapgate.analysis.scopes import OVERALL, Scope
from swapgate.spec.suite import GateSpec, OverallGate
from swapgate.stats.proportion import exact_interval


def warnings(cases, overall=None, suites=None, *, has_baseline=False):
    counts = {OVERALL: sum(cases.values())} | {Scope(suite): number for suite, number in cases.items()}
    return plan_warnings(
        counts,
        overall=GateSpec.model_validate(overall) if overall else None,
        suites={
            k: GateSpec.model_validate(v) if isinstance(v, dict) else v for k, v in (suites or {}).items()
        },
        has_baseline=has_baseline,
    )


def test_too_few_cases_for_the_default_margin_are_said():
    assert warnings({"a": 20, "b": 3}, has_baseline=True) == [
        "23 cases overall cannot pass a margin of 0.05: at least 59 are needed"
    ]
    assert warnings({"a": 59}, has_baseline=True) == []
    assert warnings({"a": 20}) == []


def test_a_suites_margin_is_held_against_its_own_cases():
    found = warnings({"a": 20, "b": 300}, suites={"a": {"margin": 0.1}}, has_baseline=True)
    assert found == ["20 cases on a cannot pass a margin of 0.1: at least 29 are needed"]


def test_a_margin_of_zero_is_said_to_need_a_better_candidate():
    found = warnings({"a": 500}, {"margin": 0}, has_baseline=True)
    assert found == ["a margin of 0 overall passes only a better candidate: equal models stay inconclusive"]


@pytest.mark.parametrize(
    ("rule", "cases", "expected"),
    [
        ({"min": 0.95}, 51, ["51 cases cannot show a min 95% for the semantic pass rate on s, however good: "
                             "at least 52 are needed"]),
        ({"min": 0.95}, 52, []),
        ({"max": 0.05}, 51, ["51 cases cannot show a max 5% for the semantic pass rate on s, however good: "
                             "at least 52 are needed"]),
        ({"min": 0.95, "on": "point"}, 1, []),
        ({"min": 0.0}, 1, []),
        ({"min": 1.0}, 10_000, ["no number of cases can show a min 100% for the semantic pass rate on s: "
                                "write `on: point` or `gate: every-case`"]),
    ],
)  # fmt: skip
def test_an_interval_rule_that_a_perfect_score_cannot_satisfy_is_said(rule, cases, expected):
    assert warnings({"s": cases}, suites={"s": {"semantic": rule}}) == expected


@pytest.mark.parametrize(("rule", "fewest"), [({"min": 0.95}, 59), ({"max": 0.10}, 29), ({"min": 0.85}, 19)])
def test_exact_intervals_take_more_perfect_cases(rule, fewest):
    gate = OverallGate.model_validate({"interval": "exact", "semantic": rule})

    def said(cases):
        return plan_warnings({OVERALL: cases}, overall=gate, suites={}, has_baseline=False)

    assert said(fewest - 1)[0].endswith(f"at least {fewest} are needed")
    assert said(fewest) == []
    bound = exact_interval(*((fewest, fewest) if "min" in rule else (0, fewest)), confidence=0.90)
    assert bound.low >= 0.95 if rule == {"min": 0.95} else bound.low >= 0.85 or bound.high <= 0.10


def test_every_case_needs_no_number_of_cases():
    assert warnings({"s": 1}, suites={"s": "every-case"}) == []
