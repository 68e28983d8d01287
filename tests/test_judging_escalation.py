"""Escalation over loopback HTTP: when the second model is asked, who decided, and what it saved."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import swapgate
from judge_servers import judged_over_http, judges_at, reply
from servers import Answer
from swapgate.analysis.outcome import RunOutcome
from swapgate.errors import UsageError
from swapgate.judging.judge import load_judges
from swapgate.records import Verdict
from swapgate.spec.judge_models import turns
from swapgate.spec.judges import read_judge
from swapgate.spec.passrule import PassRule
from workspaces import lay

SCALED = {"criteria": {"accuracy": {"ask": "Is it right?", "scale": [1, 5]}}, "pass": "accuracy >= 4"}


def ran(
    root: Path, cheap: Any, dear: Any, *, answers: tuple[str, ...] = ("right",), **judge: Any
) -> tuple[RunOutcome, dict[str, int]]:
    """Run a judge of two stages; return the outcome and how often each server was asked."""
    says = {"cheap": told(cheap), "dear": told(dear)}
    escalate = {"to": "dear", **judge.pop("escalate", {})}
    with judges_at(says) as servers:
        judged_over_http(root, servers, {"model": "cheap", "escalate": escalate, **judge}, answers=answers)
        outcome = swapgate.run(model="new", root=root, retries=0)
        return outcome, {name: len(server.requests) for name, server in servers.items()}


def told(said: Any) -> Callable[[str], Any]:
    return said if callable(said) else lambda _answer: said


def verdict_of(outcome: RunOutcome) -> Verdict:
    return outcome.trials[0].verdicts[0]


def scored(accuracy: float) -> str:
    return reply(accuracy, criterion="accuracy")


def test_a_first_model_that_is_sure_decides_alone(tmp_path: Path) -> None:
    outcome, asked = ran(tmp_path, cheap=True, dear=False)
    verdict = verdict_of(outcome)
    assert (verdict.passed, verdict.model, asked) == (True, "cheap", {"cheap": 1, "dear": 0})
    assert verdict.escalation is not None
    assert (verdict.escalation.to, verdict.escalation.why) == ("dear", "")


@pytest.mark.parametrize(
    ("cheap", "why"),
    [
        ("cannot_assess", "undecided: 0 of 1 samples scored agrees, 1 needed: cannot_assess: I say"),
        ("prose: looks fine", "undecided: 0 of 1 samples scored agrees, 1 needed: unparseable"),
    ],
)
def test_a_first_model_that_cannot_say_hands_over(tmp_path: Path, cheap: str, why: str) -> None:
    outcome, _asked = ran(tmp_path, cheap=cheap, dear=False)
    verdict = verdict_of(outcome)
    assert (verdict.status, verdict.passed, verdict.model) == ("scored", False, "dear")
    assert verdict.escalation is not None
    assert verdict.escalation.why.startswith(why)
    assert [(o.model, o.stage, o.status) for o in verdict.opinions] == [
        ("cheap", 1, "error"),
        ("dear", 2, "scored"),
    ]
    assert {s.answer.model for s in verdict.samples if s.answer} == {"cheap", "dear"}
    assert "escalated from cheap: undecided" in verdict.reason


def test_a_first_model_that_is_down_is_an_error_and_not_a_bill(tmp_path: Path) -> None:
    down = Answer({"error": {"message": "overloaded"}}, status=503)
    outcome, asked = ran(tmp_path, cheap=down, dear=True)
    assert verdict_of(outcome).status == "error"
    assert asked["dear"] == 0


def test_a_second_model_that_is_down_leaves_an_error_with_both_stages_kept(tmp_path: Path) -> None:
    down = Answer({"error": {"message": "overloaded"}}, status=503)
    outcome, _asked = ran(tmp_path, cheap="cannot_assess", dear=down)
    verdict = verdict_of(outcome)
    assert (verdict.status, verdict.passed) == ("error", None)
    assert [o.model for o in verdict.opinions] == ["cheap", "dear"]
    assert len(verdict.samples) == 1


def test_samples_that_disagree_hand_over_unless_told_otherwise(tmp_path: Path) -> None:
    says = iter([True, True, False])
    outcome, asked = ran(tmp_path / "1", cheap=lambda _a: next(says), dear=True, samples=3)
    verdict = verdict_of(outcome)
    assert verdict.escalation is not None
    assert verdict.escalation.why == "its samples disagree: 67% say pass"
    assert asked == {"cheap": 3, "dear": 3}
    says = iter([True, True, False])
    when = {"when": {"disagreement": False}}
    outcome, asked = ran(tmp_path / "2", cheap=lambda _a: next(says), dear=True, samples=3, escalate=when)
    assert (verdict_of(outcome).model, asked["dear"]) == ("cheap", 0)


@pytest.mark.parametrize(
    ("score", "model"), [(2, "cheap"), (3, "dear"), (4, "dear"), (5, "cheap")], ids=["2", "3", "4", "5"]
)
def test_scores_near_the_threshold_hand_over(tmp_path: Path, score: int, model: str) -> None:
    when = {"when": {"within": 1}}
    outcome, _asked = ran(tmp_path, cheap=scored(score), dear=scored(5), escalate=when, **SCALED)
    assert verdict_of(outcome).model == model


def test_a_panel_that_splits_hands_over(tmp_path: Path) -> None:
    with judges_at({"a": lambda _a: True, "b": lambda _a: False, "dear": lambda _a: False}) as servers:
        judged_over_http(tmp_path, servers, {"model": ["a", "b"], "escalate": {"to": "dear"}})
        outcome = swapgate.run(model="new", root=tmp_path)
    verdict = verdict_of(outcome)
    assert (verdict.passed, verdict.model) == (False, "dear")
    assert [(o.model, o.stage) for o in verdict.opinions] == [("a", 1), ("b", 1), ("dear", 2)]
    assert verdict.escalation is not None
    assert verdict.escalation.why == "the panel agrees too little"


def test_an_empty_answer_is_not_escalated(tmp_path: Path) -> None:
    outcome, asked = ran(tmp_path, cheap=True, dear=True, answers=("...",))
    assert (verdict_of(outcome).passed, asked) == (False, {"cheap": 0, "dear": 0})


def test_what_was_saved_is_counted_from_the_recorded_costs(tmp_path: Path) -> None:
    # 29 tokens a call at a dollar for a million of the first, ten times that for the second.
    price = {"price": {"input": 10.0, "output": 10.0}}

    def cheap(answer: str) -> Any:
        return "cannot_assess" if answer == "hard" else True

    with judges_at({"cheap": cheap, "dear": told(True)}) as servers:
        dear = {"provider": "openai-compatible", "base_url": f"{servers['dear'].url}/v1", **price}
        answers = ("easy 1", "easy 2", "easy 3", "hard")
        judge = {"model": "cheap", "escalate": {"to": "dear"}}
        judged_over_http(tmp_path, servers, judge, answers=answers, models={"dear": dear})
        outcome = swapgate.run(model="new", root=tmp_path)
    (use,) = outcome.judges
    assert (use.verdicts, use.calls, use.models) == (4, 5, ("cheap", "dear"))
    assert use.cost_usd == pytest.approx((4 * 29 + 290) / 1e6)
    found = use.escalation
    assert found is not None
    assert (found.to, found.escalated, found.of, found.spared_calls) == ("dear", 1, 4, 3)
    assert found.saved_usd == pytest.approx((4 * 290 - (4 * 29 + 290)) / 1e6)


def test_an_unknown_price_leaves_the_savings_unknown(tmp_path: Path) -> None:
    with judges_at({"cheap": told("cannot_assess"), "dear": told(True)}) as servers:
        judge = {"model": "cheap", "escalate": {"to": "dear"}}
        judged_over_http(tmp_path, servers, judge, priced=False)
        outcome = swapgate.run(model="new", root=tmp_path)
    found = outcome.judges[0].escalation
    assert found is not None
    assert (found.escalated, found.spared_calls, found.saved_usd) == (1, 0, None)


def test_where_nothing_was_escalated_what_was_saved_is_unknown(tmp_path: Path) -> None:
    outcome, _asked = ran(tmp_path, cheap=True, dear=True)
    found = outcome.judges[0].escalation
    assert found is not None
    assert (found.escalated, found.spared_calls, found.saved_usd) == (0, None, None)


# With a calibration.

CHEAP = {"judge": "cheap_meaning", "model": "cheap", **SCALED}


def labelled(root: Path, rows: list[tuple[str, str, int | None]], *, judge_hash: str | None = None) -> None:
    """Write labels of the first stage by itself: (verdict, truth, score)."""
    lay(root, {"judges/cheap_meaning.yml": json.dumps(CHEAP)})
    known = load_judges(["cheap_meaning"], judges_dir=root / "judges")["cheap_meaning"].definition_hash
    labels = [
        {"verdict": v, "truth": t, **({"scores": {"accuracy": s}} if s is not None else {})}
        for v, t, s in rows
    ]
    head = {"calibration": "cheap_meaning", "design": "random", "judge_hash": (judge_hash or known)[:8]}
    written = json.dumps({**head, "labels": labels})
    lay(root, {"judges/cheap_meaning.calibration.yml": written})


ERRS = {"escalate": {"when": {"errs": 0.2}, "calibration": "cheap_meaning"}}


@pytest.mark.parametrize(("score", "model"), [(3, "cheap"), (4, "dear"), (5, "cheap")], ids=["3", "4", "5"])
def test_scores_at_which_labels_show_errors_hand_over(tmp_path: Path, score: int, model: str) -> None:
    rows: list[tuple[str, str, int | None]] = [("pass", "pass", 5)] * 5 + [("pass", "fail", 4)] * 2
    rows += [("pass", "pass", 4)] * 3 + [("fail", "pass", 3)] * 4
    labelled(tmp_path, rows)
    outcome, _asked = ran(tmp_path, cheap=scored(score), dear=scored(5), **SCALED, **ERRS)
    assert verdict_of(outcome).model == model


def test_labels_without_scores_tell_by_the_verdict(tmp_path: Path) -> None:
    labelled(tmp_path, [("pass", "fail", None)] * 3 + [("pass", "pass", None)] * 3)
    outcome, _asked = ran(tmp_path, cheap=scored(5), dear=scored(5), **SCALED, **ERRS)
    verdict = verdict_of(outcome)
    assert verdict.escalation is not None
    assert verdict.escalation.why == "its labels show many errors at a pass"


def test_labels_that_move_the_escalation_change_the_definition(tmp_path: Path) -> None:
    judged_over_http(
        tmp_path, {}, {"model": "cheap", **SCALED, "escalate": {"to": "dear", **ERRS["escalate"]}}
    )
    labelled(tmp_path, [("pass", "fail", 4)] * 5)
    first = load_judges(["meaning"], judges_dir=tmp_path / "judges")["meaning"].definition_hash
    labelled(tmp_path, [("pass", "fail", 4)] * 6)
    same = load_judges(["meaning"], judges_dir=tmp_path / "judges")["meaning"].definition_hash
    labelled(tmp_path, [("pass", "fail", 5)] * 5)
    other = load_judges(["meaning"], judges_dir=tmp_path / "judges")["meaning"].definition_hash
    assert first == same
    assert first != other


def test_labels_of_another_definition_are_refused(tmp_path: Path) -> None:
    judged_over_http(
        tmp_path, {}, {"model": "cheap", **SCALED, "escalate": {"to": "dear", **ERRS["escalate"]}}
    )
    labelled(tmp_path, [("pass", "fail", 4)] * 5, judge_hash="0123456789ab")
    with pytest.raises(UsageError, match=r"meaning.yml:1: escalate: `errs` is about the first model alone"):
        load_judges(["meaning"], judges_dir=tmp_path / "judges")


def test_missing_labels_are_refused(tmp_path: Path) -> None:
    escalate = {"to": "dear", "when": {"errs": 0.2}}
    judged_over_http(tmp_path, {}, {"model": "cheap", "escalate": escalate})
    with pytest.raises(UsageError, match=r"`errs` needs labels, and there is no meaning.calibration.yml"):
        load_judges(["meaning"], judges_dir=tmp_path / "judges")


# What is written, and what the definition covers.


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"escalate": {"to": "cheap"}}, "escalates to 'cheap', which is asked first already"),
        (
            {"escalate": {"to": "dear", "calibration": "x"}},
            "calibration is read for `when: {errs: ...}` alone",
        ),
        (
            {"escalate": {"to": "dear", "when": {"within": {"agree": 1}}}},
            "'agree' is no criterion of the rule",
        ),
        (
            {"escalate": {"to": "dear", "when": {"within": 0.6}}},
            "every verdict of 'agrees' would be escalated",
        ),
        ({"escalate": {"to": "dear", "when": {"witin": 0.6}}}, "unknown key 'witin' in"),
        ({"escalate": {"when": {}}}, "is missing the key 'to'"),
    ],
)
def test_an_escalation_that_makes_no_sense_is_refused(
    tmp_path: Path, keys: dict[str, Any], message: str
) -> None:
    judged_over_http(tmp_path, {}, {"model": "cheap", **keys})
    with pytest.raises(UsageError) as raised:
        read_judge(tmp_path / "judges/meaning.yml")
    assert message in str(raised.value)


def test_every_key_of_panel_and_escalation_is_part_of_the_definition(tmp_path: Path) -> None:
    def hashed(**keys: Any) -> str:
        judged_over_http(tmp_path, {}, {"model": ["a", "b", "c"], **keys})
        return load_judges(["meaning"], judges_dir=tmp_path / "judges")["meaning"].definition_hash

    escalate: dict[str, Any] = {"to": "d"}
    variants: list[dict[str, Any]] = [
        {},
        {"model": ["a", "b", "d"]},
        {"decide": "mean"},
        {"min_agreement": 0.8},
        {"min_members": 3},
        {"logprobs": True},
        {"escalate": escalate},
        {"escalate": {"to": "e"}},
        {"escalate": {**escalate, "when": {"disagreement": False}}},
        {"escalate": {**escalate, "when": {"within": 0.2}}},
    ]
    found = Counter(hashed(**keys) for keys in variants)
    assert len(found) == len(variants)
    assert hashed(decide="majority", min_members=2) == hashed()


@pytest.mark.parametrize(
    ("rule", "scores", "reach", "expected"),
    [
        ("a >= 4", {"a": 4.5}, {"a": 0.5}, False),
        ("a >= 4", {"a": 4.4}, {"a": 0.5}, True),
        ("a >= 4", {"a": 3.5}, {"a": 0.5}, True),
        ("a >= 4", {"a": 3.5}, {}, False),
        ("a >= 4 and b", {"a": 4.0, "b": 0.0}, {"a": 1.0}, False),
        ("a >= 4 or b", {"a": 4.0, "b": 1.0}, {"a": 1.0}, False),
        ("b", {"b": 0.6}, {"b": 0.2}, True),
        ("b", {"b": 0.9}, {"b": 0.2}, False),
        ("mean(a, b) >= 3", {"a": 3.0, "b": 3.5}, {"a": 0.4, "b": 0.4}, True),
        ("mean(a, b) >= 3", {"a": 4.0, "b": 3.5}, {"a": 0.4, "b": 0.4}, False),
        ("a - b > 0", {"a": 4.0, "b": 3.5}, {"a": 0.2, "b": 0.2}, False),
        ("a - b > 0", {"a": 4.0, "b": 3.5}, {"a": 0.3, "b": 0.3}, True),
        ("a >= 4", {}, {"a": 1.0}, False),
    ],
)
def test_a_verdict_turns_where_scores_within_reach_say_otherwise(
    rule: str, scores: dict[str, float], reach: dict[str, float], expected: bool
) -> None:
    assert turns(PassRule.parse(rule, ["a", "b"]), scores, reach) is expected
