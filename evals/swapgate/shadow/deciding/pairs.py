"""The words of single exchanges, for a person to look at: only where content is kept."""

from __future__ import annotations

from collections.abc import Iterable

from swapgate.judging.subject import answer_text
from swapgate.records import Message, Response
from swapgate.shadow.comparing.asked import messages_of
from swapgate.shadow.deciding.observations import Observation
from swapgate.shadow.records import Exchange, Leg
from swapgate.shadow.store import ShadowStore
from swapgate.values import Value


class Pair(Value):
    """One exchange with its words, None where they are not kept.

    `differs_in` names aspects, `preference` is the judge's.
    """

    key: str
    route: str
    at: str
    slices: tuple[str, ...]
    differs_in: tuple[str, ...]
    failed_checks: tuple[str, ...] = ()
    asked: str | None = None
    control: str | None = None
    candidate: str | None = None
    preference: float | None = None


def read_pairs(store: ShadowStore, observations: Iterable[Observation]) -> list[Pair]:
    """Return these exchanges with their words, in their order."""
    found = ((one, store.get(one.key)) for one in observations)
    return [_pair(one, stored.exchange) for one, stored in found if stored is not None]


def _pair(one: Observation, exchange: Exchange) -> Pair:
    return Pair(
        key=one.key,
        route=exchange.route,
        at=exchange.at,
        slices=exchange.tags,
        differs_in=one.likeness.differs_in,
        failed_checks=one.comparison.candidate_failed or (),
        asked=asked(exchange),
        control=said(exchange.control),
        candidate=said(exchange.candidate),
        preference=one.comparison.preference,
    )


def asked(exchange: Exchange) -> str | None:
    """Return the last turn of the user, or the whole conversation where there is none."""
    messages = messages_of(exchange)
    if not messages:
        return None
    last = [message for message in messages if message.role == "user"] or list(messages)
    return _words(last[-1])


def said(leg: Leg | None) -> str | None:
    """Return what a leg answered, its tool calls included."""
    if leg is None or (leg.text is None and not leg.tool_calls):
        return None
    return answer_text(Response(text=leg.text or "", tool_calls=leg.tool_calls))


def _words(message: Message) -> str:
    return answer_text(Response(text=message.content, tool_calls=message.tool_calls))
