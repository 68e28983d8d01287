"""Streamed messages of Anthropic: https://platform.claude.com/docs/en/build-with-claude/streaming."""

from __future__ import annotations

from typing import Annotated, Any

from swapgate.providers._told import Beside, Told
from swapgate.records import Json
from swapgate.storable import parse_json


class MessageStream:
    """Puts the events of one message together. What no reader of the whole message wants is left out."""

    def __init__(self) -> None:
        self.is_over = False
        self.is_whole = False
        self._message: dict[str, Json] = {}
        self._usage: dict[str, Json] = {}
        self._blocks: dict[int, _BlockPieces] = {}

    def add(self, event: Json) -> int:
        """Take an event in and return how many characters of the answer it brought."""
        seen = _Event.model_validate(event)
        self.is_over = seen.type == "message_stop"
        for part in (seen.message, seen.delta):
            if part is not None:
                self._add_head(part)
        self._add_usage(seen.usage)
        if seen.content_block is not None:
            self._blocks[seen.index] = _BlockPieces(seen.content_block)
            return len(seen.content_block.text or "") + len(seen.content_block.name or "")
        if seen.delta is not None and seen.index in self._blocks:
            return self._blocks[seen.index].add(seen.delta)
        return 0

    def body(self) -> Json:
        """Return the message as it comes in one piece."""
        content: Json = [block.whole() for _index, block in sorted(self._blocks.items())]
        return {**self._message, "content": content, "usage": self._usage or None}

    def _add_head(self, part: _Part) -> None:
        for name in ("id", "model", "stop_reason", "stop_details"):
            value = getattr(part, name)
            if value is not None:
                self._message[name] = value
        self.is_whole = "stop_reason" in self._message
        self._add_usage(part.usage)

    def _add_usage(self, usage: dict[str, Any] | None) -> None:
        """Later counts replace earlier ones: they are running totals."""
        self._usage |= {name: value for name, value in (usage or {}).items() if value is not None}


class _BlockPieces:
    """One block of content in pieces: its text, or a tool call's arguments as JSON."""

    def __init__(self, start: _Block) -> None:
        self._start = start
        self._texts = [start.text or ""]
        self._arguments: list[str] = []

    def add(self, delta: _Part) -> int:
        if delta.type == "text_delta" and delta.text:
            self._texts.append(delta.text)
            return len(delta.text)
        if delta.type == "input_json_delta" and delta.partial_json:
            self._arguments.append(delta.partial_json)
            return len(delta.partial_json) if self._start.type == "tool_use" else 0
        return 0

    def whole(self) -> Json:
        start = self._start
        own: dict[str, Json] = {"type": start.type, "id": start.id, "name": start.name or ""}
        return own | {"text": "".join(self._texts), "input": self._input()}

    def _input(self) -> Json:
        """Return the arguments as an object, or as text where a token limit cut them off."""
        text = "".join(self._arguments)
        try:
            value = parse_json(text) if text else self._start.input
        except ValueError:
            return text
        return value if isinstance(value, dict) else text


class _Part(Told):
    """A message's head, or what changes of it; `text` and `partial_json` are a block's."""

    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    stop_details: dict[str, Any] | None = None
    usage: Annotated[dict[str, Any] | None, Beside] = None
    type: str = ""
    text: str | None = None
    partial_json: str | None = None


class _Block(Told):
    type: str
    text: str | None = None
    id: str | None = None
    name: str | None = None
    input: dict[str, Any] | None = None


class _Event(Told):
    type: str
    index: int = 0
    message: _Part | None = None
    content_block: _Block | None = None
    delta: _Part | None = None
    usage: Annotated[dict[str, Any] | None, Beside] = None
