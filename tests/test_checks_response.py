"""The checks of what comes with the text: finish, finish_reason, latency, cost, tool_call."""

from __future__ import annotations

import pytest

from checks_running import messages, mistake, run_check
from swapgate.checks import Subject
from swapgate.checks.build import finish_check
from swapgate.records import FinishReason, Response, ToolCall

PARIS = ToolCall(name="get_weather", arguments='{"city": "Paris", "options": {"unit": "C", "days": 3}}')
ROME = ToolCall(name="get_weather", arguments='{"city": "Rome"}')
BROKEN = ToolCall(name="get_weather", arguments='{"city": ')


@pytest.mark.parametrize(
    ("reason", "message"),
    [
        ("stop", None),
        ("tool_calls", None),
        ("other", None),
        (
            "length",
            "The answer was cut off at the token limit; raise max_tokens for the model or the prompt.",
        ),
        ("refusal", "The model refused to answer."),
        ("content_filter", "The provider's content filter stopped the answer."),
    ],
)
def test_finish_fails_on_answers_that_were_not_finished(reason: FinishReason, message: str | None) -> None:
    check = finish_check()
    result = check.run(Subject(response=Response(text="", finish_reason=reason)))
    assert (check.name, check.kind) == ("finish", "structural")
    assert messages(result) == ([message] if message else [])


def test_finish_reason_allows_what_it_names() -> None:
    assert run_check("finish_reason: [stop, tool_calls]", finish_reason="tool_calls").passed
    assert messages(run_check("finish_reason: stop", finish_reason="length")) == [
        "The answer ended for the reason 'length', wanted stop."
    ]
    assert "Did you mean 'stop'?" in mistake("finish_reason: stopp")[1]


def test_latency_and_cost_are_bounded() -> None:
    assert run_check("latency: 2", latency_s=2.0).passed
    assert messages(run_check("latency: {max_s: 2}", latency_s=2.341)) == [
        "The answer took 2.34 s, wanted at most 2 s."
    ]
    assert run_check("cost: 0.01", cost_usd=0.01).passed
    assert messages(run_check("cost: {max_usd: 0.01}", cost_usd=0.0123)) == [
        "The answer cost $0.0123, wanted at most $0.01."
    ]


def test_unknown_latency_and_cost_fail_with_the_remedy() -> None:
    for written, remedy in (("latency: 2", "record `latency_s`"), ("cost: 0.01", "give the model a `price`")):
        result = run_check(written)
        assert (result.passed, result.findings[0].got) == (False, "unknown")
        assert remedy in result.findings[0].message


@pytest.mark.parametrize(
    ("written", "calls", "said"),
    [
        ("tool_call: get_weather", (PARIS,), None),
        ("tool_call: get_weather", (), "The model called no tool, wanted a call of 'get_weather'."),
        ("tool_call: get_time", (PARIS,), "The model called 'get_weather', wanted a call of 'get_time'."),
        ("tool_call: {none: true}", (), None),
        ("tool_call: {none: true}", (PARIS,), "The model called 'get_weather', wanted no call."),
        ("tool_call: {name: get_weather, count: 2}", (PARIS, ROME), None),
        (
            "tool_call: {count: 1}",
            (PARIS, ROME),
            "The model called 'get_weather', 'get_weather', wanted a call.",
        ),
        ("tool_call: {name: get_weather, arguments: {city: Rome}}", (PARIS, ROME), None),
        ("tool_call: {name: get_weather, arguments: {options: {unit: C}}}", (PARIS,), None),
        (
            "tool_call: {name: get_weather, arguments: {options: {unit: F}}}",
            (PARIS,),
            "/tool_calls/0/arguments/options/unit is 'C', wanted 'F'.",
        ),
        (
            "tool_call: {name: get_weather, count: 2, arguments: {city: Paris}}",
            (PARIS, ROME),
            "/tool_calls/1/arguments/city is 'Rome', wanted 'Paris'.",
        ),
        (
            "tool_call: {name: get_weather, arguments_schema: {properties: {city: {type: integer}}}}",
            (ROME,),
            "/tool_calls/0/arguments/city is the string 'Rome', wanted integer.",
        ),
        ("tool_call: get_weather", (ToolCall(name="get_weather", arguments=""),), None),
    ],
)
def test_tool_calls(written: str, calls: tuple[ToolCall, ...], said: str | None) -> None:
    assert messages(run_check(written, tool_calls=calls)) == ([said] if said else [])


def test_arguments_that_are_no_json_are_a_finding() -> None:
    result = run_check("tool_call: get_weather", tool_calls=(BROKEN,))
    assert result.findings[0].pointer == "/tool_calls/0/arguments"
    assert (
        "The arguments of 'get_weather' are no JSON object (line 1, column 10:" in result.findings[0].message
    )
    assert not run_check(
        "tool_call: get_weather", tool_calls=(ToolCall(name="get_weather", arguments="[1]"),)
    ).passed


def test_contradictions_in_options_are_refused() -> None:
    assert mistake("tool_call: {none: true, name: x}") == (
        "/tool_call",
        "check 'tool_call': the check must not have none: true together with name",
    )
    assert mistake("latency: 0") == ("/latency", "check 'latency': the check must be more than 0, got 0")
