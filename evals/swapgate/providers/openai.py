"""The OpenAI chat-completions format, spoken by OpenAI itself and by most other servers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from swapgate.providers._openai_stream import CompletionStream
from swapgate.providers._openai_tokens import read_tokens
from swapgate.providers._params import kept_params
from swapgate.providers._reply import Reply
from swapgate.providers._told import Beside, Tokens, Told
from swapgate.providers._tools import arguments_text, read_tools
from swapgate.providers._wire import Asked, WireProvider
from swapgate.records import (
    FinishReason,
    Json,
    Message,
    Request,
    Response,
    ToolCall,
    Usage,
    once_for_each,
    turn_of,
)
from swapgate.spec.models import ModelSpec

_FINISH: dict[str | None, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "content_filter": "content_filter",
}
_STREAM = {"stream": "stream", "stream_options": "stream_options"}
# They send the usage anyway and answer 422 to stream_options: https://github.com/openai/openai-agents-python/issues/442
_COUNT_UNASKED = {"mistral"}
# What https://platform.openai.com/docs/guides/structured-outputs lists as supported when strict.
_STRICT_KEYWORDS = {
    *(
        "type",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "enum",
        "const",
        "anyOf",
        "$ref",
        "$defs",
    ),
    *("definitions", "description", "title", "pattern", "format", "minimum", "maximum", "exclusiveMinimum"),
    *("exclusiveMaximum", "multipleOf", "minItems", "maxItems"),
}


class OpenAIProvider(WireProvider):
    """Asks one model over `POST {base_url}/chat/completions`."""

    async def complete(self, request: Request) -> Response:
        """Return the response to one request; one attempt."""
        asked = self.body(request)
        if self._spec.stream:
            body, written = streamed(self._spec, asked.whole), {**asked.written, **_STREAM}
            reply = await self._wire.send(body, written=written, assembly=CompletionStream())
        else:
            reply = await self._wire.send(asked.body, shared=asked.shared, written=asked.written)
        return read_completion(reply, dropped=asked.dropped, has_tokens=request.top_logprobs > 0)

    def body(self, request: Request) -> Asked:
        """Return the request as it goes over the wire."""
        shape = request.json_mode if request.output_schema is None else request.output_schema
        frame = _frame(self._spec, request.params, shape, request.tools, request.top_logprobs)
        messages: Json = [_message(m) for m in request.messages]
        body, shared = {"model": self._spec.model, "messages": messages}, frame.body
        if body.keys() & shared.keys():  # a parameter of such a name takes its place
            body, shared = {**body, **shared}, {}
        return Asked(body=body, shared=shared, written=frame.written, dropped=frame.dropped)


@once_for_each
def _frame(
    spec: ModelSpec,
    given: Mapping[str, Json],
    shape: Mapping[str, Json] | bool,
    tools: tuple[Json, ...],
    top_logprobs: int,
) -> Asked:
    """Return all of a request but for its messages: thousands share it.

    `shape` is a schema, or whether any JSON is wanted.
    """
    params, dropped = kept_params(spec, {**_logprobs(top_logprobs), **given})
    wire_params = _wire_params(spec, params)
    body = dict(wire_params)
    if tools:
        body |= {"tools": [_tool(tool) for tool in tools]}
    if spec.structured_output is not False:
        body |= _response_format(shape)
    written = {name: _written(params, name) for name in (*wire_params, "response_format")}
    return Asked(body=body, written=written, dropped=dropped)


def read_completion(reply: Reply, *, dropped: tuple[str, ...] = (), has_tokens: bool = False) -> Response:
    """Read a chat completion; ProviderError (bad_response) when it has another shape.

    `has_tokens` says that log-probabilities were asked for; they may be missing all the same.
    """
    body = reply.read(_Completion)
    message = body.choices[0].message
    calls = tuple(_call(call) for call in message.tool_calls or ())
    return Response(
        text=message.refusal or message.text,
        tool_calls=calls,
        finish_reason="refusal" if message.refusal else _finish(body.choices[0].finish_reason, calls),
        usage=_usage(body.usage) if body.usage else Usage(),
        model_served=body.model,
        fingerprint=body.system_fingerprint,
        request_id=reply.request_id or body.id,
        latency_s=reply.latency_s,
        ttft_s=reply.ttft_s,
        dropped_params=dropped,
        tokens=read_tokens(body.choices[0].logprobs) if has_tokens else (),
    )


def is_strict(schema: Json) -> bool:
    """Whether a schema qualifies for strict decoding: closed objects, all required, known keywords only."""
    return isinstance(schema, dict) and schema.get("type") == "object" and _is_strict(schema)


class _Part(Told):
    type: str = "text"
    text: str | None = None
    refusal: str | None = None


class _Function(Told):
    name: str
    arguments: str | dict[str, Any] = ""


class _Call(Told):
    id: str | None = None
    function: _Function


class _Message(Told):
    content: str | list[_Part] | None = None
    refusal: str | None = None
    tool_calls: list[_Call] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text or part.refusal or "" for part in self.content)
        return self.content or ""


class _Choice(Told):
    message: _Message
    finish_reason: str | None = None
    logprobs: Any = None


class _InDetails(Told):
    cached_tokens: Tokens = None
    cache_write_tokens: Tokens = None


class _OutDetails(Told):
    reasoning_tokens: Tokens = None


class _Usage(Told):
    prompt_tokens: Tokens = None
    completion_tokens: Tokens = None
    total_tokens: Tokens = None
    prompt_cache_hit_tokens: Tokens = None
    prompt_tokens_details: Annotated[_InDetails | None, Beside] = None
    completion_tokens_details: Annotated[_OutDetails | None, Beside] = None


class _Completion(Told):
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[_Choice] = Field(min_length=1)
    usage: Annotated[_Usage | None, Beside] = None


def _logprobs(top_logprobs: int) -> dict[str, Json]:
    return {"logprobs": True, "top_logprobs": top_logprobs} if top_logprobs else {}


def _wire_params(spec: ModelSpec, params: Mapping[str, Json]) -> dict[str, Json]:
    """OpenAI's own newer models take `max_completion_tokens` where everybody else takes `max_tokens`."""
    sent = dict(params)
    if spec.provider == "openai" and "max_tokens" in sent:
        limit = sent.pop("max_tokens")
        sent.setdefault("max_completion_tokens", limit)
    return sent


def streamed(spec: ModelSpec, asked: Json) -> dict[str, Json]:
    """Return the body that asks for a stream, which counts its tokens at the end."""
    body = {**asked, "stream": True} if isinstance(asked, dict) else {}
    own = body.get("stream_options")
    if "stream_options" in spec.unset or (own is None and spec.provider in _COUNT_UNASKED):
        return body
    return {**body, "stream_options": {"include_usage": True, **(own if isinstance(own, dict) else {})}}


def _written(params: Mapping[str, Json], wire_name: str) -> str:
    return "max_tokens" if wire_name == "max_completion_tokens" and "max_tokens" in params else wire_name


def _message(message: Message) -> dict[str, Json]:
    turn = turn_of(message, [_written_call(call, index) for index, call in enumerate(message.tool_calls)])
    return {**turn, "content": None} if message.tool_calls and not message.content else turn


def _written_call(call: ToolCall, index: int) -> Json:
    function: Json = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id or f"call_{index}", "type": "function", "function": function}


def _tool(written: Json) -> Json:
    if isinstance(written, dict) and "type" in written:
        return written
    [tool] = read_tools([written])
    function: Json = {"name": tool.name, "description": tool.description, "parameters": dict(tool.parameters)}
    return {"type": "function", "function": function}


def _response_format(shape: Mapping[str, Json] | bool) -> dict[str, Json]:
    if isinstance(shape, bool):
        return {"response_format": {"type": "json_object"}} if shape else {}
    schema = dict(shape)
    named: Json = {"name": "answer", "schema": schema, "strict": is_strict(schema)}
    return {"response_format": {"type": "json_schema", "json_schema": named}}


def _call(call: _Call) -> ToolCall:
    return ToolCall(name=call.function.name, arguments=arguments_text(call.function.arguments), id=call.id)


def _finish(reason: str | None, calls: Sequence[ToolCall]) -> FinishReason:
    """Some servers say `stop`, or nothing, although the model calls a tool."""
    finish = _FINISH.get(reason, "other")
    return "tool_calls" if calls and finish in {"stop", "other"} else finish


def _usage(usage: _Usage) -> Usage:
    details_in, details_out = usage.prompt_tokens_details, usage.completion_tokens_details
    cached = details_in.cached_tokens if details_in else None
    return Usage(
        tokens_in=usage.prompt_tokens,
        tokens_out=_tokens_out(usage),
        tokens_cached_in=cached if cached is not None else usage.prompt_cache_hit_tokens,
        tokens_cache_write=details_in.cache_write_tokens if details_in else None,
        tokens_reasoning=details_out.reasoning_tokens if details_out else None,
    )


def _tokens_out(usage: _Usage) -> int | None:
    """Some servers leave the reasoning out of `completion_tokens` and count it in `total_tokens` alone."""
    details, said = usage.completion_tokens_details, usage.completion_tokens
    reasoning = details.reasoning_tokens if details else None
    if said is None or not reasoning or usage.prompt_tokens is None:
        return said
    return said + reasoning if usage.total_tokens == usage.prompt_tokens + said + reasoning else said


def _is_strict(schema: Json) -> bool:
    if not isinstance(schema, dict) or not set(schema) <= _STRICT_KEYWORDS:
        return False
    properties = schema.get("properties")
    if (schema.get("type") == "object" or properties is not None) and not _is_closed(schema, properties):
        return False
    return all(_is_strict(part) for part in _parts(schema))


def _is_closed(schema: Mapping[str, Json], properties: Json) -> bool:
    required = schema.get("required", [])
    return (
        schema.get("additionalProperties") is False
        and isinstance(properties, dict)
        and isinstance(required, list)
        and set(properties) == {name for name in required if isinstance(name, str)}
    )


def _parts(schema: Mapping[str, Json]) -> list[Json]:
    """Return the schemas inside a schema."""
    parts: list[Json] = [schema["items"]] if "items" in schema else []
    for name in ("properties", "$defs", "definitions"):
        inner = schema.get(name)
        parts += list(inner.values()) if isinstance(inner, dict) else []
    variants = schema.get("anyOf")
    return parts + (list(variants) if isinstance(variants, list) else [])
