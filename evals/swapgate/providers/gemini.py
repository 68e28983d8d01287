"""Google's Gemini API: `generateContent`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.alias_generators import to_camel

from swapgate.providers._gemini_stream import ContentStream
from swapgate.providers._params import kept_params, stop_list
from swapgate.providers._reply import Reply
from swapgate.providers._told import Beside, Tokens, Told
from swapgate.providers._tools import call_arguments, read_tools
from swapgate.providers._wire import Asked, WireProvider
from swapgate.records import FinishReason, Json, Message, Request, Response, ToolCall, Usage

_RENAMED = {"max_tokens": "maxOutputTokens", "stop": "stopSequences"}
# These stand beside generationConfig in the body, every other parameter within it.
_BESIDE = {"safetySettings", "toolConfig", "cachedContent"}
_FINISH: dict[str | None, FinishReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    **dict.fromkeys(("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII"), "content_filter"),
    **dict.fromkeys(("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"), "content_filter"),
}


class GeminiProvider(WireProvider):
    """Asks one model over `POST {base_url}/v1beta/models/{model}:generateContent`, or streams its answer."""

    async def complete(self, request: Request) -> Response:
        """Return the response to one request; one attempt."""
        asked = self.body(request)
        assembly = ContentStream() if self._spec.stream else None
        reply = await self._wire.send(asked.body, written=asked.written, assembly=assembly)
        return read_content(reply, dropped=asked.dropped)

    def body(self, request: Request) -> Asked:
        """Return the request as it goes over the wire, streamed or not: the address tells them apart."""
        params, dropped = kept_params(self._spec, request.params)
        sent = {_wire_name(name): stop_list(name, value) for name, value in params.items()}
        config = {name: value for name, value in sent.items() if name not in _BESIDE}
        if self._spec.structured_output is not False:
            config |= _output(request)
        body: dict[str, Json] = {**_conversation(request.messages), "generationConfig": config}
        body |= {name: value for name, value in sent.items() if name in _BESIDE}
        if request.tools:
            body["tools"] = [{"functionDeclarations": _declarations(request)}]
        written = {_wire_name(name): name for name in params} | {name: name for name in _output(request)}
        return Asked(body=body, written=written, dropped=dropped)


def read_content(reply: Reply, *, dropped: tuple[str, ...] = ()) -> Response:
    """Read generated content; a blocked prompt is an answer without text that the content filter stopped."""
    body = reply.read(_Generated)
    blocked = body.prompt_feedback.block_reason if body.prompt_feedback else None
    if not body.candidates and not blocked:
        raise reply.bad("the answer has neither candidates nor a reason why not")
    candidate = body.candidates[0] if body.candidates else _Candidate()
    parts = candidate.content.parts if candidate.content else []
    calls = tuple(_call(part.function_call) for part in parts if part.function_call)
    return Response(
        text="".join(part.text or "" for part in parts if not part.thought),
        tool_calls=calls,
        finish_reason="content_filter" if blocked else _finish(candidate.finish_reason, calls),
        usage=_usage(body.usage_metadata) if body.usage_metadata else Usage(),
        model_served=body.model_version,
        request_id=reply.request_id or body.response_id,
        latency_s=reply.latency_s,
        ttft_s=reply.ttft_s,
        dropped_params=dropped,
    )


class _Shape(Told):
    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class _FunctionCall(_Shape):
    id: str | None = None
    name: str
    args: dict[str, Any] | None = None


class _Part(_Shape):
    text: str | None = None
    thought: bool = False
    function_call: _FunctionCall | None = None


class _Content(_Shape):
    parts: list[_Part] = Field(default_factory=list)


class _Candidate(_Shape):
    content: _Content | None = None
    finish_reason: str | None = None


class _Feedback(_Shape):
    block_reason: str | None = None


class _Usage(_Shape):
    prompt_token_count: Tokens = None
    tool_use_prompt_token_count: Tokens = None
    candidates_token_count: Tokens = None
    thoughts_token_count: Tokens = None
    cached_content_token_count: Tokens = None


class _Generated(_Shape):
    candidates: list[_Candidate] = Field(default_factory=list)
    prompt_feedback: _Feedback | None = None
    usage_metadata: Annotated[_Usage | None, Beside] = None
    model_version: str | None = None
    response_id: str | None = None


def _wire_name(name: str) -> str:
    return _RENAMED.get(name) or to_camel(name) if "_" in name or name in _RENAMED else name


def _output(request: Request) -> dict[str, Json]:
    if request.output_schema is not None:
        return {"responseMimeType": "application/json", "responseJsonSchema": dict(request.output_schema)}
    return {"responseMimeType": "application/json"} if request.json_mode else {}


def _conversation(messages: tuple[Message, ...]) -> dict[str, Json]:
    """Separate the system text; alone it becomes the user's turn, because the API wants one."""
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    turns = [m for m in messages if m.role != "system"]
    if not turns:
        return {"contents": [{"role": "user", "parts": [{"text": system}]}]}
    names = {call.id: call.name for m in turns for call in m.tool_calls}
    contents: list[Json] = [
        {"role": role, "parts": [part for m in group for part in _parts(m, names)]}
        for role, group in groupby(turns, key=lambda m: "model" if m.role == "assistant" else "user")
    ]
    return {"contents": contents} | ({"systemInstruction": {"parts": [{"text": system}]}} if system else {})


def _parts(message: Message, names: Mapping[str | None, str]) -> Iterator[Json]:
    if message.role == "tool":
        name: Json = names.get(message.tool_call_id, message.tool_call_id or "")
        yield {"functionResponse": {"name": name, "response": {"result": message.content}}}
        return
    if message.content or not message.tool_calls:
        yield {"text": message.content}
    for call in message.tool_calls:
        called: Json = {"name": call.name, "args": call_arguments(call)}
        yield {"functionCall": called}


def _declarations(request: Request) -> list[Json]:
    return [
        {"name": t.name, "description": t.description, "parametersJsonSchema": dict(t.parameters)}
        for t in read_tools(request.tools)
    ]


def _finish(reason: str | None, calls: tuple[ToolCall, ...]) -> FinishReason:
    """The API has no reason of its own for a function call."""
    finish = _FINISH.get(reason, "other")
    return "tool_calls" if calls and finish == "stop" else finish


def _call(call: _FunctionCall) -> ToolCall:
    return ToolCall(name=call.name, arguments=json.dumps(call.args or {}, ensure_ascii=False), id=call.id)


def _usage(usage: _Usage) -> Usage:
    """The API counts thoughts beside the candidates' tokens, and tool prompts beside the prompt's."""
    return Usage(
        tokens_in=_sum(usage.prompt_token_count, usage.tool_use_prompt_token_count),
        tokens_out=_sum(usage.candidates_token_count, usage.thoughts_token_count),
        tokens_cached_in=usage.cached_content_token_count,
        tokens_reasoning=usage.thoughts_token_count,
    )


def _sum(first: int | None, second: int | None) -> int | None:
    return None if first is None and second is None else (first or 0) + (second or 0)
