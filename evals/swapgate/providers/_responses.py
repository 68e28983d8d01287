"""OpenAI's Responses format: https://platform.openai.com/docs/api-reference/responses."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from swapgate.providers._failures import error_status, status_failure
from swapgate.providers._reply import Reply
from swapgate.providers._told import Beside, Tokens, Told
from swapgate.records import FinishReason, Json, Response, ToolCall, Usage

_BROUGHT = {"response.output_text.delta", "response.refusal.delta", "response.function_call_arguments.delta"}
_LAST = {"response.completed", "response.incomplete", "response.failed"}
_INCOMPLETE: dict[str | None, FinishReason] = {
    "max_output_tokens": "length",
    "content_filter": "content_filter",
}


class ResponseStream:
    """Takes the whole response from the last event; the others say how much of it has come."""

    def __init__(self) -> None:
        self.is_over = False
        self.is_whole = False
        self._body: Json = {}

    def add(self, event: Json) -> int:
        """Take an event in and return how many characters of the answer it brought."""
        seen = _Event.model_validate(event)
        if seen.type == "error":
            self._body = {"error": {"code": seen.code, "message": seen.message}}
        elif seen.type in _LAST:
            self._body = seen.response
        self.is_over = self.is_whole = seen.type in {"error", *_LAST}
        return len(seen.delta) if seen.type in _BROUGHT and isinstance(seen.delta, str) else 0

    def body(self) -> Json:
        """Return the response as it comes in one piece."""
        return self._body


def read_response(reply: Reply, *, dropped: tuple[str, ...] = ()) -> Response:
    """Read a response; ProviderError when it has another shape, or says that it failed."""
    body = reply.read(_Body)
    if body.error is not None:
        raise status_failure(reply.target, error_status(dict(body.error)), _error_text(body.error), {})
    calls = tuple(
        ToolCall(name=item.name, arguments=item.arguments, id=item.call_id)
        for item in body.output
        if item.type == "function_call"
    )
    parts = [part for item in body.output if item.type == "message" for part in item.content]
    refusal = "".join(part.refusal or "" for part in parts)
    return Response(
        text=refusal or "".join(part.text or "" for part in parts),
        tool_calls=calls,
        finish_reason="refusal" if refusal else _finish(body, calls),
        usage=_usage(body.usage) if body.usage else Usage(),
        model_served=body.model,
        request_id=reply.request_id or body.id,
        latency_s=reply.latency_s,
        ttft_s=reply.ttft_s,
        dropped_params=dropped,
    )


class _Event(Told):
    type: str
    delta: Any = None
    response: dict[str, Any] = Field(default_factory=dict)
    code: str | None = None
    message: str | None = None


class _Part(Told):
    type: str = ""
    text: str | None = None
    refusal: str | None = None


class _Item(Told):
    type: str
    content: list[_Part] = Field(default_factory=list)
    name: str = ""
    arguments: str = ""
    call_id: str | None = None


class _Details(Told):
    reason: str | None = None


class _InDetails(Told):
    cached_tokens: Tokens = None


class _OutDetails(Told):
    reasoning_tokens: Tokens = None


class _Usage(Told):
    input_tokens: Tokens = None
    output_tokens: Tokens = None
    input_tokens_details: Annotated[_InDetails | None, Beside] = None
    output_tokens_details: Annotated[_OutDetails | None, Beside] = None


class _Body(Told):
    id: str | None = None
    model: str | None = None
    status: str | None = None
    output: list[_Item]
    error: dict[str, Any] | None = None
    incomplete_details: _Details | None = None
    usage: Annotated[_Usage | None, Beside] = None


def _error_text(error: dict[str, Any]) -> str:
    return f"{error.get('code') or 'error'}: {error.get('message') or 'the response failed'}"


def _finish(body: _Body, calls: tuple[ToolCall, ...]) -> FinishReason:
    if body.status == "incomplete":
        return _INCOMPLETE.get(body.incomplete_details.reason if body.incomplete_details else None, "other")
    if calls:
        return "tool_calls"
    return "stop" if body.status in {"completed", None} else "other"


def _usage(usage: _Usage) -> Usage:
    return Usage(
        tokens_in=usage.input_tokens,
        tokens_out=usage.output_tokens,
        tokens_cached_in=usage.input_tokens_details.cached_tokens if usage.input_tokens_details else None,
        tokens_reasoning=usage.output_tokens_details.reasoning_tokens
        if usage.output_tokens_details
        else None,
    )
