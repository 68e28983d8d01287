"""The span of one call: whom it asked, who answered, what it took, and what was said where that is wanted."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from swapgate.errors import ErrorKind
from swapgate.records import Answer, Json, ModelIdentity, TrialError
from swapgate.reporting.otel import names
from swapgate.reporting.otel.content import Content, output_messages
from swapgate.reporting.otel.signals import NS, Event, Kind, Span, known

# Models of these run in this process.
_IN_PROCESS = {"local", "python", "recorded"}
# What ended a trial before anything was sent.
_NOT_SENT = {
    ErrorKind.MISSING_RECORDING,
    ErrorKind.BUDGET,
    ErrorKind.PROMPT,
    ErrorKind.USER_CODE,
    ErrorKind.INTERNAL,
}


def whom(identity: ModelIdentity | None, name: str) -> dict[str, Json]:
    """Return which model a call asks, and where; `name` is the catalogue's, for one that the run lacks."""
    provider = identity.provider if identity else "unknown"
    return {
        names.OPERATION: names.CHAT,
        names.PROVIDER: names.PROVIDERS.get(provider, provider),
        names.REQUEST_MODEL: identity.model if identity else name,
        **_address(identity.base_url if identity else None),
    }


def call_span(
    answer: Answer,
    identity: ModelIdentity | None,
    *,
    start_ns: int,
    content: Content,
    asked: Sequence[Json] | None = None,
    more: Mapping[str, Json] = {},
) -> Span:
    """Return the span of an answered call. `asked` are its messages, None where they are not recorded."""
    response, usage = answer.response, answer.response.usage
    attributes: dict[str, Json] = {
        **whom(identity, answer.model),
        names.RESPONSE_MODEL: response.model_served,
        names.RESPONSE_ID: response.request_id,
        names.FINISH_REASONS: [response.finish_reason],
        names.FIRST_CHUNK_S: response.ttft_s,
        names.INPUT_TOKENS: usage.tokens_in,
        names.OUTPUT_TOKENS: usage.tokens_out,
        names.CACHE_READ_TOKENS: usage.tokens_cached_in,
        names.CACHE_WRITE_TOKENS: usage.tokens_cache_write,
        names.REASONING_TOKENS: usage.tokens_reasoning,
        names.FINGERPRINT: response.fingerprint,
        "swapgate.from_cache": answer.from_cache,
        "swapgate.is_fallback": answer.is_fallback,
        "swapgate.cost_usd": answer.cost_usd,
        **more,
    }
    texts: dict[str, Json] = {}
    if content.is_any:
        messages = None if asked is None else list(asked)
        texts = known({names.INPUT_MESSAGES: messages, names.OUTPUT_MESSAGES: output_messages(response)})
    end_ns = start_ns + round((response.latency_s or 0.0) * NS)
    return Span(
        name=f"{names.CHAT} {attributes[names.REQUEST_MODEL]}",
        kind=_kind(identity),
        start_ns=start_ns,
        end_ns=end_ns,
        attributes=known({**attributes, **_on_span(texts, content)}),
        events=_beside(known(attributes), texts, end_ns, content),
    )


def failed_span(
    error: TrialError, identity: ModelIdentity | None, name: str, *, start_ns: int
) -> Span | None:
    """Return the span of a model's call that gave no answer, None where nothing was sent."""
    if error.source != "model" or error.kind in _NOT_SENT:
        return None
    asked = whom(identity, name)
    return Span(
        name=f"{names.CHAT} {asked[names.REQUEST_MODEL]}",
        kind=_kind(identity),
        start_ns=start_ns,
        end_ns=start_ns,
        attributes=known({**asked, names.ERROR_TYPE: error.kind.value}),
        error=error.kind.value,
    )


def _address(base_url: str | None) -> dict[str, Json]:
    url = urlsplit(base_url or "")
    if not url.hostname:
        return {}
    return {
        names.SERVER_ADDRESS: url.hostname,
        names.SERVER_PORT: url.port or (443 if url.scheme == "https" else 80),
    }


def _kind(identity: ModelIdentity | None) -> Kind:
    return "internal" if identity is not None and identity.provider in _IN_PROCESS else "client"


def _on_span(texts: Mapping[str, Json], content: Content) -> dict[str, Json]:
    """Return texts as a span carries them: as JSON, since few services read anything but text there."""
    if not content.is_on_spans:
        return {}
    return {name: json.dumps(value, ensure_ascii=False) for name, value in texts.items()}


def _beside(
    attributes: Mapping[str, Json], texts: Mapping[str, Json], at_ns: int, content: Content
) -> tuple[Event, ...]:
    if not content.is_in_events:
        return ()
    return (Event(name=names.DETAILS, at_ns=at_ns, attributes={**attributes, **texts}),)
