"""Looks at a run in progress: what each rule sees, what it says, and how often it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_trials import errored, facts, results, run
from swapgate.analysis.outcome import RunOutcome, conclude
from swapgate.analysis.pairs import pair_up
from swapgate.analysis.scopes import OVERALL
from swapgate.analysis.stopping import Monitor, Rules, futile_rules, stopping_notes
from swapgate.analysis.table import by_model
from swapgate.analysis.watches import (
    ALPHA,
    FUTILE_ALPHA,
    AnytimeWatch,
    PlannedWatch,
    Sight,
    Watch,
    WatchedRule,
    is_decided,
    sight,
    watched_rules,
)
from swapgate.facts import Facts
from swapgate.records import ModelIdentity, StoppedRule, Stopping
from swapgate.spec.suite import BlindPassRule, GateEntry, GateSpec, RateRule, SliceGate
from swapgate.stats import (
    GroupSequential,
    anytime_margin,
    anytime_rate,
    paired_difference,
    planned_looks,
)

MARGIN = WatchedRule(rule="margin", measure="semantic", limit=0.2)
LEAST = WatchedRule(rule="semantic.min", measure="semantic", limit=0.7)
PASSES = st.lists(st.booleans(), min_size=1, max_size=60)
PAIRS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60)


def duel(pairs: Sequence[tuple[bool, bool]], clusters: Sequence[str] = ()) -> list[Facts]:
    """Return the facts of candidate and baseline on the same cases."""
    ours = results([ours for ours, _ in pairs], clusters=clusters)
    theirs = results([theirs for _, theirs in pairs], model="old", role="baseline", clusters=clusters)
    return [one for pair in zip(theirs, ours, strict=True) for one in pair]


def margin_sight(found: Sequence[Facts], rule: WatchedRule = MARGIN) -> Sight:
    seen = sight(rule, [], pair_up(by_model(found), candidate="new", baseline="old"))
    assert seen is not None
    return seen


def rate_sight(found: Sequence[Facts], rule: WatchedRule = LEAST) -> Sight:
    seen = sight(rule, found, None)
    assert seen is not None
    return seen


# Which rules are watched


def named(overall: GateEntry | None, *, has_baseline: bool, **suites: GateEntry) -> list[tuple[str, str]]:
    found = watched_rules(overall, suites, has_baseline=has_baseline)
    return [(rule.rule, rule.scope.name) for rule in found]


def test_only_rules_with_error_rates_are_watched() -> None:
    gate = GateSpec(
        semantic=RateRule(min=0.8, on="point"),
        structural=RateRule(min=1.0),
        blind_pass=BlindPassRule(max=0.1, rise=0.02),
        errors=0.1,
    )
    assert named(gate, has_baseline=False) == [("blind_pass.max", "all suites")]
    assert named(gate, has_baseline=True) == [("blind_pass.max", "all suites"), ("margin", "all suites")]
    assert named("every-case", has_baseline=False) == named(None, has_baseline=False) == []


def test_suites_tags_and_prompts_are_watched_each_in_its_scope() -> None:
    part = SliceGate(semantic=RateRule(min=0.8), margin=0.1)
    found = named(
        GateSpec(prompts={"p": part}),
        has_baseline=True,
        a=GateSpec(margin=0.05, tags={"hard": part}),
        b=GateSpec(margin=0.05),
    )
    assert found == [
        ("semantic.min", "prompt p"),
        ("semantic.min", "a, tag hard"),
        ("margin", "a"),
        ("margin", "b"),
        ("margin", "prompt p"),
        ("margin", "a, tag hard"),
    ]


# What a rule sees


@given(PAIRS)
def test_margin_sees_the_paired_table_and_each_difference(pairs: list[tuple[bool, bool]]) -> None:
    seen = margin_sight(duel(pairs))
    assert (seen.measure, seen.trials, seen.clusters) == ("semantic", len(pairs), None)
    assert seen.n10 == pairs.count((False, True)) and seen.n01 == pairs.count((True, False))
    assert seen.means.tolist() == [float(ours) - theirs for ours, theirs in pairs]
    assert seen.deff == 1


def test_clusters_are_seen_by_their_means_in_the_order_of_the_run() -> None:
    clusters = ["z", "z", "a", "a", "a", "m"]
    pairs = [(True, True), (False, True), (True, False), (True, False), (True, True), (True, True)]
    seen = margin_sight(duel(pairs, clusters))
    assert seen.means.tolist() == pytest.approx([-1 / 2, 2 / 3, 0])
    assert (seen.trials, seen.clusters) == (6, 3)
    rate = rate_sight(results([ours for ours, _ in pairs], clusters=clusters))
    assert rate.means.tolist() == pytest.approx([1 / 2, 1, 1])
    assert (rate.trials, rate.passed, rate.clusters) == (6, 5, 3)


def test_margin_sees_the_structure_where_nothing_scored_the_meaning() -> None:
    unscored = [one._replace(semantic=None) for one in duel([(True, True)] * 3)]
    seen = margin_sight([*unscored[:-1], unscored[-1]._replace(structural=False, outcome="missed")])
    assert (seen.measure, seen.trials, seen.n10, seen.n01) == ("structural", 3, 1, 0)


def test_nothing_is_seen_without_a_pair_or_a_trial_in_scope() -> None:
    alone = results([True, False])
    assert sight(MARGIN, alone, None) is None
    assert sight(MARGIN, alone, pair_up(by_model(alone), candidate="new", baseline="old")) is None
    assert sight(replace(LEAST, tag="hard"), alone, None) is None
    missing = facts([errored("c1"), errored("c2")])
    assert rate_sight(missing).trials == 0


# What a rule says


def looked(watch: Watch, seen: Sequence[Sight]) -> StoppedRule:
    """Return what a watch says after looking at all of these, the last of them for good."""
    for number, one in enumerate(seen, start=1):
        watch.look(one, is_last=number == len(seen))
    return watch.last


def bounds_of(said: StoppedRule) -> tuple[float | None, float | None]:
    return said.low, said.high


def in_clusters(number: int, size: int) -> list[str]:
    return [f"k{n // size}" for n in range(number)]


@given(PAIRS, st.sampled_from([1, 3]))
def test_planned_looks_at_a_margin_agree_with_the_sequential_test(
    pairs: list[tuple[bool, bool]], size: int
) -> None:
    clusters = in_clusters(len(pairs), size)
    looks = planned_looks([clusters.count(label) for label in dict.fromkeys(clusters)], 4)
    said = looked(
        PlannedWatch(MARGIN, "new", looks),
        [margin_sight(duel(pairs[:n], clusters[:n])) for n in looks],
    )
    test, found = GroupSequential(looks, alpha=ALPHA), None
    for n in looks:
        if found is None or not is_over(found.answer):
            part = pairs[:n]
            ours, theirs = [o for o, _ in part], [t for _, t in part]
            paired = paired_difference(theirs, ours, clusters[:n])
            found = test.look_margin(
                paired.only_baseline,
                paired.only_candidate,
                n,
                margin=0.2,
                deff=paired.deff,
                clusters=None if size == 1 or paired.clusters == n else paired.clusters,
                is_last=n == looks[-1],
            )
    assert found is not None
    assert (said.answer, said.look) == (found.answer, found.look)
    assert bounds_of(said) == pytest.approx((found.interval.low, found.interval.high))


@given(PASSES)
def test_planned_looks_at_a_rate_agree_with_the_sequential_test(passes: list[bool]) -> None:
    looks = planned_looks([1] * len(passes), 4)
    said = looked(PlannedWatch(LEAST, "new", looks), [rate_sight(results(passes[:n])) for n in looks])
    test, found = GroupSequential(looks, alpha=ALPHA), None
    for n in looks:
        if found is None or not is_over(found.answer):
            found = test.look_rate(sum(passes[:n]), n, minimum=0.7, is_last=n == looks[-1])
    assert found is not None
    assert (said.answer, said.look) == (found.answer, found.look)
    assert bounds_of(said) == pytest.approx((found.interval.low, found.interval.high))


def is_over(answer: str) -> bool:
    return answer in {"pass", "fail", "futile"}


@given(PAIRS)
def test_look_after_every_case_at_a_margin_agrees_with_the_anytime_test(
    pairs: list[tuple[bool, bool]],
) -> None:
    said = looked(
        AnytimeWatch(MARGIN, "new"), [margin_sight(duel(pairs[:n])) for n in range(1, len(pairs) + 1)]
    )
    values = [float(ours) - theirs for ours, theirs in pairs]
    found = anytime_margin(values, margin=0.2, alpha=ALPHA, futility=FUTILE_ALPHA)
    assert (said.answer, said.look) == (found.answer, found.cases)
    assert bounds_of(said) == pytest.approx((found.interval.low, found.interval.high))


@given(PASSES)
def test_look_after_every_case_at_a_rate_agrees_with_the_anytime_test(passes: list[bool]) -> None:
    said = looked(
        AnytimeWatch(LEAST, "new"), [rate_sight(results(passes[:n])) for n in range(1, len(passes) + 1)]
    )
    found = anytime_rate([float(one) for one in passes], minimum=0.7, alpha=ALPHA)
    assert (said.answer, said.look) == (found.answer, found.cases)
    assert bounds_of(said) == pytest.approx((found.interval.low, found.interval.high))


@given(PASSES, st.booleans())
def test_highest_rate_mirrors_the_least_rate(passes: list[bool], is_planned: bool) -> None:
    # With the structure always right a blind pass is a wrong meaning.
    most = WatchedRule(rule="blind_pass.max", measure="blind_pass", limit=0.3)
    looks = planned_looks([1] * len(passes), 4)

    def said(rule: WatchedRule) -> StoppedRule:
        watch: Watch = PlannedWatch(rule, "new", looks) if is_planned else AnytimeWatch(rule, "new")
        return looked(watch, [rate_sight(results(passes[:n]), rule) for n in looks])

    least, found = said(LEAST), said(most)
    assert (found.answer, found.look, found.trials) == (least.answer, least.look, least.trials)
    if least.low is None or least.high is None:
        assert bounds_of(found) == (None, None)
    else:
        assert bounds_of(found) == pytest.approx((1 - least.high, 1 - least.low))


@given(PAIRS, PAIRS, st.booleans())
def test_decided_rule_keeps_its_answer_whatever_comes_later(
    pairs: list[tuple[bool, bool]], later: list[tuple[bool, bool]], is_planned: bool
) -> None:
    looks = planned_looks([1] * (len(pairs) + len(later)), 3)
    watch: Watch = PlannedWatch(MARGIN, "new", looks) if is_planned else AnytimeWatch(MARGIN, "new")
    first = watch.look(margin_sight(duel(pairs)), is_last=False)
    second = watch.look(margin_sight(duel(pairs + later)), is_last=True)
    if is_decided(first):
        assert second == first


def test_margin_of_zero_has_no_room_for_a_look_after_every_case() -> None:
    watch = AnytimeWatch(replace(MARGIN, limit=0.0), "new")
    said = watch.look(margin_sight(duel([(False, True)] * 40)), is_last=True)
    assert (said.answer, said.low, said.high) == ("go on", None, None)


def test_look_without_anything_to_see_says_go_on() -> None:
    for watch in (PlannedWatch(MARGIN, "new", [10]), AnytimeWatch(MARGIN, "new")):
        said = watch.look(None, is_last=True)
        assert (said.answer, said.look, said.trials) == ("go on", 0, 0)


# All rules of all candidates


def monitor(
    gate: GateEntry | None, *models: str, baseline: str | None = "old", looks: Sequence[int] | None = None
) -> Monitor:
    rules = Rules(overall=gate, suites={}, baseline=baseline)
    looks_in = None if looks is None else lambda _scope: looks
    return Monitor(rules, models or ("new",), looks_in=looks_in)


WIDE = GateSpec(margin=0.2)


def test_each_candidate_is_stopped_by_itself() -> None:
    good = duel([(True, True)] * 40)
    bad = [one._replace(model="bad") for one in results([False] * 40)]
    watching = monitor(WIDE, "new", "bad", looks=[40, 80])
    watching.look([*good, *bad])
    assert watching.stopped.keys() == {"bad", "new"}
    assert "margin overall failed after 40 trials" in watching.stopped["bad"]
    assert "every rule passed" in watching.stopped["new"]


def test_pass_takes_all_rules_and_a_fail_one() -> None:
    gate = GateSpec(semantic=RateRule(min=0.9), structural=RateRule(min=0.9))
    half = [True, False] * 20
    watching = monitor(gate, baseline=None, looks=[40, 400])
    watching.look(results(half))
    assert "semantic.min" in watching.stopped["new"]
    assert [rule.answer for rule in watching.answers][1] not in {"fail", "futile"}
    watching = monitor(gate, baseline=None, looks=[40, 400])
    watching.look(results([True] * 40))
    assert not watching.stopped


def test_last_look_stops_nobody_and_leaves_no_rule_open() -> None:
    watching = monitor(WIDE, looks=[30, 60])
    watching.look(duel([*[(True, True)] * 5, (False, True)] * 5), is_last=True)
    assert not watching.stopped
    assert [rule.answer for rule in watching.answers] == ["inconclusive"]


@pytest.mark.parametrize("gate", ["every-case", GateSpec(margin=0.2, blind_pass=BlindPassRule(rise=0.1))])
def test_rule_that_needs_the_last_case_keeps_a_pass_open(gate: GateEntry) -> None:
    watching = monitor(gate)
    watching.look(duel([(True, True)] * 100))
    assert [rule.answer for rule in watching.answers] == ["pass"]
    assert not watching.stopped


def test_first_miss_or_error_ends_every_case() -> None:
    watching = monitor("every-case", "new", "other", baseline=None)
    watching.look([*results([True, True]), *results([True, True], model="other")])
    assert not watching.stopped
    broken = facts([errored("c3", model="new")])
    watching.look([*results([True, True]), *broken, *results([True, False], model="other")])
    assert "c3 errored" in watching.stopped["new"]
    assert "c1 missed" in watching.stopped["other"]


def test_errors_of_the_candidate_are_missing_and_decide_nothing() -> None:
    watching = monitor(WIDE)
    theirs = results([True] * 50, model="old", role="baseline")
    watching.look([*theirs, *facts(errored(f"c{n}", model="new") for n in range(50))])
    assert not watching.stopped and watching.answers[0].answer == "go on"


def test_rule_whose_scope_has_no_trials_planned_is_not_watched() -> None:
    rules = Rules(overall=GateSpec(tags={"hard": SliceGate(margin=0.1)}), suites={}, baseline="old")
    watching = Monitor(rules, ["new"], looks_in=lambda scope: [40, 80] if scope == OVERALL else [])
    assert [rule.tag for rule in watching.answers] == [None]


# What the run then says


def ended(pairs: Sequence[tuple[bool, bool]], *, planned: int, gate: GateSpec = WIDE) -> RunOutcome:
    """Return the outcome of a run that was stopped after these pairs, at its first of four planned looks."""
    watching = monitor(gate, looks=planned_looks([1] * planned, 4))
    found = duel(pairs)
    watching.look(found)
    assert watching.stopped
    stopping = Stopping(
        looks=4,
        seed=1,
        planned_cases=planned,
        cases=len(pairs),
        stopped=watching.stopped,
        rules=watching.answers,
        saved_trials=2 * (planned - len(pairs)),
    )
    stopped = run(
        models=tuple(ModelIdentity(name=name, provider="p", model=name) for name in ("old", "new")),
        baseline="old",
        planned=2 * planned,
        settings={"gate": gate.model_dump(exclude_none=True)},
        stopping=stopping,
    )
    return conclude(stopped, (), facts=found)


def test_gate_gives_the_answer_of_the_looks_with_their_interval() -> None:
    outcome = ended([(True, True)] * 100, planned=400)
    (said,) = outcome.run.stopping.rules if outcome.run.stopping else ()
    (decision,) = [d for d in outcome.gate.decisions if d.rule == "margin"]
    assert (outcome.gate.answer, said.answer) == ("pass", "pass")
    assert (decision.low, decision.high) == bounds_of(said)
    (semantic, _structural) = [d for d in outcome.comparisons[0].differences if d.scope == OVERALL]
    assert (semantic.low, semantic.high, semantic.look) == (said.low, said.high, said.look)


def test_trials_that_were_saved_are_not_missing() -> None:
    decisions = ended([(True, True)] * 100, planned=400).gate.decisions
    assert [d.reason for d in decisions if d.rule == "errors" and d.answer != "pass"] == []


@pytest.mark.parametrize("inconclusive", ["block", "warn"])
def test_futile_rule_is_inconclusive_blocks_always_and_says_that_the_run_stopped(inconclusive: str) -> None:
    gate = GateSpec.model_validate({"margin": 0.2, "inconclusive": inconclusive})
    outcome = ended([(True, True), (False, True)] * 15, planned=120, gate=gate)
    assert (outcome.gate.answer, outcome.gate.exit_code) == ("inconclusive", 10)
    assert "so the run stopped" in outcome.gate.reason
    assert outcome.run.stopping is not None
    assert futile_rules(outcome.run.stopping) == {("margin", OVERALL, "new")}


@pytest.mark.parametrize(
    ("saved", "usd", "note"),
    [
        (0, None, "saved 0 trials: 40 of 90 cases, 10 planned looks"),
        (1, 0.0, "saved 1 trial: 40 of 90 cases, 10 planned looks"),
        (1200, 3.5, "saved 1,200 trials, about $3.50: 40 of 90 cases, 10 planned looks"),
    ],
)
def test_notes_say_what_was_saved(saved: int, usd: float | None, note: str) -> None:
    stopping = Stopping(
        looks=10,
        seed=1,
        planned_cases=90,
        cases=40,
        stopped={"new": "margin overall failed after 40 trials"},
        saved_trials=saved,
        saved_usd=usd,
    )
    first, second = stopping_notes(stopping)
    assert first == "stopped early: new: margin overall failed after 40 trials"
    assert second == note
    (only,) = stopping_notes(replace(stopping, stopped={}, looks=None))
    assert only == "not stopped early: a look after every case at 90 cases decided nothing before the end"


# How often it is wrong


def drawn(number: int, *, difference: float, discordance: float, seed: int) -> list[tuple[bool, bool]]:
    """Return pairs whose rates differ by this much on average."""
    worse, better = (discordance - difference) / 2, (discordance + difference) / 2
    kinds = np.random.default_rng(seed).choice(
        4, size=number, p=[worse, better, (1 - discordance) * 0.8, (1 - discordance) * 0.2]
    )
    return [((False, True), (True, False), (True, True), (False, False))[kind] for kind in kinds]


def answer_of(pairs: Sequence[tuple[bool, bool]], places: Sequence[int], looks: Sequence[int] | None) -> str:
    """Return the last answer of a whole run that looks at these places."""
    watching = monitor(GateSpec(margin=0.2), looks=looks)
    everything = duel(pairs)
    for n in places:
        watching.look(everything[: 2 * n], is_last=n == places[-1])
        if watching.stopped:
            break
    return watching.answers[0].answer


@pytest.mark.parametrize("kind", ["planned", "every-case"])
def test_candidate_worse_by_the_margin_seldom_passes_however_often_one_looks(kind: str) -> None:
    looks = planned_looks([1] * 80, 5) if kind == "planned" else None
    places = looks or range(4, 81, 4)
    runs = 500
    answers = [
        answer_of(drawn(80, difference=-0.2, discordance=0.3, seed=seed), places, looks)
        for seed in range(runs)
    ]
    # One in twenty may; three standard deviations of 500 runs are 0.029.
    assert answers.count("pass") / runs <= ALPHA + 0.029
    assert answers.count("fail") / runs <= ALPHA + 0.029


@pytest.mark.parametrize("kind", ["planned", "every-case"])
def test_equal_candidate_mostly_passes_and_a_much_worse_one_never(kind: str) -> None:
    looks = planned_looks([1] * 80, 5) if kind == "planned" else None
    places = looks or range(4, 81, 4)
    equal = [answer_of(drawn(80, difference=0, discordance=0.1, seed=s), places, looks) for s in range(60)]
    worse = [answer_of(drawn(80, difference=-0.5, discordance=0.5, seed=s), places, looks) for s in range(60)]
    assert equal.count("pass") >= 50
    assert worse.count("pass") == 0 and set(worse) <= {"fail", "futile"}
