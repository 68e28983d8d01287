"""The official clients see through the proxy what they see without it: answers, events, errors, retries."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
import pytest

from processes import wait_for
from servers import Answer, Received, Server, anthropic_message, openai_completion, serving
from shadowing import Shadow, shadowing
from streams import (
    anthropic_events,
    anthropic_stream,
    openai_chunk,
    openai_events,
    openai_stream,
    sse,
    streamed,
)

KEY = "sk-application-0123456789abcdef"
TOOL = {"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {}}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": '{"q": 1}'}}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1767225600,
    "model": "fixture-model",
    "status": "completed",
    "output": [
        {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": "hello", "annotations": []}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "usage": {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 2},
        "output_tokens": 3,
        "output_tokens_details": {"reasoning_tokens": 1},
        "total_tokens": 12,
    },
}


def response_stream() -> bytes:
    """The events of https://platform.openai.com/docs/api-reference/responses-streaming, as far as read."""
    begun = {**RESPONSE, "status": "in_progress", "output": [], "usage": None}
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.created", "sequence_number": 0, "response": begun},
        {"type": "response.output_text.delta", "sequence_number": 1, "delta": "hel", "logprobs": [], **place},
        {"type": "response.output_text.delta", "sequence_number": 2, "delta": "lo", "logprobs": [], **place},
        {"type": "response.completed", "sequence_number": 3, "response": RESPONSE},
    ]
    return sse(*events, kinds=True)


@dataclass
class Service:
    """Answers by path and text; `tries` counts each text, so that the first attempts may fail."""

    tries: dict[str, int] = field(default_factory=dict)

    def __call__(self, request: Received) -> Answer:
        if request.path == "/v1/models":
            return Answer({"object": "list", "data": [{"id": "old-1", "object": "model"}]})
        body = request.json
        text = json.dumps(body.get("messages", body.get("input")))
        if "busy" in text and "candidate" not in str(body["model"]):
            count = self.tries[text] = self.tries.get(text, 0) + 1
            if count % 2:
                limits = {"retry-after-ms": "5", "x-should-retry": "true", "request-id": "req_busy"}
                return Answer({"error": {"message": "slow down", "type": "rate_limit"}}, 429, limits)
        if "refused" in text:
            return Answer(
                {"error": {"message": "no such thing", "code": "x"}}, 400, {"x-request-id": "req_9"}
            )
        if request.path == "/v1/messages":
            return _message(body, text)
        if request.path == "/v1/responses":
            return streamed(response_stream()) if body.get("stream") else Answer(RESPONSE)
        return _completion(body, text)


def _completion(body: dict[str, Any], text: str) -> Answer:
    if "breaks" in text and body.get("stream"):
        error = {"error": {"message": "overloaded", "code": 503}}
        return streamed(sse(*openai_events(["some"])[:2], error))
    if body.get("tools"):
        if body.get("stream"):
            head = {
                "index": 0,
                "id": "call_1",
                "type": "function",
                "function": {"name": "find", "arguments": ""},
            }
            parts = [{"index": 0, "function": {"arguments": piece}} for piece in ('{"q"', ": 1}")]
            chunks = [openai_chunk({"tool_calls": [part]}) for part in (head, *parts)]
            return streamed(sse(*chunks, openai_chunk(finish_reason="tool_calls"), "[DONE]"))
        made = openai_completion("", content=None, tool_calls=[CALL])
        made["choices"][0]["finish_reason"] = "tool_calls"
        return Answer(made)
    return streamed(openai_stream("hel", "lo")) if body.get("stream") else Answer(openai_completion("hello"))


def _message(body: dict[str, Any], text: str) -> Answer:
    if "breaks" in text and body.get("stream"):
        error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
        return streamed(sse(*anthropic_events(["some"])[:4], error, kinds=True))
    if body.get("tools"):
        block = {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"q": 1}}
        return Answer(anthropic_message(content=[block], stop_reason="tool_use"))
    return (
        streamed(anthropic_stream("hel", "lo")) if body.get("stream") else Answer(anthropic_message("hello"))
    )


@dataclass
class Stage:
    shadow: Shadow
    control: Server
    candidate: Server


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    root = tmp_path_factory.mktemp("shadow")
    with (
        serving(Service()) as control,
        serving(Service()) as candidate,
        shadowing(
            root,
            control=control.url,
            candidate=candidate.url,
            content=True,
            route={"match": {"path": "/v1/*s"}},
        ) as shadow,
    ):
        yield Stage(shadow, control, candidate)


Ask = Callable[[str], Any]


def told(error: Exception) -> dict[str, Any]:
    """Return what an application may look at in an error."""
    response = getattr(error, "response", None)
    headers = (
        {} if response is None else {n: response.headers.get(n) for n in ("x-request-id", "retry-after-ms")}
    )
    return {
        "type": type(error).__name__,
        "message": str(error),
        "body": getattr(error, "body", None),
        **headers,
    }


def of_openai(url: str, **asked: Any) -> Any:
    client = openai.OpenAI(base_url=f"{url}/v1", api_key=KEY, max_retries=2)
    with client:
        try:
            if not asked.get("stream"):
                made = client.chat.completions.create(**asked)
                return made.model_dump(), made._request_id
            events = []
            for event in client.chat.completions.create(**asked):
                events.append(event.model_dump())
            return events
        except openai.OpenAIError as exc:
            return told(exc)


def of_responses(url: str, **asked: Any) -> Any:
    with openai.OpenAI(base_url=f"{url}/v1", api_key=KEY) as client:
        made = client.responses.create(**asked)
        return [event.model_dump() for event in made] if asked.get("stream") else made.model_dump()


def of_anthropic(url: str, **asked: Any) -> Any:
    with anthropic.Anthropic(base_url=url, api_key=KEY, max_retries=2) as client:
        try:
            made = client.messages.create(max_tokens=100, **asked)
            return [event.model_dump() for event in made] if asked.get("stream") else made.model_dump()
        except anthropic.AnthropicError as exc:
            return told(exc)


def saying(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    "asked",
    [{}, {"tools": [TOOL]}, {"text": "busy"}, {"text": "refused"}, {"text": "breaks"}],
    ids=["plain", "tools", "busy", "refused", "breaks"],
)
def test_openai_chat_is_the_same_through_the_proxy(stage: Stage, asked: dict[str, Any], stream: bool) -> None:
    asked = {"model": "old-1", "stream": stream, **asked}
    messages = saying(f"{asked.pop('text', 'hi')} {stream}")
    direct = of_openai(stage.control.url, messages=messages, **asked)
    assert of_openai(stage.shadow.url, messages=messages, **asked) == direct


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_openai_responses_are_the_same_through_the_proxy(stage: Stage, stream: bool) -> None:
    asked = {"model": "old-1", "input": "hi", "stream": stream}
    assert of_responses(stage.shadow.url, **asked) == of_responses(stage.control.url, **asked)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("text", ["hi", "busy", "refused", "breaks"])
def test_anthropic_messages_are_the_same_through_the_proxy(stage: Stage, text: str, stream: bool) -> None:
    asked = {"model": "claude-x", "messages": saying(f"{text} {stream}"), "stream": stream}
    assert of_anthropic(stage.shadow.url, **asked) == of_anthropic(stage.control.url, **asked)


def test_the_models_are_listed_by_the_control(stage: Stage) -> None:
    """Everything that is not mirrored goes to the control all the same."""
    with openai.OpenAI(base_url=f"{stage.shadow.url}/v1", api_key=KEY) as client:
        assert [model.id for model in client.models.list()] == ["old-1"]


def test_both_legs_are_read_in_every_format_and_the_candidate_is_asked_in_its_own(stage: Stage) -> None:
    url = stage.shadow.url
    of_openai(url, model="old-1", messages=saying("read chat"), stream=True)
    of_openai(url, model="old-1", messages=saying("read tools"), tools=[TOOL])
    of_responses(url, model="old-1", input="read responses", stream=True)
    of_anthropic(url, model="claude-x", messages=saying("read messages"), stream=True)

    def found(text: str) -> Any:
        return next(e for e in stage.shadow.exchanges() if text in json.dumps(e.request) and e.candidate)

    def is_read(exchange: Any) -> bool:
        return "read " in json.dumps(exchange.request) and exchange.candidate is not None

    wait_for(lambda: sum(map(is_read, stage.shadow.exchanges())) == 4)
    for text in ("read chat", "read responses", "read messages"):
        exchange = found(text)
        assert exchange.control.text == "hello" == exchange.candidate.text
        assert exchange.control.finish_reason == "stop" and exchange.control.usage.tokens_in
        assert exchange.control.ttft_s is not None and exchange.control.ttft_s <= exchange.control.latency_s
    assert found("read responses").candidate.ttft_s is not None
    tools = found("read tools")
    assert tools.control.tool_names == ("find",) and tools.control.tools_hash == tools.candidate.tools_hash
    sent = {r.path for r in stage.candidate.requests}
    assert sent == {"/v1/chat/completions", "/v1/responses"}
    responses = [r.json for r in stage.candidate.requests if r.path == "/v1/responses"]
    assert all(body["store"] is False and body["model"] == "new-1" for body in responses)
