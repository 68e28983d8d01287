"""Anthropic's Messages format."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Annotated, Any

from swapgate.providers._anthropic_stream import MessageStream
from swapgate.providers._params import kept_params, stop_list
from swapgate.providers._reply import Reply
from swapgate.providers._told import Beside, Tokens, Told
from swapgate.providers._tools import arguments_text, call_arguments, read_tools
from swapgate.providers._wire import Asked, WireProvider
from swapgate.records import FinishReason, Json, Message, Request, Response, ToolCall, Usage

_DEFAULT_MAX_TOKENS = 4096
_RENAMED = {"stop": "stop_sequences"}
_FINISH: dict[str | None, FinishReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "refusal",
}
# Others are refused: https://platform.claude.com/docs/en/build-with-claude/structured-outputs
_SCHEMA_KEYWORDS = {
    "type",
    "enum",
    "const",
    "anyOf",
    "allOf",
    "$ref",
    "required",
    "description",
    "title",
    "default",
}
_SCHEMA_FORMATS = {
    "date-time",
    "time",
    "date",
    "duration",
    "email",
    "hostname",
    "uri",
    "ipv4",
    "ipv6",
    "uuid",
}


class AnthropicProvider(WireProvider):
    """Asks one model over `POST {base_url}/v1/messages`."""

    async def complete(self, request: Request) -> Response:
        """Return the response to one request; one attempt."""
        asked = self.body(request)
        if self._spec.stream and isinstance(asked.body, dict):
            body: Json = {**asked.body, "stream": True}
            reply = await self._wire.send(body, written=asked.written, assembly=MessageStream())
        else:
            reply = await self._wire.send(asked.body, written=asked.written)
        return read_message(reply, dropped=asked.dropped)

    def body(self, request: Request) -> Asked:
        """Return the request as it goes over the wire."""
        params, dropped = kept_params(self._spec, request.params)
        sent = {_RENAMED.get(name, name): stop_list(name, value) for name, value in params.items()}
        body: dict[str, Json] = {"model": self._spec.model, "max_tokens": _DEFAULT_MAX_TOKENS, **sent}
        body |= _conversation(request.messages)
        if request.tools:
            body["tools"] = _tools(request)
        if self._spec.prompt_cache:
            body |= _breakpoint(body)
        if self._spec.structured_output is not False and request.output_schema is not None:
            body["output_config"] = _output_config(sent.get("output_config"), request.output_schema)
        written = {_RENAMED.get(name, name): name for name in params} | {"output_config": "output_config"}
        return Asked(body=body, written=written, dropped=dropped)


def read_message(reply: Reply, *, dropped: tuple[str, ...] = ()) -> Response:
    """Read a message; ProviderError (bad_response) when it has another shape."""
    body = reply.read(_Reply)
    text = "".join(block.text or "" for block in body.content if block.type == "text")
    if body.stop_reason == "refusal" and not text and body.stop_details is not None:
        text = body.stop_details.explanation or ""
    return Response(
        text=text,
        tool_calls=tuple(_call(block) for block in body.content if block.type == "tool_use"),
        finish_reason=_FINISH.get(body.stop_reason, "other"),
        usage=_usage(body.usage) if body.usage else Usage(),
        model_served=body.model,
        request_id=reply.request_id or body.id,
        latency_s=reply.latency_s,
        ttft_s=reply.ttft_s,
        dropped_params=dropped,
    )


def decodable_schema(schema: Json) -> Json:
    """Return a schema with what the API accepts: objects closed, bounds and patterns left to the checks."""
    if not isinstance(schema, dict):
        return schema
    kept: dict[str, Json] = {key: value for key, value in schema.items() if key in _SCHEMA_KEYWORDS}
    for name in ("anyOf", "allOf"):
        kept |= {name: _each(schema[name])} if name in schema else {}
    if "oneOf" in schema:
        kept["anyOf"] = _each(schema["oneOf"])
    for name in ("properties", "$defs", "definitions"):
        inner = schema.get(name)
        if isinstance(inner, dict):
            kept[name] = {key: decodable_schema(value) for key, value in inner.items()}
    if "items" in schema:
        kept["items"] = decodable_schema(schema["items"])
    if schema.get("format") in _SCHEMA_FORMATS:
        kept["format"] = schema["format"]
    if schema.get("type") == "object" or "properties" in schema:
        kept["additionalProperties"] = False
    return kept


class _Block(Told):
    type: str
    text: str | None = None
    id: str | None = None
    name: str = ""
    input: dict[str, Any] | str | None = None


class _OutDetails(Told):
    thinking_tokens: Tokens = None


class _Usage(Told):
    input_tokens: Tokens = None
    output_tokens: Tokens = None
    cache_read_input_tokens: Tokens = None
    cache_creation_input_tokens: Tokens = None
    output_tokens_details: Annotated[_OutDetails | None, Beside] = None


class _StopDetails(Told):
    explanation: str | None = None


class _Reply(Told):
    id: str | None = None
    model: str | None = None
    content: list[_Block]
    stop_reason: str | None = None
    stop_details: _StopDetails | None = None
    usage: Annotated[_Usage | None, Beside] = None


def _conversation(messages: tuple[Message, ...]) -> dict[str, Json]:
    """Separate the system text; alone it becomes the user's turn, because the API wants one."""
    system = "\n\n".join(m.content for m in messages if m.role == "system")
    turns = [m for m in messages if m.role != "system"]
    if not turns:
        return {"messages": [{"role": "user", "content": system}]}
    told: list[Json] = [
        {"role": role, "content": _content([block for m in group for block in _blocks(m)])}
        for role, group in groupby(turns, key=lambda m: "assistant" if m.role == "assistant" else "user")
    ]
    return {"messages": told} | ({"system": system} if system else {})


def _content(blocks: list[Json]) -> Json:
    """A single text is sent as one."""
    match blocks:
        case [{"type": "text", "text": text}]:
            return text
    return blocks


def _blocks(message: Message) -> Iterator[Json]:
    if message.role == "tool":
        yield {
            "type": "tool_result",
            "tool_use_id": message.tool_call_id or "call_0",
            "content": message.content,
        }
        return
    if message.content:
        yield {"type": "text", "text": message.content}
    for index, call in enumerate(message.tool_calls):
        name: Json = call.name
        yield {
            "type": "tool_use",
            "id": call.id or f"call_{index}",
            "name": name,
            "input": call_arguments(call),
        }


def _tools(request: Request) -> list[Json]:
    return [
        {"name": t.name, "description": t.description, "input_schema": dict(t.parameters)}
        for t in read_tools(request.tools)
    ]


def _breakpoint(body: Mapping[str, Json]) -> dict[str, Json]:
    """Return what the prompt begins with, marked to be cached up to its end: tools, then the system text.

    See https://platform.claude.com/docs/en/build-with-claude/prompt-caching
    """
    mark: dict[str, Json] = {"cache_control": {"type": "ephemeral"}}
    match body:
        case {"system": str(text)}:
            return {"system": [{"type": "text", "text": text, **mark}]}
        case {"tools": [*others, dict(last)]}:
            return {"tools": [*others, {**last, **mark}]}
    return {}


def _output_config(written: Json, schema: Mapping[str, Json]) -> Json:
    own = written if isinstance(written, dict) else {}
    return {**own, "format": {"type": "json_schema", "schema": decodable_schema(dict(schema))}}


def _each(schemas: Json) -> Json:
    return [decodable_schema(s) for s in schemas] if isinstance(schemas, list) else schemas


def _call(block: _Block) -> ToolCall:
    return ToolCall(name=block.name, arguments=arguments_text(block.input or {}), id=block.id)


def _usage(usage: _Usage) -> Usage:
    """The API counts cached tokens beside `input_tokens`, not within them."""
    cached, created = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    details = usage.output_tokens_details
    return Usage(
        tokens_in=None if usage.input_tokens is None else usage.input_tokens + (cached or 0) + (created or 0),
        tokens_out=usage.output_tokens,
        tokens_cached_in=cached,
        tokens_cache_write=created,
        tokens_reasoning=details.thinking_tokens if details else None,
    )
