"""The user's own HTTP endpoint: a templated request, and a pointer to the answer's text in the reply."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from jsonpointer import JsonPointer, JsonPointerException

from swapgate.errors import ErrorKind, PromptError, ProviderError, UsageError
from swapgate.providers._reply import Reply
from swapgate.providers._wire import Wire, WireProvider
from swapgate.records import Json, Request, Response
from swapgate.spec.models import ModelSpec
from swapgate.spec.templates import check_syntax, render_template

_ONE_NAME = re.compile(r"\{\{\s*([A-Za-z_]\w*)\s*\}\}")
_BODILESS = {"GET", "HEAD"}


class HttpProvider(WireProvider):
    """Asks one endpoint, `base_url` as it is. Templates see the case's variables, `messages` and `prompt`."""

    needs_variables = True

    def __init__(self, spec: ModelSpec, wire: Wire, *, identity: Mapping[str, Json]) -> None:
        super().__init__(spec, wire, identity=identity)
        self._pointer = _pointer(spec)
        if spec.request is None and wire.method not in _BODILESS:
            example = 'request: {question: "{{ prompt }}"}'
            raise UsageError(
                f"model {spec.name!r}: provider http needs the body to send, for example {example}"
            )
        _check_templates(spec, spec.request)

    async def complete(self, request: Request) -> Response:
        """Return the response to one request; one attempt."""
        template = self._spec.request
        body = None if template is None else _fill(self._spec, template, _context(request))
        reply = await self._wire.send(body)
        return Response(
            text=reply.text if self._pointer is None else _text(reply, self._pointer),
            request_id=reply.request_id,
            latency_s=reply.latency_s,
        )


def _check_templates(spec: ModelSpec, value: Json) -> None:
    if isinstance(value, str):
        if wrong := check_syntax(value):
            raise UsageError(f"model {spec.name!r}: request, in {value!r}: {wrong}")
    elif isinstance(value, list | dict):
        for item in value.values() if isinstance(value, dict) else value:
            _check_templates(spec, item)


def _context(request: Request) -> dict[str, Json]:
    messages: list[Json] = [{"role": m.role, "content": m.content} for m in request.messages]
    prompt = next((m.content for m in reversed(request.messages) if m.role == "user"), "")
    return {"messages": messages, "prompt": prompt, **request.variables}


def _fill(spec: ModelSpec, value: Json, context: Mapping[str, Json]) -> Json:
    """Fill the templates of a body; a text that is one name alone keeps its value's JSON type."""
    if isinstance(value, list):
        return [_fill(spec, item, context) for item in value]
    if isinstance(value, dict):
        return {key: _fill(spec, item, context) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    alone = _ONE_NAME.fullmatch(value)
    if alone and alone[1] in context:
        return context[alone[1]]
    try:
        return render_template(value, variables=context, blocks={})
    except PromptError as exc:
        message = f"model {spec.name!r}: request, in {value!r}: {exc}"
        raise ProviderError(message, kind=ErrorKind.PROMPT) from exc


def _pointer(spec: ModelSpec) -> JsonPointer | None:
    if spec.answer is None:
        return None
    try:
        return JsonPointer(spec.answer)
    except JsonPointerException as exc:
        message = (
            f"model {spec.name!r}: answer {spec.answer!r} is no JSON pointer: write it like /choices/0/text"
        )
        raise UsageError(message) from exc


def _text(reply: Reply, pointer: JsonPointer) -> str:
    body = reply.json()
    try:
        value = pointer.resolve(body)
        return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    except (JsonPointerException, TypeError):
        raise reply.bad(f"the answer has nothing at {pointer.path}") from None
