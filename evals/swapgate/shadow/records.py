"""What is remembered of one mirrored exchange: what was asked, and how each leg answered."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Literal

from swapgate.errors import ErrorKind
from swapgate.records import FinishReason, Json, Response, ToolCall, Usage, content_hash
from swapgate.storable import parse_json
from swapgate.values import Value, replace

# How the application asks: the three wire formats, or a callable of its own.
Api = Literal["chat", "responses", "messages", "call"]
# `waiting`: the candidate is still to be asked, or is being asked. `whole`: every leg has come that was to
# come; the candidate is not asked where the control gave no answer, or a route has none. `unasked`: the day's
# budget was spent, or the candidate's wire format cannot carry the request. `lost`: the process that asked
# died, and without stored content nobody can ask again.
State = Literal["waiting", "whole", "unasked", "lost"]
Served = Literal["control", "candidate"]
_KEPT_FROM_ANSWERS: set[str | None] = {"refusal", "content_filter"}


class Leg(Value):
    """One model's answer to an exchange, or why there is none.

    `model` is its name in models.yml. `status` is the HTTP status, None where none came. With an `error_kind`
    there is no answer; `error` is its message, without secrets. `text` and `tool_calls` are content: they
    are there while an exchange is compared, and in the store only where content is kept; what follows from
    them (`chars`, the hashes, `tool_names`) is there always. `tools_hash` is that of the names and canonical
    arguments, so equal calls have equal hashes however their JSON is written. `retries` counts the attempts
    after the first. Times are seconds from sending the request; `cost_usd` is the list price.
    """

    model: str
    status: int | None = None
    error_kind: ErrorKind | None = None
    error: str | None = None
    finish_reason: FinishReason | None = None
    text: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    chars: int | None = None
    text_hash: str | None = None
    tool_names: tuple[str, ...] = ()
    tools_hash: str | None = None
    usage: Usage = field(default_factory=Usage)
    ttft_s: float | None = None
    latency_s: float | None = None
    model_served: str | None = None
    fingerprint: str | None = None
    request_id: str | None = None
    dropped_params: tuple[str, ...] = ()
    cost_usd: float | None = None
    retries: int = 0

    @property
    def has_answer(self) -> bool:
        """Whether the model answered, be it with a refusal."""
        return self.error_kind is None

    @property
    def is_refusal(self) -> bool:
        """Whether the model, or a filter before it, said that it will not answer.

        A refusal in words alone is an answer: only who reads the text can tell.
        """
        return self.finish_reason in _KEPT_FROM_ANSWERS or self.error_kind is ErrorKind.CONTENT_FILTER


class Exchange(Value):
    """One request of the application and what its legs answered. Nothing of it is stored before redaction.

    `key` is its name for all time: stored once, whatever dies or is replayed. `at` is ISO 8601 in UTC, and
    `day` its date. `setup` is a hash of what is compared (models, parameters, the candidate's prompt):
    exchanges of different setups are not of one comparison. `tags` are slices as `name:value`. `unit` is a
    hash of whom sampling kept together (a user, a session), None where each request stood for itself:
    exchanges of one unit are not independent. `control` is None where the candidate served alone, `candidate`
    where it was not asked (yet). `request` is the body as JSON, redacted; None where content is
    not kept. `request_hash` is that of the body before redaction. `turns` counts its messages: from the
    second turn of the assistant on, the candidate answers to the control's history. `served` says whose
    answer the application had (the candidate's during a ramp). `again` is control': the control asked a
    second time, for the noise floor. `redactions` counts what was taken out, by kind.
    """

    key: str
    route: str
    at: str
    api: Api
    control: Leg | None
    setup: str = ""
    tags: tuple[str, ...] = ()
    unit: str | None = None
    source: Literal["proxy", "process", "log"] = "proxy"
    served: Served = "control"
    request: Json = None
    request_hash: str = ""
    request_chars: int = 0
    turns: int = 1
    is_streamed: bool = False
    has_tools: bool = False
    state: State = "whole"
    candidate: Leg | None = None
    again: Leg | None = None
    wants_again: bool = False
    redactions: Mapping[str, int] = field(default_factory=dict)

    @property
    def day(self) -> str:
        """The date in UTC, as in 2026-11-26."""
        return self.at[:10]

    @property
    def served_leg(self) -> Leg | None:
        """The answer that the application had."""
        return self.control if self.served == "control" else self.candidate

    @property
    def has_content(self) -> bool:
        """Whether the request and the answers' texts are here."""
        return self.request is not None

    @property
    def is_multi_turn(self) -> bool:
        """Whether the request holds earlier answers of the control, which the candidate did not give."""
        return self.turns > 1


class Stored(Value):
    """An exchange as the store holds it, with what its comparison said while the content was at hand."""

    exchange: Exchange
    comparison: Mapping[str, Json] | None = None


class Count(Value):
    """How much of something a route saw on a day; see COUNTED."""

    day: str
    route: str
    what: str
    amount: float


# Every request that reaches a route is `seen`; one reason is counted for each that is not mirrored.
COUNTED: Mapping[str, str] = {
    "seen": "requests that reached the route",
    "mirrored": "handed to the mirror",
    "not_sampled": "outside the sample",
    "opted_out": "the request asked not to be mirrored",
    "server_tools": "the request uses tools that the provider runs",
    "request_too_large": "the request is over the body limit",
    "answer_too_large": "the control's answer is over the body limit",
    "unreadable": "the request is not JSON, or has no form that is known",
    "untranslatable": "the candidate's wire format cannot carry the request",
    "control_failed": "the control gave no answer",
    "client_left": "the application went away before the answer was whole",
    "shed": "the mirror's queue was full",
    "lost": "handed to a mirror that died; a record of it may be there",
    "over_budget": "the day's budget was spent",
    "spent_usd": "US dollars that the candidate and control' cost",
    "judged_usd": "US dollars that judging pairs cost",
}


def answered(model: str, response: Response, *, status: int | None = 200, retries: int = 0) -> Leg:
    """Return the leg of a response."""
    calls = response.tool_calls
    return Leg(
        model=model,
        status=status,
        finish_reason=response.finish_reason,
        text=response.text,
        tool_calls=calls,
        chars=len(response.text),
        text_hash=content_hash(response.text),
        tool_names=tuple(call.name for call in calls),
        tools_hash=content_hash([_canonical(call) for call in calls]) if calls else None,
        usage=response.usage,
        ttft_s=response.ttft_s,
        latency_s=response.latency_s,
        model_served=response.model_served,
        fingerprint=response.fingerprint,
        request_id=response.request_id,
        dropped_params=response.dropped_params,
        retries=retries,
    )


def without_content(exchange: Exchange) -> Exchange:
    """Return the exchange without what was said; what follows from it stays."""

    def bare(leg: Leg | None) -> Leg | None:
        return None if leg is None else replace(leg, text=None, tool_calls=(), error=_first_line(leg.error))

    return replace(
        exchange,
        request=None,
        control=bare(exchange.control),
        candidate=bare(exchange.candidate),
        again=bare(exchange.again),
    )


def total_cost_usd(legs: Iterable[Leg | None]) -> float:
    """Sum what the legs cost, as far as it is known."""
    return sum(leg.cost_usd or 0.0 for leg in legs if leg is not None)


def _canonical(call: ToolCall) -> Json:
    try:
        arguments = parse_json(call.arguments or "{}")
    except ValueError:
        arguments = call.arguments
    return [call.name, json.dumps(arguments, sort_keys=True, separators=(",", ":"))]


def _first_line(error: str | None) -> str | None:
    """Providers quote the request in their errors, after what is wrong with it."""
    return None if error is None else error.split("\n", 1)[0][:300]
