"""Reading a judge's reply: one object of the asked shape, or no score."""

from __future__ import annotations

import json
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swapgate.checks.json_reading import JsonKind
from swapgate.judging.kinds.plain import PROBE
from swapgate.judging.kinds.rubric import Rubric
from swapgate.judging.parse import NOT_ONE_OBJECT, ReplyReader
from swapgate.records import Answer, FinishReason, Json, JudgeSample, Response
from swapgate.spec.judges import RubricSpec

OUTPUT = '{"summary": "The query is\\nbuilt by \\"hand\\"", "recommendation": "approve"}'


def reader(**keys: Any) -> ReplyReader:
    written: dict[str, Any] = {
        "judge": "j",
        "model": "m",
        "criteria": {"accuracy": {"ask": "?", "scale": [1, 5]}, "agrees": {"ask": "?"}},
        "pass": "agrees",
    }
    return ReplyReader(Rubric(RubricSpec.model_validate(written | keys)).shapes(PROBE)[0])


def read(text: str, finish_reason: FinishReason = "stop", **keys: Any) -> JudgeSample:
    answer = Answer(response=Response(text=text, finish_reason=finish_reason), model="m")
    return reader(**keys).read(answer, output=OUTPUT)


def reply(**changes: Json) -> str:
    whole: dict[str, Json] = {"evidence": [], "reasoning": "Because.", "accuracy": 4, "agrees": "pass"}
    return json.dumps({k: v for k, v in (whole | changes).items() if v != "absent"})


@pytest.mark.parametrize(
    "text", [reply(), f"```json\n{reply()}\n```", f"\n```\n{reply()}\n```  \n", f"  {reply()}\n"]
)
def test_one_object_bare_or_fenced_is_valid(text: str) -> None:
    sample = read(text)
    assert (sample.status, sample.problem) == ("valid", "")
    assert sample.scores == {"accuracy": 4.0, "agrees": 1.0}
    assert (sample.reasoning, sample.raw) == ("Because.", text)


def test_fail_counts_zero_and_cannot_assess_has_no_score() -> None:
    assert read(reply(agrees="fail")).scores == {"accuracy": 4.0, "agrees": 0.0}
    abstained = read(reply(agrees="cannot_assess"))
    assert (abstained.status, abstained.scores) == ("valid", {"accuracy": 4.0})


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("I would give it a 4.", "there is no JSON object in it"),
        (f"Here it is:\n{reply()}", "text before the JSON object"),
        (f"{reply()}\nI hope this helps.", "text after the JSON object"),
        (f"{reply(accuracy=2)}\n{reply(accuracy=5)}", "more than one JSON value"),
        (f"```json\n{reply()}\n```\n```json\n{reply()}\n```", "more than one JSON value"),
        (reply()[:-9], "the JSON object does not end"),
        ("[" * 100_000, "JSON"),
        (f"[{reply()}]", "a JSON list, not an object"),
        ("4", "a JSON int, not an object"),
        (reply()[:-1] + ', "accuracy": 5}', "'/accuracy' occurs twice"),
        (reply().replace("4", "NaN"), "'/accuracy' is not a finite number"),
        (reply(accuracy="absent"), "'accuracy' is missing"),
        (reply(reasoning="absent"), "'reasoning' is missing"),
        (reply(accuracy="4"), "accuracy: input should be a valid integer, got '4'"),
        (reply(accuracy=4.5), "accuracy: input should be a valid integer"),
        (reply(accuracy=True), "accuracy: input should be a valid integer, got True"),
        (reply(accuracy=None), "accuracy: input should be a valid integer, got None"),
        (reply(agrees="yes"), "agrees: input should be 'pass', 'fail' or 'cannot_assess', got 'yes'"),
        (reply(evidence="a quote"), "evidence: input should be a valid list"),
        (reply(reasoning="\ud800"), "lone surrogate"),
    ],
)
def test_anything_else_is_unparseable_with_the_problem_named(text: str, problem: str) -> None:
    sample = read(text)
    assert (sample.status, sample.scores) == ("unparseable", {})
    assert problem in sample.problem
    assert sample.raw == text


def test_a_key_that_was_not_asked_for_changes_nothing() -> None:
    asked, more = read(reply()), read(reply(revised_accuracy=5))
    assert (more.status, more.scores) == ("valid", asked.scores)


def test_a_whole_number_written_with_a_point_counts() -> None:
    assert read(reply().replace("4", "4.0")).scores["accuracy"] == 4.0


@pytest.mark.parametrize("score", [0, 6, -1, 10**30])
def test_a_score_outside_the_scale_is_off_scale(score: int) -> None:
    sample = read(reply(accuracy=score))
    assert (sample.status, sample.scores) == ("off_scale", {})
    assert sample.problem == f"accuracy is {score}, outside the scale of 1 to 5"


@pytest.mark.parametrize(
    ("text", "finish_reason", "status"),
    [
        ("", "stop", "empty"),
        (" \n", "stop", "empty"),
        ("", "length", "truncated"),
        (reply(), "length", "truncated"),
        ("", "refusal", "refused"),
        ("I can't help with that.", "content_filter", "refused"),
    ],
)
def test_replies_that_never_came_whole_have_their_own_status(
    text: str, finish_reason: FinishReason, status: str
) -> None:
    sample = read(text, finish_reason)
    assert (sample.status, sample.scores) == (status, {})
    assert sample.problem


def test_per_criterion_replies_carry_score_or_verdict() -> None:
    first = read('{"evidence": [], "reasoning": "r", "score": 2}', calls="per_criterion")
    assert (first.scores, first.criterion) == ({"accuracy": 2.0}, "accuracy")
    assert read(reply(), calls="per_criterion").status == "unparseable"


def test_fields_that_were_not_asked_for_are_not_required() -> None:
    assert read('{"accuracy": 3, "agrees": "pass"}', reasoning=False, evidence=False).status == "valid"


def test_a_criterion_may_be_called_like_a_method_of_the_model() -> None:
    keys: dict[str, Any] = {"pass": "json"}
    criteria = {"model_dump": {"ask": "?", "scale": [1, 5]}, "json": {"ask": "?"}}
    text = '{"evidence": [], "reasoning": "", "model_dump": 5, "json": "fail"}'
    assert read(text, criteria=criteria, **keys).scores == {"model_dump": 5.0, "json": 0.0}


@pytest.mark.parametrize(
    ("quote", "is_verbatim"),
    [
        ('"recommendation": "approve"', True),
        ('"recommendation":   "approve"', True),
        ('The query is built by "hand"', True),
        ("The query is built", True),
        ("The query is safe", False),
        ("the query is built", False),
        ("", False),
    ],
)
def test_quotes_are_looked_up_in_the_answer_and_kept_either_way(quote: str, is_verbatim: bool) -> None:
    sample = read(reply(evidence=[quote]))
    assert sample.status == "valid"
    assert [(e.quote, e.is_verbatim) for e in sample.evidence] == [(quote, is_verbatim)]


@given(
    st.text(max_size=80)
    | st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda v: (
            st.lists(v)
            | st.dictionaries(st.sampled_from(["evidence", "reasoning", "accuracy", "agrees", "x"]), v)
        ),
        max_leaves=8,
    ).map(json.dumps)
)
def test_no_reply_raises_and_only_valid_ones_score(text: str) -> None:
    sample = read(text)
    assert sample.raw == text
    assert bool(sample.problem) is (sample.status != "valid")
    assert sample.status == "valid" or not sample.scores


def test_every_way_of_not_being_one_object_has_words() -> None:
    assert set(NOT_ONE_OBJECT) == set(get_args(JsonKind)) - {"bare", "fenced"}
