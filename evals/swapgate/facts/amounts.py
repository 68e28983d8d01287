"""What answers took: money, tokens, calls; and what one verdict took of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Literal, NamedTuple, TypeVar

from swapgate.records import Answer, Verdict

Same = TypeVar("Same", bound=tuple[object, ...])
Amount = TypeVar("Amount", int, float)


class JudgeCalls(NamedTuple):
    """What one verdict took: calls, tokens and US dollars at list price (None when unknown).

    The second stage's, where a judge `escalates_to` another model, are part of all. `counted` are the calls
    whose tokens the provider counted. Of the replies that count, `weighted` had log-probabilities and
    `plain` lacked them. `served` are models with the ids that the services told for them.
    """

    judge: str
    models: tuple[str, ...]
    calls: int
    tokens_in: int
    tokens_out: int
    counted: int
    cost_usd: float | None
    latencies_s: tuple[float, ...]
    escalates_to: str = ""
    is_escalated: bool = False
    second_calls: int = 0
    second_usd: float | None = 0.0
    weighted: int = 0
    plain: int = 0
    served: tuple[tuple[str, str], ...] = ()


def calls_of(verdict: Verdict) -> JudgeCalls:
    """Return what one verdict took."""
    answers = verdict.answers
    usages = [answer.response.usage for answer in answers]
    second_calls = sum(opinion.calls for opinion in verdict.opinions if opinion.stage == 2)
    second = [
        s.answer for s in verdict.samples[len(verdict.samples) - second_calls :] if s.answer is not None
    ]
    valid = [sample.is_weighted for sample in verdict.samples if sample.status == "valid"]
    return JudgeCalls(
        judge=verdict.judge,
        models=same(
            tuple(dict.fromkeys([*(o.model for o in verdict.opinions), *(a.model for a in answers)]))
        ),
        calls=len(answers),
        tokens_in=sum_of([usage.tokens_in or 0 for usage in usages]),
        tokens_out=sum_of([usage.tokens_out or 0 for usage in usages]),
        counted=sum(map(is_counted, answers)),
        cost_usd=list_price(answers),
        latencies_s=same(tuple(round(t, 3) for a in answers if (t := a.response.latency_s) is not None)),
        escalates_to=verdict.escalation.to if verdict.escalation is not None else "",
        is_escalated=verdict.escalation is not None and bool(verdict.escalation.why),
        second_calls=second_calls,
        second_usd=list_price(second),
        weighted=valid.count(True),
        plain=valid.count(False),
        served=same(
            tuple(dict.fromkeys((a.model, served) for a in answers if (served := a.response.model_served)))
        ),
    )


def read_calls(written: list[Any]) -> JudgeCalls:
    """Return what one verdict took, from its JSON."""
    one = JudgeCalls(*written[: len(JudgeCalls._fields)])
    return one._replace(
        models=same(tuple(one.models)),
        latencies_s=tuple(one.latencies_s),
        served=same(tuple(map(tuple, one.served))),
    )


def list_price(answers: Iterable[Answer]) -> float | None:
    """Return the sum of the answers' list prices in US dollars; None when one is unknown."""
    prices = [_price(answer) for answer in answers]
    known = [price for price in prices if price is not None]
    return sum_of(known) if len(known) == len(prices) else None


def price_paid(answers: Sequence[Answer]) -> float | None:
    """Return what was paid this time in US dollars; None when unknown.

    Answers from the cache are free, and an attempt that was cancelled costs as much as what came instead.
    """
    return list_price(
        answer for answer in answers if not answer.from_cache for _attempt in range(1 + answer.cancelled)
    )


def sum_of(amounts: Sequence[Amount]) -> Amount | Literal[0]:
    """Return the sum: of one amount that itself, so that it is held once wherever it is named."""
    return amounts[0] if len(amounts) == 1 else sum(amounts)


def served_ids(answers: Iterable[Answer]) -> tuple[str, ...]:
    """Return the ids under which the models were served, as the services told them."""
    return tuple(sorted({a.response.model_served for a in answers if a.response.model_served}))


def is_counted(answer: Answer) -> bool:
    """Whether the provider counted the tokens of an answer."""
    usage = answer.response.usage
    return usage.tokens_in is not None or usage.tokens_out is not None


def _price(answer: Answer) -> float | None:
    usage = answer.response.usage
    is_free = answer.cost_usd is None and usage.tokens_in == 0 and usage.tokens_out == 0
    return 0.0 if is_free else answer.cost_usd


@lru_cache(maxsize=4096)
def same(value: Same) -> Same:
    """Return the one of equal values that came first: thousands of trials have the same results."""
    return value
