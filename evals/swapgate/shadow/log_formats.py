"""One logged exchange out of a line: OpenAI's shapes, LiteLLM's standard payload, OpenTelemetry's spans.

LiteLLM: https://docs.litellm.ai/docs/proxy/logging_spec
OpenTelemetry: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-spans
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TypeAlias

from swapgate.errors import SwapgateError
from swapgate.records import FinishReason, Json, Response, ToolCall, Usage
from swapgate.shadow.records import Api
from swapgate.shadow.requests import api_of
from swapgate.values import Value

_FINISH: Mapping[str, FinishReason] = {
    "stop": "stop",
    "length": "length",
    "tool_call": "tool_calls",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_Holder: TypeAlias = Mapping[str, Json] | Json
_APIS: Mapping[str, Api] = {"choices": "chat", "output": "responses", "content": "messages"}


class Unreadable(SwapgateError):
    """A line is not of the format that it should be of."""


class Logged(Value):
    """One exchange of a log. `answer` is in its wire format, or `response` is read already.

    `id` is the log's own name of it. Times are Unix seconds, and seconds.
    """

    body: Mapping[str, Json]
    api: Api
    at_s: float
    answer: Json = None
    response: Response | None = None
    status: int = 200
    id: str | None = None
    latency_s: float | None = None
    ttft_s: float | None = None
    tags: tuple[str, ...] = ()
    user: str | None = None


def read_openai(line: Json) -> list[Logged]:
    """Read `{"request": ..., "response": ...}`, or `{"messages": [..., the answer]}` as for fine-tuning."""
    if not isinstance(line, dict):
        raise Unreadable("the line is no object")
    if "messages" in line and "response" not in line:
        return [_conversation(line)]
    request, answer = line.get("request", line.get("body")), line.get("response")
    request = request.get("body", request) if isinstance(request, dict) else request
    status = 200
    if isinstance(answer, dict) and "body" in answer:  # a batch's line
        status, answer = _int(answer.get("status_code")) or 200, answer["body"]
    if not isinstance(request, dict) or not isinstance(answer, dict):
        raise Unreadable("it needs `request` and `response`, each an object, or `messages`")
    return [
        Logged(
            body=request,
            api=_api(line, answer),
            at_s=_time(line, answer),
            answer=answer,
            status=status,
            id=_text(line, "id", "custom_id", "request_id"),
            latency_s=_number(line.get("latency_s")),
            ttft_s=_number(line.get("ttft_s")),
            tags=_tags(line.get("tags")),
            user=_text(line, "user"),
        )
    ]


def read_litellm(line: Json) -> list[Logged]:
    """Read a StandardLoggingPayload; failures are left out, and what is no chat."""
    if not isinstance(line, dict) or "messages" not in line or "startTime" not in line:
        raise Unreadable("it needs `messages` and `startTime`, as LiteLLM's standard_logging_object has them")
    answer = line.get("response")
    if line.get("status") == "failure" or not isinstance(answer, dict) or "choices" not in answer:
        return []
    parameters = line.get("model_parameters")
    parameters = parameters if isinstance(parameters, dict) else {}
    body = {**parameters, "model": line.get("model"), "messages": line["messages"]}
    began, ended = _number(line["startTime"]), _number(line.get("endTime"))
    first = _number(line.get("completionStartTime"))
    if began is None:
        raise Unreadable("startTime is no number")
    return [
        Logged(
            body={name: value for name, value in body.items() if value is not None},
            api="chat",
            at_s=began,
            answer=answer,
            id=_text(line, "id"),
            latency_s=None if ended is None else max(0.0, ended - began),
            ttft_s=None if first is None or not line.get("stream") else max(0.0, first - began),
            tags=_tags(line.get("request_tags")),
            user=_text(line, "end_user"),
        )
    ]


def read_otel(line: Json) -> list[Logged]:
    """Read the spans of an OTLP export in JSON that hold their messages; all other spans are left out."""
    if not isinstance(line, dict) or not isinstance(line.get("resourceSpans"), list):
        raise Unreadable("it needs `resourceSpans`, as the collector's file exporter writes them")
    return [logged for span in _spans(_list(line, "resourceSpans")) if (logged := _span(span)) is not None]


def _conversation(line: Mapping[str, Json]) -> Logged:
    messages = line["messages"]
    last = messages[-1] if isinstance(messages, list) and messages else None
    if not isinstance(messages, list) or not isinstance(last, dict) or last.get("role") != "assistant":
        raise Unreadable("`messages` must end with the assistant's answer")
    known = {"tools", "model", "temperature", "max_tokens", "response_format", "tool_choice"}
    body: dict[str, Json] = {name: value for name, value in line.items() if name in known}
    reason = "tool_calls" if last.get("tool_calls") else "stop"
    answer: Json = {"choices": [{"index": 0, "message": last, "finish_reason": reason}]}
    return Logged(
        body={**body, "messages": messages[:-1]},
        api="chat",
        at_s=_time(line, {}),
        answer=answer,
        id=_text(line, "id"),
        tags=_tags(line.get("tags")),
        user=_text(line, "user"),
    )


def _api(line: Mapping[str, Json], answer: Mapping[str, Json]) -> Api:
    path = _text(line, "path", "url")
    found = api_of(path.partition("?")[0]) if path is not None else None
    if found is not None:
        return found
    root = next((root for root in _APIS if root in answer), "choices")
    return _APIS[root]


def _time(line: Mapping[str, Json], answer: Mapping[str, Json]) -> float:
    """Return when it was asked; a line that does not say would be of a day of its own with each reading."""
    for holder, names in ((line, ("timestamp", "at", "created_at")), (answer, ("created", "created_at"))):
        for name in names:
            value = holder.get(name)
            if (number := _number(value)) is not None:
                return number / 1000 if number > 1e11 else number
            if isinstance(value, str):
                try:
                    return datetime.fromisoformat(value).timestamp()
                except ValueError:
                    raise Unreadable(f"{name} is no time: {value!r}") from None
    raise Unreadable("it does not say when: add `timestamp` (Unix seconds or ISO 8601)")


def _spans(resources: list[Json]) -> Iterator[Mapping[str, Json]]:
    for resource in resources:
        for scope in _list(resource, "scopeSpans"):
            for span in _list(scope, "spans"):
                if isinstance(span, dict):
                    yield span


def _span(span: Mapping[str, Json]) -> Logged | None:
    found = {**_attributes(span.get("attributes"))}
    for event in _list(span, "events"):
        if isinstance(event, dict):
            found = {**_attributes(event.get("attributes")), **found}
    asked, said = _parsed(found.get("gen_ai.input.messages")), _parsed(found.get("gen_ai.output.messages"))
    if not isinstance(asked, list) or not isinstance(said, list) or not said:
        return None
    began, ended = _nanoseconds(span.get("startTimeUnixNano")), _nanoseconds(span.get("endTimeUnixNano"))
    if began is None:
        raise Unreadable("a span has no startTimeUnixNano")
    return Logged(
        body=_otel_body(found, asked),
        api="chat",
        at_s=began,
        response=_otel_response(found, said[0]),
        id=_text(span, "spanId"),
        latency_s=None if ended is None else max(0.0, ended - began),
        user=_text(found, "user.id", "enduser.id", "gen_ai.conversation.id"),
    )


def _otel_body(found: Mapping[str, Json], asked: list[Json]) -> dict[str, Json]:
    system = _parsed(found.get("gen_ai.system_instructions"))
    told: list[Json] = [{"role": "system", "content": _said(system)}] if isinstance(system, list) else []
    messages = [message for one in asked if isinstance(one, dict) for message in _otel_messages(one)]
    names = {
        "model": "gen_ai.request.model",
        "temperature": "gen_ai.request.temperature",
        "top_p": "gen_ai.request.top_p",
        "max_tokens": "gen_ai.request.max_tokens",
        "seed": "gen_ai.request.seed",
        "stop": "gen_ai.request.stop_sequences",
    }
    body: dict[str, Json] = {name: found[of] for name, of in names.items() if found.get(of) is not None}
    tools = _parsed(found.get("gen_ai.tool.definitions"))
    if isinstance(tools, list) and tools:
        body["tools"] = [
            t if "function" in t else {"type": "function", "function": t}
            for t in tools
            if isinstance(t, dict)
        ]
    return {**body, "messages": [*told, *messages]}


def _otel_messages(message: Mapping[str, Json]) -> Iterator[Json]:
    parts = _list(message, "parts")
    for part in parts:
        if isinstance(part, dict) and part.get("type") == "tool_call_response":
            result = part.get("response", part.get("result"))
            text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False)
            yield {"role": "tool", "tool_call_id": part.get("id"), "content": text}
    text, calls = _said(parts), _calls(parts)
    if not text and not calls:
        return
    written: dict[str, Json] = {"role": message.get("role"), "content": text}
    if calls:
        written["tool_calls"] = [
            {"id": c.id, "type": "function", "function": {"name": c.name, "arguments": c.arguments}}
            for c in calls
        ]
    yield written


def _otel_response(found: Mapping[str, Json], said: Json) -> Response:
    parts = _list(said, "parts")
    reason = _text(said, "finish_reason") if isinstance(said, dict) else None
    cached = _int(found.get("gen_ai.usage.cache_read.input_tokens"))
    return Response(
        text=_said(parts),
        tool_calls=_calls(parts),
        finish_reason=_FINISH.get(reason or "stop", "other"),
        usage=Usage(
            tokens_in=_int(found.get("gen_ai.usage.input_tokens")),
            tokens_out=_int(found.get("gen_ai.usage.output_tokens")),
            tokens_cached_in=cached,
        ),
        model_served=_text(found, "gen_ai.response.model"),
        request_id=_text(found, "gen_ai.response.id"),
        ttft_s=_number(found.get("gen_ai.response.time_to_first_chunk")),
    )


def _said(parts: list[Json]) -> str:
    texts = [p.get("content") for p in parts if isinstance(p, dict) and p.get("type", "text") == "text"]
    return "".join(text for text in texts if isinstance(text, str))


def _calls(parts: list[Json]) -> tuple[ToolCall, ...]:
    made = []
    for part in parts:
        if isinstance(part, dict) and part.get("type") == "tool_call":
            arguments = part.get("arguments")
            text = (
                arguments if isinstance(arguments, str) else json.dumps(arguments or {}, ensure_ascii=False)
            )
            made.append(ToolCall(name=str(part.get("name")), arguments=text, id=_text(part, "id")))
    return tuple(made)


def _attributes(written: Json) -> dict[str, Json]:
    """Return OTLP's list of keys and typed values as one mapping."""
    pairs = written if isinstance(written, list) else []
    return {str(p["key"]): _value(p.get("value")) for p in pairs if isinstance(p, dict) and "key" in p}


def _value(typed: Json) -> Json:
    if not isinstance(typed, dict) or not typed:
        return None
    kind, value = next(iter(typed.items()))
    if kind == "intValue":
        return int(value) if isinstance(value, str | int) else None
    if kind == "arrayValue":
        return [_value(item) for item in _list(value, "values")]
    if kind == "kvlistValue":
        return _attributes(value.get("values") if isinstance(value, dict) else None)
    return value


def _parsed(value: Json) -> Json:
    """Return what was recorded as a structure, or as its JSON."""
    if not isinstance(value, str):
        return value
    try:
        parsed: Json = json.loads(value)
    except ValueError as exc:
        raise Unreadable(f"messages that are no JSON: {exc}") from None
    return parsed


def _nanoseconds(value: Json) -> float | None:
    return int(value) / 1e9 if isinstance(value, str | int) and str(value).isdecimal() else None


def _list(holder: _Holder, name: str) -> list[Json]:
    value = holder.get(name) if isinstance(holder, Mapping) else None
    return value if isinstance(value, list) else []


def _text(holder: _Holder, *names: str) -> str | None:
    values = [holder.get(name) for name in names] if isinstance(holder, Mapping) else []
    return next((value for value in values if isinstance(value, str) and value), None)


def _number(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _int(value: Json) -> int | None:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _tags(value: Json) -> tuple[str, ...]:
    if isinstance(value, dict):
        return tuple(sorted(f"{name}:{of}" for name, of in value.items()))
    return tuple(sorted(tag for tag in value if isinstance(tag, str))) if isinstance(value, list) else ()
