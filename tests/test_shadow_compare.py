"""Two answers to one request held beside each other: what is another decision, and what are only words."""

from __future__ import annotations

from pathlib import Path

import pytest

from shadow_traffic import CANDIDATE, CONTROL, Quality, World, traffic
from swapgate.engine.workspace import Workspace
from swapgate.errors import ErrorKind, UsageError
from swapgate.records import Response, ToolCall
from swapgate.shadow.comparing.compare import Comparer, open_comparer
from swapgate.shadow.comparing.likeness import from_stored, to_stored
from swapgate.shadow.records import Exchange, Leg, answered, without_content
from swapgate.spec.settings import resolve_settings
from swapgate.spec.shadow_criteria import Comparing
from workspaces import lay

SUITE = """\
suite: review
prompt: {user: "{{ diff }}"}
checks:
  - json: strict
  - enum: {pointer: /recommendation, values: [approve, comment]}
  - expected: [/recommendation]
cases:
  - {id: one, input: {diff: "+ x"}, expected: {recommendation: approve}, checks: [{contains: approve}]}
"""


@pytest.fixture
def comparer(tmp_path: Path) -> Comparer:
    lay(tmp_path, {"cases/review.yml": SUITE})
    return open_comparer(workspace(tmp_path), Comparing(suite="review", similarity="none"))


def workspace(root: Path) -> Workspace:
    return Workspace(resolve_settings(root, {}, {}))


def leg(text: str = "", **fields: object) -> Leg:
    return answered("m", Response(text=text, **fields))  # type: ignore[arg-type]


def exchange(control: Leg | None, candidate: Leg | None, again: Leg | None = None) -> Exchange:
    return Exchange(
        key="k",
        route="r",
        at="2026-11-26T10:00:00+00:00",
        api="chat",
        control=control,
        candidate=candidate,
        again=again,
        request={"messages": []},
    )


APPROVE, COMMENT = '{"recommendation": "approve", "x": 1}', '{"recommendation": "comment"}'


def differs(comparer: Comparer, control: Leg, candidate: Leg) -> tuple[str, ...]:
    found = comparer.compare(exchange(control, candidate)).candidate
    assert found is not None
    return found.differs_in


def test_other_words_with_the_same_decision_are_no_difference(comparer: Comparer) -> None:
    assert differs(comparer, leg(APPROVE), leg('{"recommendation": "approve", "x": 2}')) == ()


def test_the_fields_of_the_suites_enums_decide(comparer: Comparer) -> None:
    assert differs(comparer, leg(APPROVE), leg(COMMENT)) == ("fields",)


def test_a_decision_is_read_through_a_fence_and_the_fence_is_a_structural_failure(comparer: Comparer) -> None:
    found = comparer.compare(exchange(leg(APPROVE), leg(f"```json\n{APPROVE}\n```")))
    assert found.candidate is not None
    assert found.candidate.differs_in == ("structure",)
    assert (found.control_failed, found.candidate_failed) == ((), ("json",))


def test_checks_that_need_a_case_are_not_run_on_traffic(comparer: Comparer) -> None:
    assert [check.name for check in comparer.structure.checks] == ["finish", "json", "enum"]


def test_a_timeout_is_a_failure_and_nothing_else(comparer: Comparer) -> None:
    late = Leg(model="m", error_kind=ErrorKind.TIMEOUT, error="no answer in 60 s")
    assert differs(comparer, leg(APPROVE), late) == ("failure",)


def test_a_filter_before_the_model_is_a_refusal(comparer: Comparer) -> None:
    filtered = Leg(model="m", error_kind=ErrorKind.CONTENT_FILTER, error="filtered")
    assert differs(comparer, leg(APPROVE), filtered) == ("refusal",)


def test_both_refusing_is_no_difference(comparer: Comparer) -> None:
    refusal = leg("No.", finish_reason="refusal")
    assert differs(comparer, refusal, refusal) == ()


def test_tool_calls_are_equal_however_their_json_is_written(comparer: Comparer) -> None:
    def call(arguments: str, name: str = "find") -> Leg:
        return leg(tool_calls=(ToolCall(name=name, arguments=arguments),), finish_reason="tool_calls")

    assert "tools" not in differs(comparer, call('{"a": 1, "b": 2}'), call('{"b":2,"a":1}'))
    assert "tools" in differs(comparer, call('{"a": 1}'), call('{"a": 2}'))
    assert "tools" in differs(comparer, call("{}"), call("{}", name="look"))


def test_the_controls_second_answer_is_compared_in_the_same_way(comparer: Comparer) -> None:
    found = comparer.compare(exchange(leg(APPROVE), leg(APPROVE), leg(COMMENT)))
    assert found.again is not None
    assert found.again.differs_in == ("fields",)


def test_where_the_control_has_no_answer_there_is_nothing_to_compare(comparer: Comparer) -> None:
    broken = Leg(model="m", error_kind=ErrorKind.SERVER, error="500")
    assert comparer.compare(exchange(broken, leg(APPROVE))).candidate is None
    alone = comparer.compare(exchange(None, leg("prose")))
    assert (alone.candidate, alone.candidate_failed) == (None, ("json", "enum"))


def test_without_content_finish_tools_and_lengths_are_compared_all_the_same(comparer: Comparer) -> None:
    bare = without_content(exchange(leg(APPROVE), leg(COMMENT, finish_reason="length")))
    found = comparer.compare(bare)
    assert found.candidate is not None
    assert found.candidate.differs_in == ("finish",)
    assert found.candidate.length_ratio == pytest.approx(len(COMMENT) / len(APPROVE))
    assert found.candidate_failed is None


def test_a_comparison_is_read_back_as_it_was_stored(comparer: Comparer) -> None:
    for one in traffic(Quality(fails=0.3, fenced=0.3), world=World(per_day=6)):
        found = comparer.compare(one)
        assert from_stored(to_stored(found)) == found


def test_similarity_is_of_words_where_the_embedder_is_there(tmp_path: Path) -> None:
    pytest.importorskip("wordllama")
    comparer = open_comparer(workspace(tmp_path), Comparing())
    near = comparer.compare(exchange(leg("The invoice is wrong."), leg("The bill is incorrect.")))
    far = comparer.compare(exchange(leg("The invoice is wrong."), leg("Penguins swim in cold water.")))
    assert near.candidate is not None
    assert far.candidate is not None
    assert near.candidate.similarity > far.candidate.similarity  # type: ignore[operator]


def test_an_unknown_suite_and_a_wrong_embedder_are_said(tmp_path: Path) -> None:
    lay(tmp_path, {"cases/review.yml": SUITE})
    with pytest.raises(UsageError, match=r"unknown suite 'revew' in `compare`.*Did you mean 'review'"):
        open_comparer(workspace(tmp_path), Comparing(suite="revew"))
    with pytest.raises(UsageError, match=r"`similarity` in `compare`: wanted 'wordllama'"):
        open_comparer(workspace(tmp_path), Comparing(similarity="openai"))


def test_the_models_of_the_simulated_traffic_are_those_of_the_article() -> None:
    [one, *_] = traffic(Quality(), world=World(per_day=1))
    assert one.control is not None
    assert one.candidate is not None
    assert (one.control.model, one.candidate.model) == (CONTROL, CANDIDATE)
