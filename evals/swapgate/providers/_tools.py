"""Tools and tool calls as people and models write them, read into one form for every wire format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic_core import from_json

from swapgate.errors import ErrorKind, ProviderError
from swapgate.records import Json, ToolCall
from swapgate.values import Value


class Tool(Value):
    """One function that a model may call; `parameters` is a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Json]


def read_tools(written: Sequence[Json]) -> tuple[Tool, ...]:
    """Read tools in OpenAI's form (`{type: function, function: {...}}`), bare, or in Anthropic's form."""
    return tuple(_read_tool(tool) for tool in written)


def call_arguments(call: ToolCall) -> dict[str, Json]:
    """Return a call's arguments as an object, for formats that want one."""
    try:
        value: Json = from_json(call.arguments or "{}")
    except ValueError:
        value = None
    if not isinstance(value, dict):
        message = (
            f"the conversation's call of {call.name!r} has no JSON object as arguments: {call.arguments!r}"
        )
        raise ProviderError(message, kind=ErrorKind.BAD_REQUEST)
    return value


def arguments_text(arguments: Json) -> str:
    """Return arguments as JSON text; a text is kept as the model wrote it."""
    return arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)


def _read_tool(written: Json) -> Tool:
    function = written.get("function", written) if isinstance(written, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        message = f"a tool must have a name: {{name, description, parameters}}, got {written!r}"
        raise ProviderError(message, kind=ErrorKind.BAD_REQUEST)
    parameters = function.get("parameters") or function.get("input_schema")
    return Tool(
        name=str(function["name"]),
        description=str(function.get("description") or ""),
        parameters=parameters if isinstance(parameters, dict) else {"type": "object", "properties": {}},
    )
