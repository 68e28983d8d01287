"""What a callable of the user's own was asked and returned, read as a request and an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from swapgate.providers._failures import Target
from swapgate.providers._reply import Reply
from swapgate.providers._responses import read_response
from swapgate.providers.anthropic import read_message
from swapgate.providers.openai import read_completion
from swapgate.records import Json, Response, to_json
from swapgate.storable import whole

_TARGET = Target(name="the callable", model="", host="in this process", written={})


def read_answer(value: Any) -> Response:
    """Return what a callable returned as a response; ProviderError where a wire format is broken.

    A text, a response, what an official client returns, or a dict in a wire format; anything else counts as
    its JSON.
    """
    if isinstance(value, Response):
        return value
    if isinstance(value, str):
        return Response(text=value)
    plain = _plain(value)
    if isinstance(plain, dict):
        reply = Reply(target=_TARGET, text=_json(plain), latency_s=None, secrets=())
        if isinstance(plain.get("choices"), list):
            return read_completion(reply)
        if plain.get("object") == "response" and isinstance(plain.get("output"), list):
            return read_response(reply)
        if plain.get("type") == "message" and isinstance(plain.get("content"), list):
            return read_message(reply)
    return Response(text=_json(plain))


def read_call(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Json]:
    """Return a call's arguments as JSON: its one dict, its named ones, or `args` beside those."""
    if not kwargs and len(args) == 1 and isinstance(args[0], dict):
        asked = _plain(args[0])
    elif args:
        asked = {"args": [_plain(value) for value in args], **{k: _plain(v) for k, v in kwargs.items()}}
    else:
        asked = {name: _plain(value) for name, value in kwargs.items()}
    assert isinstance(asked, dict)
    return asked


def _plain(value: Any) -> Json:
    """Return a value as JSON has it; what has no form in it, by its text."""
    if hasattr(value, "model_dump"):
        value = value.model_dump(mode="json")
    elif isinstance(value, Response):
        value = to_json(value)
    plain: Json = json.loads(json.dumps(whole(value), default=repr, allow_nan=True))
    return plain


def _json(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)
