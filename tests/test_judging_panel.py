"""Panels over loopback HTTP: how members' verdicts become one, and what a broken member does to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import swapgate
from judge_servers import Says, judged_over_http, judges_at, reply
from servers import Answer
from swapgate.errors import UsageError
from swapgate.records import Verdict
from swapgate.spec.judges import read_judge

SCALED = {"criteria": {"accuracy": {"ask": "Is it right?", "scale": [1, 5]}}, "pass": "accuracy >= 4"}


def panel(root: Path, says: dict[str, Any], **judge: Any) -> Verdict:
    """Return the verdict of a panel on one answer; a member says the same of whatever it is asked."""
    return verdicts(root, {name: lambda _answer, said=said: said for name, said in says.items()}, **judge)[0]


def verdicts(
    root: Path, says: dict[str, Says], *, answers: tuple[str, ...] = ("right",), **judge: Any
) -> Any:
    with judges_at(says) as servers:
        judged_over_http(root, servers, {"model": list(says), **judge}, answers=answers)
        outcome = swapgate.run(model="new", root=root, retries=0)
    return [trial.verdicts[0] for trial in outcome.trials]


def scored(accuracy: float) -> str:
    return reply(accuracy, criterion="accuracy")


def test_the_majority_decides_and_every_member_is_kept_with_its_model(tmp_path: Path) -> None:
    verdict = panel(tmp_path, {"a": True, "b": False, "c": True})
    assert (verdict.status, verdict.passed, verdict.model) == ("scored", True, "a, b, c")
    assert verdict.agreement == pytest.approx(2 / 3)
    assert [(o.model, o.status, o.passed, o.calls) for o in verdict.opinions] == [
        ("a", "scored", True, 1),
        ("b", "scored", False, 1),
        ("c", "scored", True, 1),
    ]
    assert verdict.scores["agrees"] == pytest.approx(2 / 3)
    assert [s.answer.model for s in verdict.samples if s.answer] == ["a", "b", "c"]
    assert verdict.reason == "2 of 3 members pass it: a: agrees pass (wanted agrees): I say pass."


def test_all_members_are_asked_the_same(tmp_path: Path) -> None:
    with judges_at({"a": lambda _a: True, "b": lambda _a: True}) as servers:
        judged_over_http(tmp_path, servers, {"model": ["a", "b"]})
        swapgate.run(model="new", root=tmp_path)
    sent = [[r.json["messages"] for r in server.requests] for server in servers.values()]
    assert sent[0] == sent[1]
    assert len(sent[0]) == 1


def test_a_tie_is_unscored_and_never_a_fail(tmp_path: Path) -> None:
    verdict = panel(tmp_path, {"a": True, "b": False})
    assert (verdict.status, verdict.passed, verdict.scores, verdict.agreement) == ("unscored", None, {}, 0.5)
    assert verdict.reason == "the panel agrees too little: 1 pass, 1 fail, no majority (a pass, b fail)"


@pytest.mark.parametrize(("least", "status"), [(0.66, "scored"), (0.67, "scored"), (0.68, "unscored")])
def test_agreement_is_compared_in_whole_percent(tmp_path: Path, least: float, status: str) -> None:
    verdict = panel(tmp_path, {"a": True, "b": True, "c": False}, min_agreement=least)
    assert verdict.status == status


@pytest.mark.parametrize(
    ("said", "status", "passed"),
    [
        ((True, True), "scored", True),
        ((False, False), "scored", False),
        ((True, False), "unscored", None),
    ],
)
def test_unanimous_means_that_all_say_the_same(
    tmp_path: Path, said: tuple[bool, ...], status: str, passed: bool | None
) -> None:
    verdict = panel(tmp_path, dict(zip("ab", said, strict=True)), decide="unanimous")
    assert (verdict.status, verdict.passed) == (status, passed)


def test_the_mean_decides_over_scores_and_says_how_far_they_lie_apart(tmp_path: Path) -> None:
    says = {"a": scored(5), "b": scored(5), "c": scored(3)}
    verdict = panel(tmp_path, says, decide="mean", **SCALED)
    assert (verdict.passed, verdict.scores) == (True, {"accuracy": pytest.approx(13 / 3)})
    spread = verdict.spread["accuracy"]
    assert (spread.n, spread.low, spread.high) == (3, 3, 5)
    assert spread.sd == pytest.approx(1.1547, abs=1e-4)
    assert verdict.agreement == pytest.approx(2 / 3)


def test_a_mean_of_members_who_say_otherwise_is_unscored_where_agreement_is_asked_for(tmp_path: Path) -> None:
    # The mean of 4.33 passes on the word of two; that of 4 on the word of one in three.
    says = {"a": scored(5), "b": scored(5), "c": scored(3)}
    assert panel(tmp_path / "1", says, decide="mean", min_agreement=0.6, **SCALED).status == "scored"
    says = {"a": scored(5), "b": scored(3), "c": scored(3)}
    fails = panel(tmp_path / "2", says, decide="mean", min_agreement=0.6, **SCALED)
    assert (fails.status, fails.passed) == ("scored", False)
    rule = {**SCALED, "pass": "accuracy >= 3.5"}
    split = panel(tmp_path / "3", says, decide="mean", min_agreement=0.6, **rule)
    assert (split.status, split.passed) == ("unscored", None)


def test_a_member_that_lies_is_outvoted(tmp_path: Path) -> None:
    def honest(answer: str) -> bool:
        return answer == "right"

    says: dict[str, Says] = {"a": honest, "b": honest, "liar": lambda answer: not honest(answer)}
    right, wrong = verdicts(tmp_path, says, answers=("right", "wrong"))
    assert (right.passed, wrong.passed) == (True, False)
    assert [o.passed for o in wrong.opinions] == [False, False, True]


def test_a_member_that_is_down_leaves_the_panel_smaller(tmp_path: Path) -> None:
    down = Answer({"error": {"message": "overloaded"}}, status=503)
    verdict = panel(tmp_path, {"a": True, "b": True, "c": down})
    assert (verdict.status, verdict.passed, verdict.agreement) == ("scored", True, 1.0)
    assert "2 of 2 members pass it [1 of 3 have no verdict]" in verdict.reason
    assert verdict.opinions[2].status == "error"
    assert "overloaded" in verdict.opinions[2].reason


def test_a_member_that_is_off_shape_leaves_the_panel_smaller_and_its_replies_are_kept(tmp_path: Path) -> None:
    verdict = panel(tmp_path, {"a": False, "b": "prose: it is fine", "c": False})
    assert (verdict.status, verdict.passed) == ("scored", False)
    assert [s.raw for s in verdict.samples if s.status == "unparseable"] == ["prose: it is fine"] * 2
    assert verdict.opinions[1].calls == 2


def test_a_smaller_panel_that_splits_is_unscored(tmp_path: Path) -> None:
    verdict = panel(tmp_path, {"a": True, "b": False, "c": "prose"})
    assert verdict.status == "unscored"


def test_too_few_members_with_a_verdict_are_an_error_of_the_trial(tmp_path: Path) -> None:
    verdict = panel(tmp_path, {"a": True, "b": "prose", "c": "cannot_assess"})
    assert (verdict.status, verdict.passed) == ("error", None)
    assert verdict.reason.startswith(
        "1 of 3 members of the panel have a verdict, 2 needed: b: 0 of 1 samples"
    )


def test_all_members_may_be_wanted(tmp_path: Path) -> None:
    verdict = panel(tmp_path, {"a": True, "b": True, "c": "prose"}, min_members=3)
    assert verdict.status == "error"


def test_an_empty_answer_fails_without_a_call(tmp_path: Path) -> None:
    with judges_at({"a": lambda _a: True, "b": lambda _a: True}) as servers:
        judged_over_http(tmp_path, servers, {"model": ["a", "b"]}, answers=(" ",))
        outcome = swapgate.run(model="new", root=tmp_path)
    verdict = outcome.trials[0].verdicts[0]
    assert (verdict.status, verdict.passed, verdict.reason) == ("scored", False, "empty answer")
    assert not any(server.requests for server in servers.values())


def test_a_member_that_may_not_be_asked_ends_the_trial_and_not_the_panel(tmp_path: Path) -> None:
    with judges_at({"a": lambda _a: True, "b": lambda _a: True, "c": lambda _a: True}) as servers:
        judged_over_http(tmp_path, servers, {"model": ["a", "b", "c"]})
        swapgate.run(model="new", root=tmp_path)
        judged_over_http(tmp_path, {**servers, "d": servers["c"]}, {"model": ["a", "b", "d"]})
        outcome = swapgate.run(model="new", root=tmp_path, cache="replay")
    error = outcome.trials[0].error
    assert error is not None
    assert error.kind == "missing_recording"


def test_a_second_run_pays_for_no_member(tmp_path: Path) -> None:
    with judges_at({"a": lambda _a: True, "b": lambda _a: True}) as servers:
        judged_over_http(tmp_path, servers, {"model": ["a", "b"]})
        swapgate.run(model="new", root=tmp_path)
        again = swapgate.run(model="new", root=tmp_path)
    assert [len(server.requests) for server in servers.values()] == [1, 1]
    assert again.facts[0].judge_paid_usd == 0
    assert again.facts[0].judge_cost_usd is not None


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"model": ["a"]}, "the panel names one model: a panel has at least two different ones"),
        ({"model": ["a", "a"]}, "the panel names a model twice"),
        ({"model": "a", "decide": "mean"}, "decide is about a panel, and `model` names one model"),
        ({"model": ["a", "b"], "min_members": 3}, "min_members is 3, but the panel has 2 models"),
        ({"model": ["a", "b"], "min_agreement": 0.5}, "min_agreement is 0.5, and a majority is always more"),
        (
            {"model": ["a", "b"], "decide": "unanimous", "min_agreement": 1},
            "min_agreement with `decide: unanimous`",
        ),
        ({"model": ["a", "b"], "decide": "vote"}, "'decide' must be 'majority', 'mean' or 'unanimous'"),
        ({"model": ["a", 3]}, "'model"),
        ({"model": []}, "the panel names no model"),
    ],
)
def test_a_panel_that_makes_no_sense_is_refused_at_its_line(
    tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    judged_over_http(tmp_path, {}, keys)
    with pytest.raises(UsageError) as raised:
        read_judge(tmp_path / "judges/meaning.yml")
    assert "meaning.yml:1: " in str(raised.value)
    assert message in str(raised.value)


def test_an_unknown_member_is_told_where_it_is_written(tmp_path: Path) -> None:
    with judges_at({"a": lambda _a: True}) as servers:
        judged_over_http(tmp_path, servers, {"model": ["a", "nobody"]})
        with pytest.raises(UsageError, match=r"meaning.yml:1: unknown model 'nobody'"):
            swapgate.run(model="new", root=tmp_path)
