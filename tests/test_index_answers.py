"""Which of two swaps broke it: every combination of what is shown, and how often a wrong one is blamed."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.both_swaps import asked, causes
from swapgate.errors import ExitCode
from swapgate.retrieval.answering.attribution import cause_of
from swapgate.retrieval.answering.effects import EFFECTS, contrast, effect
from swapgate.retrieval.answering.joint import Joint, Terms, judge_both
from swapgate.retrieval.answering.observations import ARMS, Observation, Outcome
from swapgate.retrieval.answering.rulings import State, find
from swapgate.retrieval.answering.steps import strata
from swapgate.retrieval.answering.wording import headline, notes, reason, steps

STATES = get_args(State)
OLD, NEW = ARMS[0], ARMS[-1]


def judged(observations: list[Observation], **terms: object) -> Joint:
    return judge_both(observations, Terms(**{"margin": 0.05, **terms}))


def test_whoever_falls_alone_is_blamed_and_nobody_who_holds() -> None:
    for embedding, model, both in product(STATES, STATES, STATES):
        cause = cause_of(embedding=embedding, model=model, both=both)
        assert (cause in {"embedding", "both"}) == (embedding == "falls")
        assert (cause in {"model", "both"}) == (model == "falls")
        assert cause != "together" or (embedding, model, both) == ("holds", "holds", "falls")
        assert cause != "neither" or (both == "holds" and "falls" not in {embedding, model})


@pytest.mark.parametrize(
    ("shares", "cause", "step"),
    [
        ({"embedding": 0.2}, "embedding", "the embedding broke it at the retrieval"),
        ({"model": 0.2}, "model", "the model broke it at what it makes of the texts"),
        ({"embedding": 0.2, "model": 0.2}, "both", "the embedding broke it at the retrieval"),
        ({"together": 0.25}, "together", "most of it lies in"),
        ({}, "neither", None),
    ],
)
def test_the_cause_is_found_with_its_step(shares: dict[str, float], cause: str, step: str | None) -> None:
    found = judged(asked(300, 1, **shares))
    assert found.first.cause == cause
    assert found.first.slice is None and found.first.measure == "answer"
    assert found.exit_code == (ExitCode.OK if cause == "neither" else ExitCode.FAILED)
    said = list(steps(found))
    assert not said if step is None else said[0].startswith(step)


def test_too_few_questions_tell_nothing_and_say_how_many_would() -> None:
    found = judged(asked(20, 1, embedding=0.1))
    assert (found.first.cause, found.verdict, found.exit_code) == ("unknown", "inconclusive", 10)
    assert found.first.needed is not None and found.first.needed > 20
    assert f"about {found.first.needed} questions would tell" in headline(found.first, found)
    # A pass takes as many questions as a margin does, however well all of them go.
    assert judged(asked(58, 1, noise=0.0)).verdict == "inconclusive"
    assert judged(asked(59, 1, noise=0.0)).verdict == "pass"


def test_a_slice_that_breaks_fails_the_whole_and_is_named() -> None:
    slices = ("medical", *("general",) * 9)
    found = judged(asked(400, 3, embedding=0.6, on="medical", slices=slices))
    assert found.verdict == "fail"
    by_slice = {(one.slice, one.measure): one.cause for one in found.attributions}
    assert by_slice["medical", "answer"] == "embedding"
    assert by_slice["general", "answer"] not in {"embedding", "model", "both", "together"}
    told = [headline(found.first, found), *steps(found), *notes(found)]
    assert any("medical" in one for one in told)


def test_a_named_slice_of_too_few_questions_is_never_cleared() -> None:
    slices = ("medical", *("general",) * 19)
    observations = asked(200, 1, noise=0.0, slices=slices)
    assert judged(observations).verdict == "pass"
    found = judged(observations, slices=("medical",))
    assert found.verdict == "inconclusive"
    assert "slice medical: 10 questions, and it takes 30 to clear one" in list(notes(found))
    assert judged(observations, slices=("absent",)).verdict == "inconclusive"


def test_what_a_better_model_makes_up_for_is_said_and_passes() -> None:
    """The new model answers without the texts: the embedding still breaks the old model."""
    observations = []
    for one in asked(300, 5, embedding=0.3, noise=0.0):
        answers = dict(one.outcomes)
        answers[NEW] = Outcome(structure=True, faithfulness=True, answer=True)
        observations.append(
            Observation(
                question=one.question, repeat=1, cluster=one.cluster, slices=one.slices, found=one.found,
                outcomes=answers,
            )
        )  # fmt: skip
    found = judged(observations)
    assert (found.verdict, found.first.cause) == ("pass", "embedding")
    assert "with both it is made up for" in headline(found.first, found)


def test_missing_answers_are_counted_for_neither_and_too_many_decide_nothing() -> None:
    observations = asked(100, 1, noise=0.0)
    for place, one in enumerate(observations[:20]):
        answers = dict(one.outcomes)
        answers[NEW] = Outcome(is_errored=True)
        observations[place] = Observation(
            question=one.question, repeat=1, cluster=one.cluster, slices=one.slices, found=one.found,
            outcomes=answers,
        )  # fmt: skip
    found = judged(observations)
    assert (found.errored, found.exit_code, found.verdict) == (True, ExitCode.TOO_MANY_ERRORS, "inconclusive")
    assert found.errors[NEW] == 20 and found.errors[OLD] == 0
    lacking = (
        "too many answers are missing: of the new model on the new index 20 of 100, 20.0%, and 5% may be"
    )
    assert reason(found).startswith(lacking)
    assert find(found.first.rulings, "answer", "both").n == 80
    lenient = judged(observations, max_errors=0.2)
    assert lenient.verdict == "pass"
    assert "20 of 400 answers are missing, and count for neither side" in list(notes(lenient))


# Of 100 draws more than 14 are blamed by chance once in seven thousand, where 5% are.
MOST_OF_100 = 14


def test_nobody_is_blamed_for_noise_or_for_what_the_margin_allows() -> None:
    for how in ({"noise": 0.08}, {"embedding": 0.025, "model": 0.025}, {"embedding": 0.05, "noise": 0.0}):
        found = causes(120, 100, **how)
        assert sum(found[cause] for cause in ("embedding", "model", "both", "together")) <= MOST_OF_100, how


def test_the_innocent_swap_is_hardly_ever_blamed_and_the_guilty_one_found() -> None:
    found = causes(150, 100, embedding=0.25)
    assert found["model"] + found["both"] + found["together"] <= MOST_OF_100
    assert found["embedding"] >= 90
    found = causes(150, 100, model=0.25)
    assert found["embedding"] + found["both"] + found["together"] <= MOST_OF_100
    assert found["model"] >= 90


TRUTHS = st.booleans() | st.none()
OUTCOMES = st.builds(Outcome, structure=TRUTHS, faithfulness=TRUTHS, answer=TRUTHS, is_errored=st.booleans())
OBSERVATIONS = st.lists(
    st.builds(
        Observation,
        question=st.sampled_from([f"q-{n}" for n in range(8)]),
        repeat=st.integers(1, 3),
        cluster=st.sampled_from(["a", "b", "c", "d"]),
        slices=st.lists(st.sampled_from(["x", "y"]), unique=True).map(tuple),
        found=st.fixed_dictionaries({"old": TRUTHS, "new": TRUTHS}),
        outcomes=st.dictionaries(st.sampled_from(ARMS), OUTCOMES),
    ),
    max_size=25,
)


@settings(max_examples=25, deadline=None)
@given(OBSERVATIONS)
def test_anything_can_be_judged_and_told(observations: list[Observation]) -> None:
    found = judged(observations)
    said = [headline(found.first, found), *steps(found), *notes(found)]
    assert all(said)
    assert found.verdict != "pass" or found.first.both.state == "holds"
    for one in found.effects:
        low, estimate, high = one.interval.low, one.interval.estimate, one.interval.high
        assert one.name in EFFECTS
        assert low is None or estimate is None or high is None or low <= estimate <= high


@settings(max_examples=25, deadline=None)
@given(OBSERVATIONS)
def test_the_shares_of_all_fates_add_up_to_the_whole(observations: list[Observation]) -> None:
    known = [one for one in observations if None not in one.found.values()]
    found = strata(observations, ["answer"])
    assert bool(found) == bool(known)
    for name in ("embedding", "model", "both"):
        shares = [part.share for one in found if (part := one.of(name, "answer")) and part.share is not None]
        whole = effect(known, "answer", name).interval.estimate
        if whole is not None:
            assert sum(shares) == pytest.approx(whole)


def test_an_effect_is_paired_and_the_interaction_is_a_difference_of_differences() -> None:
    observations = asked(200, 2, embedding=0.2, together=0.1, noise=0.05)
    estimates = {name: effect(observations, "answer", name).interval.estimate for name in EFFECTS}
    assert None not in estimates.values()
    after = (estimates["model_after"] or 0) - (estimates["model"] or 0)
    assert estimates["interaction"] == pytest.approx(after)
    assert estimates["both"] == pytest.approx((estimates["embedding"] or 0) + (estimates["model_after"] or 0))
    pairs = contrast(observations, "answer", "embedding")
    assert len(pairs.before) == len(pairs.after) == 200


def test_repeats_of_a_question_count_as_one() -> None:
    once = asked(100, 4, embedding=0.15, noise=0.0)
    thrice = [
        Observation(
            question=one.question, repeat=repeat, cluster=one.cluster, slices=one.slices, found=one.found,
            outcomes=one.outcomes,
        )
        for one in once for repeat in (1, 2, 3)
    ]  # fmt: skip
    single, triple = effect(once, "answer", "embedding"), effect(thrice, "answer", "embedding")
    assert (triple.n, triple.questions) == (300, 100)
    assert single.interval.high is not None and triple.interval.high is not None
    assert triple.interval.high >= single.interval.high - 0.002
    retrieval = effect(thrice, "retrieval", "embedding")
    assert (retrieval.n, retrieval.questions) == (100, 100)
