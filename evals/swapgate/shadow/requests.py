"""The application's request: what it is, and what the candidate is sent in its place."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from swapgate.errors import SwapgateError
from swapgate.providers.openai import streamed
from swapgate.records import Json, Message, Request, ToolCall
from swapgate.shadow.records import Api
from swapgate.spec.models import ModelSpec
from swapgate.spec.shadow import Route
from swapgate.spec.token_limits import params_over

_APIS: Mapping[str, Api] = {
    "/chat/completions": "chat",
    "/responses": "responses",
    "/messages": "messages",
}
_LIMITS: Mapping[Api, str] = {"chat": "max_completion_tokens", "responses": "max_output_tokens"}
# Anthropic defines them, the application runs them:
# https://platform.claude.com/docs/en/agents-and-tools/tool-use/overview
_RUN_BY_APPLICATION = ("custom", "bash_", "text_editor_", "computer_", "memory_")
# They point at what only the control's provider holds.
_STATE_FIELDS = ("previous_response_id", "conversation", "container", "background")
_SERVER_FIELDS = ("mcp_servers", *_STATE_FIELDS)
# Looked for in tuples: what an application sends may be anything, also what has no hash.
_ANSWERED = ("function_call", "reasoning")
_SYSTEM = ("system", "developer")
_THOUGHT = ("thinking", "redacted_thinking")
_SETTINGS = ("temperature", "top_p", "stop", "seed", "presence_penalty", "frequency_penalty")


class Untranslatable(SwapgateError):
    """A request has no form in the candidate's wire format."""


def api_of(path: str) -> Api | None:
    """Return the wire format of a path, None where it is none that is mirrored."""
    return next((api for end, api in _APIS.items() if path.endswith(end)), None)


def has_server_tools(body: Mapping[str, Json]) -> bool:
    """Whether the provider acts in answering: runs tools, or continues what it holds itself."""
    if body.get("web_search_options") is not None or any(body.get(name) for name in _SERVER_FIELDS):
        return True
    return any(not _is_run_by_application(tool) for tool in _list(body.get("tools")))


def turns_of(body: Mapping[str, Json]) -> int:
    """Return how many answers the conversation has with this one."""
    messages = _list(body.get("messages", body.get("input")))
    roles = [_role(message) for message in messages]
    # Several messages in a row are one answer.
    starts = [role for role, before in zip(roles, [None, *roles], strict=False) if role != before]
    return 1 + starts.count("assistant")


def mirrored_body(body: Mapping[str, Json], api: Api, spec: ModelSpec, route: Route) -> dict[str, Json]:
    """Return the body of a copy that nobody sees: not kept by the provider, and with its tokens counted."""
    sent = candidate_body(body, api, spec, route)
    if sent.get("store") or api == "responses":
        sent["store"] = False  # the default of the Responses API is to keep them
    return streamed(spec, sent) if api == "chat" and sent.get("stream") else sent


def candidate_body(body: Mapping[str, Json], api: Api, spec: ModelSpec, route: Route) -> dict[str, Json]:
    """Return the application's body for another model of the same wire format.

    The route's parameters win over the application's, which win over those of models.yml.
    """
    left_out = {*spec.unset, *(name for name, value in route.params.items() if value is None)}
    merged = params_over(params_over(spec.params, body), route.params)
    sent = {name: value for name, value in merged.items() if name not in left_out}
    sent |= _overridden(sent, api, route)
    sent["model"] = spec.model
    _rename_limit(sent, api, spec)
    return sent


def encoded(body: Mapping[str, Json]) -> bytes:
    """Return a body as compact JSON."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def to_request(body: Mapping[str, Json], api: Api, spec: ModelSpec, route: Route) -> Request:
    """Return the application's request for a model of any other wire format; raises Untranslatable."""
    sent = {**body, **_overridden(body, api, route)}
    own: dict[str, Json] = {name: sent[name] for name in _SETTINGS if name in sent}
    limit = next((sent[n] for n in (*_LIMITS.values(), "max_tokens") if sent.get(n) is not None), None)
    own |= {"max_tokens": limit} if limit is not None else {}
    own |= {"stop": sent["stop_sequences"]} if "stop_sequences" in sent else {}
    params = params_over(params_over(spec.params, own), route.params)
    schema, is_json = _output_format(sent, api)
    return Request(
        model=spec.model,
        messages=tuple(_messages(sent, api)),
        params={name: value for name, value in params.items() if value is not None},
        output_schema=schema,
        json_mode=is_json,
        tools=tuple(_tool(tool) for tool in _list(sent.get("tools"))),
    )


def _overridden(body: Mapping[str, Json], api: Api, route: Route) -> dict[str, Json]:
    """Return the fields that a route's prompt changes."""
    if route.prompt.system is None and route.prompt.system_append is None:
        return {}
    if api == "chat":
        messages = _list(body.get("messages"))
        system = [m for m in messages if _is_system(m)]
        own = "\n\n".join(_text_of(m.get("content")) for m in system if isinstance(m, dict))
        others = [m for m in messages if not _is_system(m)]
        return {"messages": [{"role": "system", "content": _told(own, route)}, *others]}
    name = "instructions" if api == "responses" else "system"
    return {name: _told(_text_of(body.get(name)), route)}


def _told(own: str, route: Route) -> str:
    system = own if route.prompt.system is None else route.prompt.system
    parts = (system, route.prompt.system_append or "")
    return "\n\n".join(part for part in parts if part)


def _rename_limit(sent: dict[str, Json], api: Api, spec: ModelSpec) -> None:
    """OpenAI's own newer models take `max_completion_tokens` where everybody else takes `max_tokens`."""
    if api != "chat":
        return
    names = ("max_tokens", "max_completion_tokens")
    old, new = names if spec.provider in {"openai", "azure"} else names[::-1]
    if old in sent:
        limit = sent.pop(old)
        sent.setdefault(new, limit)


def _is_run_by_application(tool: Json) -> bool:
    if not isinstance(tool, dict):
        return False
    kind = tool.get("type")
    return (
        kind is None or kind == "function" or (isinstance(kind, str) and kind.startswith(_RUN_BY_APPLICATION))
    )


def _role(message: Json) -> Json:
    if not isinstance(message, dict):
        return None
    return "assistant" if message.get("type") in _ANSWERED else message.get("role")


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _is_system(message: Json) -> bool:
    return isinstance(message, dict) and message.get("role") in _SYSTEM


def _messages(body: Mapping[str, Json], api: Api) -> Iterator[Message]:
    system = _text_of(body.get("instructions" if api == "responses" else "system")) if api != "chat" else ""
    if system:
        yield Message(role="system", content=system)
    written = body.get("input") if api == "responses" else body.get("messages")
    if isinstance(written, str):
        yield Message(role="user", content=written)
        return
    for message in _list(written):
        if not isinstance(message, dict):
            raise Untranslatable("a message is no object")
        yield from _items(message)


def _items(message: Mapping[str, Json]) -> Iterator[Message]:
    """Yield the messages of one written turn: Anthropic puts results of tools into the user's."""
    kind = message.get("type")
    if kind == "function_call":
        yield Message(role="assistant", content="", tool_calls=(_call(message, dict(message)),))
        return
    if kind == "function_call_output":
        yield Message(
            role="tool", content=_text_of(message.get("output")), tool_call_id=_id(message, "call_id")
        )
        return
    if kind not in (None, "message"):
        raise Untranslatable(f"an item of the conversation is of the type {kind!r}")
    blocks = _list(message.get("content"))
    for block in blocks:
        if isinstance(block, dict) and block.get("type") == "tool_result":
            content = _text_of(block.get("content"))
            yield Message(role="tool", content=content, tool_call_id=_id(block, "tool_use_id"))
    others: Json = [b for b in blocks if not (isinstance(b, dict) and b.get("type") == "tool_result")]
    if blocks and not others:
        return
    yield from _turn(message, others if blocks else message.get("content"))


def _turn(message: Mapping[str, Json], content: Json) -> Iterator[Message]:
    calls = [_call(c, c.get("function")) for c in _list(message.get("tool_calls")) if isinstance(c, dict)]
    texts: list[Json] = []
    for block in _list(content):
        if isinstance(block, dict) and block.get("type") == "tool_use":
            calls.append(_call(block, block))
        elif not (isinstance(block, dict) and block.get("type") in _THOUGHT):
            texts.append(block)
    text = _text_of(texts if isinstance(content, list) else content)
    role = message.get("role")
    match "system" if role == "developer" else role:
        case "system" | "user" | "assistant" as known:
            yield Message(role=known, content=text, tool_calls=tuple(calls))
        case "tool":
            yield Message(role="tool", content=text, tool_call_id=_id(message, "tool_call_id"))
        case _:
            raise Untranslatable(f"a message has the role {role!r}")


def _call(outer: Mapping[str, Json], function: Json) -> ToolCall:
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Untranslatable("a tool call has no function with a name")
    arguments = function.get("arguments", function.get("input", {}))
    text = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall(name=str(function["name"]), arguments=text, id=_id(outer, "call_id") or _id(outer, "id"))


def _id(holder: Mapping[str, Json], name: str) -> str | None:
    value = holder.get(name)
    return value if isinstance(value, str) else None


def _text_of(content: Json) -> str:
    """Return the text of a message's content; raises Untranslatable for images, files and sound."""
    if content is None or isinstance(content, str):
        return content or ""
    if not isinstance(content, list):
        raise Untranslatable("a message's content is neither text nor a list")
    return "".join(_part_text(part) for part in content)


def _part_text(part: Json) -> str:
    if isinstance(part, dict):
        for name in ("text", "refusal"):
            value = part.get(name)
            if isinstance(value, str):
                return value
    kind = part.get("type") if isinstance(part, dict) else type(part).__name__
    raise Untranslatable(f"a message holds a part of the type {kind!r}")


def _tool(tool: Json) -> Json:
    """Return a tool as `providers/_tools.py` reads it; that of the Responses format is flat."""
    if not isinstance(tool, dict):
        raise Untranslatable("a tool is no object")
    kind = tool.get("type")
    if kind not in (None, "function", "custom") or (kind == "custom" and "input_schema" not in tool):
        raise Untranslatable(f"a tool is of the type {kind!r}")
    function = tool.get("function", tool)
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise Untranslatable("a tool has no name")
    parameters = function.get("parameters") or function.get("input_schema") or {}
    return {
        "name": function["name"],
        "description": function.get("description") or "",
        "parameters": parameters,
    }


def _output_format(body: Mapping[str, Json], api: Api) -> tuple[Mapping[str, Json] | None, bool]:
    """Return the schema that decoding is held to, and whether it is held to any JSON."""
    holder = body.get({"chat": "response_format", "responses": "text"}.get(api, "output_config"))
    wanted = holder if api == "chat" or not isinstance(holder, dict) else holder.get("format")
    if not isinstance(wanted, dict):
        return None, False
    named = wanted.get("json_schema", wanted)
    schema = named.get("schema") if isinstance(named, dict) else None
    return (schema if isinstance(schema, dict) else None), wanted.get("type") == "json_object"


def text_size(bodies: Sequence[Json]) -> int:
    """Return how many characters of text JSON values hold."""
    total, left = 0, list(bodies)
    while left:
        value = left.pop()
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value
    return total
