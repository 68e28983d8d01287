"""Streamed answers in the providers' shapes, each of them also in one piece."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from servers import Answer, anthropic_message, gemini_content, openai_completion

EVENT_STREAM = {"content-type": "text/event-stream"}


def sse(*events: Any, kinds: bool = False) -> bytes:
    """Return values as server-sent events; a text is data as it stands."""
    lines = []
    for event in events:
        kind = f"event: {event['type']}\n" if kinds else ""
        data = event if isinstance(event, str) else json.dumps(event)
        lines.append(f"{kind}data: {data}\n\n")
    return "".join(lines).encode()


def streamed(body: bytes, **headers: str) -> Answer:
    return Answer(body, headers={**EVENT_STREAM, **headers})


def openai_chunk(delta: dict[str, Any] | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of a chat completion as OpenAI documents it."""
    choice = {"index": 0, "delta": delta or {}, "logprobs": None, "finish_reason": None}
    return {
        "id": "chatcmpl-fixture",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "fixture-model-2026-01-01",
        "system_fingerprint": "fp_fixture",
        "choices": [{**choice, **fields}],
        "usage": None,
    }


def openai_events(pieces: Sequence[str], *, reason: str = "stop") -> list[Any]:
    """`openai_completion` of the joined pieces, in chunks."""
    usage = {**openai_chunk(), "choices": [], "usage": openai_completion()["usage"]}
    return [
        openai_chunk({"role": "assistant", "content": "", "refusal": None}),
        *(openai_chunk({"content": piece}) for piece in pieces),
        openai_chunk(finish_reason=reason),
        usage,
        "[DONE]",
    ]


def openai_stream(*pieces: str) -> bytes:
    return sse(*openai_events(pieces))


def anthropic_events(pieces: Sequence[str]) -> list[dict[str, Any]]:
    """`anthropic_message` of the joined pieces, in events."""
    whole = anthropic_message()
    start = {**whole, "content": [], "stop_reason": None, "usage": {**whole["usage"], "output_tokens": 1}}
    texts = [{"type": "text_delta", "text": piece} for piece in pieces]
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    return [
        {"type": "message_start", "message": start},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        *({"type": "content_block_delta", "index": 0, "delta": text} for text in texts),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": delta, "usage": {"output_tokens": 5}},
        {"type": "message_stop"},
    ]


def anthropic_stream(*pieces: str) -> bytes:
    return sse(*anthropic_events(pieces), kinds=True)


def gemini_events(pieces: Sequence[str]) -> list[dict[str, Any]]:
    """`gemini_content` of the joined pieces, in responses."""
    whole = gemini_content()
    head = {name: whole[name] for name in ("modelVersion", "responseId")}
    contents = [{"content": {"role": "model", "parts": [{"text": piece}]}, "index": 0} for piece in pieces]
    contents[-1]["finishReason"] = "STOP"
    early = {"promptTokenCount": 11, "totalTokenCount": 11}
    counts = [early] * (len(pieces) - 1) + [whole["usageMetadata"]]
    return [
        {"candidates": [content], "usageMetadata": count, **head}
        for content, count in zip(contents, counts, strict=True)
    ]


def gemini_stream(*pieces: str) -> bytes:
    return sse(*gemini_events(pieces)).replace(b"\n", b"\r\n")
