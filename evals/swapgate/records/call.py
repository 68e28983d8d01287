"""What is asked and answered: messages, requests, responses, and how an answer was had."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from swapgate.records.written import Json
from swapgate.values import Value

Role = Literal["system", "user", "assistant", "tool"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal", "other"]


class ToolCall(Value):
    """One function call that a model asks for; `arguments` is the JSON text as the model wrote it."""

    name: str
    arguments: str
    id: str | None = None


class Message(Value):
    """One turn of a conversation."""

    role: Role
    content: str
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str | None = None


class Usage(Value):
    """Tokens as the provider counted them; None where it did not say.

    `tokens_in` includes `tokens_cached_in`, read from the provider's cache of prompts, and
    `tokens_cache_write`, written to it; `tokens_out` includes `tokens_reasoning`.
    """

    tokens_in: int | None = None
    tokens_out: int | None = None
    tokens_cached_in: int | None = None
    tokens_cache_write: int | None = None
    tokens_reasoning: int | None = None


class Request(Value):
    """All that determines an answer, but for the provider's own identity.

    `output_schema` asks for constrained decoding, `json_mode` for any JSON. `variables` are the case's
    inputs (the `python` and `http` providers read them). `repeat` counts from 1. `suite` and `case` name
    the request for people and for the `recorded` provider; they are no part of its content. `top_logprobs`
    asks for the log-probabilities of so many alternatives to each token; 0 asks for none.
    """

    model: str
    messages: tuple[Message, ...]
    params: Mapping[str, Json] = field(default_factory=dict)
    output_schema: Mapping[str, Json] | None = None
    json_mode: bool = False
    tools: tuple[Json, ...] = ()
    variables: Mapping[str, Json] = field(default_factory=dict)
    repeat: int = 1
    suite: str = ""
    case: str = ""
    top_logprobs: int = 0


class Token(Value):
    """One token of an answer: its natural log-probability, and those of the likeliest in its place."""

    text: str
    logprob: float
    top: Mapping[str, float] = field(default_factory=dict)


class Response(Value):
    """What a provider answered; `latency_s` is the time of the successful attempt alone.

    `batch_id` names the service's batch that it came in, at the price of batches; None for a live call.
    `ttft_s` are the seconds from sending to the first token of the answer, None where it was not streamed.
    `tokens` is empty unless log-probabilities were asked for and came back.
    """

    text: str
    tool_calls: tuple[ToolCall, ...] = ()
    finish_reason: FinishReason = "stop"
    usage: Usage = field(default_factory=Usage)
    model_served: str | None = None
    fingerprint: str | None = None
    request_id: str | None = None
    latency_s: float | None = None
    dropped_params: tuple[str, ...] = ()
    batch_id: str | None = None
    ttft_s: float | None = None
    tokens: tuple[Token, ...] = ()


class Answer(Value):
    """A response and how it was had: by which model of the catalogue, from the cache or not, at what cost.

    `cost_usd` is what this response costs at list price, None when the price is unknown; `from_cache` says
    that nothing was paid for it this time: it was stored, or another trial's call brought it too. So many of
    the `attempts` as were `cancelled` were given up for another's answer, which each cost as much as.
    `fallback_reason` is the error that made another model answer than the one asked.
    """

    response: Response
    model: str
    from_cache: bool = False
    attempts: int = 1
    cancelled: int = 0
    cost_usd: float | None = None
    is_fallback: bool = False
    fallback_reason: str | None = None
