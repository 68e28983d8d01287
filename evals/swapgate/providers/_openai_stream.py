"""Streamed chat completions: https://platform.openai.com/docs/api-reference/chat-streaming."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from swapgate.providers._told import Beside, Told
from swapgate.providers._tools import arguments_text
from swapgate.records import Json


class CompletionStream:
    """Puts the chunks of one chat completion together; other choices than the first are left out."""

    def __init__(self) -> None:
        # `[DONE]`, which ends the stream, is no chunk.
        self.is_over = False
        self.is_whole = False
        self._head: dict[str, Json] = {}
        self._choice: dict[str, Json] | None = None
        self._texts: dict[str, list[str]] = {"content": [], "refusal": []}
        self._calls: list[_Call] = []
        self._latest: dict[int | None, _Call] = {}
        self._tokens: list[Json] = []

    def add(self, event: Json) -> int:
        """Take a chunk in and return how many characters of the answer it brought."""
        chunk = _Chunk.model_validate(event)
        self._head |= {name: value for name in _HEAD if (value := getattr(chunk, name)) is not None}
        choice = next((c for c in chunk.choices if not c.index), None)
        if choice is None:
            return 0
        self._choice = self._choice or {}
        tokens = choice.logprobs.get("content") if isinstance(choice.logprobs, dict) else None
        self._tokens += tokens if isinstance(tokens, list) else ()
        if choice.finish_reason is not None:
            self._choice["finish_reason"] = choice.finish_reason
            self.is_whole = True
        return self._add_delta(choice.delta) if choice.delta is not None else 0

    def body(self) -> Json:
        """Return the completion as it comes in one piece."""
        if self._choice is None:
            return {**self._head, "choices": []}
        message: dict[str, Json] = {
            name: "".join(parts) if parts else None for name, parts in self._texts.items()
        }
        if self._calls:
            message["tool_calls"] = [call.whole() for call in self._calls]
        logprobs: dict[str, Json] = {"logprobs": {"content": self._tokens}} if self._tokens else {}
        return {**self._head, "choices": [{**self._choice, "message": message, **logprobs}]}

    def _add_delta(self, delta: _Delta) -> int:
        content = delta.text
        for name, part in (("content", content), ("refusal", delta.refusal)):
            if part:
                self._texts[name].append(part)
        brought = sum(self._add_call(part) for part in delta.tool_calls or ())
        return len(content) + len(delta.refusal or "") + brought

    def _add_call(self, part: _CallPart) -> int:
        """Add to the call of the same index; some servers give every call the same one, or none."""
        call = self._latest.get(part.index)
        if call is None or (part.id and call.id and part.id != call.id):
            call = self._latest[part.index] = _Call()
            self._calls.append(call)
        return call.add(part)


class _Call:
    """One tool call in pieces; some servers repeat the name in each, or give the arguments as an object."""

    def __init__(self) -> None:
        self.id: str | None = None
        self._names: list[str] = []
        self._arguments: list[str] = []

    def add(self, part: _CallPart) -> int:
        self.id = self.id or part.id
        name, arguments = part.function.name, arguments_text(part.function.arguments or "")
        if name and self._names != [name]:
            self._names.append(name)
        self._arguments.append(arguments)
        return len(name or "") + len(arguments)

    def whole(self) -> Json:
        function: Json = {"name": "".join(self._names), "arguments": "".join(self._arguments)}
        return {"id": self.id, "function": function}


class _FunctionPart(Told):
    name: str | None = None
    arguments: str | dict[str, Any] | None = None


class _CallPart(Told):
    index: int | None = None
    id: str | None = None
    function: _FunctionPart = Field(default_factory=_FunctionPart)


class _ContentPart(Told):
    text: str | None = None


class _Delta(Told):
    content: str | list[_ContentPart] | None = None
    refusal: str | None = None
    tool_calls: list[_CallPart] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return "".join(part.text or "" for part in self.content)
        return self.content or ""


class _ChunkChoice(Told):
    index: int | None = None
    delta: _Delta | None = None
    finish_reason: str | None = None
    logprobs: Any = None


_HEAD = ("id", "model", "system_fingerprint", "usage")


class _Chunk(Told):
    id: str | None = None
    model: str | None = None
    system_fingerprint: str | None = None
    choices: list[_ChunkChoice] = Field(default_factory=list)
    usage: Annotated[dict[str, Any] | None, Beside] = None
