"""Whether prompts and answers are sent, and how the conventions write them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum

from swapgate.errors import StoreError, nearest
from swapgate.records import Json, Message, Response, ToolCall

VARIABLE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


class Content(Enum):
    """Where what was asked and answered goes, as the instrumentations of OpenTelemetry spell it."""

    NO_CONTENT = (False, False)
    SPAN_ONLY = (True, False)
    EVENT_ONLY = (False, True)
    SPAN_AND_EVENT = (True, True)

    @property
    def is_on_spans(self) -> bool:
        """Whether a call's span carries it."""
        return self.value[0]

    @property
    def is_in_events(self) -> bool:
        """Whether an event of its own carries it."""
        return self.value[1]

    @property
    def is_any(self) -> bool:
        """Whether it is sent at all."""
        return self is not Content.NO_CONTENT


def wanted_content(environ: Mapping[str, str]) -> Content:
    """Return what the environment asks for, nothing by default; StoreError for a word that says neither."""
    word = environ.get(VARIABLE, "").strip().upper()
    # Older instrumentations took true and false, and many a deployment still says so.
    words = {"": "NO_CONTENT", "FALSE": "NO_CONTENT", "TRUE": "SPAN_ONLY"}
    name = words.get(word, word)
    if name not in Content.__members__:
        known = list(Content.__members__)
        raise StoreError(
            f"the variable {VARIABLE} is {word!r}.{nearest(word, known)} It says {', '.join(known)}"
        )
    return Content[name]


def input_messages(messages: Iterable[Message]) -> list[Json]:
    """Return a conversation as the conventions' schema of input messages has it."""
    return [{"role": message.role, "parts": _parts(message)} for message in messages]


def output_messages(response: Response) -> list[Json]:
    """Return an answer as the conventions' schema of output messages has it."""
    parts = [*_text(response.text), *map(_call, response.tool_calls)]
    return [{"role": "assistant", "parts": parts, "finish_reason": response.finish_reason}]


def _parts(message: Message) -> list[Json]:
    if message.role == "tool":
        return [{"type": "tool_call_response", "id": message.tool_call_id, "result": message.content}]
    return [*_text(message.content), *map(_call, message.tool_calls)]


def _text(text: str) -> list[Json]:
    return [{"type": "text", "content": text}] if text else []


def _call(call: ToolCall) -> Json:
    return {"type": "tool_call", "id": call.id, "name": call.name, "arguments": call.arguments}
