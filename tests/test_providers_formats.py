"""The wire formats: what is sent and how answers are read, side by side with the vendors' own clients."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from servers import Answer, Received, anthropic_message, gemini_content, openai_completion, serving
from swapgate.errors import ErrorKind, ProviderError, UsageError
from swapgate.providers import Provider
from swapgate.providers.anthropic import decodable_schema
from swapgate.providers.http_client import open_http
from swapgate.providers.open import PROVIDER_NAMES, missing_key, open_provider
from swapgate.providers.openai import is_strict
from swapgate.records import Json, Message, Request, Response, ToolCall, Usage
from swapgate.spec.models import ModelSpec

KEY = "sk-test-0123456789-secret"
SCHEMA = {
    "type": "object",
    "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 5}},
    "required": ["score"],
    "additionalProperties": False,
}
TOOL = {"name": "lookup", "description": "Looks up.", "parameters": {"type": "object", "properties": {}}}
TOLD = (
    Message(role="system", content="Be brief."),
    Message(role="user", content="What is in the file?"),
    Message(role="assistant", content="", tool_calls=(ToolCall(name="read", arguments='{"n": 1}', id="c1"),)),
    Message(role="tool", content="text", tool_call_id="c1"),
)


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, KEY)


def spec(provider: str, **fields: Any) -> ModelSpec:
    return ModelSpec(**{"name": "model-a", "provider": provider, "model": "fixture-model", **fields})


def request(*messages: Message, **fields: Any) -> Request:
    return Request(
        **{"model": "fixture-model", "messages": messages or (Message(role="user", content="Hi"),), **fields}
    )


def ask(model: ModelSpec, asked: Request, *, root: Path = Path()) -> Response:
    async def run() -> Response:
        async with open_http(concurrency=2, timeout_s=5) as http:
            provider = open_provider(model, http=http, root=root)
            try:
                return await provider.complete(asked)
            finally:
                await provider.close()

    return asyncio.run(run())


def opened(provider: str, **fields: Any) -> Provider:
    async def run() -> Provider:
        async with open_http(concurrency=2, timeout_s=5) as http:
            return open_provider(spec(provider, **fields), http=http, root=Path())

    return asyncio.run(run())


def exchange(
    provider: str, body: Mapping[str, Any], asked: Request | None = None, **fields: Any
) -> tuple[Response, Received]:
    with serving(Answer(body, headers={"x-request-id": "req-7"})) as server:
        response = ask(spec(provider, base_url=server.url, **fields), asked or request())
        return response, server.requests[0]


def test_openai_answer_is_read_as_the_official_client_reads_it() -> None:
    with serving(Answer(openai_completion())) as server:
        ours = ask(spec("openai", base_url=server.url), request())
        with openai.OpenAI(api_key=KEY, base_url=server.url) as client:
            theirs = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    assert theirs.usage is not None
    assert ours.text == theirs.choices[0].message.content
    assert (ours.usage.tokens_in, ours.usage.tokens_out) == (
        theirs.usage.prompt_tokens,
        theirs.usage.completion_tokens,
    )
    assert ours.usage == Usage(tokens_in=20, tokens_out=9, tokens_cached_in=12, tokens_reasoning=4)
    assert (ours.model_served, ours.fingerprint) == (theirs.model, theirs.system_fingerprint)
    assert ours.request_id == theirs.id


def test_openai_request_is_sent_as_the_official_client_sends_it() -> None:
    with serving(Answer(openai_completion())) as server:
        ask(spec("deepseek", base_url=server.url, api_key_env="OPENAI_API_KEY"), request(params={"seed": 7}))
        with openai.OpenAI(api_key=KEY, base_url=server.url) as client:
            client.chat.completions.create(
                model="fixture-model", messages=[{"role": "user", "content": "Hi"}], seed=7
            )
    ours, theirs = server.requests
    assert (ours.method, ours.path, ours.json) == (theirs.method, theirs.path, theirs.json)
    assert ours.headers["authorization"] == theirs.headers["authorization"] == f"Bearer {KEY}"


def test_openai_itself_takes_max_completion_tokens_and_others_max_tokens() -> None:
    asked = request(params={"max_tokens": 9, "temperature": 0.1})
    _, own = exchange("openai", openai_completion(), asked)
    _, other = exchange("vllm", openai_completion(), asked)
    assert own.json["max_completion_tokens"] == 9
    assert "max_tokens" not in own.json
    assert other.json["max_tokens"] == 9


def test_a_parameter_that_is_called_as_a_part_of_the_request_takes_its_place() -> None:
    _, sent = exchange("vllm", openai_completion(), request(params={"model": "other", "seed": 7}))
    assert (sent.json["model"], sent.json["seed"]) == ("other", 7)
    assert sent.body.count(b'"model"') == 1


def test_unset_removes_a_parameter_and_reports_it() -> None:
    response, sent = exchange(
        "openai", openai_completion(), request(params={"temperature": 0.1}), unset=("temperature",)
    )
    assert "temperature" not in sent.json
    assert response.dropped_params == ("temperature",)


def test_azure_sends_its_own_key_header_and_the_api_version() -> None:
    _, sent = exchange("azure", openai_completion(), api_version="2025-04-01")
    assert sent.path == "/chat/completions?api-version=2025-04-01"
    assert sent.headers["api-key"] == KEY
    assert "authorization" not in sent.headers


def test_local_servers_are_asked_without_a_key() -> None:
    _, sent = exchange("ollama", openai_completion())
    assert "authorization" not in sent.headers


def test_schema_is_strict_only_when_it_qualifies() -> None:
    _, sent = exchange("openai", openai_completion(), request(output_schema=SCHEMA))
    named = sent.json["response_format"]["json_schema"]
    assert (named["schema"], named["strict"]) == (SCHEMA, True)
    assert not is_strict({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})
    assert not is_strict({**SCHEMA, "required": []})
    assert not is_strict({**SCHEMA, "properties": {"score": {"type": "string", "minLength": 1}}})


def test_json_mode_is_asked_for_and_structured_output_false_turns_it_off() -> None:
    _, sent = exchange("openai", openai_completion(), request(json_mode=True))
    assert sent.json["response_format"] == {"type": "json_object"}
    for asked in (request(json_mode=True), request(output_schema=SCHEMA)):
        _, without = exchange("openai", openai_completion(), asked, structured_output=False)
        assert "response_format" not in without.json


def test_openai_conversation_carries_tool_calls_and_results() -> None:
    _, sent = exchange("openai", openai_completion(), request(*TOLD, tools=(TOOL,)))
    call = {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"n": 1}'}}
    assert sent.json["messages"][2] == {"role": "assistant", "content": None, "tool_calls": [call]}
    assert sent.json["messages"][3] == {"role": "tool", "content": "text", "tool_call_id": "c1"}
    assert sent.json["tools"] == [{"type": "function", "function": TOOL}]


@pytest.mark.parametrize(
    ("message", "reason", "text", "finish"),
    [
        ({"refusal": "I cannot.", "content": None}, "stop", "I cannot.", "refusal"),
        ({"content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, "stop", "ab", "stop"),
        ({"content": None}, "content_filter", "", "content_filter"),
        ({"content": "half"}, "length", "half", "length"),
        ({"content": "x"}, "eos", "x", "other"),
    ],
)
def test_openai_finish_reasons_and_contents(message: Any, reason: str, text: str, finish: str) -> None:
    body = openai_completion(**message)
    body["choices"][0]["finish_reason"] = reason
    response, _ = exchange("openai", body)
    assert (response.text, response.finish_reason) == (text, finish)


def test_openai_tool_calls_are_read_although_the_server_says_stop() -> None:
    calls = [{"id": "c9", "type": "function", "function": {"name": "lookup", "arguments": '{"q":'}}]
    response, _ = exchange("openai", openai_completion(content=None, tool_calls=calls))
    assert response.tool_calls == (ToolCall(name="lookup", arguments='{"q":', id="c9"),)
    assert response.finish_reason == "tool_calls"


def test_reasoning_left_out_of_completion_tokens_is_counted() -> None:
    body = openai_completion()
    body["usage"]["total_tokens"] = 20 + 9 + 4
    response, _ = exchange("xai", body, api_key_env="OPENAI_API_KEY")
    assert response.usage.tokens_out == 13


@pytest.mark.parametrize("told", [-5, 5.5, float("nan"), 10**12, "many", [3]])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_a_count_of_tokens_that_cannot_be_is_unknown_and_the_answer_is_kept(provider: str, told: Any) -> None:
    body: dict[str, Any] = {
        "openai": openai_completion,
        "anthropic": anthropic_message,
        "gemini": gemini_content,
    }[provider]()
    usage = body["usageMetadata"] if provider == "gemini" else body["usage"]
    usage.update(dict.fromkeys(("completion_tokens", "output_tokens", "candidatesTokenCount"), told))
    usage.pop("thoughtsTokenCount", None)
    response, _ = exchange(provider, body)
    assert response.text
    assert response.usage.tokens_in
    assert response.usage.tokens_out is None


@pytest.mark.parametrize("told", [[], "many", 7, True])
@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
def test_usage_that_is_no_object_is_unknown_and_the_answer_is_kept(provider: str, told: Json) -> None:
    body: dict[str, Any] = {
        "openai": openai_completion,
        "anthropic": anthropic_message,
        "gemini": gemini_content,
    }[provider]()
    body["usageMetadata" if provider == "gemini" else "usage"] = told
    response, _ = exchange(provider, body)
    assert response.text
    assert response.usage == Usage()


def test_anthropic_answer_is_read_as_the_official_client_reads_it() -> None:
    with serving(Answer(anthropic_message())) as server:
        ours = ask(spec("anthropic", base_url=server.url), request(params={"max_tokens": 50}))
        with anthropic.Anthropic(api_key=KEY, base_url=server.url) as client:
            theirs = client.messages.create(
                model="fixture-model", max_tokens=50, messages=[{"role": "user", "content": "Hi"}]
            )
    sent, official = server.requests
    assert ours.text == theirs.content[0].text  # type: ignore[union-attr]
    assert ours.usage == Usage(
        tokens_in=10 + 100 + 30,
        tokens_out=theirs.usage.output_tokens,
        tokens_cached_in=100,
        tokens_cache_write=30,
    )
    assert (ours.model_served, ours.request_id) == (theirs.model, theirs.id)
    assert (sent.path, sent.json) == (official.path, official.json)


EPHEMERAL = {"type": "ephemeral"}
SYSTEM = Message(role="system", content="You label messages.")


def test_anthropic_is_asked_to_cache_what_calls_begin_with_when_the_model_says_so() -> None:
    told = (SYSTEM, Message(role="user", content="one"))
    _, plain = exchange("anthropic", anthropic_message(), request(*told, tools=(TOOL,)))
    _, marked = exchange("anthropic", anthropic_message(), request(*told, tools=(TOOL,)), prompt_cache=True)
    assert plain.json["system"] == SYSTEM.content
    assert marked.json["system"] == [{"type": "text", "text": SYSTEM.content, "cache_control": EPHEMERAL}]
    assert marked.json["tools"] == plain.json["tools"]
    assert "cache_control" not in plain.body.decode()


def test_without_a_system_text_the_tools_are_marked_and_without_both_nothing() -> None:
    asked = request(Message(role="user", content="one"), tools=(TOOL, TOOL))
    _, marked = exchange("anthropic", anthropic_message(), asked, prompt_cache=True)
    assert ["cache_control" in tool for tool in marked.json["tools"]] == [False, True]
    _, bare = exchange("anthropic", anthropic_message(), prompt_cache=True)
    assert "cache_control" not in bare.body.decode()


def test_the_mark_is_no_part_of_what_is_asked() -> None:
    plain, marked = (opened("anthropic", prompt_cache=mark) for mark in (None, True))
    assert plain.identity == marked.identity


def test_only_anthropics_format_takes_the_mark() -> None:
    with pytest.raises(UsageError, match="prompt_cache is for Anthropic's format; openai needs no such mark"):
        opened("openai", prompt_cache=True)


def test_written_tokens_of_an_openai_answer_are_counted() -> None:
    """From gpt-5.6 on: https://developers.openai.com/api/docs/guides/prompt-caching"""
    body = openai_completion()
    body["usage"]["prompt_tokens_details"] = {"cached_tokens": 4, "cache_write_tokens": 10}
    response, _ = exchange("openai", body)
    assert (response.usage.tokens_cached_in, response.usage.tokens_cache_write) == (4, 10)


def test_anthropic_key_and_version_headers() -> None:
    _, sent = exchange("anthropic", anthropic_message())
    assert (sent.headers["x-api-key"], sent.headers["anthropic-version"]) == (KEY, "2023-06-01")
    _, newer = exchange("anthropic", anthropic_message(), api_version="2026-10-21")
    assert newer.headers["anthropic-version"] == "2026-10-21"


def test_anthropic_turns_are_valid_for_the_official_client() -> None:
    _, sent = exchange(
        "anthropic", anthropic_message(), request(*TOLD, tools=(TOOL,), params={"stop": "END"})
    )
    with (
        serving(Answer(anthropic_message())) as server,
        anthropic.Anthropic(api_key=KEY, base_url=server.url) as client,
    ):
        client.messages.create(**sent.json)
    assert server.requests[0].json == sent.json
    assert sent.json["system"] == "Be brief."
    assert sent.json["max_tokens"] == 4096
    assert sent.json["stop_sequences"] == ["END"]
    assert [turn["role"] for turn in sent.json["messages"]] == ["user", "assistant", "user"]
    assert sent.json["messages"][1]["content"] == [
        {"type": "tool_use", "id": "c1", "name": "read", "input": {"n": 1}}
    ]
    assert sent.json["messages"][2]["content"][0]["type"] == "tool_result"
    assert sent.json["tools"][0]["input_schema"] == TOOL["parameters"]


@pytest.mark.parametrize("provider", ["anthropic", "gemini"])
def test_system_text_alone_is_sent_as_the_users_turn(provider: str) -> None:
    body = anthropic_message() if provider == "anthropic" else gemini_content()
    _, sent = exchange(provider, body, request(Message(role="system", content="Say hi.")))
    turns = sent.json.get("messages") or sent.json["contents"]
    assert [turn["role"] for turn in turns] == ["user"]
    assert "Say hi." in json.dumps(turns)


def test_anthropic_schema_is_sent_without_the_bounds_that_the_api_refuses() -> None:
    _, sent = exchange("anthropic", anthropic_message(), request(output_schema=SCHEMA))
    schema = sent.json["output_config"]["format"]["schema"]
    assert sent.json["output_config"]["format"]["type"] == "json_schema"
    assert schema == {**SCHEMA, "properties": {"score": {"type": "integer"}}}
    assert decodable_schema({"oneOf": [{"type": "object", "properties": {}}]}) == {
        "anyOf": [{"type": "object", "properties": {}, "additionalProperties": False}]
    }


@pytest.mark.parametrize(
    ("fields", "text", "finish"),
    [
        ({"stop_reason": "max_tokens"}, "hello", "length"),
        ({"stop_reason": "pause_turn"}, "hello", "other"),
        (
            {
                "stop_reason": "refusal",
                "content": [],
                "stop_details": {"type": "refusal", "explanation": "no"},
            },
            "no",
            "refusal",
        ),
        (
            {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "yes"}]},
            "yes",
            "stop",
        ),
    ],
)
def test_anthropic_stop_reasons(fields: dict[str, Any], text: str, finish: str) -> None:
    response, _ = exchange("anthropic", anthropic_message(**fields))
    assert (response.text, response.finish_reason) == (text, finish)


def test_anthropic_tool_use_is_read() -> None:
    block = {"type": "tool_use", "id": "t1", "name": "lookup", "input": {"q": "é"}}
    response, _ = exchange("anthropic", anthropic_message(content=[block], stop_reason="tool_use"))
    assert response.tool_calls == (ToolCall(name="lookup", arguments='{"q": "é"}', id="t1"),)
    assert response.finish_reason == "tool_calls"


def test_gemini_request_and_answer() -> None:
    params = {
        "temperature": 0.2,
        "top_p": 0.9,
        "max_tokens": 64,
        "stop": "END",
        "thinkingConfig": {"thinkingBudget": 0},
    }
    asked = request(*TOLD, params=params, output_schema=SCHEMA, tools=(TOOL,))
    response, sent = exchange("google", gemini_content(), asked)
    assert sent.path == "/v1beta/models/fixture-model:generateContent"
    assert sent.headers["x-goog-api-key"] == KEY
    assert sent.json["generationConfig"] == {
        "temperature": 0.2,
        "topP": 0.9,
        "maxOutputTokens": 64,
        "stopSequences": ["END"],
        "thinkingConfig": {"thinkingBudget": 0},
        "responseMimeType": "application/json",
        "responseJsonSchema": SCHEMA,
    }
    assert sent.json["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert [turn["role"] for turn in sent.json["contents"]] == ["user", "model", "user"]
    assert sent.json["contents"][1]["parts"] == [{"functionCall": {"name": "read", "args": {"n": 1}}}]
    assert sent.json["contents"][2]["parts"][0]["functionResponse"]["name"] == "read"
    assert sent.json["tools"][0]["functionDeclarations"][0]["parametersJsonSchema"] == TOOL["parameters"]
    assert response.usage == Usage(tokens_in=11, tokens_out=12, tokens_cached_in=3, tokens_reasoning=5)
    assert (response.text, response.model_served) == ("hello", "gemini-fixture-001")


def test_gemini_blocked_prompt_is_a_content_filter_and_not_an_error() -> None:
    body = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 4}}
    response, _ = exchange("gemini", body)
    assert (response.text, response.finish_reason, response.usage.tokens_in) == ("", "content_filter", 4)


@pytest.mark.parametrize(
    ("candidate", "text", "finish"),
    [
        ({"finishReason": "SAFETY"}, "", "content_filter"),
        ({"finishReason": "MAX_TOKENS", "content": {"parts": [{"text": "ha"}]}}, "ha", "length"),
        ({"finishReason": "MALFORMED_FUNCTION_CALL"}, "", "other"),
        (
            {"finishReason": "STOP", "content": {"parts": [{"text": "hm", "thought": True}, {"text": "a"}]}},
            "a",
            "stop",
        ),
        ({"finishReason": "STOP", "content": {"parts": [{"functionCall": {"name": "f"}}]}}, "", "tool_calls"),
    ],
)
def test_gemini_finish_reasons(candidate: dict[str, Any], text: str, finish: str) -> None:
    response, _ = exchange("gemini", gemini_content(candidates=[candidate]))
    assert (response.text, response.finish_reason) == (text, finish)


def test_http_template_keeps_types_and_the_pointer_finds_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_TOKEN", "a-token-of-the-shop")
    template = {"q": "Asked: {{ prompt }}", "items": "{{ items }}", "chat": "{{ messages }}", "n": 3}
    asked = request(Message(role="user", content="Hi"), variables={"items": [1, {"a": None}]})
    response, sent = exchange(
        "http",
        {"data": [{"reply": "yes"}]},
        asked,
        request=template,
        answer="/data/0/reply",
        headers={"Authorization": {"env": "SHOP_TOKEN", "prefix": "Bearer "}, "x-team": "evals"},
        method="PUT",
    )
    assert response.text == "yes"
    assert sent.method == "PUT"
    assert sent.json == {
        "q": "Asked: Hi",
        "items": [1, {"a": None}],
        "chat": [{"role": "user", "content": "Hi"}],
        "n": 3,
    }
    assert (sent.headers["authorization"], sent.headers["x-team"]) == ("Bearer a-token-of-the-shop", "evals")


def test_http_without_a_pointer_takes_the_whole_body_and_a_value_is_dumped() -> None:
    whole, _ = exchange("http", {"a": 1}, request=["{{ prompt }}"])
    assert whole.text == '{"a": 1}'
    value, _ = exchange("http", {"a": {"b": [1]}}, request=["{{ prompt }}"], answer="/a")
    assert value.text == '{"b": [1]}'


def test_http_names_a_missing_variable_and_a_missing_place() -> None:
    with pytest.raises(ProviderError, match=r"'itms' has no value.*items, messages, prompt") as wrong:
        exchange("http", {}, request(variables={"items": 1}), request={"x": "{{ itms }}"})
    assert wrong.value.kind is ErrorKind.PROMPT
    with pytest.raises(ProviderError, match="nothing at /data/reply"):
        exchange("http", {"data": {}}, request={"x": "{{ prompt }}"}, answer="/data/reply")


def test_http_templates_cannot_reach_into_python() -> None:
    with pytest.raises(ProviderError, match="unsafe"):
        exchange("http", {}, request={"x": "{{ prompt.__class__.__mro__ }}"})


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "api_key", "Cookie", "x-session-token"])
def test_credentials_written_into_headers_are_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} carries a credential.*env: NAME") as refused:
        ask(
            spec("http", base_url="http://127.0.0.1:1", request={}, headers={name: "hunter2-hunter2"}),
            request(),
        )
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://user:pass1234@host/v1", "https://host/v1?api_key=pass1234"])
def test_credentials_written_into_the_url_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="base_url carries a credential") as refused:
        ask(spec("http", base_url=url, request={}), request())
    assert "pass1234" not in str(refused.value)


def test_unknown_provider_names_the_nearest_and_all() -> None:
    with pytest.raises(
        UsageError, match=r"unknown provider 'antropic'\. Did you mean 'anthropic'\? Known"
    ) as unknown:
        ask(spec("antropic"), request())
    assert all(name in str(unknown.value) for name in PROVIDER_NAMES)


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini", "openai-compatible"])
def test_address_may_come_from_the_variable_that_the_services_own_clients_read(
    provider: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = {"anthropic": anthropic_message("hi"), "gemini": gemini_content("hi")}
    with serving(Answer(bodies.get(provider, openai_completion("hi")))) as server:
        monkeypatch.setenv(f"{provider.upper().replace('-', '_')}_BASE_URL", server.url)
        assert ask(spec(provider), request()).text == "hi"
        assert len(server.requests) == 1


@pytest.mark.parametrize("provider", ["azure", "openai-compatible", "http"])
def test_a_missing_address_is_a_usage_error(provider: str) -> None:
    with pytest.raises(UsageError, match="needs `base_url`"):
        ask(spec(provider, request={}), request())


def test_an_address_that_goes_too_far_is_told_where_to_end() -> None:
    url = "https://x.openai.azure.com/openai/deployments/d/chat/completions?api-version=1"
    with pytest.raises(
        UsageError, match=r"ends before /chat/completions; an API version goes into api_version"
    ):
        ask(spec("azure", base_url=url), request())


def test_missing_key_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    monkeypatch.setenv("GEMINI_API_KEY", "  ")
    assert missing_key(spec("openai")) == "OPENAI_API_KEY"
    assert missing_key(spec("openai", api_key_env="ANTHROPIC_API_KEY")) is None
    assert missing_key(spec("google")) == "GEMINI_API_KEY"
    assert missing_key(spec("ollama")) is None
    assert missing_key(spec("ollama", api_key_env="OLLAMA_KEY")) == "OLLAMA_KEY"
    assert missing_key(spec("http", headers={"x-key": {"env": "SHOP"}})) == "SHOP"
    assert missing_key(spec("python")) is None


def test_identity_tells_models_apart_and_holds_no_secret() -> None:
    async def identities() -> list[str]:
        async with open_http(concurrency=1, timeout_s=1) as http:
            specs = [
                spec("openai"),
                spec("deepseek"),
                spec("openai", api_version="2"),
                spec("openai", unset=("temperature",)),
                spec("openai", structured_output=False),
                spec("http", base_url="http://h", request={"a": 1}),
                spec("http", base_url="http://h", request={"a": 2}),
            ]
            return [
                json.dumps(open_provider(s, http=http, root=Path()).identity, sort_keys=True) for s in specs
            ]

    told = asyncio.run(identities())
    assert len(set(told)) == len(told)
    assert not any(KEY in one for one in told)


def test_a_provider_of_another_package_is_found_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "acme_llm.py").write_text(
        "from swapgate.records import Response\n"
        "class Acme:\n"
        "    identity = {}\n    is_recordable = reads_cache = True\n    needs_variables = False\n"
        "    async def complete(self, request): return Response(text='acme')\n"
        "    async def close(self): pass\n"
        "def factory(spec, *, http, root): return Acme()\n"
    )
    info = tmp_path / "acme_llm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-llm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[swapgate.providers]\nacme = acme_llm:factory\nopenai = nowhere:nothing\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert ask(spec("acme"), request()).text == "acme"
    assert exchange("openai", openai_completion())[0].text == "hello"
