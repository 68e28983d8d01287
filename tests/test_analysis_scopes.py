"""Which trials a number is about: suites, prompts, tags and their crossings."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_trials import answer, both, concluded, errored, facts, pairs_of, trial
from swapgate.analysis.compare import compare
from swapgate.analysis.grouping import group
from swapgate.analysis.scopes import OVERALL, Scope, in_order
from swapgate.analysis.summary import summarise
from swapgate.analysis.table import by_model

TRIALS = [
    trial("a", suite="two", prompt="p1", tags=("x",), semantic=True),
    trial("b", suite="one", prompt="p1", tags=("y", "x"), semantic=False),
    trial("c", suite="one", prompt="p2", semantic=True),
    trial("d", suite="two", tags=("y",), semantic=False),
]


def positions(trials, **given_):
    return {scope: inside.tolist() for scope, inside in group(facts(trials), **given_).items()}


def test_scopes_come_overall_then_suites_as_they_appear_then_tags_by_name():
    found = positions(TRIALS)
    assert list(found) == [OVERALL, Scope("two"), Scope("one"), Scope(tag="x"), Scope(tag="y")]
    assert found[OVERALL] == [0, 1, 2, 3]
    assert (found[Scope("two")], found[Scope("one")]) == ([0, 3], [1, 2])
    assert (found[Scope(tag="x")], found[Scope(tag="y")]) == ([0, 1], [1, 3])


def test_listed_scopes_follow_and_are_crossings_of_all_their_names():
    listed = [Scope(prompt="p1"), Scope("one", tag="x"), Scope("one", "p1", "y"), OVERALL, Scope("two")]
    found = positions(TRIALS, listed=listed)
    assert list(found)[5:] == [Scope(prompt="p1"), Scope("one", tag="x"), Scope("one", "p1", "y")]
    assert (found[Scope(prompt="p1")], found[Scope("one", tag="x")]) == ([0, 1], [1])
    assert found[Scope("one", "p1", "y")] == [1]


@pytest.mark.parametrize(
    "empty", [Scope("three"), Scope(tag="z"), Scope(prompt="p3"), Scope("two", "p2"), Scope("one", "p2", "x")]
)
def test_listed_scope_without_a_trial_is_left_out(empty):
    assert empty not in positions(TRIALS, listed=[empty])


def test_no_trials_leave_an_empty_whole():
    assert positions([]) == {OVERALL: []}


names = st.none() | st.sampled_from("ab")
any_trials = st.lists(
    st.builds(
        lambda suite, prompt, tags: trial(suite=suite, prompt=prompt, tags=tuple(tags)),
        suite=st.sampled_from("ab"),
        prompt=names,
        tags=st.lists(st.sampled_from("ab"), max_size=2, unique=True),
    ),
    max_size=12,
)


@given(any_trials, st.lists(st.builds(Scope, names, names, names), max_size=6))
def test_scope_holds_just_the_trials_that_agree_with_it(trials, listed):
    found = facts(trials)
    grouped = group(found, listed=listed)
    for scope, inside in grouped.items():
        assert inside.tolist() == [i for i, one in enumerate(found) if scope.holds(one)]
    assert {scope for scope in listed if any(map(scope.holds, found))} <= set(grouped)


@pytest.mark.parametrize(
    ("scope", "name"),
    [
        (OVERALL, "all suites"),
        (Scope("code_review"), "code_review"),
        (Scope(tag="security"), "tag security"),
        (Scope(prompt="review"), "prompt review"),
        (Scope("code_review", tag="security"), "code_review, tag security"),
        (Scope("s", "p", "t"), "s, prompt p, tag t"),
    ],
)
def test_scope_has_a_name_for_people(scope, name):
    assert scope.name == name


def test_scopes_are_ordered_from_the_whole_to_its_parts():
    scopes = [Scope("b"), Scope("a", tag="t"), Scope(tag="t"), OVERALL, Scope("a"), Scope(prompt="p")]
    assert in_order(scopes) == [
        OVERALL,
        Scope(tag="t"),
        Scope(prompt="p"),
        Scope("a"),
        Scope("a", tag="t"),
        Scope("b"),
    ]


def mixed():
    """Return trials of every kind in two suites, three tags and two prompts."""
    found = []
    for i in range(60):
        names = {
            "suite": "one" if i % 2 else "two",
            "tags": ("x", "y", "z")[: i % 4],
            "prompt": f"p{i % 3}",
            "cluster": f"doc{i // 3}" if i < 30 else None,
            "repeat": 1 + i % 2,
        }
        found.append(trial(f"c{i // 2}", structural=i % 5 > 0, semantic=i % 7 > 1, **names))
        if i % 11 == 0:
            found.append(errored(f"e{i}", **names))
        if i % 13 == 0:
            found.append(replace(found[-1], case=f"u{i}", answer=answer(cost_usd=None), error=None))
    return found


SLICES = [Scope("one"), Scope(tag="y"), Scope(prompt="p1"), Scope("two", tag="x"), Scope("one", "p2", "z")]


@pytest.mark.parametrize("scope", SLICES, ids=lambda s: s.name)
def test_summary_of_a_slice_is_that_of_its_trials_alone(scope):
    found = facts(mixed())
    (of_slice,) = [s for s in summarise(by_model(found), listed=SLICES) if s.scope == scope]
    alone = summarise(by_model([f for f in found if scope.holds(f)]))[0]
    assert 0 < of_slice.trials < len(found)
    assert of_slice == replace(alone, suite=scope.suite, prompt=scope.prompt, tag=scope.tag)


@pytest.mark.parametrize("scope", SLICES, ids=lambda s: s.name)
def test_comparison_of_a_slice_is_that_of_its_pairs_alone(scope):
    names = {"one": ("x", "y", "z"), "two": ("x", "y")}
    trials = [
        one
        for i in range(80)
        for suite in ("one" if i % 2 else "two",)
        for one in both(
            f"c{i}", i % 5 > 0, i % 4 > 0, suite=suite, tags=names[suite][: i % 4], prompt=f"p{i % 3}"
        )
    ]
    whole = compare(pairs_of(trials), listed=SLICES)
    alone = compare(pairs_of([t for t in trials if scope.holds(facts([t])[0])]))
    for kind in ("differences", "blind_pass", "scores", "amounts"):
        of_slice = [one for one in getattr(whole, kind) if one.scope == scope]
        named = {"suite": scope.suite, "prompt": scope.prompt, "tag": scope.tag}
        assert of_slice == [replace(one, **named) for one in getattr(alone, kind) if one.scope == OVERALL]
        assert of_slice


def test_tags_of_a_run_are_reported_and_gate_only_where_they_are_listed():
    trials = [trial(f"c{i}", semantic=i > 30, tags=("bad",) if i < 30 else ()) for i in range(200)]
    rule = {"semantic": {"min": 0.5}}
    reported = concluded(trials, gate=rule)
    (tagged,) = [s for s in reported.summaries if s.tag == "bad"]
    assert (tagged.semantic.passed, tagged.semantic.n) == (0, 30)
    assert reported.gate.answer == "pass"
    listed = concluded(trials, gate={**rule, "tags": {"bad": rule}})
    assert listed.gate.answer == "fail"
    assert listed.gate.reason.startswith("semantic pass rate of new on tag bad is 0.0%")
