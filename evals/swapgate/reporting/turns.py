"""Turns of a conversation as other tools write them: a call of a tool has another form in each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from swapgate.records import Message, ToolCall


def turn_of(message: Message, call: Callable[[ToolCall], dict[str, Any]]) -> dict[str, Any]:
    """Return a message as a mapping; `call` writes one call of a tool."""
    found: dict[str, Any] = {"role": message.role, "content": message.content}
    if message.tool_calls:
        found["tool_calls"] = [call(one) for one in message.tool_calls]
    if message.tool_call_id is not None:
        found["tool_call_id"] = message.tool_call_id
    return found
