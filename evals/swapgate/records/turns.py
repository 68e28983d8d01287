"""A turn of a conversation as JSON, in the form that OpenAI brought: a call of a tool differs everywhere."""

from __future__ import annotations

from collections.abc import Sequence

from swapgate.records.call import Message
from swapgate.records.written import Json


def turn_of(message: Message, calls: Sequence[Json]) -> dict[str, Json]:
    """Return a message as a mapping; `calls` are its calls of tools, as they are written there."""
    turn: dict[str, Json] = {"role": message.role, "content": message.content}
    if calls:
        turn["tool_calls"] = list(calls)
    if message.tool_call_id is not None:
        turn["tool_call_id"] = message.tool_call_id
    return turn
