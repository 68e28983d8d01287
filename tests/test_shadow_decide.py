"""Seven days of simulated traffic: who is promoted, who is held and why, and what is inconclusive."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import shadow_decisions
from shadow_traffic import LABELS, ROUTE, Quality, World, traffic
from swapgate.checks.build import build_checks
from swapgate.errors import ExitCode, SpecError
from swapgate.shadow.comparing.compare import Comparer
from swapgate.shadow.comparing.likeness import Comparison, to_stored
from swapgate.shadow.comparing.structure import Structure
from swapgate.shadow.deciding.observations import Traffic, read_traffic
from swapgate.shadow.deciding.promotion import Promotion, decide, worst
from swapgate.shadow.deciding.rules import Ruling
from swapgate.shadow.records import Count, Exchange, Stored
from swapgate.spec.shadow_criteria import CriteriaFile, read_criteria

HERE = Path()
CHECKS = tuple(
    build_checks(
        [{"json": "strict"}, {"enum": {"pointer": "/recommendation", "values": list(LABELS)}}],
        base=HERE,
        root=HERE,
    )
)
COMPARER = Comparer(
    structure=Structure(checks=CHECKS, decisions=("/recommendation",)), embed=None, basis="test"
)
SMALL = World(per_day=150, users=1000, again_share=0.5)


def read(exchanges: Iterator[Exchange] | list[Exchange]) -> Traffic:
    [found] = read_traffic((Stored(exchange=one) for one in exchanges), lambda _route: COMPARER)
    return found


def judged(found: Traffic, *, is_serving: bool = False, **criteria: object) -> Promotion:
    written = CriteriaFile.model_validate({"criteria": criteria})
    return decide(found, written.of(ROUTE), is_serving=is_serving)


def ruling(promotion: Promotion, criterion: str, slice_: str | None = None) -> Ruling:
    return next(one for one in promotion.rulings if (one.criterion, one.slice) == (criterion, slice_))


@pytest.fixture(scope="module")
def good() -> Traffic:
    return read(traffic(Quality(), world=SMALL))


def test_a_good_candidate_is_promoted(good: Traffic) -> None:
    found = judged(good)
    assert found.verdict == "promote", found.reason
    assert found.exit_code == ExitCode.OK
    assert "1,050 requests and on 3 slices" in found.reason


def test_a_bad_slice_holds_and_is_named() -> None:
    found = judged(read(traffic(Quality(in_slice={"rust": 0.3}), world=SMALL)))
    assert found.verdict == "hold"
    assert found.reason.startswith("on language:rust, other decisions")
    assert [one.slice for one in found.rulings if one.answer == "fail"] == ["language:rust"]
    assert found.exit_code == ExitCode.FAILED


def test_equal_and_noisy_is_not_failed() -> None:
    noisy = read(traffic(Quality(), world=replace(SMALL, noise=0.15)))
    found = judged(noisy)
    assert found.verdict in {"promote", "inconclusive"}
    assert not [one for one in found.rulings if one.answer == "fail"]
    # A bound on the disagreement itself would have: it is a fourth of all answers.
    assert ruling(found, "disagreement").reason.count("%") >= 2


def test_a_candidate_that_decides_otherwise_is_held() -> None:
    found = judged(read(traffic(Quality(differs=0.15), world=SMALL)))
    assert found.verdict == "hold"
    assert ruling(found, "disagreement").answer == "fail"


def test_one_that_serves_already_is_rolled_back() -> None:
    found = judged(read(traffic(Quality(differs=0.15), world=SMALL)), is_serving=True)
    assert (found.verdict, found.exit_code) == ("rollback", ExitCode.ROLLBACK)


def test_fences_are_structural_failures_as_in_the_article() -> None:
    found = judged(read(traffic(Quality(fenced=0.09), world=SMALL)))
    assert ruling(found, "structure").answer == "fail"


def test_failures_are_counted_not_dropped() -> None:
    found = judged(read(traffic(Quality(fails=0.06), world=SMALL)))
    assert ruling(found, "failures").answer == "fail"
    assert found.requests == 1050


def test_refusals_hold() -> None:
    found = judged(read(traffic(Quality(refuses=0.06), world=SMALL)))
    assert ruling(found, "refusals").answer == "fail"


def test_less_than_a_business_cycle_is_inconclusive() -> None:
    found = judged(read(traffic(Quality(), world=replace(SMALL, days=3))))
    assert found.verdict == "inconclusive"
    assert "traffic of 3 days, 7 wanted" in found.reason
    assert found.exit_code == ExitCode.INCONCLUSIVE


def test_too_few_requests_say_how_many_are_missing() -> None:
    few = judged(read(traffic(Quality(), world=replace(SMALL, per_day=20))))
    assert few.verdict == "inconclusive"
    assert ruling(few, "requests").needed == 160


def test_too_few_second_answers_say_how_many_more_it_takes() -> None:
    found = judged(read(traffic(Quality(), world=replace(SMALL, again_share=0.005))))
    open_ = ruling(found, "disagreement")
    assert open_.answer == "inconclusive"
    assert "more second answers of the control would tell (`again_share`)" in open_.reason


def test_without_a_noise_floor_much_disagreement_is_no_evidence_and_little_is_enough() -> None:
    blind = replace(SMALL, again_share=0.0)
    much = ruling(judged(read(traffic(Quality(), world=replace(blind, noise=0.2)))), "disagreement")
    assert much.answer == "inconclusive"
    assert "how much of it is the control's own noise is unknown" in much.reason
    little = ruling(judged(read(traffic(Quality(), world=replace(blind, noise=0.0)))), "disagreement")
    assert little.answer == "pass"


def test_no_failure_in_few_requests_does_not_bound_the_rate() -> None:
    few = judged(read(traffic(Quality(), world=replace(SMALL, per_day=40, users=10**9))))
    structure = ruling(few, "structure")
    # 0 in 280 bounds the rate at about 3 / 280: it takes 299 for 1%.
    assert (structure.answer, structure.value, structure.needed) == ("inconclusive", 0.0, 19)


def test_many_requests_of_few_users_bound_a_rate_no_better_than_the_users_do() -> None:
    found = ruling(judged(read(traffic(Quality(), world=replace(SMALL, users=100)))), "structure")
    assert (found.answer, found.needed) == ("inconclusive", 199)


def test_latency_and_cost_have_bounds_of_their_own(good: Traffic) -> None:
    found = judged(
        good,
        latency_p95_s={"max": 10.0, "ratio": 1.25},
        ttft_p95_s={"max": 0.1},
        cost_usd={"ratio": 0.1},
        cost_per_1k_tokens_usd={"max": 0.5},
    )
    answers = [(one.criterion, one.answer) for one in found.rulings if one.criterion.endswith(("_s", "_usd"))]
    assert answers == [
        ("latency_p95_s", "pass"),
        ("latency_p95_s", "pass"),
        ("ttft_p95_s", "fail"),
        ("cost_usd", "pass"),
        ("cost_per_1k_tokens_usd", "pass"),
    ]


def test_timeouts_count_as_slower_than_any_limit() -> None:
    found = judged(read(traffic(Quality(fails=0.3), world=SMALL)), latency_p95_s={"max": 60.0})
    slow = ruling(found, "latency_p95_s")
    assert slow.answer == "fail"
    assert "never (timeouts)" in slow.reason
    assert slow.value is None


def test_a_price_that_nobody_knows_is_inconclusive(good: Traffic) -> None:
    bare = replace(good.observations[0].candidate, cost_usd=None)
    unknown = replace(good, observations=tuple(replace(one, candidate=bare) for one in good.observations))
    assert ruling(judged(unknown, cost_usd={"ratio": 0.5}), "cost_usd").answer == "inconclusive"


def prefer(found: Traffic, score: float, *, n: int) -> Traffic:
    scores = [score if number < n else None for number in range(len(found.observations))]
    return replace(
        found,
        observations=tuple(
            replace(one, comparison=replace(one.comparison, preference=s and max(s - 0.5 * (i % 3 == 0), 0)))
            for i, (one, s) in enumerate(zip(found.observations, scores, strict=True))
        ),
    )


def test_the_judges_preference_is_held_against_one_half(good: Traffic) -> None:
    rule = {"preference": {"margin": 0.05, "requests": 100}}
    assert ruling(judged(prefer(good, 1.0, n=400), **rule), "preference").answer == "pass"
    assert ruling(judged(prefer(good, 0.5, n=400), **rule), "preference").answer == "fail"
    unasked = ruling(judged(good, **rule), "preference")
    assert unasked.answer == "inconclusive"
    assert "0 requests judged, 100 wanted: `swapgate shadow judge`" in unasked.reason


def test_the_articles_criteria_are_there_and_a_mean_is_shown_not_assumed(good: Traffic) -> None:
    alike = [
        replace(one.comparison.candidate, similarity=0.93 + 0.04 * (number % 2))
        for number, one in enumerate(good.observations)
        if one.comparison.candidate is not None
    ]
    near = replace(
        good,
        observations=tuple(
            replace(one, comparison=replace(one.comparison, candidate=likeness))
            for one, likeness in zip(good.observations, alike, strict=True)
        ),
    )
    assert ruling(judged(near, similarity={"min": 0.92}), "similarity").answer == "pass"
    assert ruling(judged(near, similarity={"min": 0.96}), "similarity").answer == "fail"


def test_twenty_equal_slices_are_not_held_by_one_that_looks_bad_by_chance() -> None:
    languages = {f"l{number}": 0.05 for number in range(20)}
    held = 0
    for seed in range(3):
        found = judged(read(traffic(Quality(), seed=seed, world=replace(SMALL, languages=languages))))
        held += found.verdict == "hold"
    assert held == 0


def test_a_small_slice_is_open_and_can_be_left_out(good: Traffic) -> None:
    found = judged(good, slices={"requests": 400})
    assert ruling(found, "requests", "language:rust").answer == "inconclusive"
    assert judged(good, slices={"by": [], "requests": 400}).verdict == "promote"


def test_slices_can_be_asked_to_be_within_a_margin_of_their_own(good: Traffic) -> None:
    assert ruling(judged(good, slices={"margin": 0.2}), "disagreement", "language:rust").answer == "pass"
    tight = judged(good, slices={"margin": 0.001})
    asked = [one for one in tight.rulings if one.slice and one.criterion == "disagreement"]
    assert {one.answer for one in asked} == {"inconclusive"}
    assert tight.verdict == "inconclusive"


def test_more_looks_make_each_of_them_stricter(good: Traffic) -> None:
    one, ten = (ruling(judged(good, looks=looks), "disagreement") for looks in (1, 10))
    assert (one.confidence, ten.confidence) == (0.9, 0.99)
    assert ten.high > one.high  # type: ignore[operator]


def test_an_older_setup_is_left_out_and_said() -> None:
    old = [
        replace(one, setup="old", key=f"old-{one.key}") for one in traffic(Quality(), world=World(per_day=9))
    ]
    new = [
        replace(one, at=one.at.replace("2026-11", "2026-12"))
        for one in traffic(Quality(), world=World(per_day=9))
    ]
    found = judged(read([*old, *new]))
    assert found.requests == 63
    assert any("63 older exchanges are left out" in note for note in found.notes)


def test_what_was_shed_and_what_waits_is_said() -> None:
    some = list(traffic(Quality(), world=World(per_day=9)))
    waiting = replace(some[0], key="w", state="waiting", candidate=None)
    shed = [Count(day="2026-11-16", route=ROUTE, what="shed", amount=12)]
    found = decide(read([*some, waiting]), CriteriaFile().of(ROUTE), counts=shed)
    assert any("12 requests were shed" in note for note in found.notes)
    assert any("1 exchanges wait for the candidate" in note for note in found.notes)


def test_what_was_compared_with_its_content_is_taken_as_it_is() -> None:
    [one] = traffic(Quality(), world=World(days=1, per_day=1), content=False)
    stored = Comparison(basis="of old", candidate=COMPARER.compare(one).candidate, preference=1.0)
    [found] = read_traffic([Stored(exchange=one, comparison=to_stored(stored))], lambda _route: COMPARER)
    assert found.observations[0].comparison == stored


def test_the_worst_route_counts() -> None:
    good = judged(read(traffic(Quality(), world=SMALL)))
    assert worst([good]) == "promote"
    assert worst([good, replace(good, verdict="hold"), replace(good, verdict="inconclusive")]) == "hold"
    assert worst([]) == "inconclusive"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("criteria: {disagrement: {margin: 0.1}}", "unknown key 'disagrement'"),
        ("criteria: {cost_usd: {}}", "needs `max` or `ratio`"),
        ("ramp: {stages: [0.5, 0.1]}", "must rise to 1"),
        ("criteria: {disagreement: {margin: 2}}", "margin"),
        ("compare: {r: {decisions: [recommendation]}}", "must start with '/'"),
    ],
)
def test_a_mistake_in_the_criteria_has_its_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "promote.yml"
    path.write_text(f"# criteria\n{text}\n", encoding="utf-8")
    with pytest.raises(SpecError, match=r"promote\.yml:2: ") as raised:
        read_criteria(path, root=tmp_path)
    assert message in str(raised.value)


def test_a_route_replaces_single_criteria(tmp_path: Path) -> None:
    path = tmp_path / "promote.yml"
    path.write_text(
        "criteria: {days: 14, requests: 50}\nroutes: {chat: {requests: 9, structure: null}}\n",
        encoding="utf-8",
    )
    written = read_criteria(path, root=tmp_path)
    chat, other = written.of("chat"), written.of("other")
    assert (chat.days, chat.requests, chat.structure) == (14, 9, None)
    assert (other.requests, other.structure is None) == (50, False)


def test_the_benchmark_decides_about_its_own_traffic_as_it_says() -> None:
    assert shadow_decisions.share(shadow_decisions.decided(2), "promote") == 1.0
    assert shadow_decisions.share(shadow_decisions.decided(2, excess={"": 0.2}), "hold") == 1.0
    assert [row.goal for row in shadow_decisions.coverage(2)]
