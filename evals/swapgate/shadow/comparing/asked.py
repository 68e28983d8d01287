"""What an exchange asked, as messages: for judges, for cases and for people."""

from __future__ import annotations

from collections.abc import Mapping

from swapgate.records import Json, Message
from swapgate.shadow.records import Exchange
from swapgate.shadow.requests import Untranslatable, to_request
from swapgate.spec.models import ModelSpec
from swapgate.spec.shadow import Route

_NOBODY = ModelSpec(name="nobody", provider="recorded", model="nobody")


def messages_of(exchange: Exchange) -> tuple[Message, ...]:
    """Return the conversation; empty where its content is not kept, or it holds more than text."""
    if not isinstance(exchange.request, Mapping):
        return ()
    body: Mapping[str, Json] = exchange.request
    try:
        return to_request(body, exchange.api, _NOBODY, Route(control=_NOBODY.name)).messages
    except Untranslatable:
        return ()
